"""What a set of architectures dominates: fronts, and the exact hypervolume for two or three objectives.

All objectives are minimized here, and scaled such that the best value of the space is 0 and the worst 1; the reference
point is (1, …, 1). A hypervolume is then the share of the box between the best and the worst values that is dominated.
The measure: Zitzler and Thiele, "Multiobjective Evolutionary Algorithms: A Comparative Case Study and the Strength
Pareto Approach", IEEE TEC 3(4), 1999. In three dimensions a sweep along the third keeps the staircase of the first two,
O(n log n) but for the deletions (Fonseca, Paquete and López-Ibáñez, "An Improved Dimension-Sweep Algorithm for the
Hypervolume Indicator", CEC 2006, section III).
"""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidValueError


def hypervolume(points: NDArray[np.float64]) -> float:
    """Return the volume between ``points``, ``(n, 2)`` or ``(n, 3)``, and the reference point (1, …, 1).

    Raises:
        InvalidValueError: another number of objectives.
    """
    if points.ndim != 2 or points.shape[1] not in (2, 3):
        msg = f"The hypervolume is computed of points with 2 or 3 objectives, but got the shape {points.shape}."
        raise InvalidValueError(msg)
    inside = points[(points < 1.0).all(axis=1)]
    stairs = _Staircase()
    if points.shape[1] == 2:
        for x, y in inside.tolist():
            stairs.insert(x, y)
        return stairs.area
    volume, below = 0.0, 0.0
    for x, y, z in inside[np.argsort(inside[:, 2], kind="stable")].tolist():
        volume += stairs.area * (z - below)
        below = z
        stairs.insert(x, y)
    return volume + stairs.area * (1.0 - below)


class _Staircase:
    """The front of points in the unit square and the area that it dominates.

    Attributes:
        area: between the points and (1, 1).
    """

    def __init__(self) -> None:
        self.area = 0.0
        self._xs: list[float] = []  # ascending
        self._ys: list[float] = []  # descending

    def insert(self, x: float, y: float) -> None:
        """Add a point and what it alone dominates."""
        xs, ys = self._xs, self._ys
        first = bisect_right(xs, x)
        top = ys[first - 1] if first else 1.0  # how far down the area reaches already, right of x
        if top <= y:
            return
        last, left = first, x
        while last < len(xs) and ys[last] >= y:  # steps that the point dominates
            self.area += (xs[last] - left) * (top - y)
            left, top = xs[last], ys[last]
            last += 1
        self.area += ((xs[last] if last < len(xs) else 1.0) - left) * (top - y)
        if first and xs[first - 1] == x:
            first -= 1
        xs[first:last], ys[first:last] = [x], [y]


def front(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the positions of those of ``points``, ``(n, d)``, that no other dominates; of equal ones the first."""
    order = np.lexsort((np.arange(len(points)), *points.T[::-1]))  # by the first objective, then the second …
    kept: list[int] = []
    members = np.empty_like(points)
    for position in order.tolist():
        if not (members[: len(kept)] <= points[position]).all(axis=1).any():
            members[len(kept)] = points[position]
            kept.append(position)
    return np.sort(np.array(kept, dtype=np.int64))


class Archive:
    """The front of points that come one after the other.

    Attributes:
        members: what the points were called, in the order of their coming.
    """

    def __init__(self) -> None:
        """Make an empty archive."""
        self.members: list[int] = []
        self._points = np.empty((0, 0))

    def add(self, name: int, point: NDArray[np.float64]) -> bool:
        """Take in a point, ``(d,)``, unless one that is as good in everything is here; return whether it was taken."""
        if not self.members:
            self._points = np.empty((0, len(point)))
        if (self._points <= point).all(axis=1).any():
            return False
        stays = np.flatnonzero(~(point <= self._points).all(axis=1))
        self.members = [*(self.members[position] for position in stays.tolist()), name]
        self._points = np.vstack((self._points[stays], point))
        return True


def scaled(values: NDArray[np.float64], within: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale minimized objectives, ``(n, d)``, such that ``within``, ``(m, d)``, reaches from 0 to 1 in each."""
    best, worst = within.min(axis=0), within.max(axis=0)
    result: NDArray[np.float64] = (values - best) / np.where(worst > best, worst - best, 1.0)
    return result
