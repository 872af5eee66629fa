from __future__ import annotations

import math

import pytest

from metanas.errors import InvalidValueError
from metanas.problem import Budget, Objective, Problem
from metanas.spaces import load_space


def problem(*objectives: Objective) -> Problem:
    return Problem(load_space("nb201"), objectives, max_epochs=4, budget=Budget(trainings=10))


def test_an_objective_knows_what_is_better() -> None:
    accuracy = Objective("validation/accuracy")
    loss = Objective("validation/cross_entropy", "minimize")
    assert accuracy.better(2.0, 1.0)
    assert not accuracy.better(1.0, 1.0)
    assert loss.better(1.0, 2.0)
    assert not loss.better(2.0, 1.0)
    assert accuracy.score({"validation/accuracy": 3.0}) == 3.0
    assert loss.score({"validation/cross_entropy": 3.0}) == -3.0


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_every_value_is_better_than_the_worst_and_nan_than_none(direction: str) -> None:
    objective = Objective("validation/accuracy", direction)  # type: ignore[arg-type]
    assert objective.better(0.0, objective.worst)
    assert not objective.better(math.nan, objective.worst)


def test_an_objective_may_not_be_of_the_test_split() -> None:
    with pytest.raises(InvalidValueError, match=r"test split.*'test/accuracy'"):
        Objective("test/accuracy")


def test_an_objective_has_a_known_direction() -> None:
    with pytest.raises(InvalidValueError, match="'upwards'"):
        Objective("validation/accuracy", "upwards")  # type: ignore[arg-type]


@pytest.mark.parametrize("limits", [{}, {"trainings": 0}, {"seconds": -1.0}, {"seconds": math.inf}])
def test_a_budget_has_a_positive_finite_limit(limits: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match="budget"):
        Budget(**limits)  # type: ignore[arg-type]


def test_the_objective_is_the_only_one() -> None:
    accuracy = Objective("validation/accuracy")
    assert problem(accuracy).objective is accuracy
    with pytest.raises(InvalidValueError, match="exactly one objective, but got 2"):
        problem(accuracy, Objective("validation/cross_entropy", "minimize")).objective  # noqa: B018


def test_a_problem_knows_nothing_beforehand_unless_told() -> None:
    assert dict(problem().knowledge) == {}
    assert problem().data is None
