"""How the commands show what :mod:`metanas.tables.lint` found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from metanas.errors import InvalidFileError

if TYPE_CHECKING:
    from rich.console import Console

    from metanas.tables.lint import Finding


def errors(findings: Iterable[Finding]) -> int:
    """Count the errors among findings."""
    return sum(finding.severity == "error" for finding in findings)


def exit_code(found: Iterable[Sequence[Finding]]) -> int:
    """Return the exit code of a command: that of a broken file if any table has an error; warnings are none."""
    return InvalidFileError.exit_code if any(map(errors, found)) else 0


def as_json(findings: Sequence[Finding]) -> dict[str, object]:
    """Return the findings of a table as JSON can hold them."""
    listed = [{"rule": finding.rule, **asdict(finding)} for finding in findings]
    return {"sound": not errors(findings), "findings": listed}


def show(shown: Console, found: Mapping[str, Sequence[Finding]]) -> None:
    """Print the findings of tables by their name."""
    from rich.text import Text

    for name, findings in found.items():
        wrong = errors(findings)
        counts = ((wrong, "error"), (len(findings) - wrong, "warning"))
        said = ", ".join(f"{count} {what}{'s' * (count > 1)}" for count, what in counts if count)
        shown.print(Text(f"{name}: {said or 'sound'}", style="bold"), soft_wrap=True)
        for finding in findings:
            head = Text(
                f"  {finding.severity} {finding.rule}: ", style="red" if finding.severity == "error" else "yellow"
            )
            shown.print(head + Text(str(finding), style="default"), soft_wrap=True)
