"""Turns a file of columns into tables: one for each task, and for each run of its own (``metanas import columns``).

Which column is what is said by a map (:mod:`metanas.tables.import_map`). What the file does not say is not made up: a
value that is absent is NaN, an architecture that is absent is not answered by its twin, and a mean over seeds has no
seed axis.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidFileError
from metanas.files import sha256_of
from metanas.spaces import ListedSpace, Space, load_space
from metanas.tables.import_archs import row_indices
from metanas.tables.import_files import numbers, read_columns
from metanas.tables.import_map import ColumnMap, Rule, load_map, plain_map
from metanas.tables.import_store import Content, Imported, Store, table_names
from metanas.tables.schema import Axis, Metric
from metanas.tables.table import mean_over_seeds

_MEANT = {"test": ("valid", "val_", "_val"), "validation": ("test",)}  # what a column of that split is not called
_ENOUGH = 8  # values from which on agreement is no coincidence
_LARGEST_CHANCE = 1.0  # no fraction exceeds it


@dataclass(frozen=True, slots=True)
class Column:
    """Values of one metric of one task, as they stand in the file, in the unit that is stored."""

    name: str
    rule: Rule
    metric: str
    task: str
    epoch: int | None
    seeds: tuple[int, ...]
    values: NDArray[np.floating]  # (n_rows, n_seeds), or (n_rows,) without seeds


@dataclass(slots=True)
class Notes:
    """What was noticed and is no error; goes into the tables of the column."""

    texts: list[tuple[str | None, str]] = field(default_factory=list)

    def add(self, text: str, column: str | None = None) -> None:
        """Note it of a column, or of the file."""
        self.texts.append((column, text if column is None else f"column {column!r}: {text}"))

    def of(self, columns: Sequence[Column]) -> list[str]:
        """Return what concerns these columns."""
        names = {column.name for column in columns}
        return [text for column, text in self.texts if column is None or column in names]


def import_columns(
    path: Path, *, name: str, store: Store, space: str | None = None, map_name: str | None = None
) -> list[Imported]:
    """Import a file.

    Args:
        path: the file, ``.npz``, ``.csv``, ``.csv.gz`` or ``.parquet``.
        name: what the tables are called, as in ``"published/nb201-v1"``; where the file gives several, the task (and
            the number of epochs) goes into the name of each: ``"published/nb201-cifar10-200ep-v1"``.
        store: where they are put.
        space: name of the search space; that of the map if None.
        map_name: a map that comes with metanas, or a ``.toml`` file; columns are called as metrics if None.

    Raises:
        InvalidFileError: a file, column, row or map that is not what it should be.
        InvalidValueError: values that no table may hold.
        UnknownNameError: no such map or space.
    """
    columns = read_columns(path)
    if map_name is None and space is None:
        msg = "Without a map the search space must be named: --space nb201."
        raise InvalidFileError(msg)
    chosen = load_map(map_name) if map_name is not None else plain_map(str(space), tuple(columns), path.name)
    if space is not None and chosen.space != space:
        msg = f"The map is of space {chosen.space!r}, but --space says {space!r}."
        raise InvalidFileError(msg)
    source = {"file": path.name, "file_sha256": sha256_of(path)}
    return import_arrays(columns, chosen, name=name, store=store, source=source)


def import_arrays(
    columns: Mapping[str, NDArray[Any]], chosen: ColumnMap, *, name: str, store: Store, source: Mapping[str, str]
) -> list[Imported]:
    """Import columns that are read already; see :func:`import_columns`.

    Args:
        columns: arrays by name.
        chosen: what they are.
        name: what the tables are called.
        store: where they are put.
        source: where they come from, for the provenance.
    """
    notes = Notes()
    space = load_space(chosen.space)
    index = row_indices(columns, chosen.architecture, space)
    found = list(_measured(columns, chosen, len(index), notes))
    index, kept = _without_repeats(index, found, notes)
    runs = _runs(found, chosen)
    names = table_names(name, list(runs))
    contents = []
    for key, own in runs.items():
        content = _content(own, index, kept, space)
        _check_splits(names[key], content)
        facts = {"title": chosen.title, "source": chosen.source, "licence": chosen.licence, "protocol": chosen.protocol}
        contents.append((names[key], key, content, {**source, **facts}, notes.of(own)))
    return [
        store.put(table, space.name, key, content, about, noted, curve=chosen.curve)
        for table, key, content, about, noted in contents
    ]


def _measured(columns: Mapping[str, NDArray[Any]], chosen: ColumnMap, n_rows: int, notes: Notes) -> Iterator[Column]:
    """Yield the measured columns; every column must be taken by one rule, or be ignored on purpose."""
    where = chosen.architecture
    spoken_for = {where.column, where.operations if isinstance(where.operations, str) else None}
    used: set[int] = set()
    for name, raw in columns.items():
        if name in spoken_for or chosen.ignores(name):
            continue
        matches = [(i, rule, said) for i, rule in enumerate(chosen.columns) if (said := rule.match(name)) is not None]
        if len(matches) != 1:
            rules = " and ".join(repr(rule.column) for _, rule, _ in matches)
            what = f"two rules of the map ({rules}) fit it" if matches else "no rule of the map fits it"
            msg = f"Column {name!r}: {what}. Say which metric it is, or ignore it with a reason."
            raise InvalidFileError(msg)
        number, rule, said = matches[0]
        used.add(number)
        task = said.task or chosen.task
        if task is None:
            msg = f"Column {name!r}: neither its name nor the map says of which task it is."
            raise InvalidFileError(msg)
        for word in _MEANT.get(said.metric.partition("/")[0], ()):
            if word in name.lower():
                msg = f"Column {name!r} says {word.strip('_')!r} and the map says {said.metric!r}: which is it?"
                raise InvalidFileError(msg)
        values = _in_shape(name, rule, numbers(name, raw), n_rows)
        values = _in_unit(name, rule, said.metric, values, notes)
        seeds = rule.seeds or (() if said.seed is None else (said.seed,))
        epochs = rule.epochs or (said.epoch,)
        for position, epoch in enumerate(epochs):
            part = values[..., position]
            shaped = part if seeds else part[:, 0]
            yield Column(name, rule, said.metric, chosen.tasks.get(task, task), epoch, seeds, shaped)
    unused = [rule.column for number, rule in enumerate(chosen.columns) if number not in used]
    if unused and chosen.strict:
        msg = f"The map has a rule for {unused[0]!r}, but no column of the file fits it."
        raise InvalidFileError(msg)


def _in_shape(name: str, rule: Rule, values: NDArray[np.floating], n_rows: int) -> NDArray[np.floating]:
    """Return the values as ``(n_rows, n_seeds, n_epochs)``."""
    shape = (n_rows, len(rule.seeds) or 1, len(rule.epochs) or 1)
    wanted = [n_rows, *([len(rule.seeds)] if rule.seeds else []), *([len(rule.epochs)] if rule.epochs else [])]
    if values.shape == (n_rows, 1) and wanted == [n_rows]:
        return values.reshape(shape)
    if list(values.shape) != wanted:
        msg = f"Column {name!r} must have the shape {tuple(wanted)} (rows, seeds, epochs), but has {values.shape}."
        raise InvalidFileError(msg)
    return values.reshape(shape)


def _in_unit(name: str, rule: Rule, metric: str, values: NDArray[np.floating], notes: Notes) -> NDArray[np.floating]:
    """Return the values in the stored unit, NaN for what stands for "not measured"."""
    unit = rule.unit or rule.stored[0]
    for stand_in in rule.not_measured:
        where = values == stand_in
        if where.any():
            rows = np.flatnonzero(where.any(axis=(1, 2)))
            notes.add(f"{stand_in:g} stands for not measured in {len(rows)} rows (first in row {rows[0]})", name)
            values = np.where(where, np.nan, values)
    if np.isnan(values).all():
        msg = f"Column {name!r} holds no value, only NaN in all {len(values)} rows. Ignore it, with a reason."
        raise InvalidFileError(msg)
    highest = int(np.nanargmax(values.max(axis=(1, 2), initial=-np.inf, where=~np.isnan(values))))
    top = float(np.nanmax(values[highest]))
    if unit == "percent" and 0 < top <= _LARGEST_CHANCE:
        msg = f"Column {name!r} is in percent, but at most {top:g} (row {highest}): in the map, unit = 'fraction'?"
        raise InvalidFileError(msg)
    if unit == "fraction" and top > _LARGEST_CHANCE:
        msg = f"Column {name!r} is a fraction, but has {top:g} in row {highest}: in the map, unit = 'percent'?"
        raise InvalidFileError(msg)
    if rule.stored[0] == "percent" and unit == "percent":
        few = (values > 0) & (values <= _LARGEST_CHANCE)
        if few.any():
            rows = np.flatnonzero(few.any(axis=(1, 2)))
            text = f"{len(rows)} rows hold at most 1 percent (first row {rows[0]}): chance, or fractions among percent?"
            notes.add(text, name)
    if rule.factor == 1:
        return values
    return (values.astype(np.float64) * rule.factor).astype(values.dtype)


def _without_repeats(
    index: NDArray[np.int64], found: Sequence[Column], notes: Notes
) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Return the distinct indices, ascending, and the row of each; repeated rows must agree."""
    unique, first, inverse = np.unique(index, return_index=True, return_inverse=True)
    repeats = np.flatnonzero(first[inverse] != np.arange(len(index)))
    for column in found:
        mine, other = column.values[repeats], column.values[first[inverse[repeats]]]
        differ = ~((mine == other) | (np.isnan(mine) & np.isnan(other)))
        if differ.any():
            at = int(np.argmax(differ.reshape(len(repeats), -1).any(axis=1)))
            row, before = int(repeats[at]), int(first[inverse[repeats[at]]])
            msg = (
                f"Rows {before} and {row} are the same architecture (index {int(index[row])}) but differ in column "
                f"{column.name!r}: {mine[at]} and {other[at]}. Keep one, or give each its seed."
            )
            raise InvalidFileError(msg)
    if len(repeats):
        notes.add(f"{len(repeats)} rows repeat an earlier one (first: row {int(repeats[0])}); kept once")
    return unique, first


