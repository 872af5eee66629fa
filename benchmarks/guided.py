"""Model-based strategies on published NAS-Bench-201: how soon they find the best, and what they cost themselves.

    python benchmarks/guided.py
    python benchmarks/guided.py --strategies guided bo_wl guided,batch=5 --seeds 100 --data-sets cifar100

For every strategy and data set: test accuracy (percent, ± standard deviation of a run) of the incumbent, chosen by
validation (mean over the seeds that exist), after 100 and 192 trainings; median trainings to the validation optimum,
its 95 % interval by bootstrap, and the share of runs that found it within 300; the strategy's own CPU seconds in a run
of 300 trainings (of one run, which goes on when the optimum is found).

All other runs end when the optimum is found: the incumbent cannot change after that, so that every number is that of
the whole run. Runs are the harness's with one worker: same problem, same seeds.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
from numpy.typing import NDArray
from published_nb201 import DATA_SETS, published_board, published_folder, write_published

from metanas.leaderboard.board import Board
from metanas.leaderboard.replay import Judge
from metanas.problem import Observation
from metanas.strategies import find_strategy
from metanas.tables import Table

TRAININGS = 300
AT = (100, 192)
STRATEGIES = ("bo_features", "bo_wl", "bananas", "smac", "npenas", "brp_nas", "weaknas", "guided")


@dataclass(frozen=True)
class Outcome:
    """What one run came to.

    Attributes:
        tests: test accuracy of the incumbent at the points asked for, percent.
        found: trainings to the validation optimum; infinity if it was not found.
        seconds: the strategy's own CPU seconds, as far as the run went.
    """

    tests: tuple[float, ...]
    found: float
    seconds: float


def run(
    judge: Judge, strategy: str, seed: int, trainings: int, at: Sequence[int] = AT, *, whole: bool = False
) -> Outcome:
    """Search until the optimum is found or the budget is spent.

    Args:
        judge: knows the table.
        strategy: as ``metanas run --strategy`` takes it.
        seed: of the run.
        trainings: budget.
        at: points of report, in trainings.
        whole: go on when the optimum is found.
    """
    oracle, objective = judge.oracle, judge.setting.objectives[0]
    searcher = judge.setting.strategy(find_strategy(strategy), seed, workers=1)
    best, found, used, incumbent, tests = -math.inf, math.inf, 0.0, -1, []
    for number in range(1, trainings + 1):
        before = time.process_time()
        trial = searcher.ask()
        used += time.process_time() - before
        index = oracle.index(trial.arch)
        answer = oracle.answer(index, trial.epochs)
        value = answer.values[objective.metric]
        if value > best:
            best, incumbent = value, index
        if value == judge.best_validation:
            found = min(found, number)
        if number in at:
            tests.append(float(judge.values["test"][incumbent]))
        if found <= number and not whole:
            break
        before = time.process_time()
        searcher.tell(Observation(trial, answer.values, answer.curve, oracle.seconds(index, trial.epochs)))
        used += time.process_time() - before
    final = float(judge.values["test"][incumbent])
    return Outcome((*tests, *[final] * (len(at) - len(tests))), found, used)


def runs(
    board: Board, path: Path, strategy: str, seeds: Sequence[int], trainings: int, at: Sequence[int] = AT
) -> list[Outcome]:
    """Return the outcome of each seed."""
    judge = Judge(board, Table.open(path))
    return [run(judge, strategy, seed, trainings, at) for seed in seeds]


def cpu_seconds(board: Board, path: Path, strategy: str, trainings: int) -> float:
    """Return a strategy's own CPU seconds in a whole run. What is computed once in a process is computed before."""
    judge = Judge(board, Table.open(path))
    run(judge, strategy, 0, 25)
    return run(judge, strategy, 0, trainings, whole=True).seconds


def median_interval(found: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the median, and its 95 % interval by bootstrap."""
    draws = np.random.default_rng(0).choice(found, size=(2000, len(found)))
    medians = np.sort(np.median(draws, axis=1))
    return float(np.median(found)), float(medians[50]), float(medians[-51])


def shown(value: float) -> str:
    """Return a number of trainings, a dash if it is infinite."""
    return f"{value:.0f}" if math.isfinite(value) else "–"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strategies", nargs="+", default=STRATEGIES, help="with settings, if any")
    parser.add_argument("--seeds", type=int, default=30, help="runs of each strategy on each data set")
    parser.add_argument("--data-sets", nargs="+", default=DATA_SETS, choices=DATA_SETS)
    parser.add_argument("--trainings", type=int, default=TRAININGS, help="budget of a run, at least 192")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    arguments = parser.parse_args()
    published = published_folder()
    board = published_board(arguments.trainings, tuple(float(point) for point in AT), arguments.seeds)
    columns = ("test @100", "test @192", "median to optimum", "found", "CPU s")
    print(f"{'strategy':<24} {'data set':<15} {'runs':>5}" + "".join(f"{name:>19}" for name in columns))
    with tempfile.TemporaryDirectory() as folder:
        paths = {data_set: write_published(published, data_set, Path(folder)) for data_set in arguments.data_sets}
        for strategy in arguments.strategies:
            for data_set, path in paths.items():
                parts = np.array_split(np.arange(arguments.seeds), min(arguments.jobs, arguments.seeds))
                chunks = joblib.Parallel(n_jobs=arguments.jobs)(
                    joblib.delayed(runs)(board, path, strategy, part.tolist(), arguments.trainings) for part in parts
                )
                outcomes = [outcome for chunk in chunks for outcome in chunk]
                tests = np.array([outcome.tests for outcome in outcomes])
                found = np.array([outcome.found for outcome in outcomes])
                median, low, high = median_interval(found)
                spread = tests.std(axis=0, ddof=1) if len(tests) > 1 else np.zeros(len(AT))
                cells = [f"{mean:.2f} ± {std:.2f}" for mean, std in zip(tests.mean(axis=0), spread, strict=True)]
                cells.append(f"{shown(median)} ({shown(low)} to {shown(high)})")
                cells.append(f"{np.isfinite(found).mean():.0%}")
                cells.append(f"{cpu_seconds(board, path, strategy, arguments.trainings):.1f}")
                row = "".join(f"{cell:>19}" for cell in cells)
                print(f"{strategy:<24} {data_set:<15} {arguments.seeds:>5}{row}", flush=True)


if __name__ == "__main__":
    main()
