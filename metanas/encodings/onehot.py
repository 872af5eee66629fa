"""One-hot: for every decision of the code, a column for each value that it can take.

In ``nb201`` these are the operations of the six edges, 30 columns; in ``nb101`` the 21 possible edges and the
operations of the five vertices.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from metanas.arch import Arch
from metanas.encodings.base import examples, once_per_space
from metanas.spaces import Space

BY_CLASS = False


@once_per_space
def _values(space: Space) -> tuple[tuple[int, int], ...]:
    """Return the pairs of a place in the code and a value there."""
    return tuple(sorted({pair for arch in examples(space) for pair in enumerate(arch.code)}))


def columns(space: Space) -> tuple[str, ...]:
    """Return ``"code[place]=value"`` for each column."""
    return tuple(f"code[{place}]={value}" for place, value in _values(space))


def rows(space: Space, archs: Sequence[Arch]) -> NDArray[np.float32]:
    """Return the vectors of architectures, ``(n, d)``, 0 or 1."""
    pairs = np.array(_values(space))
    codes = np.array([arch.code for arch in archs], dtype=np.int64).reshape(len(archs), pairs[-1, 0] + 1)
    matrix: NDArray[np.float32] = (codes[:, pairs[:, 0]] == pairs[:, 1]).astype(np.float32)
    return matrix
