"""Trials a second through the harness, on one core, against the plain loop that one would write by hand.

    python benchmarks/harness.py
    python benchmarks/harness.py --strategy bohb --runs 3

The table is made up (1,011 classes, 3 seeds, 12 epochs, numbers drawn at random): only time is measured. The plain loop
is random search without repeats that asks the table for the label and the seconds of each architecture and keeps the
best: no check of what is asked for, no workers, no record, no curve, no separation of test from validation.

A strategy that needs trainings of fewer epochs gets them; one that needs several objectives, constraints or scores is
not measured here.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from metanas.harness import Rules, generator, make_problem, search
from metanas.oracles import TableOracle
from metanas.problem import Budget, Objective, Problem
from metanas.spaces import load_space
from metanas.strategies import Source, find_strategy
from metanas.tables import Table, metric, write_table

SPACE, SEEDS, EPOCHS = "nb201-conv", (0, 1, 2), tuple(range(1, 13))
OBJECTIVE = Objective("validation/accuracy")


def write_made_up(path: Path) -> Table:
    """Write a table of random numbers."""
    space, rng = load_space(SPACE), np.random.default_rng(0)
    index = np.unique(space.canonical_indices[space.indices])
    shape = (len(index), len(SEEDS), len(EPOCHS))
    columns = {f"{split}/accuracy": rng.uniform(10, 60, shape) for split in ("training", "validation", "test")}
    columns |= {f"{split}/cross_entropy": rng.uniform(1, 3, shape) for split in ("training", "validation", "test")}
    columns["cost/seconds"] = rng.uniform(0.1, 0.2, shape).cumsum(axis=2)
    metrics = {name: (metric(name), values) for name, values in columns.items()}
    write_table(
        path, name="made/up-v1", space=SPACE, task="none", arch_index=index, seeds=SEEDS, epochs=EPOCHS,
        metrics=metrics, protocol="", provenance={},
    )  # fmt: skip
    return Table.open(path)


def plain_loop(table: Table, trials: int, seed: int) -> int:
    """Search by hand; return the number of trials."""
    space, rng = table.space, np.random.default_rng(seed)
    seen, best, clock = set(), -np.inf, 0.0
    while len(seen) < trials:
        arch = space.sample(rng)
        if arch in seen:
            continue
        seen.add(arch)
        clock += table.query(arch, "cost/seconds")
        best = max(best, table.query(arch, "validation/accuracy"))
    return len(seen)


def problem_for(oracle: TableOracle, source: Source, trials: int) -> tuple[Problem, Rules]:
    rules = Rules(Budget(trainings=trials), fidelity="any" if source.requires.fidelities else "full")
    return make_problem(oracle, OBJECTIVE, rules), rules


def harness(oracle: TableOracle, source: Source, trials: int, seed: int) -> int:
    """Search; return the number of trials."""
    problem, rules = problem_for(oracle, source, trials)
    made = source.build(problem, generator("benchmark", seed))
    return len(search(made, oracle, OBJECTIVE, rules).index)


def per_second(run: Callable[[int], int], runs: int, repeats: int) -> float:
    """Return trials in a second of one core's time, the best of some repeats (other work only ever slows down)."""
    trials = sum(run(seed) for seed in range(runs))
    times = []
    for _ in range(repeats):
        start = time.process_time()
        for seed in range(runs):
            run(seed)
        times.append(time.process_time() - start)
    return trials / min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=300, help="trials of a run")
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--strategy", nargs="+", default=["random_search", "local_search", "regularized_evolution"])
    arguments = parser.parse_args()
    trials, size = arguments.trials, (arguments.runs, arguments.repeats)
    with tempfile.TemporaryDirectory() as folder:
        table = write_made_up(Path(folder) / "made_up.h5")
        oracle = TableOracle(table, OBJECTIVE)
        plain = per_second(lambda seed: plain_loop(table, trials, seed), *size)
        print(f"{'plain loop, random search':<34} {plain:>10,.0f} trials a second")
        for name in arguments.strategy:
            source = find_strategy(name)
            unmet = source.requires.unmet(problem_for(oracle, source, trials)[0])
            if unmet:
                print(f"{'harness, ' + name:<34} not measured: it needs {unmet}")
                continue
            rate = per_second(lambda seed, source=source: harness(oracle, source, trials, seed), *size)
            print(f"{'harness, ' + name:<34} {rate:>10,.0f} trials a second, {rate / plain:.2f} of the plain loop's")


if __name__ == "__main__":
    main()
