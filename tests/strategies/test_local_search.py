"""First improvement; the best-improvement variant is in test_strategies.py."""

from __future__ import annotations

import numpy as np
import pytest

from metanas.arch import Arch
from metanas.checks import check_strategy
from metanas.errors import UnknownNameError
from metanas.problem import Budget, Objective, Observation, Problem, Trial
from metanas.spaces import load_space
from metanas.strategies.local_search import LocalSearch, _Climb

SPACE = load_space("nb201")
PROBLEM = Problem(SPACE, (Objective("validation/accuracy"),), 4, Budget(trainings=1000))


def first(seed: int = 0) -> LocalSearch:
    return LocalSearch(PROBLEM, np.random.default_rng(seed), improvement="first")


def tell(strategy: LocalSearch, trial: Trial, value: float) -> None:
    strategy.tell(Observation(trial, {"validation/accuracy": value}, None, 1.0))


@pytest.mark.parametrize("settings", ["improvement=first", "improvement=first,unique=canonical"])
@pytest.mark.parametrize("space", ["nb201-conv", "nb101", "nbgraph"])
def test_the_first_improvement_keeps_the_contract(settings: str, space: str) -> None:
    check_strategy(f"local_search,{settings}", spaces=(space,), trainings=40, seeds=(0,))


def test_the_first_better_neighbour_is_the_next_centre() -> None:
    strategy = first()
    start = strategy.ask()
    tell(strategy, start, 10.0)
    for _ in range(5):
        trial = strategy.ask()
        assert trial.arch in SPACE.neighbours(start.arch)
        tell(strategy, trial, 9.0)
    better = strategy.ask()
    tell(strategy, better, 11.0)
    assert strategy.ask().arch in SPACE.neighbours(better.arch)


def test_neighbours_come_in_a_drawn_order() -> None:
    orders = []
    for seed in range(2):
        strategy = first()
        strategy._rng = np.random.default_rng(seed)
        start = SPACE.arch(7)
        strategy._asked.add(start)
        strategy._scores[start] = 1.0
        climb = _Climb(front=(start,))
        assert strategy._advance(climb)
        orders.append(list(climb.front))
    assert orders[0] != orders[1]
    assert set(orders[0]) == set(orders[1]) == set(SPACE.neighbours(start))


def test_every_climb_ends_at_a_local_optimum_and_nothing_is_asked_twice() -> None:
    strategy, rng = first(), np.random.default_rng(1)
    weights = rng.normal(size=(6, 5))
    value: dict[Arch, float] = {}
    for _ in range(600):
        trial = strategy.ask()
        assert trial.arch not in value
        value[trial.arch] = float(weights[np.arange(6), list(trial.arch.code)].sum() + rng.normal() * 0.1)
        tell(strategy, trial, value[trial.arch])
    best = max(value, key=value.__getitem__)
    assert all(value[arch] < value[best] for arch in SPACE.neighbours(best))


def test_a_better_neighbour_that_is_known_is_taken_at_once() -> None:
    """No training of another neighbour comes before it."""
    strategy = first()
    start = strategy.ask()
    known = SPACE.neighbours(start.arch)[5]
    strategy._asked.add(known)
    strategy._scores[known] = 20.0
    tell(strategy, start, 10.0)
    assert strategy.ask().arch in SPACE.neighbours(known)
    assert strategy._climbs[0].centre == known


def test_another_improvement_is_unknown() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'first'"):
        LocalSearch(PROBLEM, np.random.default_rng(0), improvement="frist")  # type: ignore[arg-type]
