"""What strategies with several objectives share: costs to be minimized, constrained domination, fronts, crowding.

Deb, Pratap, Agarwal and Meyarivan, "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II", IEEE Transactions on
Evolutionary Computation 6(2), 2002: fast non-dominated sorting (section III-A), crowding distance (III-B), constrained
domination (definition 1 of section VI): a solution that keeps all limits dominates every one that does not; of two that
do not, the one with the smaller overall violation; of two that do, domination is the usual one. The overall violation
is the sum of the excesses, each relative to its limit.

Written in NumPy: populations are small, and to sort one takes less time than to hand it to a library.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metanas.arch import Arch
from metanas.problem import Problem

Floats = NDArray[np.float64]


class Member(NamedTuple):
    """An architecture that was trained.

    Attributes:
        arch: the architecture.
        costs: objectives, smaller is better, infinite where nothing was measured, ``(n_objectives,)``.
        violation: 0 where every limit is kept, else the sum of the relative excesses.
    """

    arch: Arch
    costs: tuple[float, ...]
    violation: float


def member(problem: Problem, arch: Arch, values: Mapping[str, float]) -> Member:
    """Return an architecture with what it costs."""
    costs = [-objective.score(values) for objective in problem.objectives]
    violation = sum(constraint.violation(values) for constraint in problem.constraints)
    return Member(arch, tuple([math.inf if math.isnan(cost) else cost for cost in costs]), violation)


def dominates(first: Member, second: Member) -> bool:
    """Return whether ``first`` constrained-dominates ``second``."""
    if first.violation != second.violation:
        return first.violation < second.violation
    if first.violation > 0:
        return False
    return first.costs != second.costs and all(a <= b for a, b in zip(first.costs, second.costs, strict=True))


def fronts(members: list[Member]) -> NDArray[np.int64]:
    """Return the number of the front of each, 0 for what nothing dominates, ``(n,)``."""
    costs = np.array([each.costs for each in members], dtype=np.float64)
    violation = np.array([each.violation for each in members])
    better = (costs[:, None] <= costs[None]).all(axis=2) & (costs[:, None] < costs[None]).any(axis=2)
    kept = violation == 0
    better &= kept[:, None] & kept[None]
    better |= violation[:, None] < violation[None]
    found = np.full(len(members), -1, dtype=np.int64)
    front, left = 0, better.sum(axis=0)  # by how many each is dominated
    while (found < 0).any():
        now = np.flatnonzero((found < 0) & (left == 0))
        found[now] = front
        left -= better[now].sum(axis=0)
        front += 1
    return found


def crowding(costs: Floats) -> Floats:
    """Return the crowding distance of each solution of a front, ``(n,)``; infinite at the ends (section III-B).

    Args:
        costs: ``(n, n_objectives)``.
    """
    n, n_objectives = costs.shape
    distance = np.zeros(n)
    for column in range(n_objectives):
        order = np.argsort(costs[:, column], kind="stable")
        values = costs[order, column]
        distance[order[[0, -1]]] = np.inf
        span = values[-1] - values[0]
        if n > 2 and 0 < span < np.inf:
            distance[order[1:-1]] += (values[2:] - values[:-2]) / span
    return distance


def first_front(members: list[Member]) -> list[Member]:
    """Return those that no other dominates, in the order given."""
    return [each for each in members if not any(dominates(other, each) for other in members)]


class Front:
    """What nothing seen so far dominates; of those with equal costs the first.

    Attributes:
        members: in the order of their coming.
    """

    def __init__(self) -> None:
        """Make an empty front."""
        self.members: list[Member] = []

    def add(self, new: Member) -> bool:
        """Take in ``new`` unless something here is as good; return whether it was taken."""
        if any(dominates(old, new) or _equal(old, new) for old in self.members):
            return False
        self.members = [old for old in self.members if not dominates(new, old)]
        self.members.append(new)
        return True


def _equal(first: Member, second: Member) -> bool:
    """Return whether neither has anything that the other lacks."""
    if first.violation != second.violation:
        return False
    return first.violation > 0 or first.costs == second.costs
