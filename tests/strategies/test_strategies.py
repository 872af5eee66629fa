from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from metanas.arch import Arch
from metanas.checks import LandscapeOracle, check_strategy
from metanas.errors import InvalidValueError, UnknownNameError
from metanas.harness import Rules, Trace, generator, make_problem, search
from metanas.problem import Budget, Objective, Observation, Problem, Trial
from metanas.spaces import load_space
from metanas.strategies import find_strategy
from metanas.strategies.base import Memory
from metanas.strategies.local_search import LocalSearch
from metanas.strategies.random_search import RandomSearch
from metanas.strategies.regularized_evolution import RegularizedEvolution

SPACE = load_space("nb201")
CONV = load_space("nb201-conv")
ACCURACY = Objective("validation/accuracy")

SETTINGS = [
    "random_search,unique=canonical",
    "random_search,unique=none",
    "local_search,unique=canonical",
    "regularized_evolution,unique=code",
    "regularized_evolution,unique=canonical,population=20,sample=20",
    "regularized_evolution,population=1,sample=1",
]


def run(
    text: str, trainings: int, *, space: str = "nb201", seed: int = 0, workers: int = 1
) -> tuple[Trace, LandscapeOracle]:
    oracle = LandscapeOracle(load_space(space), ACCURACY)
    rules = Rules(Budget(trainings=trainings), workers=workers)
    strategy = find_strategy(text).build(make_problem(oracle, ACCURACY, rules), generator(text, seed))
    return search(strategy, oracle, ACCURACY, rules), oracle


def told(trial: Trial, value: float) -> Observation:
    return Observation(trial, {"validation/accuracy": value}, None, 1.0)


def problem(space: str = "nb201") -> Problem:
    return Problem(load_space(space), (ACCURACY,), 4, Budget(trainings=1000))


@pytest.mark.parametrize("text", SETTINGS)
def test_settings_keep_the_contract(text: str) -> None:
    check_strategy(text, trainings=40)


@pytest.mark.parametrize("unique", ["code", "canonical"])
def test_the_memory_knows_equals(unique: str) -> None:
    memory = Memory(SPACE, unique)  # type: ignore[arg-type]
    members = [SPACE.arch(int(i)) for i in np.flatnonzero(SPACE.canonical_indices == SPACE.canonical_indices[0])]
    assert len(members) > 1
    assert memory.add(members[0])
    assert members[0] in memory
    assert (members[1] in memory) == (unique == "canonical")
    assert memory.add(members[1]) == (unique == "code")
    assert not memory.add(members[0])


def test_the_memory_has_known_kinds() -> None:
    with pytest.raises(UnknownNameError, match="'canonical'"):
        Memory(SPACE, "canonica")  # type: ignore[arg-type]


def test_a_memory_draws_the_whole_space_and_starts_over() -> None:
    memory, rng = Memory(CONV, "canonical"), np.random.default_rng(0)
    first = [memory.draw(rng) for _ in range(1011)]
    assert len({CONV.canonical(arch) for arch in first}) == 1011
    assert len(memory) == 1011
    again = memory.draw(rng)
    assert len(memory) == 1
    assert again in memory


def test_the_last_draws_are_as_fair_as_the_first() -> None:
    """With all cells but eight seen, each of the eight is drawn first as often (they are listed, not found by luck)."""
    left = [CONV.arch(int(index)) for index in CONV.indices[::512]]
    counts: Counter[Arch] = Counter()
    rng = np.random.default_rng(0)
    full = [arch for index in CONV.indices.tolist() if (arch := CONV.arch(index)) not in left]
    memory = Memory(CONV)
    for arch in full:
        memory.add(arch)
    for _ in range(160):
        drawn = memory.draw(rng)
        counts[drawn] += 1
        memory._seen.discard(drawn)
    assert set(counts) == set(left)
    assert max(counts.values()) < 40  # 20 expected; 40 would be a chance of 1 in 10,000


def test_random_search_draws_uniformly_without_repeats() -> None:
    trace, _ = run("random_search", 3000)
    assert len(set(trace.index.tolist())) == 3000
    codes = np.array([SPACE.arch(index).code for index in trace.index.tolist()])
    for edge in range(6):
        counts = np.bincount(codes[:, edge], minlength=5)
        assert (np.abs(counts - 600) < 5 * np.sqrt(600 * 0.8)).all()


def test_random_search_by_function_never_asks_one_function_twice() -> None:
    trace, _ = run("random_search,unique=canonical", 1011, space="nb201-conv")
    assert len(set(CONV.canonical_indices[trace.index].tolist())) == 1011


def test_random_search_may_repeat_as_in_the_paper() -> None:
    trace, _ = run("random_search,unique=none", 1000, space="nb201-conv")
    assert len(set(trace.index.tolist())) < 1000


def test_local_search_climbs_by_hand() -> None:
    """Follow two steps of a climb: all neighbours of the start, then those neighbours of the best that are new."""
    strategy = LocalSearch(problem(), np.random.default_rng(0))
    value = {arch: float(number) for number, arch in enumerate(map(SPACE.arch, SPACE.indices.tolist()))}
    start = strategy.ask()
    strategy.tell(told(start, value[start.arch]))
    asked = {start.arch}
    centre = start.arch
    for _ in range(3):
        neighbours = SPACE.neighbours(centre)
        expected = [arch for arch in neighbours if arch not in asked]
        for arch in expected:
            trial = strategy.ask()
            assert trial == Trial(arch, 4)
            strategy.tell(told(trial, value[arch]))
        asked |= set(expected)
        best = max(neighbours, key=value.__getitem__)
        if value[best] < value[centre]:
            break
        centre = best


