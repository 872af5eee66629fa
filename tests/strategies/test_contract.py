"""One contract over every built-in strategy, on the kinds of problem that each requires."""

from __future__ import annotations

import pytest

from metanas.checks import check_strategy
from metanas.problem import Requirements
from metanas.strategies import families, find_strategy, strategy_names


@pytest.mark.parametrize("name", strategy_names())
def test_every_strategy_keeps_the_contract(name: str) -> None:
    check_strategy(name, spaces=("nb201-conv",), trainings=24, seeds=(0,))


def test_what_a_strategy_requires_is_read_from_its_file() -> None:
    assert find_strategy("random_search").requires == Requirements(objectives="any")
    assert find_strategy("regularized_evolution,population=5").requires.repeats


def test_every_strategy_is_of_a_family() -> None:
    assert set(families()) == set(strategy_names())
    assert families()["regularized_evolution"] == families()["genetic"] == "evolution"
    assert len(set(families().values())) < 10
