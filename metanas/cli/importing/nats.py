"""``metanas import nats``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from metanas.cli._common import console

NEEDS_ARGUMENTS = True


def command(
    folder: Annotated[
        Path, typer.Argument(help="The unpacked directory, as NATS-tss-v1_0-3ffb9-simple.", metavar="DIRECTORY")
    ],
    name: Annotated[
        str, typer.Option(help="What the tables are called: family/name-vN. Data set and epochs go into each name.")
    ] = "published/nats-v1",
    dataset: Annotated[
        list[str] | None,
        typer.Option(help="Only this data set (cifar10-valid, cifar10, cifar100, ImageNet16-120). Repeatable."),
    ] = None,
    jobs: Annotated[int, typer.Option(help="Processes to read with.")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="A folder for the tables; the user's cache if absent, by name from then on.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace what has that name and other values.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Import a NATS-Bench directory of the topology space: a table for each data set and length of training.

    Trainings of 12 and of 200 epochs are separate runs and become separate tables, each with its learning curves. An
    import that was interrupted goes on where it stopped: the same command again. For all 15,625 cells it needs about
    1 GB of disk while it reads, and the memory of one table at a time.

        metanas import nats NATS-tss-v1_0-3ffb9-simple --jobs 2

        metanas import nats NATS-tss-v1_0-3ffb9-simple --dataset cifar100 --out tables
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from metanas.cli.importing._show import show
    from metanas.tables.import_nats import import_nats
    from metanas.tables.import_store import Store
    from metanas.tables.nats_cell import SETS

    shown = console(stderr=True)
    columns = (TextColumn("cells"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=shown, transient=True, disable=not shown.is_terminal) as bar:
        task = bar.add_task("cells", total=None)

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        store, wanted = Store(out, replace), dataset or tuple(SETS)
        imported = import_nats(folder, store=store, name=name, datasets=wanted, jobs=jobs, report=report)
    return show(imported, as_json)
