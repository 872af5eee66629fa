"""How much of each table's ranking is signal, ours beside the published NAS-Bench-201: writes docs/tables.md.

    python benchmarks/noise.py

The published columns come from ``../shared/published`` or the folder that ``METANAS_PUBLISHED`` names; without it their
rows are left as they are not measured, and nothing is written.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

import metanas
from metanas.files import atomic_write_text
from metanas.tables import Table, noise
from metanas.tables.truth import Truth

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = Path(os.environ.get("METANAS_PUBLISHED", ROOT.parent / "shared" / "published"))
PAGE = ROOT / "docs" / "tables.md"
MOST = 20  # seeds that are tried
BEGIN, END = "<!-- figures: benchmarks/noise.py -->", "<!-- end of figures -->"
ONE_BEGIN = "<!-- figures: benchmarks/noise.py, one training -->"
ACCURACY, LOSS = "validation/accuracy", "training/cross_entropy"
ONE = {
    "accuracy by accuracy": (ACCURACY, ACCURACY),
    "accuracy by validation loss": ("validation/cross_entropy", ACCURACY),
    "accuracy by training loss": (LOSS, ACCURACY),
    "training loss by training loss": (LOSS, LOSS),
}  # what of one training ranks what of the others
HEAD = (
    "| table | architectures | seeds | tau, all | tau, better half | tau, best 5 % | of means, all "
    "| of means, better half | with the truth, better half | seeds for .5 "
    "| standard error of a mean | best again | core-seconds an architecture |"
)


def row(name: str, values: NDArray[np.floating], seconds: float) -> str:
    """Return a line of the page for trainings ``(n, n_seeds)`` of which greater is better."""
    values = np.asarray(values, dtype=np.float64)
    taus = [noise.tau_between_seeds(values, "maximize", share) for share in (1.0, 0.5, 0.05)]
    longer = [noise.expected_tau(tau, values.shape[1]) for tau in taus[:2]]
    truth, rng = Truth.fit(values, "maximize"), np.random.default_rng(0)
    longer.append(truth.tau(values.shape[1], rng, 0.5))
    needed = next((str(k) for k in range(1, MOST + 1) if truth.tau(k, rng, 0.5) >= 0.5), f"> {MOST}")
    again = noise.chance_of_best(values, "maximize", np.random.default_rng(0))
    figures = [f"{value:.2f}" if value == value else "–" for value in (*taus, *longer)]
    cost = f"{seconds:,.1f}" if seconds == seconds else "GPU"
    error = noise.standard_error(values)
    return (
        f"| {name} | {len(values):,} | {values.shape[1]} | {' | '.join(figures)} | {needed} | {error:.2f} "
        f"| {100 * again:.0f} % | {cost} |"
    )


def one_training(table: Table, metric: str, of: str) -> tuple[float, float]:
    """Return how well a metric of one training ranks another metric of the other seeds, Kendall's tau.

    Over all architectures with the mean of the other seeds; and over the half that one of these finds better, with the
    mean of the rest of them, so that the choice of the half has no part in it. Mean over the seeds.
    """
    sides = [1 if table.metrics[name].direction == "maximize" else -1 for name in (metric, of)]
    said, truth = (
        [side * table.column(name, seed=seed) for seed in table.seeds]
        for side, name in zip(sides, (metric, of), strict=True)
    )
    alike, better = [], []
    for one, two in permutations(range(len(said)), 2):
        rest = [values for number, values in enumerate(truth) if number not in (one, two)]
        half = np.argsort(-truth[two], kind="stable")[: len(table) // 2]
        alike.append(kendalltau(said[one], np.mean([truth[two], *rest], axis=0)).statistic)
        better.append(kendalltau(said[one][half], np.mean(rest, axis=0)[half]).statistic)
    return float(np.mean(alike)), float(np.mean(better))


def one_row(name: str, pairs: Sequence[Sequence[float]]) -> str:
    return f"| {name} | " + " | ".join(f"{alike:.2f} ({better:.2f})" for alike, better in pairs) + " |"


def write(begin: str, lines: list[str]) -> None:
    """Replace a block of the page, and print it."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(begin)
    after = rest.partition(END)[2]
    atomic_write_text(PAGE, f"{before}{begin}\n" + "\n".join(lines) + f"\n{END}{after}")
    print("\n".join(lines))


def main() -> None:
    lines = [HEAD, "|---" * HEAD.count(" | ") + "|---|"]
    for name in metanas.table_names():
        if not name.startswith("nb201"):
            continue  # imported
        table = metanas.load_table(name)
        if len(table.seeds) > 1:
            values = table.values(ACCURACY)[..., -1]
            lines.append(row(f"`{name}`", values, table.provenance["core_seconds"] / len(table)))
    with np.load(PUBLISHED / "nb201.npz", allow_pickle=False) as file:
        for data_set in ("cifar10", "cifar100", "imagenet16-120"):
            lines.append(row(f"NAS-Bench-201, {data_set}, 200 epochs", file[f"{data_set}/val_acc@200"], float("nan")))
    write(BEGIN, lines)
    lines, rows = [f"| table | {' | '.join(ONE)} |", "|---" * (1 + len(ONE)) + "|"], []
    for name in metanas.table_names():
        table = metanas.load_table(name)
        if name.startswith("nb201/") and len(table.seeds) > 2:
            rows.append([one_training(table, *pair) for pair in ONE.values()])
            lines.append(one_row(f"`{name}`", rows[-1]))
    lines.append(one_row("mean", np.mean(rows, axis=0).tolist()))
    write(ONE_BEGIN, lines)


if __name__ == "__main__":
    main()
