"""Writing a table: one HDF5 file, checked, atomic, the same bytes for the same content.

Layout (``schema_version`` 1):

- root attributes: ``schema_version``, ``name``, ``space``, ``task``, ``protocol`` (TOML text), ``protocol_sha256``,
  ``provenance`` (JSON), ``metrics`` (JSON: name -> unit, direction, axes);
- ``/arch_index`` (n,) int32: index in the space of the architecture of each row, ascending;
- ``/row_of_index`` (index range,) int32: row of each index of the space, −1 where the table has none. Not there in a
  table of a space without a list of its architectures (:class:`metanas.spaces.ListedSpace`), whose index range is too
  long for an array; the root attribute ``rows_by`` = ``"canonical"`` says so, and a row is found in ``/arch_index`` by
  the index of the architecture's representative;
- the root attribute ``answers`` = ``"as-written"``, if a row answers for its own architecture alone; not there where
  it answers for the whole functional class;
- ``/seeds`` (S,) int64, ``/epochs`` (E,) int64;
- ``/metrics/<split>/<quantity>`` (n, [S], [E]) float32 or float64, NaN = not measured, with the attributes ``unit``,
  ``direction``, ``axes`` once more, for other readers. One chunk an epoch, so that a column is read without the
  others, with a checksum.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metanas.errors import InvalidValueError
from metanas.files import atomic_write, sha256_of
from metanas.spaces import ListedSpace, Space, load_space
from metanas.tables.lint.content import check_columns
from metanas.tables.lint.finding import Content
from metanas.tables.schema import ANSWERS_AS_WRITTEN, ROWS_BY_CANONICAL, SCHEMA_VERSION, Metric

_TABLE_NAME = re.compile(r"[a-z0-9_-]+/[a-z0-9_.-]+-v[1-9][0-9]*")


def write_table(
    path: str | os.PathLike[str],
    *,
    name: str,
    space: str,
    task: str,
    arch_index: ArrayLike,
    seeds: Sequence[int],
    epochs: Sequence[int],
    metrics: Mapping[str, tuple[Metric, ArrayLike]],
    protocol: str,
    provenance: Mapping[str, Any],
    as_written: bool = False,
) -> str:
    """Check and write a table.

    Rows stand for functional classes: an index of the space that has no row of its own is answered by the row of its
    representative (``space.canonical``), if there is one. In a space without a list of its architectures every row
    must be a representative, so that there is one place to look for a class.

    Not so where architectures were run as they are written, dead operations included, as in the latencies that others
    published: two of one class then differ, and with ``as_written`` a row answers for its own architecture alone.

    Args:
        path: the file to write.
        name: name of the table, as in ``"nb201/fashion_mnist-v1"``.
        space: name of the search space, as in ``"nb201-conv"``.
        task: name of the task, as in ``"fashion_mnist-v1"``.
        arch_index: index in the space of each row, ascending, ``(n,)``.
        seeds: the training seeds, distinct, ``(S,)``; may be empty where no metric has this axis.
        epochs: the epochs after which values were taken, ascending, ``(E,)``; may be empty likewise.
        metrics: metric and values, ``(n, [S], [E])`` by the metric's axes, by name; NaN = not measured.
        protocol: the text of the training protocol (TOML).
        provenance: how the values came about; anything that JSON can hold.
        as_written: rows answer for their own architecture alone.

    Returns:
        The SHA-256 of the file.

    Raises:
        InvalidValueError: content that breaks the schema, or a check of its values (:mod:`metanas.tables.lint`); or
            ``as_written`` in a space without a list.
        UnknownNameError: no such space.
    """
    if not _TABLE_NAME.fullmatch(name):
        msg = f"A table is named family/task-vN, as in 'nb201/fashion_mnist-v1'; got {name!r}."
        raise InvalidValueError(msg)
    home = load_space(space)
    index = checked_index(home, np.asarray(arch_index))
    used = {axis for entry, _ in metrics.values() for axis in entry.axes}
    check_axis("seeds", seeds, ascending=False, needed="seed" in used)
    check_axis("epochs", epochs, ascending=True, needed="epoch" in used)
    columns = {key: (entry, _as_floats(key, np.asarray(values))) for key, (entry, values) in metrics.items()}
    if not columns:
        msg = "A table must have a metric, but got none."
        raise InvalidValueError(msg)
    check_columns(Content(index, tuple(seeds), tuple(epochs), columns))
    attributes: dict[str, str | int] = {
        "schema_version": SCHEMA_VERSION,
        "name": name,
        "space": space,
        "task": task,
        "protocol": protocol,
        "protocol_sha256": hashlib.sha256(protocol.encode()).hexdigest(),
        "provenance": _json(provenance),
        "metrics": _json(
            {
                key: {"unit": entry.unit, "direction": entry.direction, "axes": entry.axes}
                for key, (entry, _) in columns.items()
            }
        ),
    }
    arrays: dict[str, NDArray[Any]] = {
        "arch_index": index.astype(np.int32),
        "seeds": np.asarray(seeds, dtype=np.int64),
        "epochs": np.asarray(epochs, dtype=np.int64),
    }
    if isinstance(home, ListedSpace):
        arrays["row_of_index"] = rows_by_index(home, index, as_written=as_written)
        if as_written:
            attributes["answers"] = ANSWERS_AS_WRITTEN
    else:
        if as_written:
            msg = (
                f"Rows of {space!r}, which has no list of its architectures, are found by their class, not as written."
            )
            raise InvalidValueError(msg)
        attributes["rows_by"] = ROWS_BY_CANONICAL
    with atomic_write(path) as temporary:
        _write_hdf5(os.fspath(temporary), attributes, arrays, columns)
        return sha256_of(temporary)


def rows_by_index(
    space: ListedSpace, arch_index: NDArray[np.integer], *, as_written: bool = False
) -> NDArray[np.int32]:
    """Return the row that answers each index of the space's index range, −1 where none does."""
    canonical = np.asarray(space.canonical_indices)
    own = np.full(len(canonical), -1, dtype=np.int32)
    own[arch_index] = np.arange(len(arch_index), dtype=np.int32)
    if as_written:
        return own
    by_class = np.where(canonical >= 0, own[canonical], -1)
    return np.where(own >= 0, own, by_class).astype(np.int32)


