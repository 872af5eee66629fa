"""Several objectives, limits and zero-cost scores on published NAS-Bench-201 (``benchmarks/multi_objective.py``)."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from metanas.harness import Rules, generator, make_problem, search
from metanas.oracles import TableOracle
from metanas.problem import Budget, Objective
from metanas.strategies import find_strategy
from metanas.tables import Table

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from multi_objective import Ground, grounds, volumes
from published_nb201 import write_published

SEEDS = 6


@pytest.fixture(scope="module")
def ground(published_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Ground:
    [found] = grounds(published_tables, "cifar10", ["silver_4114"], tmp_path_factory.mktemp("published"))
    return found


@pytest.mark.parametrize(
    ("strategy", "seeds", "known"),
    [("nsga2", 30, False), ("random_scalarization", 10, False), ("ehvi,every=10", 2, True)],
)
def test_a_larger_hypervolume_than_random_search(strategy: str, seeds: int, known: bool, ground: Ground) -> None:
    random, _ = volumes(ground, "random_search", max(seeds, SEEDS), (100,))
    found, _ = volumes(ground, strategy, seeds, (100,), known=known)
    spread = np.sqrt(random.var() / len(random) + found.var() / len(found))
    assert found.mean() > random.mean() + spread
    everything = ground.volume(np.arange(15_625))
    assert random.mean() < found.mean() < everything


@pytest.mark.parametrize(
    ("strategy", "known"),
    [("nsga2,constraint=rejection", True), ("mo_evolution,constraint=rejection", False), ("nsga2", False)],
)
def test_the_best_within_a_limit(strategy: str, known: bool, ground: Ground) -> None:
    """What is rejected is not trained; what is found comes closer to the best within the limit than random search."""
    within = ground.costs[:, 1] <= ground.limit.at_most
    best, gaps, kept = ground.best(np.arange(15_625)), {}, 0.0
    assert best is not None
    for name in (strategy, "random_search"):
        for seed in range(SEEDS):
            trace = ground.run(name, seed, 100, limited=True, known=known)
            found = ground.best(trace.index)
            assert found is not None
            assert within[found]
            gaps.setdefault(name, []).append(ground.costs[found, 0] - ground.costs[best, 0])
            kept += within[trace.index].mean() / SEEDS if name == strategy else 0.0
    assert np.mean(gaps[strategy]) < np.mean(gaps["random_search"])
    assert kept > (0.99 if known else within.mean() + 0.1)


@pytest.mark.parametrize("data_set", ["cifar10", "imagenet16-120"])
def test_zero_cost_scores_beat_random_search_at_ten_trainings(
    data_set: str, published_tables: Path, tmp_path: Path
) -> None:
    with np.load(published_tables / "nb201_zero_cost.npz", allow_pickle=False) as file:
        scores = {f"proxy/{name}": file[f"{data_set}/{name}"].astype(float) for name in ("nwot", "synflow")}
    for values in scores.values():
        values[values <= -1e8] = np.nan  # what stands for a score that came out as no number
    oracle = TableOracle(
        Table.open(write_published(published_tables, data_set, tmp_path)), Objective("validation/accuracy")
    )
    rules = Rules(Budget(trainings=10))
    found: dict[str, list[float]] = {}
    for name in ("random_search", "zero_cost", "zero_cost_warmup,population=10"):
        for seed in range(20):
            problem = make_problem(oracle, Objective("validation/accuracy"), rules, scores=scores)
            strategy = find_strategy(name).build(problem, generator("published", name, seed))
            found.setdefault(name, []).append(search(strategy, oracle, problem.objective, rules).value.max())
    random = np.array(found.pop("random_search"))
    for name, values in found.items():
        assert np.mean(values) > random.mean() + 2 * random.std() / np.sqrt(20), name
