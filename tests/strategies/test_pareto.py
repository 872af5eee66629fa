"""What strategies with several objectives share, beside pymoo where there is the same."""

from __future__ import annotations

import math

import numpy as np
import pytest

from metanas.arch import Arch
from metanas.problem import Budget, Constraint, Objective, Problem
from metanas.spaces import load_space
from metanas.strategies._pareto import Front, Member, crowding, dominates, first_front, fronts, member

ARCH = Arch("nb201", (0,) * 6)
SPACE = load_space("nb201")


def made(rng: np.random.Generator, n: int, limits: bool) -> list[Member]:
    """Return members with many ties."""
    costs = rng.integers(0, 6, size=(n, 3)).astype(float)
    violation = np.where(rng.random(n) < 0.4, rng.integers(1, 4, size=n), 0) if limits else np.zeros(n)
    return [Member(ARCH, tuple(row), float(v)) for row, v in zip(costs.tolist(), violation.tolist(), strict=True)]


def test_costs_are_minimized_and_excesses_are_relative() -> None:
    problem = Problem(
        SPACE,
        (Objective("validation/accuracy"), Objective("latency/a", "minimize")),
        4,
        Budget(trainings=9),
        constraints=(Constraint("latency/a", 2.0), Constraint("latency/b", 10.0)),
    )
    found = member(problem, ARCH, {"validation/accuracy": 70.0, "latency/a": 3.0, "latency/b": 15.0})
    assert found == Member(ARCH, (-70.0, 3.0), 1.0)
    nothing = member(problem, ARCH, {"validation/accuracy": math.nan, "latency/a": math.nan, "latency/b": 1.0})
    assert nothing.costs == (math.inf, math.inf)
    assert nothing.violation == math.inf


@pytest.mark.parametrize("limits", [False, True])
def test_fronts_follow_domination(limits: bool) -> None:
    members = made(np.random.default_rng(0), 60, limits)
    left, number = list(range(60)), 0
    found = fronts(members)
    while left:  # the definition: what nothing left dominates is the next front
        front = [one for one in left if not any(dominates(members[other], members[one]) for other in left)]
        assert np.flatnonzero(found == number).tolist() == front
        left, number = [one for one in left if one not in front], number + 1
    assert first_front(members) == [each for each, front in zip(members, found, strict=True) if front == 0]


def test_limits_come_before_objectives() -> None:
    fine, little, much = Member(ARCH, (9.0, 9.0), 0.0), Member(ARCH, (1.0, 1.0), 0.1), Member(ARCH, (0.0, 0.0), 2.0)
    assert dominates(fine, little)
    assert dominates(little, much)
    assert not dominates(little, little._replace(costs=(2.0, 2.0)))
    assert fronts([much, fine, little]).tolist() == [2, 0, 1]


def test_fronts_and_crowding_are_those_of_pymoo() -> None:
    sorting = pytest.importorskip("pymoo.util.nds.non_dominated_sorting").NonDominatedSorting()
    metrics = pytest.importorskip("pymoo.operators.survival.rank_and_crowding.metrics")
    rng = np.random.default_rng(1)
    for n_objectives in (2, 3):
        costs = rng.random((50, n_objectives))
        found = fronts([Member(ARCH, tuple(row), 0.0) for row in costs.tolist()])
        theirs = sorting.do(costs)
        assert [sorted(front.tolist()) for front in theirs] == [
            np.flatnonzero(found == number).tolist() for number in range(found.max() + 1)
        ]
        front = costs[found == 0]
        expected = metrics.calc_crowding_distance(front) * n_objectives  # theirs is a mean over the objectives
        assert crowding(front) == pytest.approx(expected)


def test_crowding_of_few_and_of_equals() -> None:
    assert np.isinf(crowding(np.array([[1.0, 2.0], [2.0, 1.0]]))).all()
    assert np.isfinite(crowding(np.ones((5, 2)))).sum() == 3  # the ends by the order given, no division by zero
    endless = crowding(np.array([[1.0, np.inf], [2.0, 3.0], [3.0, 2.0], [4.0, 1.0]]))
    assert not np.isnan(endless).any()


def test_the_front_keeps_what_is_not_dominated() -> None:
    rng = np.random.default_rng(2)
    for limits in (False, True):
        members, front = made(rng, 80, limits), Front()
        taken = [front.add(each) for each in members]
        best = first_front(members)
        assert {each.costs for each in front.members} <= {each.costs for each in best}
        assert len({each.costs for each in front.members}) == len(front.members)
        if all(each.violation == 0 for each in best):
            assert {each.costs for each in front.members} == {each.costs for each in best}
        assert sum(taken) >= len(front.members)
