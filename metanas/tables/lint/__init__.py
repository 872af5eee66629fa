"""The checks of a table: is it what it says, and are its values what measurements can be?

Each was found broken in a published table or a reader of one: a test column that is the validation column, a seed that
answers with another's numbers or with the mean of the others, parameters that change with training, times that were
computed and not measured, −1 or infinity in place of "not measured". They hold for any table, built here or imported.
Those of the values alone are also what :func:`metanas.tables.write_table` refuses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from metanas.errors import InvalidFileError
from metanas.tables.lint import copies, holes, identity, origin, values
from metanas.tables.lint.finding import Content, Finding, Severity
from metanas.tables.lint.subject import Check, Subject
from metanas.tables.registry import Entry

CHECKS: tuple[Check, ...] = (*identity.CHECKS, *values.CHECKS, *copies.CHECKS, *holes.CHECKS, *origin.CHECKS)
READABLE = "readable"  # the rule that a file breaks which cannot be checked at all


def lint(path: Path, entry: Entry | None = None) -> tuple[Finding, ...]:
    """Check a table.

    Args:
        path: its file.
        entry: its entry in the registry of published tables, if it is one of them.

    Returns:
        What is wrong, errors first; empty for a sound table.
    """
    try:
        subject = Subject.read(path, entry)
    except InvalidFileError as error:
        return (Finding(str(error), rule=READABLE),)
    found = (replace(finding, rule=check.__name__) for check in CHECKS for finding in _found(check, subject))
    return tuple(sorted(found, key=lambda finding: finding.severity != "error"))


def _found(check: Check, subject: Subject) -> Iterator[Finding]:
    yield from check(subject)


__all__ = ["CHECKS", "READABLE", "Check", "Content", "Finding", "Severity", "Subject", "lint"]
