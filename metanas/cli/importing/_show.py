"""What the commands of ``metanas import`` print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from metanas.cli._common import console, print_json

if TYPE_CHECKING:
    from metanas.tables.import_store import Imported


def show(imported: Sequence[Imported], as_json: bool) -> None:
    """Print the tables that were imported, and what was noticed."""
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
                }
                for entry in imported
            ]
        )
        return
    shown = console()
    for entry in imported:
        shown.print(f"{entry.name}: {entry.rows:,} architectures on {entry.task}", style="bold", markup=False)
        shown.print(f"  {', '.join(sorted(entry.metrics))}", markup=False, soft_wrap=True)
        shown.print(f"  {entry.path}", markup=False, soft_wrap=True)
    for note in dict.fromkeys(note for entry in imported for note in entry.notes):
        shown.print(f"Note: {note}", markup=False, soft_wrap=True, style="yellow")
