"""The line from the last value seen to the final one: what any other predictor must beat.

It ranks as the last value does, which is what successive halving goes by.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from metanas.predictors.base import Prediction, check_fitted
from metanas.predictors.curves.base import Floats, check_curves, check_epochs, check_partial


class LastValue:
    """The predictor; see the module."""

    def __init__(self, epochs: Sequence[int]) -> None:
        """Make a predictor that has learned nothing."""
        self._epochs = check_epochs(epochs)
        self._fitted: tuple[Floats, Floats] | None = None

    def fit(self, curves: ArrayLike, finals: ArrayLike) -> Self:
        """Keep the trainings; see :meth:`metanas.predictors.curves.base.CurvePredictor.fit`."""
        self._fitted = check_curves(curves, finals, self._epochs)
        return self

    def predict(self, partial: ArrayLike) -> Prediction:
        """Predict; see :meth:`metanas.predictors.curves.base.CurvePredictor.predict`."""
        check_fitted(self._fitted, "last_value")
        assert self._fitted is not None
        seen = check_partial(partial, self._epochs)
        curves, finals = self._fitted
        last = curves[:, seen.shape[1] - 1]
        centered = last - last.mean()
        slope = float(centered @ (finals - finals.mean())) / (float(centered @ centered) or 1.0)
        left = finals - finals.mean() - slope * centered
        std = max(float(np.sqrt(left @ left / (len(finals) - 2))), 1e-9 * float(np.abs(finals).max()), 1e-12)
        return Prediction(finals.mean() + slope * (seen[:, -1] - last.mean()), np.full(len(seen), std))


def build(epochs: Sequence[int]) -> LastValue:
    """Make the predictor for curves with values after ``epochs``."""
    return LastValue(epochs)
