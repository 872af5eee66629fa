"""How alike tasks rank architectures, ours and the published NAS-Bench-201: a matrix in docs/tables.md and its plot.

    python benchmarks/kinship.py

Kendall's tau-b between the tables' mean validation accuracies after the last epoch, over the functional classes of
``nb201-conv`` that two share; of a published column, the mean over the members of a class. Beside the matrix, what the
noise lets a tau reach at most: the correlation of a table's means with means of new seeds (attenuation, Spearman 1904),
as a tau. The published columns come from ``../shared/published`` or the folder that ``METANAS_PUBLISHED`` names.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import altair
import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

import metanas
from metanas import charts
from metanas.files import atomic_write_text
from metanas.tables import noise
from metanas.tables.kinship import Kinship, by_class, goodness, kinship

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = Path(os.environ.get("METANAS_PUBLISHED", ROOT.parent / "shared" / "published"))
PAGE = ROOT / "docs" / "tables.md"
BEGIN, END = "<!-- figures: benchmarks/kinship.py -->", "<!-- end of kinship -->"
DATA_SETS = ("cifar10", "cifar100", "imagenet16-120")


def reliability(name: str) -> float:
    """Return the tau to expect between a table's means and those of as many new seeds; NaN of one seed."""
    table = metanas.load_table(name)
    values = np.asarray(table.values("validation/accuracy")[..., -1], dtype=np.float64)
    if values.shape[1] < 2:
        return math.nan
    return noise.expected_tau(noise.tau_between_seeds(values, "maximize"), values.shape[1])


def ordered(found: Kinship) -> list[int]:
    """Return the columns in an order that puts kin beside kin: average linkage on 1 - tau."""
    distance = 1.0 - np.nan_to_num(found.tau, nan=0.0)
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    return [int(leaf) for leaf in leaves_list(tree)]


def picture(found: Kinship, order: list[int]) -> altair.TopLevelMixin:
    """Return the matrix as a heat map with its numbers."""
    names = [found.names[place] for place in order]
    cells = [
        {"row": found.names[a], "column": found.names[b], "tau": round(float(found.tau[a, b]), 3)}
        for a in order
        for b in order
        if a != b and not math.isnan(found.tau[a, b])
    ]
    base = altair.Chart(altair.Data(values=cells)).encode(
        x=altair.X("column:N", sort=names, title=None, axis=altair.Axis(labelAngle=-45)),
        y=altair.Y("row:N", sort=names, title=None),
    )
    colours = altair.Scale(domain=[0, 1], scheme="blues", clamp=True)
    boxes = base.mark_rect().encode(color=altair.Color("tau:Q", scale=colours, title="Kendall's tau"))
    ink = altair.condition("datum.tau > 0.55", altair.value("white"), altair.value("#222"))
    numbers = base.mark_text(fontSize=10).encode(text=altair.Text("tau:Q", format=".2f"), color=ink)
    side = 34 * len(names)
    return charts.page(
        altair.layer(boxes, numbers).properties(width=side, height=side),
        "Which tasks rank architectures alike",
        ["Kendall's tau between validation accuracies over the functional classes of nb201-conv."],
    )


def main() -> None:
    columns, ceilings = [], {}
    for name in metanas.table_names():
        if name.startswith("nb201/") and metanas.load_table(name).space.name == "nb201-conv":
            short = name.removeprefix("nb201/").rpartition("-v")[0]
            columns.append((short, goodness(metanas.load_table(name))))
            ceilings[short] = reliability(name)
    conv = ~np.isnan(columns[0][1])
    with np.load(PUBLISHED / "nb201.npz", allow_pickle=False) as file:
        for data_set in DATA_SETS:
            mean = by_class("nb201", np.nanmean(file[f"{data_set}/val_acc@200"], axis=1))
            columns.append((f"NB201 {data_set}", np.where(conv, mean, np.nan)))
    found = kinship(columns)
    order = ordered(found)
    charts.save(picture(found, order), ROOT / "docs" / "images" / "kinship")
    short = [found.names[place] for place in order]
    lines = ["| | with itself | " + " | ".join(short) + " |", "|---" * (len(short) + 2) + "|"]
    for a in order:
        own = ceilings.get(found.names[a], math.nan)
        taus = [f"{found.tau[a, b]:.2f}" if a != b else "" for b in order]
        itself = f"{own:.2f}" if own == own else "–"
        lines.append(f"| {found.names[a]} | {itself} | " + " | ".join(taus) + " |")
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    atomic_write_text(PAGE, f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
