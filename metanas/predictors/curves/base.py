"""What a learning-curve predictor is, and the checks that all of them share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metanas.errors import InvalidValueError
from metanas.predictors.base import Prediction

Floats = NDArray[np.float64]

LEAST_CURVES = 5


@runtime_checkable
class CurvePredictor(Protocol):
    """What predicts the final value of a training from its first values.

    A file has ``build(epochs, **config) -> CurvePredictor``; ``epochs``, ``(n_epochs,)``, are those that values were
    taken after, the last being the final one.
    """

    def fit(self, curves: ArrayLike, finals: ArrayLike) -> Self:
        """Learn from whole trainings; fitting again forgets.

        Args:
            curves: their values, ``(n, n_epochs)``, finite.
            finals: the values to predict, ``(n,)``, finite, in the same unit: the last column, or what is better known,
                as the mean over seeds.

        Raises:
            InvalidValueError: too few curves, other shapes, or values that are not finite.
        """

    def predict(self, partial: ArrayLike) -> Prediction:
        """Return the expected final values of ``m`` trainings and how sure they are.

        Args:
            partial: their values after the first epochs, ``(m, k)`` with ``1 <= k <= n_epochs``, finite.

        Raises:
            InvalidValueError: nothing was fitted yet, or another shape.
        """


def check_epochs(epochs: Sequence[int]) -> Floats:
    """Return the epochs as an array, ``(n_epochs,)``; raise ``InvalidValueError`` where they do not ascend from 1."""
    array = np.asarray(epochs, dtype=np.float64)
    if array.ndim != 1 or len(array) < 2 or array[0] < 1 or (np.diff(array) <= 0).any():
        msg = f"Epochs must ascend from 1 or more and be two at least, but got {list(epochs)}."
        raise InvalidValueError(msg)
    return array


def check_curves(curves: ArrayLike, finals: ArrayLike, epochs: Floats) -> tuple[Floats, Floats]:
    """Return what a fit is handed as arrays; see :meth:`CurvePredictor.fit`."""
    values, targets = np.asarray(curves, dtype=np.float64), np.asarray(finals, dtype=np.float64)
    if values.shape != (len(targets), len(epochs)) or targets.ndim != 1:
        msg = (
            f"Curves must have the shape (n, {len(epochs)}) and finals (n,), but got {values.shape} and "
            f"{targets.shape}."
        )
        raise InvalidValueError(msg)
    if len(values) < LEAST_CURVES:
        msg = f"At least {LEAST_CURVES} curves are needed, but got {len(values)}."
        raise InvalidValueError(msg)
    if not (np.isfinite(values).all() and np.isfinite(targets).all()):
        msg = "Curves and finals must be finite. Leave out trainings that have gaps."
        raise InvalidValueError(msg)
    return values, targets


def check_partial(partial: ArrayLike, epochs: Floats) -> Floats:
    """Return first values as an array; see :meth:`CurvePredictor.predict`."""
    values = np.asarray(partial, dtype=np.float64)
    if values.ndim != 2 or not 1 <= values.shape[1] <= len(epochs) or not np.isfinite(values).all():
        msg = f"First values must be finite, (m, k) with 1 <= k <= {len(epochs)}, but got the shape {values.shape}."
        raise InvalidValueError(msg)
    return values
