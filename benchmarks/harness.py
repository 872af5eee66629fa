"""Trials a second through the harness, on one core, against the plain loop that one would write by hand.

    python benchmarks/harness.py

The table is made up (1,011 classes, 3 seeds, 12 epochs, numbers drawn at random): only time is measured. The plain loop
is random search without repeats that asks the table for the label and the seconds of each architecture and keeps the
best: no check of what is asked for, no workers, no record, no curve, no separation of test from validation.
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
from metanas.problem import Budget, Objective
from metanas.spaces import load_space
from metanas.strategies import find_strategy, strategy_names
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


def plain_loop(table: Table, trials: int, seed: int) -> float:
    """Search by hand; return the best validation accuracy."""
    space, rng = table.space, np.random.default_rng(seed)
    seen, best, clock = set(), -np.inf, 0.0
    while len(seen) < trials:
        arch = space.sample(rng)
        if arch in seen:
            continue
        seen.add(arch)
        clock += table.query(arch, "cost/seconds")
        best = max(best, table.query(arch, "validation/accuracy"))
    return best


def harness(oracle: TableOracle, strategy: str, trials: int, seed: int) -> None:
    rules = Rules(Budget(trainings=trials))
    source = find_strategy(strategy)
    made = source.build(make_problem(oracle, OBJECTIVE, rules), generator("benchmark", seed))
    search(made, oracle, OBJECTIVE, rules)


def per_second(run: Callable[[int], object], trials: int, runs: int, repeats: int) -> float:
    """Return trials in a second of one core's time, the best of some repeats (other work only ever slows down)."""
    run(0)
    times = []
    for _ in range(repeats):
        start = time.process_time()
        for seed in range(runs):
            run(seed)
        times.append(time.process_time() - start)
    return trials * runs / min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=300, help="trials of a run")
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    trials, size = arguments.trials, (arguments.trials, arguments.runs, arguments.repeats)
    with tempfile.TemporaryDirectory() as folder:
        table = write_made_up(Path(folder) / "made_up.h5")
        oracle = TableOracle(table, OBJECTIVE)
        plain = per_second(lambda seed: plain_loop(table, trials, seed), *size)
        print(f"{'plain loop, random search':<34} {plain:>10,.0f} trials a second")
        for name in strategy_names():
            rate = per_second(lambda seed, name=name: harness(oracle, name, trials, seed), *size)
            print(f"{'harness, ' + name:<34} {rate:>10,.0f} trials a second, {rate / plain:.2f} of the plain loop's")


if __name__ == "__main__":
    main()
