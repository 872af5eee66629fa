"""A table of trained architectures, read from one HDF5 file.

Opening reads the attributes and the index arrays; a column is read when it is first asked for and kept. No file handle
stays open, so tables can be handed to other processes.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from metanas.arch import Arch
from metanas.errors import InvalidFileError, InvalidValueError, NotMeasuredError, UnknownNameError
from metanas.files import sha256_of
from metanas.spaces import Space, load_space
from metanas.tables import hdf5
from metanas.tables.schema import Metric

ArchLike = str | Arch | int
Missing = Literal["error", "nan"]
_Key = tuple[str, int | None, int | None]  # metric, epoch, seed
_NAN = float("nan")


class Table:
    """Measured values of one task, by architecture, seed and epoch.

    Attributes:
        path: the file.
        name: name of the table, as in ``"nb201/fashion_mnist-v1"``.
        task: name of the task.
        space_name: name of the search space; :attr:`space` is the space itself.
        archs: index in the space of the architecture of each row, ``(n,)``.
        seeds: the training seeds.
        epochs: the epochs after which values were taken.
        metrics: every metric by name.
        protocol: text of the training protocol (TOML).
        protocol_sha256: its hash.
        provenance: how the values came about.
        row_of_index: row that answers each index of the space, ``(index range,)``, −1 where none does; None if the
            space has no list of its architectures (:class:`~metanas.spaces.ListedSpace`): :meth:`rows` answers in
            every case.
        as_written: whether a row answers for its own architecture alone, as it is written, dead operations included;
            else it answers for its whole functional class.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open the table at ``path``; see :meth:`open`."""
        self.path = Path(path)
        header = hdf5.read_header(self.path)
        self.name = header.name
        self.task = header.task
        self.space_name = header.space
        self.protocol = header.protocol
        self.protocol_sha256 = header.protocol_sha256
        self.provenance: Mapping[str, Any] = header.provenance
        self.archs = header.arch_index
        self.row_of_index = header.row_of_index
        self.as_written = header.as_written
        self.seeds = header.seeds
        self.epochs = header.epochs
        self.metrics = header.metrics
        self._stamp = header.stamp
        self._rows: dict[ArchLike, int] = {}  # rows already looked up
        self._lists: dict[_Key, list[float]] = {}  # by row, and NaN at the end, for row −1
        self._by_index: dict[_Key, NDArray[np.float64]] = {}
        self._columns: dict[_Key, NDArray[np.float64]] = {}

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Table:
        """Open the table at ``path``.

        Raises:
            InvalidFileError: there is no such file, or it is no table, or it is cut short or altered.
        """
        return cls(path)

    def __len__(self) -> int:
        """Return the number of rows: architectures, one for each functional class."""
        return len(self.archs)

    def __repr__(self) -> str:
        """Show name and size."""
        return f"<table {self.name}: {len(self):,} architectures, seeds {self.seeds}, {len(self.metrics)} metrics>"

    def __reduce__(self) -> tuple[type[Table], tuple[Path]]:
        """Another process opens the file anew."""
        return (Table, (self.path,))

    @property
    def space(self) -> Space:
        """The search space."""
        return load_space(self.space_name)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the file as it is on disk, computed when first asked for."""
        self._stamp.check()
        return sha256_of(self.path)

    @overload
    def query(  # type: ignore[overload-overlap]
        self, arch: ArchLike, metric: str, *, epoch: int | None = ..., seed: int | None = ..., missing: Missing = ...
    ) -> float: ...
    @overload
    def query(
        self,
        arch: Sequence[ArchLike] | NDArray[np.integer],
        metric: str,
        *,
        epoch: int | None = ...,
        seed: int | None = ...,
        missing: Missing = ...,
    ) -> NDArray[np.float64]: ...
    def query(
        self,
        arch: ArchLike | Sequence[ArchLike] | NDArray[np.integer],
        metric: str,
        *,
        epoch: int | None = None,
        seed: int | None = None,
        missing: Missing = "error",
    ) -> float | NDArray[np.float64]:
        """Return the value of a metric for one architecture or many.

        An architecture that has no row of its own is answered by its functional class, unless the table is of
        architectures as they are written (:attr:`as_written`).

        Args:
            arch: a string, :class:`~metanas.arch.Arch` or index gives a number; a sequence of them, or an array of
                indices ``(n,)``, gives an array ``(n,)``.
            metric: name of the metric, one of :attr:`metrics`.
            epoch: after that many epochs; the last ones if None.
            seed: of that training; the mean over the seeds that were measured if None.
            missing: ``"error"``, or ``"nan"`` to get NaN where nothing was measured.

        Returns:
            Values in the unit of the metric.

        Raises:
            NotMeasuredError: the table holds no value there (unless ``missing="nan"``).
            UnknownNameError: no such metric, epoch or seed.
            InvalidArchError: an architecture of another space, or a malformed one.
            InvalidValueError: an epoch or seed for a metric that does not depend on it.
        """
        kind = type(arch)
        if kind is not Arch and kind is not str and kind is not int:
            if not isinstance(arch, (str, Arch, int, np.integer)):
                return self._query_many(arch, metric, epoch, seed, missing)
            arch = _plain(arch)
        row = self._rows.get(arch)  # type: ignore[arg-type]  # mypy does not see that it is one
        if row is None:
            row = self._find_row(arch)  # type: ignore[arg-type]
        values = self._lists.get((metric, epoch, seed))
        if values is None:
            values = self._list(metric, epoch, seed)
        value = values[row]
        if value != value and missing != "nan":  # noqa: PLR0124, RUF100  (NaN alone differs from itself)
            _check_missing(missing)
            raise self._not_measured([arch], metric, epoch, seed)  # type: ignore[list-item]
        return value

    def _query_many(
        self,
        archs: Sequence[ArchLike] | NDArray[np.integer],
        metric: str,
        epoch: int | None,
        seed: int | None,
        missing: str,
    ) -> NDArray[np.float64]:
        _check_missing(missing)
        by_index = self._by_index.get((metric, epoch, seed))
        if by_index is None:
            padded = np.append(self.column(metric, epoch=epoch, seed=seed), _NAN)
            if self.row_of_index is None:
                return self._query_by_canonical(archs, padded, metric, epoch, seed, missing)
            by_index = self._by_index[metric, epoch, seed] = padded[self.row_of_index]
        indices = self._as_indices(archs)
        try:
            # mode="raise" would let negative numbers count from the end
            values = by_index.take(indices) if indices.size == 0 or indices.min() >= 0 else None
        except IndexError:
            values = None
        if values is None:
            wrong = indices[(indices < 0) | (indices >= len(by_index))]
            self.space.arch(int(wrong[0]))  # raises, saying the range
            msg = f"Space {self.space_name!r} has no index {int(wrong[0])}."  # a space with a lenient arch()
            raise InvalidValueError(msg)
        if math.isnan(values.sum()) and (holes := np.isnan(values)).any():
            self.rows(indices[holes])  # raises for an index outside the space, whatever ``missing`` says
            if missing == "error":
                raise self._not_measured([int(i) for i in indices[holes]], metric, epoch, seed)
        return values

    def _query_by_canonical(
        self,
        archs: Sequence[ArchLike] | NDArray[np.integer],
        padded: NDArray[np.float64],
        metric: str,
        epoch: int | None,
        seed: int | None,
        missing: str,
    ) -> NDArray[np.float64]:
        """Answer many where the space has no list; ``padded`` is the column and NaN for row −1."""
        indices = self._as_indices(archs)
        values: NDArray[np.float64] = padded[self.rows(indices)]
        holes = np.isnan(values)
        if missing == "error" and holes.any():
            raise self._not_measured([int(i) for i in indices[holes]], metric, epoch, seed)
        return values

    def column(self, metric: str, *, epoch: int | None = None, seed: int | None = None) -> NDArray[np.float64]:
        """Return one value a row, ``(n,)``, read-only, NaN = not measured; see :meth:`query` for the arguments."""
        key = (metric, epoch, seed)
        found = self._columns.get(key)
        if found is None:
            entry = self._metric(metric)
            at = self._position("epoch", entry, self.epochs, epoch)
            which = self._position("seed", entry, self.seeds, seed)
            parts: list[Any] = [slice(None)]
            if "seed" in entry.axes:
                parts.append(slice(None) if which is None else which)
            if "epoch" in entry.axes:
                parts.append(len(self.epochs) - 1 if at is None else at)
            found = hdf5.read_values(self._stamp, metric, self._shape(entry), tuple(parts)).astype(np.float64)
            if found.ndim == 2:
                found = mean_over_seeds(found)
            found.flags.writeable = False
            self._columns[key] = found
        return found

    def values(self, metric: str) -> NDArray[np.floating]:
        """Return all values of a metric, ``(n, [n_seeds], [n_epochs])`` by its axes, NaN = not measured."""
        return hdf5.read_values(self._stamp, metric, self._shape(self._metric(metric)), ())

    def rows(self, indices: NDArray[np.integer] | Sequence[ArchLike]) -> NDArray[np.int64]:
        """Return the row that answers each architecture, ``(n,)``, −1 where the table has none.

        Raises:
            InvalidArchError: an architecture that is not of the space.
        """
        array = self._as_indices(indices)
        if self.row_of_index is None:
            return self._rows_by_canonical(array)
        for index in array[(array < 0) | (array >= len(self.row_of_index))][:1]:
            self.space.arch(int(index))
        rows: NDArray[np.int64] = self.row_of_index[array].astype(np.int64)
        for index in array[rows < 0][:1]:
            self.space.arch(int(index))
        return rows

    def _rows_by_canonical(self, indices: NDArray[np.integer]) -> NDArray[np.int64]:
        """Look among the rows; where that fails, look for the representative of the class."""
        rows = self._own_rows(indices)
        space = self.space
        nowhere = np.flatnonzero(rows < 0)
        classes = [space.index(space.canonical(space.arch(int(index)))) for index in indices[nowhere]]
        rows[nowhere] = self._own_rows(np.array(classes, dtype=np.int64))
        return rows

    def _own_rows(self, indices: NDArray[np.integer]) -> NDArray[np.int64]:
        place = np.minimum(np.searchsorted(self.archs, indices), len(self.archs) - 1)
        return np.where(self.archs[place] == indices, place, -1).astype(np.int64)

    def measured(self, metric: str) -> NDArray[np.bool_]:
        """Return where the metric was measured, in the shape of :meth:`values`."""
        where: NDArray[np.bool_] = ~np.isnan(self.values(metric))
        return where

    def _metric(self, name: str) -> Metric:
        try:
            return self.metrics[name]
        except (KeyError, TypeError):
            kind = f"metric of table {self.name}"
            raise UnknownNameError(kind, name, self.metrics) from None

    def _shape(self, entry: Metric) -> tuple[int, ...]:
        sizes = {"arch": len(self.archs), "seed": len(self.seeds), "epoch": len(self.epochs)}
        return tuple(sizes[axis] for axis in entry.axes)

    def _position(self, axis: str, entry: Metric, known: tuple[int, ...], value: int | None) -> int | None:
        if value is None:
            return None
        if axis not in entry.axes:
            msg = f"{entry.name!r} of table {self.name} has no axis {axis!r}; leave {axis} out (got {axis}={value})."
            raise InvalidValueError(msg)
        if value not in known:
            kind = f"{axis} of table {self.name}"
            raise UnknownNameError(kind, value, known)
        return known.index(value)

    def _list(self, metric: str, epoch: int | None, seed: int | None) -> list[float]:
        values = [*self.column(metric, epoch=epoch, seed=seed).tolist(), _NAN]
        self._lists[metric, epoch, seed] = values
        return values

    def _find_row(self, arch: ArchLike) -> int:
        row = -1
        if self.row_of_index is None:
            row = int(self._rows_by_canonical(np.array([self._as_index(arch)]))[0])
        elif isinstance(arch, int) and 0 <= arch < len(self.row_of_index):
            row = int(self.row_of_index[arch])  # without loading the space, if the table knows the index
        if row < 0 and self.row_of_index is not None:
            row = int(self.row_of_index[self._as_index(arch)])
        self._rows[arch] = row
        return row

    def _as_index(self, arch: ArchLike) -> int:
        """Return the index in the space; raise ``InvalidArchError`` if it is none."""
        space = self.space
        if isinstance(arch, str):
            return space.index(space.parse(arch))
        if isinstance(arch, Arch):
            return space.index(arch)
        return space.index(space.arch(int(arch)))

    def _as_indices(self, archs: Sequence[ArchLike] | NDArray[np.integer]) -> NDArray[np.integer]:
        if not isinstance(archs, np.ndarray):
            archs = list(archs)
            if not archs:
                return np.empty(0, dtype=np.int64)
            if not all(type(arch) is int for arch in archs):
                return np.array([self._as_index(_plain(arch)) for arch in archs], dtype=np.int64)
            archs = np.array(archs)
        if archs.ndim != 1 or not np.issubdtype(archs.dtype, np.integer):
            msg = f"Indices must be a one-dimensional array of integers, but got {archs.dtype} of shape {archs.shape}."
            raise InvalidValueError(msg)
        return archs

    def _not_measured(
        self, archs: Sequence[ArchLike], metric: str, epoch: int | None, seed: int | None
    ) -> NotMeasuredError:
        named = ", ".join(str(self._as_index(arch)) for arch in archs[:3]) + (", …" if len(archs) > 3 else "")
        what = f"{metric} @{epoch}" if epoch is not None else metric
        whose = "any seed" if seed is None else f"seed {seed}"
        msg = (
            f"Table {self.name} holds no {what} of {whose} for {len(archs)} of the asked architectures "
            f"(index {named}). Ask for others (Table.measured), or take missing='nan'."
        )
        return NotMeasuredError(msg + self._about_twin(archs[0]))

    def _about_twin(self, arch: ArchLike) -> str:
        """Say, of an architecture without a row of its own, where the same function was measured, written otherwise."""
        if not self.as_written:
            return ""
        space = self.space
        twin = space.index(space.canonical(space.arch(self._as_index(arch))))
        there = (
            f"; of the first, it holds the representative, {twin}" if self._own_rows(np.array([twin]))[0] >= 0 else ""
        )
        return f" It answers for architectures as they are written, not for their functional class{there}."


def mean_over_seeds(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over the seeds that were measured, ``(n, n_seeds) -> (n,)``; NaN where none was."""
    measured = ~np.isnan(values)
    count = measured.sum(axis=1)
    total = np.where(measured, values, 0.0).sum(axis=1)
    mean = np.full(len(values), _NAN)
    np.divide(total, count, out=mean, where=count > 0)
    return mean


def _plain(arch: object) -> ArchLike:
    """Turn NumPy's integers and strings into Python's; refuse what is no architecture."""
    if isinstance(arch, Arch):
        return arch
    if isinstance(arch, str):
        return str(arch)
    if isinstance(arch, (int, np.integer)) and not isinstance(arch, bool):
        return int(arch)
    msg = f"An architecture is given as a string, an Arch or an index, but got {type(arch).__name__}: {arch!r}."
    raise InvalidValueError(msg)


def _check_missing(missing: str) -> None:
    if missing not in ("error", "nan"):
        msg = f"missing must be 'error' or 'nan', but got {missing!r}."
        raise InvalidValueError(msg)


__all__ = ["ArchLike", "InvalidFileError", "Table", "mean_over_seeds"]
