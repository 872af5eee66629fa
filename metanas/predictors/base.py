"""What a predictor is, and the checks that all of them share.

A predictor learns a value (an accuracy, a latency) of the architectures of one space from examples, and answers for
architectures that nobody measured. It knows no table: examples are handed to it.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metanas.encodings import Archs, as_indices
from metanas.errors import InvalidValueError
from metanas.spaces import Space

__all__ = ["Archs", "Prediction", "Predictor", "as_indices", "check_examples", "check_fitted"]


class Prediction(NamedTuple):
    """What a predictor says of ``n`` architectures, in the unit of the values that it was fitted on.

    Attributes:
        mean: expected value, ``(n,)``.
        std: standard deviation of the value about the mean, ``(n,)``; None where a predictor gives none.
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64] | None


@runtime_checkable
class Predictor(Protocol):
    """What predicts. A predictor's file has ``build(space, rng, *, scores=None, **config) -> Predictor``.

    ``scores`` are optional further inputs, as zero-cost scores: one row for each index of the space, ``(index range,
    k)``, NaN where an architecture has none. All randomness comes from ``rng``.
    """

    def fit(self, archs: Archs, y: ArrayLike) -> Self:
        """Learn from examples; fitting again forgets what was learned.

        Args:
            archs: ``n`` architectures of the space, or their indices in it. Architectures that compute the same
                function may occur with different values; the same architecture may not.
            y: their values, ``(n,)``, finite and not all equal. Greater need not be better.

        Raises:
            InvalidValueError: too few examples, values that are not finite or all equal, or one architecture with two
                values.
            InvalidArchError: an architecture of another space.
        """

    def predict(self, archs: Archs) -> Prediction:
        """Return the expected values of ``n`` architectures and how sure they are.

        Raises:
            InvalidValueError: nothing was fitted yet.
            InvalidArchError: an architecture of another space.
        """


def check_examples(
    space: Space, archs: Archs, y: ArrayLike, *, least: int = 2
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Check the examples of a fit; see :meth:`Predictor.fit`.

    Args:
        space: the predictor's space.
        archs: architectures or indices.
        y: their values.
        least: the fewest examples that the predictor can learn from.

    Returns:
        Indices and values of the different architectures, ``(m,)`` each, in the order given.
    """
    indices, values = as_indices(space, archs), np.asarray(y, dtype=np.float64)
    if values.shape != indices.shape:
        msg = f"Every architecture needs one value, but got {len(indices)} architectures and values {values.shape}."
        raise InvalidValueError(msg)
    if not np.isfinite(values).all():
        where = int(np.flatnonzero(~np.isfinite(values))[0])
        msg = f"Values to learn from must be finite, but number {where} is {values[where]}. Leave it out."
        raise InvalidValueError(msg)
    different, first, place = np.unique(indices, return_index=True, return_inverse=True)
    contradicts = values != values[first][place]
    if contradicts.any():
        where = int(np.flatnonzero(contradicts)[0])
        text = space.format(space.arch(int(indices[where])))
        msg = f"{text} occurs with the values {values[first][place][where]} and {values[where]}. Take their mean."
        raise InvalidValueError(msg)
    if len(different) < least:
        msg = f"At least {least} different architectures are needed to fit this predictor, but got {len(different)}."
        raise InvalidValueError(msg)
    order = np.sort(first)
    indices, values = indices[order], values[order]
    if np.ptp(values) == 0:
        msg = f"Values to learn from must differ, but all {len(values)} are {values[0]}."
        raise InvalidValueError(msg)
    return indices, values


def check_fitted(fitted: object, name: str) -> None:
    """Raise :class:`~metanas.errors.InvalidValueError` where ``fitted``, what a fit leaves behind, is None."""
    if fitted is None:
        msg = f"The predictor {name!r} was asked before it was fitted. Call fit(archs, y) first."
        raise InvalidValueError(msg)
