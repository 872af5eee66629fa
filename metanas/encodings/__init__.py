"""Architectures as vectors and graphs, for predictors: one file an encoding, found by its name.

A file has ``columns(space)``, the names of the columns; ``rows(space, archs)``, the vectors, ``(n, d)`` float32; and
``BY_CLASS``, whether functionally equal architectures have equal vectors. ``graphs.py`` is for networks on graphs.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from metanas.encodings.base import Archs, RowStore, as_indices, once_per_space
from metanas.errors import UnknownNameError
from metanas.spaces import Space

__all__ = ["Archs", "as_indices", "encode", "encoding_columns", "encoding_names"]

_NOT_AN_ENCODING = {"base", "dag", "graphs"}


@cache
def encoding_names() -> tuple[str, ...]:
    """Return the names of all encodings of the package, sorted."""
    names = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return tuple(sorted(name for name in names if name not in _NOT_AN_ENCODING and not name.startswith("_")))


def encode(space: Space, archs: Archs, name: str) -> NDArray[np.float32]:
    """Return architectures as vectors. A row is computed once in a process.

    Args:
        space: the space of the architectures.
        archs: ``n`` architectures, or their indices in the space.
        name: one of :func:`encoding_names`.

    Returns:
        ``(n, d)``; ``d`` and the columns' meaning depend on the space and the encoding only.

    Raises:
        UnknownNameError: there is no such encoding.
        InvalidArchError: an architecture of another space.
    """
    indices = as_indices(space, archs)
    return _store(name)(space)(indices)


def encoding_columns(space: Space, name: str) -> tuple[str, ...]:
    """Return the name of each column of an encoding, ``(d,)``; raise ``UnknownNameError`` if there is no such one."""
    columns: tuple[str, ...] = _module(name).columns(space)
    return columns


@cache
def _store(name: str) -> Callable[[Space], RowStore]:
    module = _module(name)
    return once_per_space(lambda space: RowStore(space, module.rows, by_class=module.BY_CLASS))


def _module(name: str) -> ModuleType:
    if name not in encoding_names():
        raise UnknownNameError("encoding", name, encoding_names())
    return importlib.import_module(f"metanas.encodings.{name}")
