"""``metanas tables``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from metanas.cli._common import console, print_json

if TYPE_CHECKING:
    from metanas.tables import Table


def command(
    name: Annotated[
        str | None, typer.Argument(help="A table's name, or an .h5 file; all tables if absent.", metavar="TABLE")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check the SHA-256 of the files against the registry.")
    ] = False,
    card: Annotated[
        bool, typer.Option("--card", help="Print the table's card, as Markdown, computed from its values.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """List the tables of trained architectures, or show one: its metrics and how it was made.

    metanas tables

    metanas tables nb201/fashion_mnist-v1

    metanas tables nb201/fashion_mnist-v1 --card > card.md

    metanas tables --verify
    """
    from metanas.errors import InvalidValueError
    from metanas.tables import load_table, open_table, table_names

    if name is None:
        if card:
            msg = "--card is of one table: metanas tables TABLE --card"
            raise InvalidValueError(msg)
        if verify:
            return _verify(list(table_names()), as_json)
        _list([load_table(known) for known in table_names()], as_json)
        return 0
    if verify:
        if name.endswith(".h5"):
            msg = f"--verify compares published tables with the registry; {name} is a file. Name a table."
            raise InvalidValueError(msg)
        return _verify([name], as_json)
    table = open_table(name)
    if card:
        typer.echo(_card(table), nl=False)
    else:
        _show(table, as_json)
    return 0


def _card(table: Table) -> str:
    if any(entry.split == "latency" for entry in table.metrics.values()) and not table.epochs:
        from metanas.devices.card import card as latency_card

        return latency_card(table)
    from metanas.tables.card import card

    return card(table)


def _verify(names: list[str], as_json: bool) -> int:
    from metanas.errors import InvalidFileError
    from metanas.tables import find_entry
    from metanas.tables.registry import surrogates

    found: dict[str, str | None] = {}
    learned = surrogates()
    for entry in map(find_entry, names):
        files = [entry, *([learned[entry.name]] if entry.name in learned else [])]
        for label, file in zip((entry.name, f"{entry.name}, surrogate"), files, strict=False):
            try:
                file.verify()
                found[label] = None
            except InvalidFileError as error:
                found[label] = str(error)
    if as_json:
        print_json([{"table": name, "sound": reason is None, "reason": reason} for name, reason in found.items()])
    else:
        for name, reason in found.items():
            style = "red" if reason else None
            console().print(f"{name}: {reason or 'sound'}", style=style, markup=False, soft_wrap=True)
    return InvalidFileError.exit_code if any(found.values()) else 0


def _summary(table: Table) -> dict[str, Any]:
    from metanas.tables.registry import surrogates

    return {
        "name": table.name,
        "space": table.space_name,
        "task": table.task,
        "architectures": len(table),
        "seeds": list(table.seeds),
        "epochs": list(table.epochs),
        "bytes": table.path.stat().st_size,
        "surrogate": table.name in surrogates(),
    }


def _list(tables: list[Table], as_json: bool) -> None:
    rows = [_summary(table) for table in tables]
    if as_json:
        print_json(rows)
        return
    if not rows:
        console().print("No table is published here yet. Build one: metanas build --help")
        return
    from rich.table import Table as Grid

    grid = Grid()
    for head in ("table", "space", "task"):
        grid.add_column(head, no_wrap=True)
    for head in ("architectures", "seeds", "epochs", "size"):
        grid.add_column(head, justify="right")
    for row in rows:
        seeds = ", ".join(map(str, row["seeds"])) or "–"
        epochs = str(max(row["epochs"])) if row["epochs"] else "–"
        size = f"{row['bytes'] / 1e6:.1f} MB"
        count = f"{row['architectures']:,}" + (" + surrogate" if row["surrogate"] else "")
        grid.add_row(row["name"], row["space"], row["task"], count, seeds, epochs, size)
    console().print(grid)


def _show(table: Table, as_json: bool) -> None:
    metrics: list[dict[str, Any]] = [
        {
            "name": name,
            "split": entry.split,
            "unit": entry.unit,
            "direction": entry.direction,
            "axes": list(entry.axes),
            "measured": float(table.measured(name).mean()),
        }
        for name, entry in table.metrics.items()
    ]
    if as_json:
        more = {"protocol": table.protocol, "protocol_sha256": table.protocol_sha256, "sha256": table.sha256}
        print_json({**_summary(table), "metrics": metrics, **more, "provenance": dict(table.provenance)})
        return
    from rich.table import Table as Grid

    from metanas.tables.card import show

    shown = console()
    shown.print(f"{table.name}: {len(table):,} architectures of {table.space_name} on {table.task}", style="bold")
    shown.print(f"seeds {', '.join(map(str, table.seeds)) or '–'}; epochs {', '.join(map(str, table.epochs)) or '–'}")
    grid = Grid()
    for head in ("metric", "split", "unit", "better", "axes"):
        grid.add_column(head, no_wrap=True)
    grid.add_column("measured", justify="right")
    for row in metrics:
        grid.add_row(
            row["name"], row["split"], row["unit"], row["direction"], ", ".join(row["axes"]), f"{row['measured']:.1%}"
        )
    shown.print(grid)
    facts = {**table.provenance, "protocol_sha256": table.protocol_sha256, "sha256": table.sha256}
    for key, value in facts.items():
        shown.print(f"{key.replace('_', ' ')}: {show(value)}", markup=False, soft_wrap=True)
