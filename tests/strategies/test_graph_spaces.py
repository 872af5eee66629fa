"""Strategies on spaces of graphs, with and without a list of their architectures."""

from __future__ import annotations

import numpy as np
import pytest

from metanas.arch import Arch
from metanas.checks import check_strategy
from metanas.errors import StrategyError
from metanas.problem import Budget, Objective, Observation, Problem
from metanas.spaces import ListedSpace, load_space
from metanas.strategies import find_strategy, strategy_names
from metanas.strategies.base import Memory


@pytest.mark.parametrize("space", ["nb101", "nbgraph"])
@pytest.mark.parametrize("text", [*strategy_names(), "random_search,unique=canonical"])
def test_every_strategy_keeps_the_contract(text: str, space: str) -> None:
    needed = find_strategy(text).requires.space
    if all(hasattr(load_space(space), name) for name in needed):
        check_strategy(text, spaces=(space,), trainings=24, seeds=(0,))
    else:
        with pytest.raises(StrategyError, match=f"requires a space with {', '.join(needed)}, and none of"):
            check_strategy(text, spaces=(space,), trainings=24, seeds=(0,))


@pytest.mark.parametrize("name", ["bo_features", "guided", "bo_wl"])
def test_a_pool_that_is_used_up_is_drawn_anew(name: str) -> None:
    """The first is the best, so that nothing else is a reason for another pool."""
    space = load_space("nb101")
    problem = Problem(space, (Objective("validation/accuracy"),), 4, Budget(trainings=60))
    strategy = find_strategy(f"{name},pool=6,initial=4").build(problem, np.random.default_rng(0))
    asked = []
    for number in range(40):
        trial = strategy.ask()
        asked.append(trial.arch)
        strategy.tell(Observation(trial, {"validation/accuracy": -float(number > 0) - 1e-3 * number}, None, 1.0))
    assert len(set(asked)) == 40


class Few:
    """A space without a list that draws from a few architectures."""

    def __init__(self, archs: list[Arch]) -> None:
        self.archs = archs

    def sample(self, rng: np.random.Generator) -> Arch:
        return self.archs[int(rng.integers(len(self.archs)))]


def test_a_space_without_a_list_counts_as_seen_when_nothing_new_is_drawn() -> None:
    space, rng = load_space("nb101"), np.random.default_rng(0)
    few = Few([space.sample(rng) for _ in range(3)])
    assert not isinstance(few, ListedSpace)
    memory = Memory(few)  # type: ignore[arg-type]
    drawn = [memory.draw(rng) for _ in range(6)]
    assert set(drawn[:3]) == set(drawn[3:]) == set(few.archs)
