"""``metanas query``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from metanas.cli._common import console, print_json

if TYPE_CHECKING:
    from metanas.tables import Table

NEEDS_ARGUMENTS = True


def command(
    table: Annotated[str, typer.Argument(help="A table's name, or an .h5 file.")],
    archs: Annotated[list[str], typer.Argument(help="Architectures, as strings or indices.", metavar="ARCH...")],
    metric: Annotated[list[str] | None, typer.Option(help="Only this metric. Repeatable. All if absent.")] = None,
    epoch: Annotated[int | None, typer.Option(help="After so many epochs; the last if absent.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of this training; the mean over the seeds if absent.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; null = not measured.")] = False,
) -> None:
    """Look up what was measured for architectures.

    An architecture is given in its standard written form (in quotes) or by its index. One that was not trained itself
    is answered by the representative of its functional class, unless the table is of architectures as they are written.

        metanas query nb201/fashion_mnist-v1 1462

        metanas query nb201/fashion_mnist-v1 1462 2901 --metric validation/accuracy --metric test/accuracy --epoch 3

        metanas query nb201/fashion_mnist-v1 '|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_3x3~2|'
    """
    from metanas.tables import open_table

    opened = open_table(table)
    forms = [int(arch) if arch.strip().isdecimal() else arch for arch in archs]
    rows = opened.rows(forms)  # refuses what is not of the space
    space = opened.space
    indices = [form if isinstance(form, int) else space.index(space.parse(form)) for form in forms]
    values = {
        name: _values(opened, name, indices, epoch, seed, asked=bool(metric)) for name in metric or opened.metrics
    }
    for position, index in enumerate(indices):
        if all(math.isnan(column[position]) for column in values.values()):
            opened.query(index, next(iter(values)), epoch=epoch, seed=seed)  # raises, saying what is missing
    answers: list[dict[str, object]] = [
        {
            "index": index,
            "arch": space.format(space.arch(index)),
            "answered_by": int(opened.archs[row]) if row >= 0 else None,
            "values": {name: None if math.isnan(column[i]) else column[i] for name, column in values.items()},
        }
        for i, (index, row) in enumerate(zip(indices, rows.tolist(), strict=True))
    ]
    if as_json:
        units = {name: opened.metrics[name].unit for name in values}
        print_json({"table": opened.name, "epoch": epoch, "seed": seed, "units": units, "answers": answers})
        return
    _show(opened, answers, values, epoch, seed)


def _values(
    table: Table, name: str, indices: list[int], epoch: int | None, seed: int | None, *, asked: bool
) -> list[float]:
    """Return the metric's values; of metrics that nobody asked for by name, axes that they do not have are ignored."""
    axes = table.metrics[name].axes if name in table.metrics and not asked else ("arch", "seed", "epoch")
    at = epoch if "epoch" in axes else None
    of = seed if "seed" in axes else None
    found: list[float] = table.query(indices, name, epoch=at, seed=of, missing="nan").tolist()
    return found


def _show(
    table: Table,
    answers: list[dict[str, object]],
    values: dict[str, list[float]],
    epoch: int | None,
    seed: int | None,
) -> None:
    from rich.table import Table as Grid

    shown = console()
    last = table.epochs[-1] if table.epochs else None
    when = f", after epoch {last if epoch is None else epoch}" if table.epochs else ""
    means = ", mean over the measured seeds" if table.seeds else ""
    shown.print(f"{table.name}{when}{means if seed is None else f', seed {seed}'}")
    for answer in answers:
        twin = "" if answer["answered_by"] == answer["index"] else f", answered by {answer['answered_by']}"
        shown.print(f"{answer['index']}{twin}: {answer['arch']}", markup=False, soft_wrap=True)
    grid = Grid()
    grid.add_column("metric", no_wrap=True)
    grid.add_column("unit")
    for answer in answers:
        grid.add_column(str(answer["index"]), justify="right", no_wrap=True)
    for name, column in values.items():
        cells = ("not measured" if math.isnan(value) else f"{value:,.6g}" for value in column)
        grid.add_row(name, table.metrics[name].unit, *cells)
    shown.print(grid)
