"""What the encodings share: indices of architectures, what occurs in a space, and rows that are computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from metanas.arch import Arch
from metanas.errors import InvalidArchError
from metanas.spaces import ListedSpace, Space

Archs = Sequence[Arch] | NDArray[np.integer]
Rows = Callable[[Space, Sequence[Arch]], NDArray[np.float32]]

T = TypeVar("T")

ZERO = "none"  # the operation that passes nothing on

_LOOKED_AT = 16  # architectures; their neighbours show what each decision can be
_KEPT = 2**16  # rows of a space without a list


def as_indices(space: Space, archs: Archs) -> NDArray[np.int64]:
    """Return the indices of architectures in the space, ``(n,)``.

    Raises:
        InvalidArchError: an architecture of another space, or an index that the space does not have.
    """
    if isinstance(archs, np.ndarray):
        if archs.ndim != 1 or not (np.issubdtype(archs.dtype, np.integer) or not archs.size):
            msg = f"Indices of architectures must be integers (n,), but got {archs.dtype} {archs.shape}."
            raise InvalidArchError(msg)
        indices = archs.astype(np.int64)
        if isinstance(space, ListedSpace):
            known = np.isin(indices, space.indices)
            if not known.all():
                msg = f"Space {space.name!r} has no architecture with the index {indices[~known][0]}."
                raise InvalidArchError(msg)
        return indices
    return np.array([space.index(space.check(arch)) for arch in archs], dtype=np.int64)


def once_per_space(function: Callable[[Space], T]) -> Callable[[Space], T]:
    """Make a function of a space compute its result once in a process."""
    return cast("Callable[[Space], T]", cache(function))


@once_per_space
def examples(space: Space) -> tuple[Arch, ...]:
    """Return architectures in which every decision of the space takes every value: a few drawn, their neighbours too.

    Spaces do not list their operations; a relation between neighbours that changes one decision shows them. The draws
    have a fixed seed, so that columns are the same in every process.
    """
    rng = np.random.default_rng(0)
    drawn = [space.sample(rng) for _ in range(_LOOKED_AT)]
    return tuple(dict.fromkeys(other for arch in drawn for other in (arch, *space.neighbours(arch))))


@once_per_space
def longest_path(space: Space) -> int:
    """Return the most vertices between the input and the output that a path of the space can have."""
    graphs = [space.graph(arch) for arch in examples(space)]
    length: dict[int, int] = {0: -1}
    for source, target in sorted({edge for graph in graphs for edge in graph.edges}):
        length[target] = max(length.get(target, 0), length[source] + 1)
    return length[len(graphs[0].ops) - 1]


class RowStore:
    """Rows of one encoding of one space, each computed when it is first asked for."""

    def __init__(self, space: Space, rows: Rows, *, by_class: bool) -> None:
        """Start without rows.

        Args:
            space: the space.
            rows: computes the rows of some architectures, ``(n, d)``.
            by_class: rows depend on the functional class only and are computed for its representative.
        """
        self._space = space
        self._rows = rows
        self._by_class = by_class
        self._clear()

    def _clear(self) -> None:
        self._place: dict[int, int] = {}
        self._class_of: dict[int, int] = {}  # of architectures of a space without a list, their representatives
        self._matrix = self._rows(self._space, ())

    def __call__(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the rows of architectures, ``(n, d)``, a copy."""
        if max(len(self._place), len(self._class_of)) > _KEPT and not isinstance(self._space, ListedSpace):
            self._clear()
        asked, back = np.unique(self._representatives(indices), return_inverse=True)
        new = [index for index in asked.tolist() if index not in self._place]
        if new:
            rows = self._rows(self._space, [self._space.arch(index) for index in new])
            self._place.update(zip(new, range(len(self._matrix), len(self._matrix) + len(new)), strict=True))
            self._matrix = np.concatenate([self._matrix, rows])
        places = np.fromiter((self._place[index] for index in asked.tolist()), dtype=np.int64, count=len(asked))
        return self._matrix[places[back]]

    def _representatives(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        if not self._by_class or not len(indices):
            return indices
        if isinstance(self._space, ListedSpace):
            return self._space.canonical_indices[indices]
        space, known, asked = self._space, self._class_of, indices.tolist()
        for index in asked:
            if index not in known:
                known[index] = space.index(space.canonical(space.arch(index)))
        return np.array([known[index] for index in asked], dtype=np.int64)
