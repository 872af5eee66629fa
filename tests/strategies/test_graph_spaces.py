"""Strategies on spaces of graphs, with and without a list of their architectures."""

from __future__ import annotations

import numpy as np
import pytest

from metanas.arch import Arch
from metanas.checks import check_strategy
from metanas.errors import StrategyError
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
