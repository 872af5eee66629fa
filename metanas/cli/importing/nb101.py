"""``metanas import nb101``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NEEDS_ARGUMENTS = True


def command(
    file: Annotated[Path, typer.Argument(help="The sample of cells, .npz.")],
    name: Annotated[
        str, typer.Option(help="What the tables are called: family/name-vN. The epochs go into the name of each.")
    ] = "published/nb101-cifar10-v1",
    out: Annotated[
        Path | None, typer.Option(help="A folder for the tables; the user's cache if absent, by name from then on.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace what has that name and other values.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Import sampled cells of NAS-Bench-101: a table for each number of epochs.

    Trainings of 4, 12, 36 and 108 epochs are separate runs, each with its own schedule, and no learning curve. The
    published isomorphism hash of every cell is checked. The tables answer for the cells of the sample, in whatever
    order their vertices are written, and for no other.

        metanas import nb101 nb101_20k.npz

        metanas query published/nb101-cifar10-108ep-v1 "conv3x3-bn-relu(0)|maxpool3x3(0,1)|output(0,2)"
    """
    from metanas.cli.importing._show import show
    from metanas.tables.import_nb101 import import_nb101
    from metanas.tables.import_store import Store

    return show(import_nb101(file, name=name, store=Store(out, replace)), as_json)
