"""Predictions for examples by predictors that did not see them, nor others that are the same function."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidValueError
from metanas.predictors._tabular import Floats
from metanas.predictors.base import Prediction, Predictor
from metanas.spaces import ListedSpace, Space

Make = Callable[[np.random.Generator], Predictor]


def out_of_fold(
    space: Space, make: Make, indices: NDArray[np.int64], values: Floats, folds: int, rng: np.random.Generator
) -> Prediction:
    """Return a prediction for each example by a predictor fitted on the other folds, ``(n,)``.

    Functionally equal examples are in one fold: the value of one gives away the other's.

    Args:
        space: space of the examples.
        make: returns a predictor that has learned nothing.
        indices: the examples, ``(n,)``, all different.
        values: their values, ``(n,)``.
        folds: how many.
        rng: source of the folds and of the predictors.

    Raises:
        InvalidValueError: there are fewer functional classes than folds, or the values outside a fold are all equal.
    """
    place = np.unique(representatives(space, indices), return_inverse=True)[1]
    classes = int(place.max()) + 1
    if classes < folds:
        msg = f"At least {folds} functionally different examples are needed for {folds} folds, but got {classes}."
        raise InvalidValueError(msg)
    fold = (rng.permutation(classes) % folds)[place]
    mean, std = np.empty((2, len(values)))
    for number in range(folds):
        out = fold == number
        prediction = make(rng).fit(indices[~out], values[~out]).predict(indices[out])
        mean[out] = prediction.mean
        std[out] = np.nan if prediction.std is None else prediction.std
    return Prediction(mean, None if np.isnan(std).any() else std)


def representatives(space: Space, indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the index of the representative of each architecture's functional class, ``(n,)``."""
    if isinstance(space, ListedSpace):
        return space.canonical_indices[indices]
    return np.array([space.index(space.canonical(space.arch(index))) for index in indices.tolist()], dtype=np.int64)
