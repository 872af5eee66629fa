"""``metanas import columns``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NEEDS_ARGUMENTS = True


def command(
    file: Annotated[Path, typer.Argument(help="The file: .npz, .csv, .csv.gz or .parquet.")],
    name: Annotated[
        str, typer.Option(help="What the tables are called: family/name-vN. Several tasks or runs go into the name.")
    ],
    space: Annotated[str | None, typer.Option(help="The search space; that of the map if absent.")] = None,
    map_: Annotated[
        str | None,
        typer.Option("--map", help="What the columns are: a map of metanas by its name, or a .toml file."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="A folder for the tables; the user's cache if absent, by name from then on.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace what has that name and other values.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Import plain columns: an architecture a row, a metric a column.

    Each task becomes a table, and so does each run: accuracies after 12 and after 200 epochs are two trainings unless
    the map says that they are points of one. What is missing stays missing.

    Columns called task/validation/accuracy@200 (#777 behind it for the seed), task/cost/parameters,
    task/latency/pixel3 … beside a column arch or index need no map. For others a TOML file says what they are; see
    the maps that come with metanas (metanas/tables/maps): nb201, nb201_hw, nb201_latency, nb201_zero_cost.

        metanas import columns mine.csv --space nb201 --name mine/first-v1

        metanas import columns nb201.npz --map nb201 --name published/nb201-v1

        metanas import columns other.npz --map my_map.toml --name mine/second-v1 --out tables
    """
    from metanas.cli.importing._show import show
    from metanas.tables.import_columns import import_columns
    from metanas.tables.import_store import Store

    return show(import_columns(file, name=name, store=Store(out, replace), space=space, map_name=map_), as_json)
