"""What a model on vectors sees of an architecture: encodings, and scores where they are given."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from metanas.encodings import encode, encoding_columns
from metanas.errors import InvalidValueError
from metanas.spaces import ListedSpace, Space

Floats = NDArray[np.float64]


class Inputs:
    """Vectors of architectures: encodings side by side, then scores.

    A score becomes the normal quantile of its rank among all that are given (scores differ by orders of magnitude and
    their unit says nothing), 0 where there is none, and a last column says where there is none. Functionally equal
    architectures have the mean of their scores.
    """

    def __init__(self, space: Space, encodings: Sequence[str], scores: Floats | None) -> None:
        """Choose encodings; scores are those that a predictor is built with, ``(index range, k)``.

        Raises:
            UnknownNameError: there is no such encoding.
            InvalidValueError: no encoding, or scores of another shape.
        """
        self.space = space
        self.encodings = (encodings,) if isinstance(encodings, str) else tuple(encodings)
        if not self.encodings:
            msg = "Architectures need at least one encoding to learn from, but got none."
            raise InvalidValueError(msg)
        self._scores = None if scores is None else _score_columns(space, np.asarray(scores, dtype=np.float64))
        self.columns = tuple(name for encoding in self.encodings for name in encoding_columns(space, encoding))
        self.n_scores = 0 if self._scores is None else self._scores.shape[1]

    def __call__(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the vectors, ``(n, d)``."""
        parts = [encode(self.space, indices, encoding) for encoding in self.encodings]
        if self._scores is not None:
            parts.append(self._scores[indices])
        return np.concatenate(parts, axis=1)


def _score_columns(space: Space, scores: Floats) -> NDArray[np.float32]:
    """Return the columns of scores for every index of the space, ``(index range, k + 1)``."""
    if not isinstance(space, ListedSpace):
        msg = f"Scores are given for every index of a space, and space {space.name!r} has too many. Leave them out."
        raise InvalidValueError(msg)
    classes = space.canonical_indices
    if scores.ndim != 2 or len(scores) != len(classes) or not scores.shape[1]:
        msg = f"Scores of {space.name!r} must have the shape ({len(classes)}, number of scores); got {scores.shape}."
        raise InvalidValueError(msg)
    inside = classes >= 0
    columns = [normal_ranks(class_means(column, classes)) for column in np.where(inside[:, None], scores, np.nan).T]
    missing = np.isnan(columns).any(axis=0)
    return np.column_stack([*np.nan_to_num(columns), missing]).astype(np.float32)


def class_means(column: Floats, classes: NDArray[np.int64]) -> Floats:
    """Replace the scores of a class by their mean."""
    there = np.isfinite(column) & (classes >= 0)
    size = len(classes)
    counts = np.bincount(classes[there], minlength=size)
    sums = np.bincount(classes[there], weights=column[there], minlength=size)
    means = np.divide(sums, counts, out=np.full(size, np.nan), where=counts > 0)
    return np.where(classes >= 0, means[classes], np.nan)


def normal_ranks(column: Floats) -> Floats:
    values, place = np.unique(column[np.isfinite(column)], return_inverse=True)
    ranks = np.cumsum(np.bincount(place, minlength=len(values))) - 0.5
    normal = NormalDist()
    scores = np.array([normal.inv_cdf(float(p)) for p in ranks / max(len(place), 1)])
    filled = np.full(len(column), np.nan)
    filled[np.isfinite(column)] = scores[place]
    return filled
