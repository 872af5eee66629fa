"""Board published-nb201-v1 through the command line: our baselines' rows beside those measured and published before.

    python benchmarks/published_board.py
    python benchmarks/published_board.py --seeds 300 --strategy local_search --strategy regularized_evolution

``metanas import columns`` brings the published columns (nb201.npz, in the folder that METANAS_PUBLISHED names) to a
cache of this call's own, and ``metanas run`` searches the board's three tables. The incumbent is chosen by validation,
mean over the seeds that exist; its test accuracy is reported, in percent, ± the standard deviation of a run.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from anchors import KNOWN, RUNS_BEFORE, Known
from published_nb201 import DATA_SETS, published_folder

BOARD = "published-nb201-v1"
STRATEGIES = ("random_search", "local_search", "regularized_evolution")

# Test accuracy on cifar10, cifar100, imagenet16-120 as others state it, in percent; None: not stated. Not the same
# question: other budgets, and other ways to choose what is reported.
SIMULATED_TIME = "NATS-Bench (Dong et al. 2021, arXiv:2009.00437), budget of simulated seconds, quoted second-hand"
ONE_SHOT = "weight sharing, one search each, as their papers and NAS-Bench-201 state them"
CHOSEN = "MetaD2A (Lee et al. 2021, arXiv:2107.00860), 500 candidates, of which it trains the best"
PUBLISHED: dict[str, dict[str, tuple[float | None, float | None, float | None]]] = {
    SIMULATED_TIME: {
        "REA": (94.02, 72.23, 45.77),
        "REINFORCE": (93.90, 71.86, 45.64),
        "random search": (93.86, 71.55, 45.28),
        "BOHB": (93.94, 72.00, 45.70),
    },
    ONE_SHOT: {
        "DARTS": (54.30, 15.61, 16.32),
        "PC-DARTS": (93.41, 67.48, 41.31),
        "SETN": (87.64, 59.05, 32.52),
        "RSPS": (87.66, None, 30.78),
        "GDAS": (93.61, 70.70, 41.84),
        "DrNAS": (94.36, 73.51, 46.34),
    },
    CHOSEN: {"MetaD2A": (94.37, 73.51, None)},
}


def metanas(*arguments: str, cache: str) -> str:
    """Run the command line with a cache of its own; return what it prints."""
    command = [sys.executable, "-m", "metanas", *arguments]
    environment = os.environ | {"XDG_CACHE_HOME": cache}
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment).stdout


def row(name: str, cells: list[str]) -> None:
    """Print a name and a cell for each data set."""
    print(f"{name:<42}" + "".join(f"{cell:>20}" for cell in cells), flush=True)


def measured(entry: dict[str, Any], at: float) -> tuple[float, float]:
    """Return mean and standard deviation of a run at a point of the budget."""
    [point] = [point for point in entry["test"] if point["at"] == at]
    return point["mean"], (point["standard_error"] or 0.0) * math.sqrt(entry["runs"])


def compared(entry: dict[str, Any], known: Known) -> str:
    """Return the difference from a number known from before, in standard errors of the difference, at 100."""
    mean, spread = measured(entry, 100.0)
    error = math.hypot(spread / math.sqrt(entry["runs"]), known.spread / math.sqrt(RUNS_BEFORE))
    return f"{(mean - known.at_100) / error:+.1f}" if error else "none"


def show(strategy: str, entries: list[dict[str, Any]]) -> None:
    """Print the rows of a strategy: one entry for each data set."""
    for at in (100.0, 192.0, 1000.0):
        numbers = [measured(entry, at) for entry in entries]
        row(f"{strategy} @{at:g}", [f"{mean:.2f} ± {spread:.2f}" for mean, spread in numbers])
    optima = [entry["optimum"] for entry in entries]
    found = [
        f"{'–' if optimum['median'] is None else format(optimum['median'], '.0f')} ({optimum['found']:.0%})"
        for optimum in optima
    ]
    row("  trainings to the optimum (found)", found)
    known = KNOWN.get(strategy)
    if known:
        row("  known from before @100 (300 runs)", [f"{each.at_100:.2f} ± {each.spread:.2f}" for each in known])
        pairs = zip(entries, known, strict=True)
        row("  difference @100, in standard errors", [compared(entry, each) for entry, each in pairs])
        row("  known from before @192", [f"{each.at_192:.2f}" for each in known])
        before = [f"{'–' if each.median is None else each.median} ({each.found:.0%})" for each in known]
        row("  known from before to the optimum", before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=30, help="runs of each strategy on each data set")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--strategy", action="append", help=f"repeatable; {', '.join(STRATEGIES)} if absent")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = str(published_folder() / "nb201.npz")
        imported = json.loads(
            metanas(
                *("import", "columns", source, "--map", "nb201", "--name", "published/nb201-v1", "--json"),
                cache=folder,
            )
        )
        print(f"metanas import columns: {len(imported)} tables of {imported[0]['architectures']:,} architectures")
        options = [part for name in arguments.strategy or STRATEGIES for part in ("--strategy", name)]
        options += ["--seeds", str(arguments.seeds), "--jobs", str(arguments.jobs), "--out", str(Path(folder) / "runs")]
        summary = json.loads(metanas("run", "--board", BOARD, *options, "--json", cache=folder))
    by_task = {table["task"]: table for table in summary["tables"]}
    print(f"metanas run --board {BOARD}: {arguments.seeds} runs each, budget in trainings\n")
    row("", list(DATA_SETS))
    tables = [by_task[name] for name in DATA_SETS]
    row("the best in validation tests at", [f"{table['optimum_test']:.2f}" for table in tables])
    for number, entry in enumerate(tables[0]["strategies"]):
        name = entry["strategy"]
        show(name, [next(each for each in table["strategies"] if each["strategy"] == name) for table in tables])
        if number + 1 < len(tables[0]["strategies"]):
            print()
    for source, rows in PUBLISHED.items():
        print(f"\n{source}:")
        for name, values in rows.items():
            row(f"  {name}", ["–" if value is None else f"{value:.2f}" for value in values])


if __name__ == "__main__":
    main()
