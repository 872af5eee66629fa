from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from metanas.arch import Arch
from metanas.checks import check_strategy
from metanas.errors import InvalidValueError, UnknownNameError
from metanas.problem import Budget, Constraint, Objective, Observation, Problem, Trial
from metanas.spaces import load_space
from metanas.strategies.nsga2 import Nsga2

SPACE = load_space("nb201")
GOOD, BAD = "validation/accuracy", "cost/parameters"


def made(constraints: tuple[Constraint, ...] = (), **settings: float | str) -> Nsga2:
    objectives = (Objective(GOOD), Objective(BAD, "minimize"))
    problem = Problem(SPACE, objectives, 4, Budget(trainings=1000), constraints=constraints)
    return Nsga2(problem, np.random.default_rng(0), **settings)  # type: ignore[arg-type]


def tell(strategy: Nsga2, trial: Trial, good: float, bad: float) -> None:
    strategy.tell(Observation(trial, {GOOD: good, BAD: bad}, None, 1.0))


def founded(points: list[tuple[float, float]], **settings: float | str) -> tuple[Nsga2, list[Arch]]:
    """Return a population with these values, and its members in the order told."""
    strategy = made(population=len(points), **settings)
    trials = [strategy.ask() for _ in points]
    for trial, point in zip(trials, points, strict=True):
        tell(strategy, trial, *point)
    return strategy, [trial.arch for trial in trials]


@pytest.mark.parametrize(
    "settings", ["population=2,unique=canonical", "constraint=rejection,population=10", "crossover=0,mutation=1"]
)
def test_other_settings_keep_the_contract(settings: str) -> None:
    check_strategy(f"nsga2,{settings}", spaces=("nb201-conv",), trainings=40, seeds=(0,))


def test_it_works_on_every_space() -> None:
    check_strategy("nsga2,population=8", spaces=("nb101", "nbgraph"), trainings=24, seeds=(0,))


def test_the_least_dominated_of_both_generations_survive() -> None:
    strategy, founders = founded([(1.0, 9.0), (5.0, 5.0), (9.0, 1.0)])  # the last dominates the others
    children = [strategy.ask() for _ in range(3)]
    for trial, point in zip(children, [(0.0, 9.5), (9.5, 2.0), (5.0, 4.0)], strict=True):
        tell(strategy, trial, *point)
    assert {each.arch for each in strategy._parents} == {founders[2], children[1].arch, children[2].arch}


def test_survivors_are_those_of_pymoo() -> None:
    """Fronts first, then the crowding distance of the front that does not fit whole."""
    pymoo = pytest.importorskip("pymoo.operators.survival.rank_and_crowding")
    population = pytest.importorskip("pymoo.core.population").Population
    core = pytest.importorskip("pymoo.core.problem").Problem(n_var=1, n_obj=2)
    rng = np.random.default_rng(0)
    for _ in range(5):
        strategy = made(population=12)
        points = rng.random((24, 2))
        archs = []
        for good, bad in points.tolist():
            trial = strategy.ask()
            archs.append(trial.arch)
            tell(strategy, trial, good, bad)
        ours = {archs.index(each.arch) for each in strategy._parents}
        costs = np.column_stack((-points[:, 0], points[:, 1]))
        everything = population.new(F=costs, place=np.arange(24))
        first = pymoo.RankAndCrowding().do(core, everything[:12], n_survive=12)
        both = population.merge(first, everything[12:])
        theirs = set(pymoo.RankAndCrowding().do(core, both, n_survive=12).get("place").tolist())
        crowded = {place: (everything[place].get("rank"), everything[place].get("crowding")) for place in ours | theirs}
        assert sorted(crowded[place] for place in ours) == sorted(crowded[place] for place in theirs)  # but for ties


def test_a_tournament_prefers_the_front_and_then_the_gap() -> None:
    strategy, archs = founded([(0.0, 0.0), (1.0, 1.0), (1.1, 1.1), (9.0, 9.0), (0.0, 9.0)])
    order = dict(zip((each.arch for each in strategy._parents), strategy._order, strict=True))
    assert order[archs[4]][0] == 1  # dominated
    assert order[archs[0]][1] == order[archs[3]][1] == -np.inf  # the ends
    assert order[archs[2]] < order[archs[1]]  # a wider gap
    counts = {arch: 0 for arch in archs}
    for _ in range(2000):
        counts[strategy._winner()] += 1
    assert counts[archs[4]] == 0
    assert counts[archs[2]] == pytest.approx(400, abs=100)  # wins two of ten pairs
    assert counts[archs[1]] == pytest.approx(200, abs=80)  # wins one


def test_what_breaks_a_limit_survives_last() -> None:
    strategy = made((Constraint(BAD, 4.0),), population=3)
    trials = [strategy.ask() for _ in range(6)]
    for trial, (good, bad) in zip(trials, [(9, 5), (1, 3), (8, 9), (2, 4), (7, 6), (0, 9)], strict=True):
        tell(strategy, trial, good, bad)
    assert {each.arch for each in strategy._parents} == {trials[place].arch for place in (1, 3, 0)}


def spread(strategy: Nsga2, value: Callable[[Arch], tuple[float, float]], trainings: int) -> set[tuple[float, float]]:
    """Search and return all values found."""
    found = set()
    for _ in range(trainings):
        trial = strategy.ask()
        found.add(value(trial.arch))
        tell(strategy, trial, *value(trial.arch))
    return found


def test_it_finds_a_whole_front() -> None:
    """Of convolutions 3x3 and skips: at most six of both, (i, 6 - i); both wanted."""
    found = spread(made(), lambda arch: (arch.code.count(3), -arch.code.count(1)), 400)
    assert sum((float(i), float(i - 6)) in found for i in range(7)) >= 6


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [({"population": 1}, "population >= 2"), ({"crossover": 1.5}, "crossover=1.5"), ({"mutation": -1}, "mutation=-1")],
)
def test_settings_are_checked(wrong: dict[str, float], expected: str) -> None:
    with pytest.raises(InvalidValueError, match=expected):
        made(**wrong)


def test_another_way_to_handle_limits_is_unknown() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'penalty'"):
        made(constraint="penality")
