"""Which architecture stands in each row of an imported file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metanas.arch import Arch
from metanas.errors import InvalidArchError, InvalidFileError
from metanas.spaces import ListedSpace, Space
from metanas.tables.import_files import numbers, texts
from metanas.tables.import_map import Architectures


def row_indices(columns: Mapping[str, NDArray[Any]], where: Architectures, space: Space) -> NDArray[np.int64]:
    """Return the index of the architecture of each row, ``(n_rows,)``.

    Args:
        columns: the columns of the file.
        where: where the architecture stands.
        space: the search space.

    Raises:
        InvalidFileError: what is no architecture of the space, with its row.
    """
    if where.form == "row":
        if not isinstance(space, ListedSpace) or len(space.indices) != len(space):
            msg = f"Rows in the order of indices need a space with a list of its architectures, not {space.name!r}."
            raise InvalidFileError(msg)
        return np.asarray(space.indices)
    column = str(where.column)
    if column not in columns:
        msg = f"The architecture column {column!r} is not there; the file has {', '.join(list(columns)[:12])}."
        raise InvalidFileError(msg)
    if where.form == "index":
        values = numbers(column, columns[column])
        if values.ndim != 1 or (values != np.floor(values)).any():
            row = int(np.argmax(values != np.floor(values))) if values.ndim == 1 else 0
            msg = f"Column {column!r} must hold one index a row, but holds {float(values.flat[row])!r} in row {row}."
            raise InvalidFileError(msg)
        return _each(values.astype(np.int64).tolist(), column, space, lambda number: space.arch(number))
    written = texts(column, columns) if where.form == "string" else _written(columns, where)
    return _each(written, column, space, space.parse)


def _each(entries: Sequence[Any], column: str, space: Space, read: Callable[[Any], Arch]) -> NDArray[np.int64]:
    """Return the index of each entry; of its class where the space has no list, for there rows are classes."""
    found = np.empty(len(entries), dtype=np.int64)
    for row, entry in enumerate(entries):
        try:
            arch = read(entry)
            found[row] = space.index(arch if isinstance(space, ListedSpace) else space.canonical(arch))
        except InvalidArchError as error:
            msg = f"Column {column!r}, row {row}: {error}"
            raise InvalidFileError(msg) from error
    return found


def _written(columns: Mapping[str, NDArray[Any]], where: Architectures) -> list[str]:
    """Return the written form of architectures that are given by their operations."""
    column, names = str(where.column), where.operations
    known = list(names) if isinstance(names, tuple) else texts(names, columns)
    values = columns[column]
    if values.ndim == 1 and values.dtype.kind == "U":
        split = [
            text.replace(",", " ").split() if "," in text or " " in text else list(text) for text in values.tolist()
        ]
    elif values.ndim == 2:
        split = [[str(entry) for entry in row] for row in values.tolist()]
    else:
        msg = f"Column {column!r} must hold the operations of each row, but has the shape {values.shape}."
        raise InvalidFileError(msg)
    n_places = len({place for place in str(where.template).split("{")[1:]})
    written = []
    for row, entries in enumerate(split):
        numbers_given = all(entry.isdecimal() for entry in entries)
        wrong = [entry for entry in entries if (int(entry) >= len(known) if numbers_given else entry not in known)]
        if wrong or len(entries) != n_places:
            what = f"the unknown operation {wrong[0]!r}" if wrong else f"{len(entries)} operations"
            listed = ", ".join(f"{number}={name}" for number, name in enumerate(known))
            msg = f"Column {column!r} must hold {n_places} operations of {listed}, but row {row} has {what}."
            raise InvalidFileError(msg)
        named = [known[int(entry)] if numbers_given else entry for entry in entries]
        written.append(str(where.template).format(*named))
    return written
