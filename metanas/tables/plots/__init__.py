"""A table on one page: how good its architectures are, how they learn, what they cost, how noisy it is, the best.

Needs the extra ``[plots]``: Altair and vl-convert.
"""

from __future__ import annotations

from pathlib import Path

from metanas.charts import page, require_plots, save
from metanas.errors import NotMeasuredError
from metanas.tables.plots import cells, panels
from metanas.tables.table import Table

METRIC = "validation/accuracy"


def plot_table(table: Table, folder: Path) -> list[Path]:
    """Draw a table.

    Args:
        table: the table.
        folder: where to write; the files are named after the table.

    Returns:
        The files: PNG and SVG.

    Raises:
        NotMeasuredError: the table has no validation accuracy.
        MetanasError: the extra ``[plots]`` is not installed.
    """
    if METRIC not in table.metrics or not table.measured(METRIC).any():
        msg = f"A table is drawn by {METRIC!r}, but table {table.name} has only {', '.join(table.metrics)}."
        raise NotMeasuredError(msg)
    require_plots("The plot of a table")
    import altair

    wide = [panels.histogram(table), panels.curves(table), *(panels.cost(table, name) for name in panels.COSTS)]
    wide = [panel for panel in wide if panel is not None]
    rows = [row for row in (wide[:2], wide[2:], panels.agreement(table), cells.best(table)) if row]
    chart = altair.vconcat(*(altair.hconcat(*row).resolve_scale(color="independent") for row in rows))
    title = f"{table.name}: {len(table):,} architectures of {table.space_name}, trained on {table.task}"
    return save(page(chart, title, [_what(table)]), folder / table.name.replace("/", "-"))


def _what(table: Table) -> str:
    """Say what the numbers on the page are."""
    axes, names = table.metrics[METRIC].axes, ", ".join(map(str, table.seeds))
    whose = (
        "" if "seed" not in axes else f", mean over the seeds {names}" if len(table.seeds) > 1 else f", seed {names}"
    )
    when = f", after {table.epochs[-1]} epochs" if "epoch" in axes else ""
    there = table.measured(METRIC)
    missing = int((~there).all(axis=-1).sum() if "epoch" in axes else (~there).sum())
    total = there.size // (len(table.epochs) if "epoch" in axes else 1)
    holes = f" {missing:,} of {total:,} trainings are missing." if missing else ""
    return f"Percent of rows that are classified rightly{whose}{when}, unless said otherwise.{holes}"
