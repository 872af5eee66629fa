"""Search spaces: one file a space, found by its name (``nb201-conv`` is ``nb201_conv.py``)."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from metanas.errors import UnknownNameError
from metanas.spaces.base import (
    Atom,
    Cell,
    CompiledSpace,
    DecisionSpace,
    Graph,
    ListedSpace,
    Space,
    Term,
    WiredSpace,
    listed,
    with_decisions,
)

__all__ = [
    "Atom",
    "Cell",
    "CompiledSpace",
    "DecisionSpace",
    "Graph",
    "ListedSpace",
    "Space",
    "Term",
    "WiredSpace",
    "listed",
    "load_space",
    "space_names",
    "with_decisions",
]

_NOT_A_SPACE = {"base"}


@cache
def space_names() -> tuple[str, ...]:
    """Return the names of all spaces of the package, sorted."""
    names = (module.name for module in pkgutil.iter_modules(__path__))
    return tuple(sorted(name.replace("_", "-") for name in names if name not in _NOT_A_SPACE))


@cache
def load_space(name: str) -> Space:
    """Return the space called ``name``; raise :class:`~metanas.errors.UnknownNameError` if there is none."""
    if name not in space_names():
        raise UnknownNameError("search space", name, space_names())
    space: Space = importlib.import_module(f"metanas.spaces.{name.replace('-', '_')}").SPACE
    return space
