"""Values as a model learns them: as they are, or as the normal quantiles of their ranks, with the way back."""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from metanas.errors import UnknownNameError

Floats = NDArray[np.float64]
Scale = Literal["normal", "plain"]

SCALES = ("normal", "plain")

_NODES = 20
_END = 0.1  # share of the examples that says how steep the way back is beyond the extremes
_KEPT = 512  # of so many examples at most, quantiles are computed once in a process: a search asks again and again


class Targets:
    """A monotone map between values and what a model learns, made from the values of a fit.

    ``"normal"``: the k-th of n different values becomes the quantile (k − 3/8) / (n + 1/4) of the standard normal
    distribution (Blom's scores), so that a few diverged trainings do not outweigh all differences among the good ones.
    The way back is linear between examples and beyond the extremes, strictly monotone throughout. ``"plain"``: mean 0
    and standard deviation 1.
    """

    def __init__(self, y: Floats, scale: Scale) -> None:
        """Make the map.

        Args:
            y: values of the fit, ``(n,)``, not all equal.
            scale: kind of map.

        Raises:
            UnknownNameError: there is no such kind.
        """
        if scale not in SCALES:
            raise UnknownNameError("scale", scale, SCALES)
        if scale == "plain":
            self._z, self._y = np.array([0.0, 1.0]), y.mean() + np.array([0.0, y.std() or 1.0])
        else:
            self._z, self._y = _normal_scores(y)

    def forward(self, y: Floats) -> Floats:
        """Return what to learn for values, ``(n,)``."""
        return _line(y, self._y, self._z)

    def back(self, mean: Floats, std: Floats | None) -> tuple[Floats, Floats | None]:
        """Return a prediction in the unit of the values: the middle, and half of what lies between −1 and +1 std."""
        middle = _line(mean, self._z, self._y)
        if std is None:
            return middle, None
        low, high = (_line(mean + side * std, self._z, self._y) for side in (-1, 1))
        return middle, (high - low) / 2

    def expected(self, mean: Floats, std: Floats) -> tuple[Floats, Floats]:
        """Return mean and standard deviation, in the unit of the values, of what is normal on the learned scale.

        By Gauss-Hermite quadrature. The mean differs from the middle where the map is curved, and errs less on average;
        the order of equally sure answers stays.
        """
        nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
        weights = weights[:, None] / weights.sum()
        values = _line(mean + std * nodes[:, None], self._z, self._y)
        center = (weights * values).sum(axis=0)
        return center, np.sqrt((weights * (values - center) ** 2).sum(axis=0))


def normal_scores(y: Floats) -> Floats:
    """Return what ``Targets(y, "normal").forward(y)`` does, ``(n,)``, without the way back; values may all be equal."""
    order = np.argsort(y, kind="stable")
    ordered = y[order]
    last = np.ones(len(y), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=last[:-1])
    ends = last.nonzero()[0] + 1  # of each row of equal values
    scores = np.empty(len(y))
    if len(ends) == len(y):
        scores[order] = _quantiles(ends, len(y))
    else:
        counts = ends.copy()
        counts[1:] -= ends[:-1]
        scores[order] = np.repeat(_quantiles(ends - (counts - 1) / 2, len(y)), counts)
    return scores


def _quantiles(ranks: NDArray[np.float64 | np.int64], n: int) -> Floats:
    """Return Blom's scores of ranks among ``n``, which are whole or half numbers."""
    if n > _KEPT:
        return _computed(ranks, n)
    known, places = _known(n), (2 * ranks).astype(np.int64)
    new = np.isnan(known[places])
    if new.any():
        known[places[new]] = _computed(ranks[new], n)
    scores: Floats = known[places]
    return scores


def _computed(ranks: NDArray[np.float64 | np.int64], n: int) -> Floats:
    normal = NormalDist()
    return np.array([normal.inv_cdf(p) for p in (ranks - 3 / 8) / (n + 1 / 4)])


@lru_cache(maxsize=_KEPT)
def _known(n: int) -> Floats:
    """Return where the scores of n examples are kept, by twice their rank, NaN where they were not computed yet."""
    return np.full(2 * n + 1, np.nan)


def _normal_scores(y: Floats) -> tuple[Floats, Floats]:
    """Return the scores and the values that they stand for, both strictly ascending."""
    values, counts = np.unique(y, return_counts=True)
    last = np.cumsum(counts)
    scores = _quantiles(last - (counts - 1) / 2, len(y))
    # One more point beyond either end, on the line through the outer tenth: the two outermost values alone would
    # make the way back as steep or as flat as chance has it.
    outer = max(1, round(_END * len(values)))
    low, high = ((values[a] - values[b]) / (scores[a] - scores[b]) for a, b in ((outer, 0), (-1, -1 - outer)))
    scores = np.concatenate([[scores[0] - 1], scores, [scores[-1] + 1]])
    return scores, np.concatenate([[values[0] - low], values, [values[-1] + high]])


def _line(at: Floats, x: Floats, y: Floats) -> Floats:
    """Interpolate linearly between points with ascending ``x``, and go on as between the outer two beyond them."""
    left = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)  # exact where ``at`` is one of the points
    slope = np.diff(y) / np.diff(x)
    line: Floats = y[left] + (at - x[left]) * slope[left]
    return line
