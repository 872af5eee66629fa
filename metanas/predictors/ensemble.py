"""Several predictors, weighted by how they did on examples that they had not seen.

Breiman, "Stacked Regressions", Machine Learning 1996: weights that are not negative and make the least squared error of
the members' out-of-fold predictions. Differences: functionally equal examples share a fold; the weights
are drawn to equal ones as by a few examples more; values are on the scale of normal scores, where all members agree in
unit.

The standard deviation is that of the weighted mixture of the members, scaled to what the out-of-fold errors were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metanas.errors import InvalidValueError
from metanas.extras import require
from metanas.predictors import make_predictor
from metanas.predictors._folds import out_of_fold
from metanas.predictors._tabular import Floats, check_at_least
from metanas.predictors._targets import Scale, Targets
from metanas.predictors.base import Archs, Prediction, Predictor, check_examples, check_fitted
from metanas.spaces import Space

MEMBERS = ("extra_trees", "gaussian_process", "xgboost", "xgboost_rank")

_EQUAL = 10.0  # examples that speak for equal weights


class _Fitted(NamedTuple):
    members: tuple[Predictor, ...]
    weights: Floats
    factor: float
    targets: Targets


class Ensemble:
    """The predictor; see the module."""

    name = "ensemble"

    def __init__(
        self,
        space: Space,
        rng: np.random.Generator,
        *,
        scores: Floats | None,
        members: Sequence[str],
        settings: Mapping[str, Mapping[str, Any]],
        folds: int,
        scale: Scale,
    ) -> None:
        """Make a predictor that has learned nothing; arguments as in :func:`build`.

        Attributes:
            weights: of each member, by name, after a fit; they sum to 1.
            held_out: after a fit, what is said of each example by members that had not seen it (the weights have).
        """
        self.weights: dict[str, float] = {}
        self.held_out: Prediction | None = None
        self._space = space
        self._seed = int(rng.integers(2**31))
        self._scores = scores
        self._members = tuple(members)
        self._settings = settings
        self._folds = folds
        self._scale: Scale = scale
        self._fitted: _Fitted | None = None
        for name in self._members:  # unknown names and settings are errors now, not after a long fit
            self._make(name, np.random.default_rng(0))

    def fit(self, archs: Archs, y: ArrayLike) -> Self:
        """Learn from examples; see :meth:`metanas.predictors.base.Predictor.fit`."""
        indices, values = check_examples(self._space, archs, y, least=4 * self._folds)
        rng = np.random.default_rng(self._seed)
        targets = Targets(values, self._scale)
        fold_seed = int(rng.integers(2**31))
        held_out = [
            _on_scale(targets, self._out_of_fold(name, indices, values, np.random.default_rng(fold_seed)))
            for name in self._members
        ]
        z = targets.forward(values)
        weights = _stacked(np.array([mean for mean, _ in held_out]), z)
        mean, std = _mixture(held_out, weights)
        factor = float(np.sqrt((((z - mean) / np.maximum(std, 1e-9)) ** 2).mean()))
        used = np.flatnonzero(weights)
        members = tuple(self._make(self._members[place], rng).fit(indices, values) for place in used)
        self.weights = dict(zip(self._members, weights.tolist(), strict=True))
        self.held_out = Prediction(*targets.back(mean, factor * std))
        self._fitted = _Fitted(members, weights[used], factor, targets)
        return self

    def predict(self, archs: Archs) -> Prediction:
        """Predict; see :meth:`metanas.predictors.base.Predictor.predict`."""
        check_fitted(self._fitted, self.name)
        assert self._fitted is not None
        members, weights, factor, targets = self._fitted
        mean, std = _mixture([_on_scale(targets, member.predict(archs)) for member in members], weights)
        return Prediction(*targets.back(mean, factor * std))

    def _make(self, name: str, rng: np.random.Generator) -> Predictor:
        return make_predictor(name, self._space, rng, scores=self._scores, **self._settings.get(name, {}))

    def _out_of_fold(
        self, name: str, indices: NDArray[np.int64], values: Floats, rng: np.random.Generator
    ) -> Prediction:
        def make(rng: np.random.Generator) -> Predictor:
            return self._make(name, rng)

        return out_of_fold(self._space, make, indices, values, self._folds, rng)


def build(
    space: Space,
    rng: np.random.Generator,
    *,
    scores: NDArray[np.float64] | None = None,
    members: Sequence[str] = MEMBERS,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    folds: int = 4,
    scale: Scale = "normal",
) -> Ensemble:
    """Make the predictor.

    Args:
        space: space of the architectures.
        rng: source of folds and members.
        scores: further inputs of every member.
        members: names of predictors.
        settings: of members, by name.
        folds: into which examples are split to find the weights.
        scale: on which members are averaged.

    Raises:
        InvalidValueError: no member, settings of what is no member, or less than 2 folds.
        UnknownNameError: there is no such predictor.
    """
    check_at_least("folds", folds, 2)
    stray = set(settings or {}) - set(members)
    if not members or stray:
        msg = f"An ensemble needs members, and settings of these only; got {list(members)} and settings of {stray}."
        raise InvalidValueError(msg)
    return Ensemble(space, rng, scores=scores, members=members, settings=settings or {}, folds=folds, scale=scale)


def _on_scale(targets: Targets, prediction: Prediction) -> tuple[Floats, Floats]:
    """Return a prediction on the scale of the targets; std 0 where a member gives none (the factor makes up for it)."""
    mean, std = prediction
    if std is None:
        return targets.forward(mean), np.zeros(len(mean))
    return targets.forward(mean), (targets.forward(mean + std) - targets.forward(mean - std)) / 2


def _stacked(means: Floats, z: Floats) -> Floats:
    """Return the weights of members, ``(members,)``, from their out-of-fold predictions, ``(members, n)``."""
    nnls = require("scipy.optimize", "predictors", "The predictor 'ensemble'").nnls
    size = len(means)
    pull = np.sqrt(_EQUAL) * np.eye(size)
    weights, _ = nnls(np.concatenate([means.T, pull]), np.concatenate([z, pull.sum(axis=0) / size]))
    if not weights.any():
        return np.full(size, 1 / size)
    normalized: Floats = weights / weights.sum()
    return normalized


def _mixture(predictions: Sequence[tuple[Floats, Floats]], weights: Floats) -> tuple[Floats, Floats]:
    means, stds = (np.array(part) for part in zip(*predictions, strict=True))
    mean = weights @ means
    return mean, np.sqrt(weights @ (stds**2 + (means - mean) ** 2))
