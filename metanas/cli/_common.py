"""What several commands need."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import typer

from metanas.errors import InvalidValueError

if TYPE_CHECKING:
    from rich.console import Console

_WIDE = 160  # columns, where no terminal says how many it has
_NUMBERS = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")


def console(*, stderr: bool = False) -> Console:
    """Return a console that does not squeeze tables when its output goes to a file or another program."""
    from rich.console import Console

    shown = Console(stderr=stderr, highlight=False)
    return shown if shown.is_terminal else Console(stderr=stderr, highlight=False, width=_WIDE)


def print_json(content: object) -> None:
    """Print JSON for programs."""
    typer.echo(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False))


def parse_numbers(text: str, option: str) -> tuple[int, ...]:
    """Read ``0,1,2`` or ``0-2`` or both mixed.

    Raises:
        InvalidValueError: another form, or a number twice.
    """
    numbers: list[int] = []
    if _NUMBERS.fullmatch(text.replace(" ", "")):
        for part in text.replace(" ", "").split(","):
            first, _, last = part.partition("-")
            numbers.extend(range(int(first), int(last or first) + 1))
    if not numbers or len(set(numbers)) != len(numbers):
        msg = f"{option} takes distinct numbers as in 0,1,2 or 0-2, but got {text!r}."
        raise InvalidValueError(msg)
    return tuple(numbers)
