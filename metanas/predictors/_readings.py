"""What a runtime executes of an architecture: all that is written, or what a compiler leaves of it.

Compilers drop operations whose result nothing uses, some also those whose input is always zero (dead-code elimination
and constant folding; Aho, Lam, Sethi and Ullman, "Compilers", 2nd ed., 2006, section 9.1).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metanas.spaces import CompiledSpace, ListedSpace

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SAME = 0.2  # standard deviations between a cell and what is left of it, at which a source runs it as written


class Reading(NamedTuple):
    """One way to execute architectures.

    Attributes:
        left: what is left of each by its index, ``(index range,)``.
        weight: one more than the number of sources that follow it.
        compiled: whether anything is dropped.
    """

    left: Ints
    weight: int
    compiled: bool


def as_written(space: ListedSpace) -> Reading:
    """Return the reading that executes everything."""
    return Reading(np.arange(len(space.canonical_indices)), 1, compiled=False)


def readings(space: ListedSpace, sources: Floats, known: Ints) -> list[Reading]:
    """Return the ways to execute architectures; only as they are written if nothing is known of compilers or sources.

    Args:
        space: of the architectures.
        sources: standardized, ``(index range, k)``; NaN = not measured.
        known: indices that every source has a value of.
    """
    written = as_written(space)
    k = sources.shape[1]
    if not k or not isinstance(space, CompiledSpace):
        return [written]
    measured = np.asarray(np.isfinite(sources).all(axis=1))
    found = [written.left]
    moved = [np.full(k, _SAME)]  # of each source: how much it tells an architecture from what is left of it
    for left in (space.without_dead_code, space.without_zeros):
        found.append(np.where(measured[left], left, written.left))
        changed = known[found[-1][known] != known]
        between = np.abs(sources[changed] - sources[found[-1][changed]])
        moved.append(np.median(between, axis=0) if len(changed) else moved[0])
    followed = np.argmin(moved, axis=0)
    return [Reading(left, 1 + int((followed == n).sum()), compiled=n > 0) for n, left in enumerate(found)]


def computes_nothing(space: ListedSpace, indices: Ints) -> NDArray[np.bool_]:
    """Return which architectures have an output that does not depend on the input, ``(n,)``."""
    functions, back = np.unique(space.canonical_indices[indices], return_inverse=True)
    empty = [not space.cell(space.arch(int(index))).output for index in functions]
    return np.array(empty, dtype=np.bool_)[back.ravel()]
