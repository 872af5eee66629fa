"""How much of a table's ranking is signal: agreement between trainings with different seeds.

Needs scipy (extra ``[stats]``).
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from metanas.extras import require
from metanas.tables.schema import Direction


def kendall(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Return Kendall's tau-b between two columns over the cells measured in both, ``(n,)``; NaN below two cells."""
    both = ~(np.isnan(first) | np.isnan(second))
    if both.sum() < 2:
        return math.nan
    return float(require("scipy.stats", "stats", "Kendall's tau").kendalltau(first[both], second[both]).statistic)


def best(values: NDArray[np.floating], share: float, direction: Direction) -> NDArray[np.intp]:
    """Return the rows of the best ``share`` of the measured cells, best first; ``values`` is ``(n,)``."""
    rows = np.flatnonzero(~np.isnan(values))
    sign = -1.0 if direction == "maximize" else 1.0
    order = rows[np.argsort(sign * values[rows], kind="stable")]
    return order[: round(share * len(order))]


def tau_between_seeds(values: NDArray[np.floating], direction: Direction, share: float = 1.0) -> float:
    """Return the mean over pairs of seeds of Kendall's tau-b between the two, among the best cells.

    The best are those with the best mean over *all* seeds. Where ``share < 1``, the pair's own noise helps to choose
    them, which makes the figure too low: two seeds of pure noise give a negative tau. :func:`tau_chosen_apart` errs
    the other way.

    Args:
        values: ``(n, n_seeds)``, NaN = not measured; cells without all seeds are left out.
        direction: what is better.
        share: share of cells, 1 for all.

    Returns:
        NaN with fewer than two seeds.
    """
    whole = values[~np.isnan(values).any(axis=1)]
    chosen = whole[best(whole.mean(axis=1), share, direction)]
    return _mean([kendall(chosen[:, a], chosen[:, b]) for a, b in itertools.combinations(range(values.shape[1]), 2)])


def tau_chosen_apart(values: NDArray[np.floating], direction: Direction, share: float) -> float:
    """Return the same as :func:`tau_between_seeds`, the best cells chosen by the mean of the *other* seeds.

    The choice is free of the pair's noise but less exact, so that worse cells slip in: the figure is somewhat too high.

    Returns:
        NaN with fewer than three seeds.
    """
    whole = values[~np.isnan(values).any(axis=1)]
    taus = []
    for pair in itertools.combinations(range(values.shape[1]), 2):
        others = np.setdiff1d(np.arange(values.shape[1]), pair)
        if len(others):
            chosen = whole[best(whole[:, others].mean(axis=1), share, direction)]
            taus.append(kendall(chosen[:, pair[0]], chosen[:, pair[1]]))
    return _mean(taus)


def expected_tau(tau: float, n_seeds: int) -> float:
    """Return the tau to expect between two means of ``n_seeds`` seeds each, given that between two single seeds.

    Greiner's relation for jointly normal values, ``rho = sin(pi tau / 2)``, turns tau into a correlation; Spearman and
    Brown's formula, ``n rho / (1 + (n - 1) rho)``, gives that of means of ``n``; the relation turns it back.

    Returns:
        NaN for a tau that is not positive: there is no signal to average.
    """
    if not tau > 0:
        return math.nan
    rho = math.sin(math.pi * tau / 2)
    return 2 / math.pi * math.asin(n_seeds * rho / (1 + (n_seeds - 1) * rho))


def deviation(values: NDArray[np.floating]) -> float:
    """Return the standard deviation of one training about its cell's mean, pooled over cells.

    Args:
        values: ``(n, n_seeds)``, NaN = not measured.

    Returns:
        The root of the sum of squared deviations from the cells' means over its degrees of freedom (trainings less
        cells); NaN if no cell has two seeds.
    """
    measured = ~np.isnan(values)
    count = measured.sum(axis=1, keepdims=True)
    mean = np.where(measured, values, 0.0).sum(axis=1, keepdims=True) / np.maximum(count, 1)
    freedom = int(np.maximum(count - 1, 0).sum())
    squares = float((np.where(measured, values - mean, 0.0) ** 2).sum())
    return math.sqrt(squares / freedom) if freedom else math.nan


def standard_error(values: NDArray[np.floating]) -> float:
    """Return the typical standard error of a cell's mean over its seeds: the root of the mean of its square.

    Args:
        values: ``(n, n_seeds)``, NaN = not measured; the deviation of a training is pooled over all cells.

    Returns:
        NaN if no cell has two seeds.
    """
    count = (~np.isnan(values)).sum(axis=1)
    return deviation(values) * math.sqrt(float(np.mean(1.0 / count[count > 0]))) if count.any() else math.nan


def chance_of_best(
    values: NDArray[np.floating], direction: Direction, rng: np.random.Generator, draws: int = 2000
) -> float:
    """Return how often the table's best cell is the best again when the seeds of every cell are resampled.

    A bootstrap: each cell draws as many of its own trainings as it has, with replacement. Deviations from the cell's
    mean are lengthened by ``sqrt(n / (n - 1))``, which a resample of n values lacks.

    Args:
        values: ``(n, n_seeds)``, NaN = not measured; cells with less than two seeds are left out.
        direction: what is better.
        rng: source of the resamples.
        draws: number of resamples.

    Returns:
        NaN if no cell has two seeds.
    """
    sign = 1.0 if direction == "maximize" else -1.0
    trained = sign * values[(~np.isnan(values)).sum(axis=1) >= 2]
    if not len(trained):
        return math.nan
    mean = np.nanmean(trained, axis=1)
    first = int(np.argmax(mean))
    spread = np.nanstd(trained, axis=1)  # of means of resamples, at most: cells far below cannot win
    rivals = np.flatnonzero(mean >= mean[first] - 4 * (spread + spread[first]))
    resampled = np.empty((len(rivals), draws))
    for place, row in enumerate(rivals):
        own = trained[row][~np.isnan(trained[row])]
        off = (own - own.mean()) * math.sqrt(len(own) / (len(own) - 1))
        resampled[place] = mean[row] + rng.choice(off, size=(draws, len(own))).mean(axis=1)
    again = rivals[resampled.argmax(axis=0)] == first
    return float(again.mean())


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else math.nan
