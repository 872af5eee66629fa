"""A predictor made of a model on vectors: what is the same for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metanas.errors import InvalidValueError
from metanas.predictors._inputs import Inputs
from metanas.predictors._targets import Scale, Targets
from metanas.predictors.base import Archs, Prediction, as_indices, check_examples, check_fitted
from metanas.spaces import Space

Floats = NDArray[np.float64]
Matrix = NDArray[np.float32]
Model = Callable[[Matrix], tuple[Floats, Floats | None]]  # vectors (n, d) -> mean and standard deviation, (n,)
Learn = Callable[[Matrix, Floats, np.random.Generator], Model]  # vectors (n, d), targets (n,)


class _Fitted(NamedTuple):
    model: Model
    targets: Targets


class TabularPredictor:
    """Turns architectures into vectors and values into targets, and a model's answer back into the values' unit."""

    def __init__(
        self,
        name: str,
        learn: Learn,
        space: Space,
        rng: np.random.Generator,
        *,
        scores: Floats | None,
        encodings: Sequence[str],
        scale: Scale,
        least: int = 3,
    ) -> None:
        """Make a predictor that has learned nothing.

        Args:
            name: of the predictor, for messages.
            learn: fits the model.
            space: space of the architectures.
            rng: one number is drawn from it, the seed of every fit.
            scores: see :class:`~metanas.predictors.base.Predictor`.
            encodings: names of encodings.
            scale: how values become targets; see :class:`~metanas.predictors._targets.Targets`.
            least: fewest examples to fit on.
        """
        self.name = name
        self._learn = learn
        self._space = space
        self._seed = int(rng.integers(2**31))
        self._inputs = Inputs(space, encodings, scores)
        self._scale = scale
        self._least = least
        self._fitted: _Fitted | None = None

    def fit(self, archs: Archs, y: ArrayLike) -> Self:
        """Learn from examples; see :meth:`metanas.predictors.base.Predictor.fit`."""
        indices, values = check_examples(self._space, archs, y, least=self._least)
        targets = Targets(values, self._scale)
        rng = np.random.default_rng(self._seed)
        self._fitted = _Fitted(self._learn(self._inputs(indices), targets.forward(values), rng), targets)
        return self

    def predict(self, archs: Archs) -> Prediction:
        """Predict; see :meth:`metanas.predictors.base.Predictor.predict`. Equal vectors are asked once."""
        check_fitted(self._fitted, self.name)
        assert self._fitted is not None
        indices = as_indices(self._space, archs)
        if not len(indices):
            return Prediction(np.empty(0), np.empty(0))
        rows, back = _different(self._inputs(indices))
        mean, std = self._fitted.targets.back(*self._fitted.model(rows))
        return Prediction(mean[back], None if std is None else std[back])


def _different(matrix: Matrix) -> tuple[Matrix, NDArray[np.int64]]:
    """Return the different rows, and for each row its place among them."""
    whole = np.ascontiguousarray(matrix).view(np.dtype((np.void, matrix.shape[1] * matrix.itemsize))).reshape(-1)
    _, first, back = np.unique(whole, return_index=True, return_inverse=True)
    return matrix[first], back


def check_at_least(name: str, value: float, least: float) -> None:
    """Raise ``InvalidValueError`` where a setting is below what it may be."""
    if not value >= least:
        msg = f"{name} >= {least} must hold, but got {name}={value}."
        raise InvalidValueError(msg)
