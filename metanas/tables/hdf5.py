"""Reading a table's HDF5 file: the header at once, values when asked; whatever is wrong with it is one clear error."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidFileError
from metanas.tables.schema import ANSWERS_AS_WRITTEN, ROWS_BY_CANONICAL, SCHEMA_VERSION, SPLITS, Metric

if TYPE_CHECKING:
    import h5py


@dataclass(frozen=True, slots=True)
class Stamp:
    """What the file was when it was opened, so that values of two versions of it are never mixed."""

    path: Path
    size: int
    modified_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """Take the stamp of a file."""
        try:
            status = path.stat()
        except OSError as error:
            msg = f"There is no table at {path} ({error.strerror})."
            raise InvalidFileError(msg) from error
        return cls(path, status.st_size, status.st_mtime_ns, status.st_ino)

    def check(self) -> None:
        """Raise ``InvalidFileError`` if the file has changed since."""
        if Stamp.of(self.path) != self:
            msg = f"{self.path} has changed since it was opened; open the table again."
            raise InvalidFileError(msg)


@dataclass(frozen=True, slots=True)
class Header:
    """All of a table but its values; see :class:`metanas.tables.table.Table`."""

    name: str
    space: str
    task: str
    protocol: str
    protocol_sha256: str
    provenance: Mapping[str, Any]
    arch_index: NDArray[np.int64]
    row_of_index: NDArray[np.int32] | None
    as_written: bool
    seeds: tuple[int, ...]
    epochs: tuple[int, ...]
    metrics: Mapping[str, Metric]
    stamp: Stamp


def read_header(path: Path, *, contradictory: bool = False) -> Header:
    """Read and check everything but the values.

    Args:
        path: the file.
        contradictory: read it even if it contradicts itself; see :func:`contradictions`.

    Raises:
        InvalidFileError: no such file, no table, another schema, cut short, or inconsistent.
    """
    stamp = Stamp.of(path)
    with _open(path) as file:
        version = file.attrs["schema_version"]
        if version != SCHEMA_VERSION:
            msg = f"{path} has the table schema {version}; this version of metanas reads {SCHEMA_VERSION} alone."
            raise InvalidFileError(msg)
        texts = {key: str(file.attrs[key]) for key in ("name", "space", "task", "protocol", "protocol_sha256")}
        header = Header(
            **texts,
            provenance=json.loads(file.attrs["provenance"]),
            arch_index=_frozen(file["arch_index"][()].astype(np.int64)),
            row_of_index=_rows(file),
            as_written=_as_written(file),
            seeds=tuple(file["seeds"][()].tolist()),
            epochs=tuple(file["epochs"][()].tolist()),
            metrics=_metrics(json.loads(file.attrs["metrics"])),
            stamp=stamp,
        )
    found = [] if contradictory else contradictions(header)
    if found:
        msg = f"{path} contradicts itself: {'; '.join(found)}. Restore it or build it again."
        raise InvalidFileError(msg)
    return header


def read_descriptions(header: Header) -> dict[str, dict[str, str]]:
    """Read the attributes beside the column of each metric: what other readers go by.

    Raises:
        InvalidFileError: the file has changed since it was opened, or is damaged.
    """
    header.stamp.check()
    with _open(header.stamp.path) as file:
        return {
            name: {key: str(value) for key, value in file[f"metrics/{name}"].attrs.items()} for name in header.metrics
        }


def read_values(stamp: Stamp, metric: str, shape: tuple[int, ...], part: tuple[Any, ...]) -> NDArray[np.floating]:
    """Read values of a metric.

    Args:
        stamp: the file's stamp at opening.
        metric: name of the metric.
        shape: shape of all its values.
        part: index into its axes; ``()`` for all.

    Raises:
        InvalidFileError: the file has changed since it was opened, or is damaged.
    """
    stamp.check()
    with _open(stamp.path) as file:
        dataset = file[f"metrics/{metric}"]
        if dataset.shape != shape:
            msg = f"{stamp.path} contradicts itself: {metric} has the shape {dataset.shape} and not {shape}."
            raise InvalidFileError(msg)
        values: NDArray[np.floating] = dataset[part]
    return values


@contextlib.contextmanager
def _open(path: Path) -> Iterator[h5py.File]:
    """Open for reading; whatever HDF5 finds wrong becomes an ``InvalidFileError`` that says what and where."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except InvalidFileError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        msg = (
            f"{path} is no sound table; it was cut short, altered, or is another kind of file ({_first_line(error)}). "
            f"Restore it (git checkout, install the package again) or build it again."
        )
        raise InvalidFileError(msg) from error


def _metrics(described: Mapping[str, Mapping[str, Any]]) -> dict[str, Metric]:
    metrics = {
        name: Metric(name, fields["unit"], fields["direction"], tuple(fields["axes"]))
        for name, fields in described.items()
    }
    return dict(sorted(metrics.items(), key=lambda item: (SPLITS.index(item[1].split), item[0])))


def _rows(file: h5py.File) -> NDArray[np.int32] | None:
    """Return the row of each index; None in a table that finds rows by the canonical architecture."""
    if "rows_by" not in file.attrs:
        return _frozen(file["row_of_index"][()])
    if file.attrs["rows_by"] != ROWS_BY_CANONICAL:
        msg = f"rows_by = {file.attrs['rows_by']!r}"
        raise ValueError(msg)
    return None


def _as_written(file: h5py.File) -> bool:
    """Return whether rows answer for their own architecture alone."""
    if "answers" not in file.attrs:
        return False
    if file.attrs["answers"] != ANSWERS_AS_WRITTEN:
        msg = f"answers = {file.attrs['answers']!r}"
        raise ValueError(msg)
    return True


def contradictions(header: Header) -> list[str]:
    """Return what of a header does not fit the rest of it; nothing for a sound table."""
    rows, index = header.row_of_index, header.arch_index
    found = []
    if not header.metrics:
        found.append("it has no metrics")
    if not len(index):
        found.append("it has no rows")
    elif rows is None:
        if index.min() < 0 or (np.diff(index) <= 0).any():
            found.append("arch_index does not ascend")
    elif index.min() < 0 or index.max() >= len(rows):
        found.append("arch_index leaves the index range")
    elif not np.array_equal(rows[index], np.arange(len(index))) or rows.min() < -1 or rows.max() >= len(index):
        found.append("row_of_index does not fit arch_index")
    if hashlib.sha256(header.protocol.encode()).hexdigest() != header.protocol_sha256:
        found.append("protocol_sha256 is not the hash of the protocol")
    return found


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].strip("'\"")
