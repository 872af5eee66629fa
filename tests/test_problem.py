from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from metanas.errors import InvalidValueError
from metanas.problem import Budget, Constraint, Objective, Problem, Requirements
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
    assert dict(problem().scores) == {}
    assert problem().constraints == ()
    assert problem().epochs == (4,)


@pytest.mark.parametrize("epochs", [(4, 2), (2, 2, 4), (0, 4), (1, 2)])
def test_the_epochs_of_trials_ascend_to_a_full_training(epochs: tuple[int, ...]) -> None:
    with pytest.raises(InvalidValueError, match="must ascend from at least 1 to 4"):
        replace(problem(), epochs=epochs)


def test_a_constraint_is_violated_by_its_relative_excess() -> None:
    limit = Constraint("latency/pixel3", 2.0)
    assert limit.violation({"latency/pixel3": 2.0}) == 0.0
    assert limit.violation({"latency/pixel3": 0.5}) == 0.0
    assert limit.violation({"latency/pixel3": 3.0}) == 0.5
    assert limit.violation({"latency/pixel3": math.nan}) == math.inf


def test_feasible_is_what_keeps_every_constraint() -> None:
    limited = replace(problem(), constraints=(Constraint("latency/pixel3", 2.0), Constraint("cost/macs", 10.0)))
    assert limited.feasible({"latency/pixel3": 2.0, "cost/macs": 10.0})
    assert not limited.feasible({"latency/pixel3": 2.0, "cost/macs": 10.1})
    assert problem().feasible({})


@pytest.mark.parametrize(("metric", "at_most"), [("test/accuracy", 1.0), ("cost/macs", 0.0), ("cost/macs", math.inf)])
def test_a_constraint_is_a_positive_limit_and_not_of_the_test_split(metric: str, at_most: float) -> None:
    with pytest.raises(InvalidValueError, match=r"test split|0 < at_most"):
        Constraint(metric, at_most)


def test_requirements_say_what_a_problem_lacks() -> None:
    accuracy, cost = Objective("validation/accuracy"), Objective("cost/macs", "minimize")
    one, two = problem(accuracy), problem(accuracy, cost)
    rich = replace(
        one, constraints=(Constraint("cost/macs", 1.0),), epochs=(1, 4), scores={"proxy/nwot": np.zeros(15_625)}
    )
    assert Requirements().unmet(one) is None
    assert Requirements().unmet(two) == "a single objective, and there are 2"
    assert Requirements(objectives="several").unmet(one) == "several objectives, and there is one"
    assert Requirements(objectives="several").unmet(two) is None
    for needs, lacking in (
        (Requirements(objectives="any", fidelities=True), "trainings of fewer epochs, and every trial here has 4"),
        (Requirements(objectives="any", constraints=True), "a constraint, and there is none"),
        (Requirements(objectives="any", scores=True), "zero-cost scores, and there are none"),
    ):
        assert needs.unmet(one) == needs.unmet(two) == lacking
        assert needs.unmet(rich) is None
    assert Requirements(space=("indices",)).unmet(one) is None
    assert Requirements(space=("rewire",)).unmet(one) == "a space with rewire, and 'nb201' has none"
