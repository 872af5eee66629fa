"""Our devices beside the 21 published ones: rank correlations on the same cells, and how our machine drifted.

    python benchmarks/device_matrix.py                    # all published tables devices/*
    python benchmarks/device_matrix.py work/devices/*/*.h5

Spearman's correlation between every two devices, ours and those whose latencies HELP published for the same networks
(``../shared/published`` or the folder that METANAS_PUBLISHED names; ours alone without it), over the cells that all of
ours measured, as a matrix (``docs/images/devices.png`` and ``.svg``); and the drift record of each of ours. Figures go
to ``docs/devices.md``.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from metanas.charts import page, save

sys.path.insert(0, str(Path(__file__).resolve().parent))
from device_models import ROOT, SPACE, device_tables, write_figures

OTHERS = Path(os.environ.get("METANAS_PUBLISHED") or ROOT.parent / "shared" / "published") / "nb201_latency.npz"
IMAGE = ROOT / "docs" / "images" / "devices"
Floats = NDArray[np.float64]


def correlations(values: dict[str, Floats]) -> Floats:
    """Return Spearman's correlation between every two columns, NaN where either has no value left out."""
    whole = np.isfinite(np.column_stack(list(values.values()))).all(axis=1)
    ranks = np.stack([rankdata(column[whole]) for column in values.values()])
    found: Floats = np.corrcoef(ranks)
    return found


def clustered(matrix: Floats) -> list[int]:
    """Return an order in which devices that rank alike stand together."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    apart = squareform(np.maximum(1 - matrix, 0), checks=False)
    return [int(leaf) for leaf in leaves_list(linkage(apart, "average", optimal_ordering=True))]


def draw(names: list[str], ours: set[str], matrix: Floats, cells: int) -> None:
    """Draw the matrix."""
    import altair

    order = [names[place] for place in clustered(matrix)] if len(names) > 2 else names
    label = {name: f"● {name}" if name in ours else name for name in names}
    rows = [
        {"row": label[one], "column": label[other], "rho": round(float(matrix[i, j]), 3)}
        for i, one in enumerate(names)
        for j, other in enumerate(names)
    ]
    sort = [label[name] for name in order]
    base = altair.Chart(altair.Data(values=rows)).encode(
        x=altair.X("column:N", sort=sort, title=None, axis=altair.Axis(labelAngle=-60, labelLimit=260)),
        y=altair.Y("row:N", sort=sort, title=None, axis=altair.Axis(labelLimit=260)),
    )
    low = float(np.floor(10 * matrix.min()) / 10)
    scale = altair.Scale(scheme="viridis", domain=[low, 1])
    cell = base.mark_rect().encode(color=altair.Color("rho:Q", scale=scale, title="Spearman"))
    dark = altair.value("white") if low >= 1 else altair.condition(
        f"datum.rho < {(low + 1) / 2}", altair.value("white"), altair.value("black"))  # fmt: skip
    text = base.mark_text(fontSize=8).encode(text=altair.Text("rho:Q", format=".2f"), color=dark)
    size = 26 * len(names)
    chart = (cell + text).properties(width=size, height=size)
    subtitle = [f"Spearman's correlation of latencies over {cells:,} cells of NAS-Bench-201, its cifar10 network.",
                "● measured here; the others: published by HELP. Devices that rank alike stand together."]  # fmt: skip
    for path in save(page(chart, "Which devices rank cells alike", subtitle), IMAGE):
        print(f"Written: {path}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", help="names or .h5 files; all published devices/* if absent")
    tables = device_tables(parser.parse_args().tables)
    if not tables:
        print("No table of latencies is published here. Measure: python benchmarks/device_tables.py --register")
        return
    own: dict[str, Floats] = {}
    drifts = ["| device | anchor, least to greatest (ms) | drift | blocks | measured anew | 64 cells again: Spearman | "
              "– as timed | – median difference |", "|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for table in tables:
        name = table.name.removeprefix("devices/").rpartition("-v")[0]
        values = np.full(len(SPACE), np.nan)
        values[table.archs] = table.column(f"latency/{name}")
        own[name] = values
        drift, again = table.provenance["drift"], table.provenance.get("again", {})
        same = [f"{again[key]:.3f}" for key in ("spearman", "spearman_as_timed") if key in again]
        same = [*same, f"{100 * again['median_difference']:.1f} %"] if again else ["–"] * 3
        ends = f"{drift['least']:.3f} to {drift['greatest']:.3f}"
        steady = f"{100 * drift['relative']:.1f} %"
        drifts.append(
            f"| {name} | {ends} | {steady} | {drift['blocks']} | {drift['remeasured']} | {' | '.join(same)} |"
        )
    others: dict[str, Floats] = {}
    if OTHERS.is_file():
        with np.load(OTHERS, allow_pickle=False) as file:
            for key in file.files:
                values = file[key].astype(np.float64)
                others[key.partition("/")[0]] = np.where(values > 0, values, np.nan)  # one cell has 0: not measured
    columns = own | others
    cells = int(np.isfinite(np.column_stack(list(columns.values()))).all(axis=1).sum())
    matrix, names = correlations(columns), list(columns)
    draw(names, set(own), matrix, cells)
    lines = [f"![rank correlations of devices](images/{IMAGE.name}.png)", ""]
    if others:
        lines += ["| device | most alike, published | least alike, published |", "|---|---|---|"]
        for place, name in enumerate(own):
            row = matrix[place, len(own) :]
            best, worst = (list(others)[int(at)] for at in (row.argmax(), row.argmin()))
            lines.append(f"| {name} | {best} {row.max():.3f} | {worst} {row.min():.3f} |")
        lines.append("")
    write_figures("device_matrix.py", [*lines, f"Over {cells:,} cells. The drift record:", "", *drifts])


if __name__ == "__main__":
    main()
