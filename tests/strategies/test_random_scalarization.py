from __future__ import annotations

import numpy as np
import pytest

from metanas.checks import check_strategy
from metanas.errors import InvalidValueError
from metanas.problem import Budget, Constraint, Objective, Observation, Problem
from metanas.spaces import load_space
from metanas.strategies import find_strategy
from metanas.strategies.random_scalarization import RandomScalarization, scalarized

SPACE = load_space("nb201")
GOOD, BAD = "validation/accuracy", "cost/parameters"


def made(constraints: tuple[Constraint, ...] = (), **settings: float) -> RandomScalarization:
    objectives = (Objective(GOOD), Objective(BAD, "minimize"))
    problem = Problem(SPACE, objectives, 4, Budget(trainings=1000), constraints=constraints)
    return RandomScalarization(problem, np.random.default_rng(0), **settings)  # type: ignore[arg-type]


def winners(points: list[tuple[float, float]], *constraints: Constraint) -> list[int]:
    """Return which of some trained architectures win in 300 draws of the weights."""
    strategy = made(constraints, founders=len(points))
    trials = [strategy.ask() for _ in points]
    for trial, (good, bad) in zip(trials, points, strict=True):
        strategy.tell(Observation(trial, {GOOD: good, BAD: bad}, None, 1.0))
    archs = [trial.arch for trial in trials]
    return [archs.index(strategy._winner()) for _ in range(300)]


@pytest.mark.parametrize("settings", ["founders=1,sample=0.1", "constraint=rejection,unique=canonical"])
def test_other_settings_keep_the_contract(settings: str) -> None:
    check_strategy(f"random_scalarization,{settings}", spaces=("nb201-conv",), trainings=40, seeds=(0,))


def test_it_works_on_every_space() -> None:
    check_strategy("random_scalarization", spaces=("nb101", "nbgraph"), trainings=24, seeds=(0,))


def test_every_point_of_the_front_wins_for_some_weights_and_no_other() -> None:
    """The middle one lies beyond the line between the ends: no linear scalarization would choose it."""
    found = winners([(0.0, 0.0), (4.0, 6.0), (10.0, 10.0), (3.0, 7.0)])
    assert set(found) == {0, 1, 2}
    assert min(found.count(place) for place in (0, 1, 2)) > 20


def test_the_augmented_tchebycheff_function() -> None:
    costs = np.array([[0.0, 10.0], [5.0, 5.0], [10.0, 0.0], [np.inf, 5.0]])
    found = scalarized(costs, np.array([0.25, 0.75]), 0.05)
    assert found[:3] == pytest.approx([0.75 + 0.05 * 0.75, 0.375 + 0.05 * 0.5, 0.25 + 0.05 * 0.25])
    assert np.isinf(found[3])
    assert np.isinf(scalarized(np.full((2, 2), np.inf), np.array([0.5, 0.5]), 0.05)).all()


def test_what_breaks_a_limit_loses() -> None:
    assert set(winners([(9.0, 5.0), (1.0, 3.0), (8.0, 9.0)], Constraint(BAD, 4.0))) == {1}
    assert set(winners([(9.0, 5.0), (1.0, 6.0), (8.0, 9.0)], Constraint(BAD, 4.0))) == {0}


def test_it_needs_several_objectives() -> None:
    problem = Problem(SPACE, (Objective(GOOD),), 4, Budget(trainings=9))
    assert "several objectives" in str(find_strategy("random_scalarization").requires.unmet(problem))


@pytest.mark.parametrize("wrong", [{"founders": 0}, {"sample": 0.0}, {"sample": 1.1}, {"rho": -1.0}])
def test_settings_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match="must hold, but got"):
        made(**wrong)
