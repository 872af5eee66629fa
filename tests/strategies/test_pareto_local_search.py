from __future__ import annotations

import numpy as np
import pytest

from metanas.arch import Arch
from metanas.checks import check_strategy
from metanas.errors import InvalidValueError, UnknownNameError
from metanas.problem import Budget, Constraint, Objective, Observation, Problem, Trial
from metanas.spaces import load_space
from metanas.strategies.pareto_local_search import ParetoLocalSearch

SPACE = load_space("nb201-conv")
GOOD, BAD = "validation/accuracy", "cost/parameters"


def made(constraints: tuple[Constraint, ...] = (), **settings: int | str) -> ParetoLocalSearch:
    objectives = (Objective(GOOD), Objective(BAD, "minimize"))
    problem = Problem(SPACE, objectives, 4, Budget(trainings=1000), constraints=constraints)
    return ParetoLocalSearch(problem, np.random.default_rng(0), **settings)  # type: ignore[arg-type]


def tell(strategy: ParetoLocalSearch, trial: Trial, good: float, bad: float) -> None:
    strategy.tell(Observation(trial, {GOOD: good, BAD: bad}, None, 1.0))


@pytest.mark.parametrize("settings", ["founders=1", "choice=crowding,unique=canonical", "constraint=rejection"])
def test_other_settings_keep_the_contract(settings: str) -> None:
    check_strategy(f"pareto_local_search,{settings}", spaces=("nb201-conv",), trainings=50, seeds=(0,))


def test_it_works_on_every_space() -> None:
    check_strategy("pareto_local_search", spaces=("nb101", "nbgraph"), trainings=24, seeds=(0,))


def test_the_whole_neighbourhood_is_trained() -> None:
    strategy = made(founders=1)
    start = strategy.ask()
    tell(strategy, start, 5.0, 5.0)
    around = set(SPACE.neighbours(start.arch))
    for _ in range(len(around)):
        trial = strategy.ask()
        assert trial.arch in around
        around.discard(trial.arch)
        tell(strategy, trial, 1.0, 9.0)  # dominated
    assert not around


def test_what_is_not_dominated_is_visited_and_what_is_is_not() -> None:
    strategy = made(founders=1)
    start = strategy.ask()
    tell(strategy, start, 5.0, 5.0)
    joined = strategy.ask()
    tell(strategy, joined, 1.0, 1.0)  # neither dominates the other
    for _ in range(len(SPACE.neighbours(start.arch)) - 1):
        tell(strategy, strategy.ask(), 0.0, 9.0)
    assert strategy.ask().arch in SPACE.neighbours(joined.arch)


def test_a_local_optimum_set_ends_a_search_and_another_starts() -> None:
    strategy = made(founders=3)
    told: dict[Arch, tuple[float, float]] = {}
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(2, 6, 5))
    ended = 0
    for _ in range(700):
        before = len(strategy._searches) and strategy._searches[0]
        trial = strategy.ask()
        assert trial.arch not in told
        if before and strategy._searches[0] is not before:
            ended += 1
            archive = before.archive.members
            assert all(arch in told for each in archive for arch in SPACE.neighbours(each.arch))
            for each in archive:  # no neighbour dominates a member
                for arch in SPACE.neighbours(each.arch):
                    good, bad = told[arch]
                    assert not (good > -each.costs[0] and bad < each.costs[1])
        place = np.arange(6)
        good, bad = (float(each[place, list(trial.arch.code)].sum()) for each in weights)
        told[trial.arch] = good, bad
        tell(strategy, trial, good, bad)
    assert ended >= 1


def test_the_widest_gap_is_visited_first() -> None:
    strategy = made(founders=4, choice="crowding")
    trials = [strategy.ask() for _ in range(4)]
    for trial, point in zip(trials, [(0, 0), (1, 1), (1.1, 1.1), (9, 9)], strict=True):
        tell(strategy, trial, *point)
    visited = []
    for _ in range(200):
        trial = strategy.ask()
        [search] = strategy._searches
        if len(search.visited) > len(visited):
            visited += [arch for arch in search.visited if arch not in visited]
        tell(strategy, trial, -1.0, 99.0)
        if len(visited) == 4:
            break
    assert set(visited[:2]) == {trials[0].arch, trials[3].arch}  # the ends, infinitely far from others
    assert visited[2:] == [trials[2].arch, trials[1].arch]


def test_what_breaks_a_limit_is_left_as_soon_as_something_keeps_it() -> None:
    strategy = made((Constraint(BAD, 4.0),), founders=3)
    trials = [strategy.ask() for _ in range(3)]
    for trial, point in zip(trials, [(9, 9), (1, 3), (8, 5)], strict=True):
        tell(strategy, trial, *point)
    assert strategy.ask().arch in SPACE.neighbours(trials[1].arch)


def test_settings_are_checked() -> None:
    with pytest.raises(InvalidValueError, match="founders >= 1 must hold, but got founders=0"):
        made(founders=0)
    with pytest.raises(UnknownNameError, match="Did you mean 'crowding'"):
        made(choice="crowded")
