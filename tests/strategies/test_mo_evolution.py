from __future__ import annotations

import numpy as np
import pytest

from metanas.arch import Arch
from metanas.checks import check_strategy
from metanas.errors import InvalidValueError
from metanas.problem import Budget, Constraint, Objective, Observation, Problem, Trial
from metanas.spaces import load_space
from metanas.strategies.mo_evolution import MultiObjectiveEvolution

SPACE = load_space("nb201")
GOOD, BAD = "validation/accuracy", "cost/parameters"


def founded(
    points: list[tuple[float, float]], constraints: tuple[Constraint, ...] = (), **settings: float | str
) -> tuple[MultiObjectiveEvolution, list[Arch]]:
    """Return a population with these values, and its members."""
    objectives = (Objective(GOOD), Objective(BAD, "minimize"))
    problem = Problem(SPACE, objectives, 4, Budget(trainings=1000), constraints=constraints)
    settings = {"population": len(points), "sample": len(points)} | settings
    strategy = MultiObjectiveEvolution(problem, np.random.default_rng(0), **settings)  # type: ignore[arg-type]
    trials = [strategy.ask() for _ in points]
    for trial, point in zip(trials, points, strict=True):
        tell(strategy, trial, *point)
    return strategy, [trial.arch for trial in trials]


def tell(strategy: MultiObjectiveEvolution, trial: Trial, good: float, bad: float) -> None:
    strategy.tell(Observation(trial, {GOOD: good, BAD: bad}, None, 1.0))


@pytest.mark.parametrize(
    "settings", ["population=1,sample=1,elite=0", "constraint=rejection,elite=1", "unique=canonical"]
)
def test_other_settings_keep_the_contract(settings: str) -> None:
    check_strategy(f"mo_evolution,{settings}", spaces=("nb201-conv",), trainings=40, seeds=(0,))


def test_it_works_on_every_space() -> None:
    check_strategy("mo_evolution,population=8", spaces=("nb101", "nbgraph"), trainings=24, seeds=(0,))


def test_parents_are_those_that_none_of_the_sample_dominates() -> None:
    strategy, archs = founded([(1, 1), (5, 5), (4, 5), (9, 9), (0, 2)], elite=0.0)
    parents = [strategy._parent() for _ in range(600)]
    assert set(parents) == {archs[0], archs[1], archs[3]}
    assert parents.count(archs[1]) == pytest.approx(200, abs=60)


def test_the_oldest_dies_unless_the_front_remembers_it() -> None:
    for elite, survives in ((0.0, False), (1.0, True)):
        strategy, archs = founded([(9, 0), (1, 1)], elite=elite)
        for _ in range(2):
            tell(strategy, strategy.ask(), 0.0, 5.0)
        assert all((strategy._parent() == archs[0]) == survives for _ in range(50))


def test_a_parent_keeps_the_limits_if_one_of_the_sample_does() -> None:
    strategy, archs = founded([(9, 9), (5, 3), (7, 5)], (Constraint(BAD, 4.0),))
    assert {strategy._parent() for _ in range(50)} == {archs[1]}
    strategy, archs = founded([(9, 9), (5, 6), (7, 5)], (Constraint(BAD, 4.0),))
    assert {strategy._parent() for _ in range(50)} == {archs[2]}  # the least excess


@pytest.mark.parametrize("wrong", [{"sample": 0}, {"sample": 3, "population": 2}, {"elite": 1.5}])
def test_settings_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match=r"but got"):
        founded([(1, 1), (2, 2)], **wrong)
