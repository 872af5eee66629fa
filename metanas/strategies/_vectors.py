"""A Matérn kernel on encodings, with a linear part; one length scale, and fixed relevances of groups of columns.

Rasmussen and Williams 2006: Matérn with ν = 5/2 (eq. 4.17). Inputs are the logarithms of 1 + counts, standardized by
architectures of the space that no run chooses, as those of the predictor ``gaussian_process``. Difference from it: the
relevances of the groups are not tuned, the length scale that multiplies all of them is (``_process.choose``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from metanas.encodings import encode, encoding_columns
from metanas.encodings.base import examples
from metanas.errors import InvalidValueError
from metanas.spaces import Space
from metanas.strategies._process import grid
from metanas.strategies._surrogate import Floats, Ints, classes_of, is_small

_GROUP = re.compile(r"(\w+)[\[:]")
_LEAST_SPREAD = 0.1  # of a column: one that hardly ever differs must not decide
_USUAL = 0.1  # relevance of a group that none is given for
_LINEAR = 0.05  # share of the variance


class _Rows(NamedTuple):
    """Weighted vectors ``(n, d)``, and the square of the length of each, ``(n,)``."""

    vectors: Floats
    squares: Floats


class VectorKernel:
    """The kernel between architectures, by their indices."""

    settings = grid(1.0, spread=1.0, steps=2, factor=2.0)  # of the squared distance

    def __init__(
        self, space: Space, encodings: Sequence[str], relevance: Mapping[str, float] | None = None, total: float = 1.0
    ) -> None:
        """Choose encodings.

        Args:
            space: the space.
            encodings: their names, or one name.
            relevance: weight of the mean squared difference over the columns of a group, by the beginning of their
                names (``"path"`` of ``"path[…]"``); None: all columns weigh the same.
            total: of the weights if ``relevance`` is None.

        Raises:
            UnknownNameError: there is no such encoding.
            InvalidValueError: there is none at all.
        """
        self._space = space
        self._encodings = (encodings,) if isinstance(encodings, str) else tuple(encodings)
        if not self._encodings:
            msg = "Architectures need at least one encoding to be compared, but got none."
            raise InvalidValueError(msg)
        names = [name for encoding in self._encodings for name in encoding_columns(space, encoding)]
        groups = [match[1] if (match := _GROUP.match(name)) else "" for name in names]
        if relevance is None:
            weights = np.full(len(names), total / len(names))
        else:
            weights = np.array([relevance.get(group, _USUAL) / groups.count(group) for group in groups])
        self._weights = np.sqrt(weights)
        known = np.array([space.index(arch) for arch in examples(space)], dtype=np.int64)
        reference = self._logarithms(known)
        self._center = reference.mean(axis=0)
        self._spread = np.maximum(reference.std(axis=0), _LEAST_SPREAD)
        self._total = float(weights.sum())
        self._whole: tuple[_Rows, Ints, Ints] | None = None
        nothing = np.empty(0, dtype=np.int64)
        self._kept: tuple[Ints, _Rows] = nothing, _Rows(np.empty((0, len(weights))), np.empty(0))  # of a pool
        if is_small(space):
            representatives, number = classes_of(space)
            self._whole = self._vectors(representatives), representatives, number

    def between(self, setting: float, some: Ints, others: Ints) -> Floats:
        """Return the kernel between architectures, ``(len(some), len(others))``."""
        (a, of_a), (b, of_b) = self._rows(some), self._rows(others)
        product = a @ b.T
        r = of_a[:, None] + of_b
        r -= 2 * product
        r *= 5 * setting
        np.maximum(r, 0, out=r)
        np.sqrt(r, out=r)
        kernel: Floats = r / 3
        kernel += 1
        kernel *= r
        kernel += 1  # 1 + r + r²/3
        kernel *= np.exp(np.negative(r, out=r), out=r)
        kernel *= 1 - _LINEAR
        product *= _LINEAR / self._total
        kernel += product
        return kernel

    def own(self, setting: float, some: Ints) -> Floats:
        """Return the kernel of each with itself, ``(len(some),)``."""
        own: Floats = 1 - _LINEAR + _LINEAR / self._total * self._rows(some)[1]
        return own

    def _rows(self, indices: Ints) -> _Rows:
        """Return weighted vectors; those of the class's representative in a small space."""
        if self._whole is None:
            if len(indices) == 1:
                return self._vectors(indices)
            if indices is not self._kept[0]:
                self._kept = indices, self._vectors(indices)
            return self._kept[1]
        rows, representatives, number = self._whole
        if indices is representatives:
            return rows
        places = number[indices]
        return _Rows(rows.vectors[places], rows.squares[places])

    def _vectors(self, indices: Ints) -> _Rows:
        vectors: Floats = (self._logarithms(indices) - self._center) / self._spread * self._weights
        return _Rows(vectors, (vectors**2).sum(axis=1))

    def _logarithms(self, indices: Ints) -> Floats:
        parts = [encode(self._space, indices, encoding) for encoding in self._encodings]
        matrix: Floats = np.log1p(np.concatenate(parts, axis=1).astype(np.float64))
        return matrix
