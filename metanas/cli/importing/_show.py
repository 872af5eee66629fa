"""What the commands of ``metanas import`` print: the tables, what was noticed, and what linting them finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from metanas.cli import _findings
from metanas.cli._common import console, print_json

if TYPE_CHECKING:
    from metanas.tables.import_store import Imported
    from metanas.tables.lint import Finding


def show(imported: Sequence[Imported], as_json: bool) -> int:
    """Lint the tables that were imported, and print them, what was noticed, and the findings.

    A table is kept whatever is found in it: it holds what its publishers say.

    Returns:
        The exit code: 0, or that of ``metanas lint`` if a table has an error.
    """
    from metanas.tables.lint import lint

    found = {entry.name: lint(entry.path, entry.registered) for entry in imported}
    if as_json:
        print_json(
            [
                {
                    "table": entry.name,
                    "path": str(entry.path),
                    "sha256": entry.sha256,
                    "task": entry.task,
                    "architectures": entry.rows,
                    "metrics": list(entry.metrics),
                    "notes": list(entry.notes),
                    **_findings.as_json(found[entry.name]),
                }
                for entry in imported
            ]
        )
    else:
        _print(imported, found)
    return _findings.exit_code(found.values())


def _print(imported: Sequence[Imported], found: dict[str, tuple[Finding, ...]]) -> None:
    shown = console()
    for entry in imported:
        shown.print(f"{entry.name}: {entry.rows:,} architectures on {entry.task}", style="bold", markup=False)
        shown.print(f"  {', '.join(sorted(entry.metrics))}", markup=False, soft_wrap=True)
        shown.print(f"  {entry.path}", markup=False, soft_wrap=True)
    for note in dict.fromkeys(note for entry in imported for note in entry.notes):
        shown.print(f"Note: {note}", markup=False, soft_wrap=True, style="yellow")
    unsound = {name: findings for name, findings in found.items() if findings}
    sound = len(found) - len(unsound)
    if sound:
        shown.print(f"Lint: {sound} of {len(found)} tables sound", markup=False)
    _findings.show(shown, unsound)
    if _findings.exit_code(found.values()):
        shown.print("Imported all the same, as published. What is wrong stays wrong: look before using it.")
