"""Regression from the first values of a curve, one for each number of epochs seen.

Baker, Gupta, Raskar and Naik, "Accelerating Neural Architecture Search using Performance Prediction", ICLR workshop
2018 (arXiv:1705.10823): the values so far with their first and second differences, a sequence of
regressions, one for each length. Differences: ridge regression with a leave-one-out penalty in place of a support
vector machine, on these features, so that nothing is left to tune; values as normal scores of their ranks at the same
epoch, because some trainings diverge; no features of the architecture, which the predictors of architectures have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from metanas.predictors._tabular import Model
from metanas.predictors._targets import Scale, Targets
from metanas.predictors.base import Prediction, check_fitted
from metanas.predictors.curves.base import Floats, check_curves, check_epochs, check_partial
from metanas.predictors.ridge import PENALTIES, learn_ridge

_FAR = 3.0  # normal scores: what is further out than any example must not carry the answer away


class Learned:
    """The predictor; see the module."""

    def __init__(self, epochs: Sequence[int]) -> None:
        """Make a predictor that has learned nothing."""
        self._epochs = check_epochs(epochs)
        self._fitted: tuple[Floats, Floats] | None = None
        self._models: dict[int, Model] = {}

    def fit(self, curves: ArrayLike, finals: ArrayLike) -> Self:
        """Keep the trainings; see :meth:`metanas.predictors.curves.base.CurvePredictor.fit`."""
        self._fitted = check_curves(curves, finals, self._epochs)
        self._models = {}
        return self

    def predict(self, partial: ArrayLike) -> Prediction:
        """Predict; see :meth:`metanas.predictors.curves.base.CurvePredictor.predict`."""
        check_fitted(self._fitted, "learned")
        assert self._fitted is not None
        seen = check_partial(partial, self._epochs)
        curves, finals = self._fitted
        length = seen.shape[1]
        scales = [Targets(column, _scale(column)) for column in (*curves.T[:length], finals)]
        if length not in self._models:
            vectors, targets = _features(_forward(curves, scales[:-1])), scales[-1].forward(finals)
            self._models[length] = learn_ridge(vectors, targets, np.array(PENALTIES))
        mean, std = self._models[length](_features(_forward(seen, scales[:-1])).astype(np.float32))
        assert std is not None
        return Prediction(*scales[-1].expected(mean, std))


def build(epochs: Sequence[int]) -> Learned:
    """Make the predictor for curves with values after ``epochs``."""
    return Learned(epochs)


def _scale(column: Floats) -> Scale:
    return "normal" if np.ptp(column) > 0 else "plain"


def _forward(values: Floats, scales: Sequence[Targets]) -> Floats:
    columns = [scale.forward(column) for scale, column in zip(scales, values.T[: len(scales)], strict=True)]
    return np.clip(np.column_stack(columns), -_FAR, _FAR)


def _features(values: Floats) -> Floats:
    return np.concatenate([values, np.diff(values, axis=1), np.diff(values, n=2, axis=1)], axis=1)