def test_local_search_starts_again_at_a_local_optimum() -> None:
    strategy = LocalSearch(problem(), np.random.default_rng(0))
    start = strategy.ask()
    strategy.tell(told(start, 100.0))
    neighbours = set(SPACE.neighbours(start.arch))
    for _ in range(24):
        trial = strategy.ask()
        assert trial.arch in neighbours
        strategy.tell(told(trial, 100.0))  # equal is not better
    restart = strategy.ask().arch
    assert restart not in neighbours | {start.arch}


@pytest.mark.parametrize("workers", [1, 8])
@pytest.mark.parametrize("unique", ["code", "canonical"])
def test_local_search_never_asks_twice(workers: int, unique: str) -> None:
    trace, _ = run(f"local_search,unique={unique}", 900, space="nb201-conv", workers=workers)
    keys = CONV.canonical_indices[trace.index] if unique == "canonical" else trace.index
    assert len(set(keys.tolist())) == 900


def test_local_search_goes_on_when_all_is_known() -> None:
    trace, _ = run("local_search,unique=canonical", 1100, space="nb201-conv")
    assert len(trace.index) == 1100
    assert len(set(CONV.canonical_indices[trace.index[:1011]].tolist())) == 1011


def test_local_search_ends_every_climb_at_an_optimum() -> None:
    trace, oracle = run("local_search", 2000, space="nb201-conv")
    by_index = dict(zip(trace.index.tolist(), trace.value.tolist(), strict=True))
    best = max(by_index, key=by_index.__getitem__)
    around = [CONV.index(arch) for arch in CONV.neighbours(CONV.arch(best))]
    assert all(oracle.answer(index, 4).values["validation/accuracy"] <= by_index[best] for index in around)
    assert set(around) <= set(by_index)


def test_evolution_follows_the_papers_queue() -> None:
    """With a sample as large as the population the parent is the best of the last P: children are its neighbours."""
    strategy = RegularizedEvolution(problem(), np.random.default_rng(0), population=5, sample=5)
    rng = np.random.default_rng(1)
    history: list[tuple[float, Arch]] = []
    for number in range(60):
        trial = strategy.ask()
        if number >= 5:
            parent = max(history[-5:])[1]  # the oldest die, however good
            assert trial.arch in SPACE.neighbours(parent)
        value = float(rng.random())
        history.append((value, trial.arch))
        strategy.tell(told(trial, value))


def test_evolution_draws_its_sample_without_replacement() -> None:
    """Of two members, a sample of two always holds the better one; drawn with replacement it would miss it at times."""
    strategy = RegularizedEvolution(problem(), np.random.default_rng(0), population=2, sample=2)
    founders = [strategy.ask(), strategy.ask()]
    strategy.tell(told(founders[0], 1.0))
    strategy.tell(told(founders[1], 0.0))
    assert all(strategy.ask().arch in SPACE.neighbours(founders[0].arch) for _ in range(200))


def test_evolution_samples_uniformly() -> None:
    """With one drawn of four members, each is the parent as often."""
    strategy = RegularizedEvolution(problem(), np.random.default_rng(0), population=4, sample=1)
    founders = [strategy.ask() for _ in range(4)]
    for founder in founders:
        strategy.tell(told(founder, 1.0))
    around = [set(SPACE.neighbours(founder.arch)) for founder in founders]
    children = [strategy.ask().arch for _ in range(2000)]
    counts = np.array([sum(child in neighbours for child in children) for neighbours in around])
    assert (np.abs(counts - 500) < 5 * np.sqrt(500 * 0.75)).all()


def test_evolution_pays_for_repeats_unless_told_otherwise() -> None:
    plain, _ = run("regularized_evolution", 600, space="nb201-conv")
    assert len(set(plain.index.tolist())) < 600
    unique, _ = run("regularized_evolution,unique=code", 600, space="nb201-conv")
    assert len(set(unique.index.tolist())) == 600
    by_function, _ = run("regularized_evolution,unique=canonical", 600, space="nb201-conv")
    assert len(set(CONV.canonical_indices[by_function.index].tolist())) == 600


@pytest.mark.parametrize(("population", "sample"), [(3, 4), (0, 0), (5, 0)])
def test_evolution_checks_its_sizes(population: int, sample: int) -> None:
    with pytest.raises(InvalidValueError, match="1 <= sample <= population"):
        RegularizedEvolution(problem(), np.random.default_rng(0), population, sample)


def test_a_search_that_learns_beats_one_that_does_not() -> None:
    names = ("random_search", "regularized_evolution", "local_search", "genetic", "simulated_annealing")
    best = {name: np.mean([run(name, 150, seed=seed)[0].value.max() for seed in range(8)]) for name in names}
    assert all(best[name] > best["random_search"] for name in names[1:])


def test_random_search_ignores_what_it_is_told() -> None:
    first, second = (RandomSearch(problem(), np.random.default_rng(3)) for _ in range(2))
    for number in range(20):
        a, b = first.ask(), second.ask()
        assert a == b
        first.tell(told(a, number))
        second.tell(told(b, -number))