def _runs(found: Sequence[Column], chosen: ColumnMap) -> dict[tuple[str, int | None], list[Column]]:
    """Return the columns of each table: by task and, unless epochs are one curve, by epochs.

    What needs no training, and what a training costs at all, goes to every run of its task.
    """
    runs: dict[tuple[str, int | None], list[Column]] = {}
    for task in dict.fromkeys(column.task for column in found):
        own = [column for column in found if column.task == task]
        epochs = sorted({column.epoch for column in own if column.epoch is not None})
        for epoch in [None] if chosen.curve or not epochs else epochs:
            runs[task, epoch] = [column for column in own if epoch is None or column.epoch in (None, epoch)]
    return runs


def _content(own: Sequence[Column], index: NDArray[np.int64], kept: NDArray[np.intp], space: Space) -> Content:
    """Put the columns of a table together; every architecture of a listed space gets a row, NaN where it has none."""
    rows = np.asarray(space.indices) if isinstance(space, ListedSpace) else index
    place = np.searchsorted(rows, index)
    seeds = tuple(dict.fromkeys(seed for column in own for seed in column.seeds))
    epochs = tuple(sorted({column.epoch for column in own if column.epoch is not None}))
    metrics: dict[str, tuple[Metric, NDArray[np.floating]]] = {}
    filled: dict[str, dict[tuple[int | None, int | None], str]] = {}
    for column in own:
        axes: list[Axis] = ["arch"]
        axes += ["seed"] if column.seeds else []
        axes += ["epoch"] if column.epoch is not None else []
        unit, direction = column.rule.stored
        entry = Metric(column.metric, unit, direction, tuple(axes))
        shape = (len(rows), *([len(seeds)] if column.seeds else []), *([len(epochs)] if "epoch" in axes else []))
        known, whole = metrics.setdefault(column.metric, (entry, np.full(shape, np.nan, column.values.dtype)))
        if known != entry:
            before = next(iter(filled[column.metric].values()))
            msg = f"Columns {before!r} and {column.name!r} are both {column.metric!r} but differ in axes or unit."
            raise InvalidFileError(msg)
        for position, seed in enumerate(column.seeds or (None,)):
            cell = filled.setdefault(column.metric, {}).setdefault((seed, column.epoch), column.name)
            if cell != column.name:
                msg = f"Columns {cell!r} and {column.name!r} are both {column.metric!r} of the same seed and epoch."
                raise InvalidFileError(msg)
            values = column.values[kept] if seed is None else column.values[kept, position]
            at: tuple[Any, ...] = (place, *([] if seed is None else [seeds.index(seed)]))
            whole[(*at, *([] if column.epoch is None else [epochs.index(column.epoch)]))] = values
    return Content(rows, seeds, epochs, metrics)


def _check_splits(name: str, content: Content) -> None:
    """Refuse a test column that is the validation column's mean over seeds, or the other way round.

    Columns with the same axes are compared when the table is written.
    """
    means = {
        key: (entry, mean_over_seeds(np.moveaxis(values, 1, -1).astype(np.float64).reshape(-1, values.shape[1])))
        for key, (entry, values) in content.metrics.items()
        if entry.split in ("validation", "test") and "seed" in entry.axes
    }
    for key, (entry, mean) in means.items():
        for other, (held, values) in content.metrics.items():
            if held.split in ("cost", entry.split) or "seed" in held.axes or values.size != mean.size:
                continue
            both = ~np.isnan(mean) & ~np.isnan(values.reshape(-1))
            x, y = mean[both], values.reshape(-1)[both]
            if len(x) >= _ENOUGH and np.allclose(x, y, rtol=1e-6, atol=0) and (x != x[0]).any():
                msg = (
                    f"Table {name}: {other!r} is the mean over seeds of {key!r} everywhere; one split must not stand "
                    f"for another."
                )
                raise InvalidFileError(msg)


__all__ = ["Column", "Imported", "Store", "import_arrays", "import_columns"]
