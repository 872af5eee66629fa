"""``metanas import nbgraph``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    folder: Annotated[
        Path | None, typer.Argument(help="The folder of the .bench files; that of the installed package if absent.")
    ] = None,
    task: Annotated[list[str] | None, typer.Option(help="Only this data set, as cora. Repeatable.")] = None,
    name: Annotated[
        str, typer.Option(help="What the tables are called: family/name-vN. The data set goes into the name of each.")
    ] = "published/nbgraph-v1",
    out: Annotated[
        Path | None, typer.Option(help="A folder for the tables; the user's cache if absent, by name from then on.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace what has that name and other values.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Import NAS-Bench-Graph: 26,206 graph networks on nine data sets, from the Python package nas-bench-graph.

    The package is not imported, and its pickles are read without Python's unpickler.

        pip install nas-bench-graph

        metanas import nbgraph

        metanas import nbgraph --task cora --task pubmed --out tables
    """
    from metanas.cli.importing._show import show
    from metanas.tables.import_nbgraph import TASKS, import_nbgraph
    from metanas.tables.import_store import Store

    return show(import_nbgraph(folder, name=name, store=Store(out, replace), tasks=task or TASKS), as_json)
