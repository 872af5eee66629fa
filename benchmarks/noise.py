"""How much of each table's ranking is signal, ours beside the published NAS-Bench-201: writes docs/tables.md.

    python benchmarks/noise.py

The published columns come from ``../shared/published`` or the folder that ``METANAS_PUBLISHED`` names; without it their
rows are left as they are not measured, and nothing is written.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import metanas
from metanas.files import atomic_write_text
from metanas.tables import noise
from metanas.tables.truth import Truth

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = Path(os.environ.get("METANAS_PUBLISHED", ROOT.parent / "shared" / "published"))
PAGE = ROOT / "docs" / "tables.md"
MOST = 20  # seeds that are tried
BEGIN, END = "<!-- figures: benchmarks/noise.py -->", "<!-- end of figures -->"
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


def main() -> None:
    lines = [HEAD, "|---" * HEAD.count(" | ") + "|---|"]
    for name in metanas.table_names():
        if not name.startswith("nb201"):
            continue  # imported
        table = metanas.load_table(name)
        if len(table.seeds) > 1:
            values = table.values("validation/accuracy")[..., -1]
            lines.append(row(f"`{name}`", values, table.provenance["core_seconds"] / len(table)))
    with np.load(PUBLISHED / "nb201.npz", allow_pickle=False) as file:
        for data_set in ("cifar10", "cifar100", "imagenet16-120"):
            lines.append(row(f"NAS-Bench-201, {data_set}, 200 epochs", file[f"{data_set}/val_acc@200"], float("nan")))
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    atomic_write_text(PAGE, f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
