"""``metanas plot``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NEEDS_ARGUMENTS = True


def command(
    table: Annotated[str, typer.Argument(help="A table's name, or an .h5 file.")],
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("plots"),
) -> None:
    """Draw a table on one page, as PNG and SVG (extra [plots]).

    How many architectures reach which accuracy, learning curves, accuracy over parameters and multiply-accumulates with
    the Pareto front, one seed against another, and the best three cells.

        metanas plot nb201/fashion_mnist-v1

        metanas plot my-table.h5 --out pictures
    """
    from metanas.tables import open_table
    from metanas.tables.plots import plot_table

    for path in plot_table(open_table(table), out):
        typer.echo(path)
