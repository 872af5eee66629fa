"""``metanas lint``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metanas.cli import _findings
from metanas.cli._common import console, print_json

if TYPE_CHECKING:
    from metanas.tables.lint import Finding


def command(
    tables: Annotated[
        list[str] | None,
        typer.Argument(help="Names of tables, or .h5 files; all published tables if absent.", metavar="TABLE..."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> int:
    """Check tables: are they what they say, and are their values what measurements can be?

    A test column that is the validation column, a seed that repeats another or is the mean of the others, times that
    were not measured, −1 in place of "not measured", rows, protocols and tasks that are not what the table says, and
    more. A warning is a reason to look; with errors the exit code is 2.

        metanas lint

        metanas lint nb201/fashion_mnist-v1

        metanas lint my-table.h5 --json
    """
    from metanas.tables import find_entry, table_names
    from metanas.tables.lint import lint

    found: dict[str, tuple[Finding, ...]] = {}
    for name in tables or table_names():
        entry = None if name.endswith(".h5") else find_entry(name)
        found[entry.name if entry else name] = lint(entry.path if entry else Path(name), entry)
    if as_json:
        print_json([{"table": name, **_findings.as_json(findings)} for name, findings in found.items()])
    elif found:
        _findings.show(console(), found)
    else:
        console().print("No table is published here yet. Build one: metanas build --help")
    return _findings.exit_code(found.values())
