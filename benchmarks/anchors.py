"""Random search, local search and regularized evolution on published NAS-Bench-201, beside numbers known from before.

    python benchmarks/anchors.py
    python benchmarks/anchors.py --seeds 2000 --trainings 192
    python benchmarks/anchors.py --strategy reinforce --strategy tpe,multivariate=true --seeds 30 --trainings 192

300 runs of 1,000 trainings for each strategy and data set, through board, harness and judge. The numbers known from
before were measured independently, with 300 runs each: mean test accuracy of the incumbent (chosen by validation, mean
over the seeds that exist) after 100 and 192 trainings; median trainings to the validation optimum, and share of runs
that found it, within 1,000. Printed with the difference in standard errors of the difference. Of many such differences,
one in 22 exceeds two standard errors by chance; more seeds (second command) tell chance from a difference.

With ``--strategy`` (third command) any strategies run, and their numbers are printed, with the standard deviation of a
run, beside those that NATS-Bench (TPAMI 2021, topology space) publishes for strategies of the same kind. These had
another protocol: 20,000 simulated seconds, trainings of 12 epochs as the signal of REINFORCE, random search and
evolution, the incumbent chosen by it; they say in which range to expect a number, no more.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
from numpy.typing import NDArray
from published_nb201 import DATA_SETS, published_board, published_folder, write_published

from metanas.leaderboard.board import Board
from metanas.leaderboard.replay import Judge
from metanas.leaderboard.statistics import median_of_found
from metanas.strategies import find_strategy
from metanas.tables import Table

TRAININGS = 1000
AT = (100.0, 192.0)
RUNS_BEFORE = 300


@dataclass(frozen=True)
class Known:
    """What is known from before; ``spread`` is the standard deviation of a run at 100 trainings."""

    at_100: float
    spread: float
    at_192: float
    median: float | None
    found: float


KNOWN = {
    "random_search": (
        Known(93.77, 0.26, 93.90, None, 0.06),
        Known(71.40, 0.83, 71.84, None, 0.04),
        Known(45.41, 0.80, 45.70, None, 0.07),
    ),
    "regularized_evolution": (
        Known(94.11, 0.27, 94.26, 317, 0.91),
        Known(72.49, 0.80, 72.98, 292, 0.93),
        Known(46.07, 0.68, 46.37, 705, 0.62),
    ),
    "local_search": (
        Known(94.12, 0.32, 94.30, 137, 1.00),
        Known(72.59, 1.15, 73.38, 108, 1.00),
        Known(45.79, 0.98, 46.27, None, 0.44),
    ),
}


PUBLISHED = {  # test accuracy of the incumbent on the three data sets, NATS-Bench
    "random_search": (93.86, 71.55, 45.28),
    "regularized_evolution": (94.02, 72.23, 45.77),
    "reinforce": (93.90, 71.86, 45.64),
    "bohb": (93.94, 72.00, 45.70),
}


@dataclass(frozen=True)
class Row:
    """One number beside the one known from before."""

    what: str
    ours: float
    known: float
    error: float  # standard error of the difference

    @property
    def apart(self) -> float:
        """The difference in standard errors."""
        return (self.ours - self.known) / self.error if self.error else 0.0 if self.ours == self.known else math.inf


def run(
    board: Board, path: Path, strategy: str, seeds: Sequence[int]
) -> tuple[NDArray[np.float64], list[float | None], float]:
    """Return test accuracy at the points of report, ``(n_seeds, n_points)``, trainings to the optimum, CPU seconds."""
    judge = Judge(board, Table.open(path))
    source = find_strategy(strategy)
    tests, found, cpu = [], [], 0.0
    for seed in seeds:
        trace = judge.setting.search(source, seed, workers=1)
        climb, cpu = judge.climb(trace), cpu + trace.cpu_seconds
        tests.append(climb.at(np.array(board.report.at))[1])
        optimal = np.flatnonzero(climb.validation == judge.best_validation)
        found.append(float(climb.spent[optimal[0]]) if len(optimal) else None)
    return np.array(tests), found, cpu


def compare(tests: NDArray[np.float64], found: Sequence[float | None], known: Known, trainings: int) -> Iterator[Row]:
    """Yield each of our numbers beside the known one; those of the optimum only if the budget is that of before."""
    n = len(tests)
    spread = tests.std(axis=0, ddof=1)
    error = math.hypot(spread[0] / n**0.5, known.spread / RUNS_BEFORE**0.5)
    yield Row("test @100", tests[:, 0].mean(), known.at_100, error)
    yield Row("test @192", tests[:, 1].mean(), known.at_192, spread[1] * math.sqrt(1 / n + 1 / RUNS_BEFORE))
    if trainings != TRAININGS:
        return
    share = sum(budget is not None for budget in found) / n
    both = (share * n + known.found * RUNS_BEFORE) / (n + RUNS_BEFORE)
    yield Row("found", share, known.found, math.sqrt(both * (1 - both) * (1 / n + 1 / RUNS_BEFORE)))
    median = median_of_found(found)
    if known.median is not None:
        rng = np.random.default_rng(0)
        budgets = np.array([math.inf if budget is None else budget for budget in found])
        medians = np.median(rng.choice(budgets, size=(2000, n)), axis=1)
        error = float(medians[np.isfinite(medians)].std()) * math.sqrt(1 + n / RUNS_BEFORE)
        yield Row("median to optimum", math.inf if median is None else median, known.median, error)


def repeat(
    board: Board, path: Path, strategy: str, seeds: int, processes: int
) -> tuple[NDArray[np.float64], list[float | None], float]:
    """Return what :func:`run` does for seeds from 0 on, made by some processes."""
    parts = [part.tolist() for part in np.array_split(np.arange(seeds), processes * 2) if len(part)]
    chunks = joblib.Parallel(n_jobs=processes)(joblib.delayed(run)(board, path, strategy, part) for part in parts)
    tests, found, cpu = zip(*chunks, strict=True)
    return np.concatenate(tests), [budget for chunk in found for budget in chunk], sum(cpu)


def measure(board: Board, paths: Mapping[str, Path], seeds: int, processes: int = 1) -> Iterator[tuple[str, str, Row]]:
    """Run all that is known from before and yield strategy, data set and row.

    Args:
        board: the board; it reports at :data:`AT`.
        paths: table of each data set.
        seeds: runs of each strategy on each data set.
        processes: worker processes.
    """
    for strategy, knowns in KNOWN.items():
        for data_set, path in paths.items():
            tests, found, _ = repeat(board, path, strategy, seeds, processes)
            for row in compare(tests, found, knowns[DATA_SETS.index(data_set)], int(board.limit)):
                yield strategy, data_set, row


def show(board: Board, paths: Mapping[str, Path], strategies: Sequence[str], seeds: int, processes: int) -> None:
    """Run any strategies and print their numbers beside the published ones."""
    shown = "test @100      test @192      found  median  CPU ms a trial  published"
    print(f"{'strategy':<44} {'data set':<15} {shown}")
    for strategy in strategies:
        for data_set, path in paths.items():
            tests, found, cpu = repeat(board, path, strategy, seeds, processes)
            means, spreads = tests.mean(axis=0), tests.std(axis=0, ddof=1)
            numbers = "  ".join(f"{mean:.2f} ± {spread:.2f}" for mean, spread in zip(means, spreads, strict=True))
            share = sum(budget is not None for budget in found) / seeds
            median = median_of_found(found)
            milliseconds = 1000 * cpu / seeds / float(board.limit)
            published = PUBLISHED.get(strategy.partition(",")[0])
            beside = f"{published[DATA_SETS.index(data_set)]:.2f}" if published else "–"
            median_shown = "–" if median is None else f"{median:.0f}"
            tail = f"{share:>5.0%}  {median_shown:>6}  {milliseconds:>14.2f}  {beside:>9}"
            print(f"{strategy:<44} {data_set:<15} {numbers}  {tail}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=300, help="runs of each strategy on each data set")
    parser.add_argument("--trainings", type=int, default=TRAININGS, help="budget of a run, at least 192")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--strategy", action="append", help="run this one and print its numbers; may be repeated")
    arguments = parser.parse_args()
    published = published_folder()
    with tempfile.TemporaryDirectory() as folder:
        paths = {data_set: write_published(published, data_set, Path(folder)) for data_set in DATA_SETS}
        board = published_board(arguments.trainings, AT, arguments.seeds)
        if arguments.strategy:
            show(board, paths, arguments.strategy, arguments.seeds, arguments.jobs)
            return
        print(f"{'strategy':<22} {'data set':<15} {'':<18} {'here':>8} {'known':>8}  difference in standard errors")
        apart = []
        for strategy, data_set, row in measure(board, paths, arguments.seeds, arguments.jobs):
            apart.append(abs(row.apart))
            numbers = f"{row.ours:>8.2f} {row.known:>8.2f}  {row.apart:+.1f}"
            print(f"{strategy:<22} {data_set:<15} {row.what:<18} {numbers}", flush=True)
        beyond = sum(value > 2 for value in apart)
        chance = len(apart) / 22
        print(f"{beyond} of {len(apart)} differ by more than two standard errors; by chance alone {chance:.1f} would")
        print(f"largest difference: {max(apart):.1f} standard errors")


if __name__ == "__main__":
    main()
