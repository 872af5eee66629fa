"""The source of a strategy or predictor may not import what answers: tables, oracles, the harness, published data.

This stops cheating by accident, not by design: Python has other ways to a file, and a board's submissions are read.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from metanas.errors import MetanasError, StrategyError

_OPEN = ("arch", "checks", "encodings", "errors", "predictors", "problem", "spaces", "strategies")
_OPEN_NAMES = ("Arch", "MetanasError", "load_space", "space_names")  # of what the package's front door offers


def check_imports(
    source: bytes, what: str, kind: str = "strategy", refused: type[MetanasError] = StrategyError
) -> None:
    """Refuse a strategy that imports a table, an oracle or another part that knows the answers.

    Args:
        source: the text of its file.
        what: how to call it in the message.
        kind: ``"strategy"``, or what else must not look values up.
        refused: the error that is raised.

    Raises:
        MetanasError: it does, or the text is no Python.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        msg = f"{what} is no Python{f', line {line}' if line else ''}: {getattr(error, 'msg', error)}."
        raise refused(msg) from error
    for name, line in _imported(tree):
        parts = name.split(".")
        peeks = parts[0] == "h5py" or (parts[0] == "metanas" and (parts[1:2] or [""])[0] not in _OPEN + _OPEN_NAMES)
        if peeks:
            allowed = ", ".join(f"metanas.{part}" for part in _OPEN)
            msg = f"{what}, line {line}: a {kind} may not import {name}. Of metanas it may import {allowed}."
            raise refused(msg)


def _imported(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield every dotted name that is imported, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)
