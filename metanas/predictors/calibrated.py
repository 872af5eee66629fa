"""Another predictor with intervals that hold: cross-conformal, locally scaled.

Vovk, "Cross-conformal Predictors", Annals of Mathematics and Artificial Intelligence 2015, with the nonconformity of
Papadopoulos, Gammerman and Vovk, "Normalized Nonconformity Measures for Regression Conformal Prediction", AIA 2008:
the error of an out-of-fold prediction divided by its standard deviation. Differences: intervals stand about the
prediction of one predictor fitted on all examples, not one for each fold; lower and upper end have quantiles of their
own, since accuracies fail downwards; functionally equal examples share a fold.

``interval`` gives the conformal intervals. The standard deviation of ``predict`` is the predictor's own times the
factor with which its normal interval of 80 % holds 80 % of the out-of-fold examples.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metanas.errors import InvalidValueError
from metanas.predictors import make_predictor
from metanas.predictors._folds import out_of_fold
from metanas.predictors._tabular import Floats, check_at_least
from metanas.predictors.base import Archs, Prediction, Predictor, check_examples, check_fitted
from metanas.predictors.calibration import half_width
from metanas.spaces import Space

_LEVEL = 0.8  # whose normal interval covers as many out-of-fold examples; further out a few failures would decide


class _Fitted(NamedTuple):
    predictor: Predictor
    errors: Floats  # of out-of-fold predictions, in their standard deviations, ascending
    factor: float
    constant: float | None  # standard deviation where the predictor gives none


class Calibrated:
    """The predictor; see the module."""

    name = "calibrated"

    def __init__(
        self,
        space: Space,
        rng: np.random.Generator,
        *,
        scores: Floats | None,
        predictor: str,
        settings: Mapping[str, Any],
        folds: int,
    ) -> None:
        """Make a predictor that has learned nothing; arguments as in :func:`build`."""
        self._space = space
        self._seed = int(rng.integers(2**31))
        self._folds = folds
        self._of = (predictor, scores, dict(settings))
        self._fitted: _Fitted | None = None
        self._make(np.random.default_rng(0))  # an unknown name is an error now

    def fit(self, archs: Archs, y: ArrayLike) -> Self:
        """Learn from examples; see :meth:`metanas.predictors.base.Predictor.fit`."""
        indices, values = check_examples(self._space, archs, y, least=4 * self._folds)
        rng = np.random.default_rng(self._seed)
        held_out = out_of_fold(self._space, self._make, indices, values, self._folds, rng)
        constant = None
        if held_out.std is None:
            constant = float(np.sqrt(((values - held_out.mean) ** 2).mean()))
            held_out = held_out._replace(std=np.full(len(values), constant))
        assert held_out.std is not None
        std = np.maximum(held_out.std, 1e-12)
        errors = (values - held_out.mean) / std
        factor = max(float(np.quantile(np.abs(errors), _LEVEL)) / half_width(_LEVEL), 1e-6)
        predictor = self._make(rng).fit(indices, values)
        self._fitted = _Fitted(predictor, np.sort(errors), factor, constant)
        return self

    def predict(self, archs: Archs) -> Prediction:
        """Predict; see :meth:`metanas.predictors.base.Predictor.predict`."""
        mean, std, fitted = self._predict(archs)
        return Prediction(mean, fitted.factor * std)

    def interval(self, archs: Archs, level: float) -> tuple[Floats, Floats]:
        """Return the ends of the conformal intervals, ``(n,)`` each, in the unit of the values.

        Of architectures like the examples, at least about ``level`` have their value inside. An end is infinite
        where the examples are too few to tell: below ``2 / (1 − level) − 1``.

        Args:
            archs: ``n`` architectures, or their indices.
            level: between 0 and 1.

        Raises:
            InvalidValueError: another level, or nothing was fitted yet.
            InvalidArchError: an architecture of another space.
        """
        if not 0 < level < 1:
            msg = f"0 < level < 1 must hold, but got level={level}."
            raise InvalidValueError(msg)
        mean, std, fitted = self._predict(archs)
        n, tail = len(fitted.errors), (1 - level) / 2
        rank = int(np.floor(tail * (n + 1) + 1e-9))  # of the error below which, counted from 1, is the tail
        low, high = (fitted.errors[rank - 1], fitted.errors[n - rank]) if rank else (-np.inf, np.inf)
        return mean + low * std, mean + high * std

    def _predict(self, archs: Archs) -> tuple[Floats, Floats, _Fitted]:
        check_fitted(self._fitted, self.name)
        assert self._fitted is not None
        mean, std = self._fitted.predictor.predict(archs)
        if std is None:
            std = np.full(len(mean), self._fitted.constant)
        return mean, np.maximum(std, 1e-12), self._fitted

    def _make(self, rng: np.random.Generator) -> Predictor:
        name, scores, settings = self._of
        return make_predictor(name, self._space, rng, scores=scores, **settings)


def build(
    space: Space,
    rng: np.random.Generator,
    *,
    scores: NDArray[np.float64] | None = None,
    predictor: str = "gaussian_process",
    settings: Mapping[str, Any] | None = None,
    folds: int = 5,
) -> Calibrated:
    """Make the predictor.

    Args:
        space: space of the architectures.
        rng: source of folds and of the predictor's draws.
        scores: further inputs of the predictor.
        predictor: name of the one to calibrate.
        settings: of that one.
        folds: into which examples are split.

    Raises:
        InvalidValueError: less than 2 folds.
        UnknownNameError: there is no such predictor.
    """
    check_at_least("folds", folds, 2)
    return Calibrated(space, rng, scores=scores, predictor=predictor, settings=settings or {}, folds=folds)
