"""Settings of search strategies, each changed alone, on published NAS-Bench-201, cifar100.

    python benchmarks/ablation.py run --seeds 30
    python benchmarks/ablation.py run --seeds 15 --group bananas
    python benchmarks/ablation.py report

``run`` searches with every variant below that has fewer runs so far; ``report`` writes all that was run into
``docs/ablation.md``. A run has 300 trainings and ends when the validation optimum is found (see ``guided.py`` beside
this file); median trainings to it with a 95 % interval by bootstrap, and the test accuracy of the incumbent after 30
and 100 trainings, percent, ± the standard deviation of a run.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from guided import median_interval, run, shown
from published_nb201 import published_board, published_folder, write_published

from metanas.files import atomic_write_text
from metanas.leaderboard.replay import Judge
from metanas.tables import Table

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "work" / "ablation"
PAGE = ROOT / "docs" / "ablation.md"
BEGIN, END = "<!-- figures: benchmarks/ablation.py report -->", "<!-- end of figures -->"
DATA_SET, TRAININGS, AT = "cifar100", 300, (30, 100)
GROUPS: dict[str, tuple[str, ...]] = {
    "regularized_evolution": (
        *("", "population=5", "population=20", "population=50"),
        *("sample=2", "sample=5", "sample=10", "unique=code", "unique=canonical"),
    ),
    "genetic": ("", "population=10", "population=40", "tournament=2", "tournament=6", "crossover=0"),
    "guided": (
        *("", "initial=3", "initial=10", "initial=20", "design=random", "batch=5", "batch=20"),
        *("acquisition=ts", "acquisition=ucb", "acquisition=mean", "thompson=0.5"),
        *("relevance=equal", "encodings=path", "encodings=onehot", "unique=canonical"),
    ),
    "bo_features": ("", "acquisition=ts", "acquisition=ucb", "encodings=path", "encodings=onehot", "batch=5"),
    "bo_wl": ("", "batch=1", "acquisition=ts", "rounds=1"),
    "smac": ("", "random=0", "trees=40", "encoding=functional"),
    "bananas": ("", "encoding=onehot", "encoding=functional", "acquisition=ei", "batch=5"),
}


def written(strategy: str, change: str) -> str:
    """Return what ``metanas run --strategy`` takes."""
    return f"{strategy},{change}" if change else strategy


def path_of(variant: str) -> Path:
    """Return the file of a variant's runs."""
    return FOLDER / f"{variant.replace(',', '-')}.json"


def search(groups: list[str], seeds: int) -> None:
    """Run what is missing."""
    board = published_board(TRAININGS, tuple(float(point) for point in AT), seeds)
    with tempfile.TemporaryDirectory() as folder:
        judge = Judge(board, Table.open(write_published(published_folder(), DATA_SET, Path(folder))))
        for variant in [written(group, change) for group in groups for change in GROUPS[group]]:
            path = path_of(variant)
            known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
            if len(known) >= seeds:
                continue
            for seed in range(len(known), seeds):
                outcome = run(judge, variant, seed, TRAININGS, AT)
                found = outcome.found if np.isfinite(outcome.found) else None
                known.append({"tests": outcome.tests, "found": found})
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write_text(path, json.dumps(known))
            print(row(variant, known), flush=True)


def row(variant: str, known: list[dict[str, object]]) -> str:
    """Return a row of the table."""
    found = np.array([np.inf if each["found"] is None else each["found"] for each in known], dtype=np.float64)
    tests = np.array([each["tests"] for each in known], dtype=np.float64)
    median, low, high = median_interval(found)
    cells = [f"{mean:.2f} ± {std:.2f}" for mean, std in zip(tests.mean(axis=0), tests.std(axis=0, ddof=1), strict=True)]
    share = f"{np.isfinite(found).mean():.0%}"
    return (
        " | ".join(
            [f"| `{variant}`", str(len(known)), f"{shown(median)} ({shown(low)} to {shown(high)})", share, *cells]
        )
        + " |"
    )


def report() -> None:
    """Write the tables into the page."""
    heads = ("strategy", "runs", "trainings to the optimum", "found", *(f"test @{point}" for point in AT))
    parts = []
    for group, changes in GROUPS.items():
        rows = []
        for variant in [written(group, change) for change in changes]:
            if path_of(variant).exists():
                rows.append(row(variant, json.loads(path_of(variant).read_text(encoding="utf-8"))))
        if rows:
            parts.append("\n".join([f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *rows]))
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    atomic_write_text(PAGE, before + BEGIN + "\n" + "\n\n".join(parts) + "\n" + END + after)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "report"))
    parser.add_argument("--seeds", type=int, default=30, help="runs of each variant")
    parser.add_argument("--group", action="append", choices=GROUPS, help="repeatable; all if absent")
    arguments = parser.parse_args()
    if arguments.what == "run":
        search(arguments.group or list(GROUPS), arguments.seeds)
    else:
        report()


if __name__ == "__main__":
    main()