def _write_hdf5(
    path: str,
    attributes: Mapping[str, str | int],
    arrays: Mapping[str, NDArray[Any]],
    columns: Mapping[str, tuple[Metric, NDArray[np.floating]]],
) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        for key, value in attributes.items():
            file.attrs[key] = value
        for key, array in arrays.items():
            file.create_dataset(
                key,
                data=array,
                track_times=False,
                fletcher32=bool(len(array)),
                chunks=array.shape if len(array) else None,
            )
        for key in sorted(columns):
            entry, values = columns[key]
            chunks = (*values.shape[:-1], 1) if entry.axes[-1] == "epoch" else values.shape
            dataset = file.create_dataset(
                f"metrics/{key}",
                data=values,
                chunks=chunks,
                compression="gzip",
                shuffle=True,
                fletcher32=True,
                track_times=False,
            )
            dataset.attrs["unit"] = entry.unit
            dataset.attrs["direction"] = entry.direction
            dataset.attrs["axes"] = ",".join(entry.axes)


def _json(content: object) -> str:
    return json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False)


def checked_index(space: Space, index: NDArray[Any]) -> NDArray[np.int64]:
    """Return the indices of a table's rows if that is what they can be; raise ``InvalidValueError`` if not."""
    if index.ndim != 1 or not len(index) or not np.issubdtype(index.dtype, np.integer):
        msg = f"arch_index must be a one-dimensional array of integers, but got {index.dtype} of shape {index.shape}."
        raise InvalidValueError(msg)
    if (np.diff(index) <= 0).any():
        row = int(np.argmax(np.diff(index) <= 0))
        msg = f"arch_index must ascend without repeats, but got {index[row]}, then {index[row + 1]}, in row {row + 1}."
        raise InvalidValueError(msg)
    if not isinstance(space, ListedSpace):
        for number in index.tolist():
            representative = space.index(space.canonical(space.arch(number)))
            if representative != number:
                msg = f"Rows in {space.name!r} are representatives of their class; {number} is one of {representative}."
                raise InvalidValueError(msg)
        return index.astype(np.int64)
    outside = index[~np.isin(index, space.indices)]
    if len(outside):
        msg = f"Every row must be an architecture of space {space.name!r}; index {outside[0]} is none."
        raise InvalidValueError(msg)
    return index.astype(np.int64)


def check_axis(name: str, values: Sequence[int], *, ascending: bool, needed: bool = True) -> None:
    """Raise ``InvalidValueError`` if these cannot be the seeds or epochs of a table."""
    entries = list(values)
    if not entries and not needed:
        return  # published means of nobody knows which seeds, latencies that no training precedes
    in_order = entries == sorted(entries) or not ascending
    if not entries or len(set(entries)) != len(entries) or min(entries) < 0 or not in_order:
        order = " and ascend" if ascending else ""
        msg = f"The {name} must be distinct, not negative{order}, and at least one; got {entries}."
        raise InvalidValueError(msg)


def _as_floats(name: str, values: NDArray[Any]) -> NDArray[np.floating]:
    """Keep float32 and float64; turn integers (counts) into float64; refuse the rest."""
    if values.dtype in (np.float32, np.float64):
        return values
    if np.issubdtype(values.dtype, np.integer):
        return values.astype(np.float64)
    msg = f"{name!r} must hold float32, float64 or integers, but got {values.dtype}."
    raise InvalidValueError(msg)
