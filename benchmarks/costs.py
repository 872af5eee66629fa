"""What strategies themselves cost: CPU seconds of a run on a board, on one core. Papers seldom say.

    python benchmarks/costs.py
    python benchmarks/costs.py --strategy npenas --strategy brp_nas --seeds 5
    python benchmarks/costs.py --board multifidelity-v1

Every strategy has a process of its own. Its first run there also imports what it needs and encodes the space, once per
process, which the column *first run* shows; all other columns are the mean of the runs after it. *Run* is everything,
the harness included; *own* is what the strategy used to ask and be told.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from metanas.leaderboard.board import load_board
from metanas.leaderboard.runner import open_tables
from metanas.leaderboard.setting import Setting, make_setting
from metanas.strategies import Source, families, find_strategy, strategy_names


@dataclass(frozen=True)
class Cost:
    """CPU of one strategy.

    Attributes:
        strategy: name and settings.
        first: seconds of the first run in a process.
        run: seconds of a later run.
        own: seconds of these that the strategy used.
        trials: of a later run.
    """

    strategy: str
    first: float
    run: float
    own: float
    trials: float


def setting_of(board: str, table: str | None) -> Setting:
    """Return the first table of a board, on its first device, as strategies see it."""
    chosen = load_board(board)
    tables, _ = open_tables(chosen, (table,) if table else ())
    return make_setting(chosen, tables[0], chosen.devices[0] if chosen.devices else None)


def fitting(setting: Setting) -> list[str]:
    """Return the built-in strategies that the board suits."""
    problem = setting.problem(setting.board.rules.workers)
    requires = {name: find_strategy(name).requires for name in strategy_names()}
    return [name for name, needs in requires.items() if not (needs.unmet(problem) or needs.not_installed())]


def measure(board: str, table: str | None, source: Source, seeds: int) -> Cost:
    """Search with seeds from 0 on, and once more before that."""
    setting = setting_of(board, table)
    runs, own, trials = [], 0.0, 0
    for number in range(seeds + 1):
        before = time.process_time()
        trace = setting.search(source, max(number - 1, 0), setting.board.rules.workers)
        runs.append(time.process_time() - before)
        if number:
            own, trials = own + trace.cpu_seconds, trials + len(trace.index)
    return Cost(source.label, runs[0], sum(runs[1:]) / seeds, own / seeds, trials / seeds)


def costs(board: str, table: str | None, sources: list[Source], seeds: int) -> Iterator[Cost]:
    """Measure strategies one after the other, each in a new process that keeps to one core."""
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    context = multiprocessing.get_context("spawn")
    for source in sources:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            yield pool.submit(measure, board, table, source, seeds).result()


def row(cost: Cost) -> str:
    """Return a row of a Markdown table."""
    numbers = f"{cost.run:.3f} | {1e6 * cost.own / cost.trials:,.0f} | {cost.trials / cost.run:,.0f} | {cost.first:.1f}"
    return f"| `{cost.strategy}` | {families().get(cost.strategy.partition(',')[0], '–')} | {numbers} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--board", default="anytime-v1")
    parser.add_argument("--table", help="name or .h5 file; the board's first if absent")
    parser.add_argument("--strategy", action="append", help="may be repeated; all that fit if absent")
    parser.add_argument("--seeds", type=int, default=2, help="runs of each strategy after the first")
    arguments = parser.parse_args()
    board, table = arguments.board, arguments.table
    sources = [find_strategy(name) for name in arguments.strategy or fitting(setting_of(board, table))]
    print("| strategy | family | run (CPU s) | own (CPU µs a trial) | trials a second | first run (CPU s) |")
    print("|---|---|---|---|---|---|", flush=True)
    found = []
    for cost in costs(board, table, sources, arguments.seeds):
        found.append(cost)
        print(row(cost), flush=True)
    total, first = sum(cost.run for cost in found), sum(cost.first for cost in found)
    print(f"| all {len(found)} | | {total:.1f} | | | {first:.1f} |")


if __name__ == "__main__":
    main()
