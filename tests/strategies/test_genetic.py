from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from metanas.arch import Arch
from metanas.checks import check_strategy
from metanas.errors import InvalidValueError
from metanas.problem import Budget, Objective, Observation, Problem, Trial
from metanas.spaces import load_space
from metanas.strategies.genetic import GeneticAlgorithm

SPACE = load_space("nb201")


def made(**settings: float | str) -> GeneticAlgorithm:
    problem = Problem(SPACE, (Objective("validation/accuracy"),), 4, Budget(trainings=1000))
    return GeneticAlgorithm(problem, np.random.default_rng(0), **settings)  # type: ignore[arg-type]


def tell(strategy: GeneticAlgorithm, trial: Trial, value: float) -> None:
    strategy.tell(Observation(trial, {"validation/accuracy": value}, None, 1.0))


def founded(values: list[float], **settings: float | str) -> tuple[GeneticAlgorithm, list[Arch]]:
    """Return a population with these values, and its members."""
    strategy = made(population=len(values), **settings)
    trials = [strategy.ask() for _ in values]
    for trial, value in zip(trials, values, strict=True):
        tell(strategy, trial, value)
    return strategy, [trial.arch for trial in trials]


@pytest.mark.parametrize(
    "settings",
    ["population=1,tournament=1,elite=0", "unique=canonical,elite=5", "crossover=0,tournament=20"],
)
def test_other_settings_keep_the_contract(settings: str) -> None:
    check_strategy(f"genetic,{settings}", trainings=40, seeds=(0,))


def test_a_tournament_of_all_has_one_winner() -> None:
    strategy, members = founded([1.0, 5.0, 3.0, 2.0], tournament=4, crossover=0.0, unique="none")
    assert all(strategy.ask().arch in SPACE.neighbours(members[1]) for _ in range(100))


def test_a_tournament_of_two_prefers_the_better() -> None:
    """Of four members, the chances to win a tournament of two without replacement are 0, 1/6, 2/6, 3/6."""
    strategy, members = founded([1.0, 2.0, 3.0, 4.0], tournament=2)
    counts = Counter(strategy._winner() for _ in range(6000))
    expected = [0, 1000, 2000, 3000]
    for member, number in zip(members, expected, strict=True):
        assert counts[member] == pytest.approx(number, abs=5 * np.sqrt(max(number, 0.1)))


def test_a_child_takes_every_decision_from_a_parent() -> None:
    strategy, members = founded([1.0, 1.0], tournament=1, crossover=1.0, mutation=0.0, elite=0, unique="none")
    allowed = [set(pair) for pair in zip(members[0].code, members[1].code, strict=True)]
    children = {strategy.ask().arch for _ in range(2000)}
    assert all(op in ops for child in children for op, ops in zip(child.code, allowed, strict=True))
    assert len(children) == 2 ** sum(len(ops) == 2 for ops in allowed)  # every mixture comes up


def test_the_elite_lives_on_and_is_not_trained_again() -> None:
    strategy, members = founded([9.0, 1.0, 8.0, 2.0, 3.0], tournament=2, elite=2)
    children = [strategy.ask() for _ in range(3)]  # with the elite of two these are the next generation
    for trial in children:
        assert trial.arch not in members
        tell(strategy, trial, 0.0)
    assert sorted(strategy._parents)[-2:] == [(8.0, members[2]), (9.0, members[0])]
    assert {arch for _, arch in strategy._parents} == {members[0], members[2], *(trial.arch for trial in children)}


def test_a_generation_replaces_the_one_before() -> None:
    strategy, members = founded([9.0, 8.0, 7.0], tournament=1, elite=0)
    children = []
    for _ in range(3):
        assert {arch for _, arch in strategy._parents} == set(members)
        children.append(strategy.ask())
        tell(strategy, children[-1], 0.0)
    assert {arch for _, arch in strategy._parents} == {trial.arch for trial in children}


def test_known_children_are_bred_anew_unless_told_otherwise() -> None:
    for unique, new in (("code", True), ("none", False)):
        strategy, asked = made(unique=unique, population=5), []
        for number in range(400):
            trial = strategy.ask()
            asked.append(trial.arch)
            tell(strategy, trial, float(sum(trial.arch.code)) + number * 1e-9)
        assert (len(set(asked)) == 400) == new


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"tournament": 21}, "tournament <= population"),
        ({"elite": 20}, "elite < population"),
        ({"tournament": 0}, "1 <= tournament"),
        ({"crossover": 1.5}, "between 0 and 1"),
        ({"mutation": -0.1}, "between 0 and 1"),
    ],
)
def test_settings_are_checked(wrong: dict[str, float], expected: str) -> None:
    with pytest.raises(InvalidValueError, match=expected):
        made(**wrong)
