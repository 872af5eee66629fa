"""What a board of predictors asks: the values to predict, what else is known, and which examples are given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidFileError, InvalidValueError, UnknownNameError
from metanas.harness import generator
from metanas.leaderboard.board import DEVICE
from metanas.leaderboard.predictor_board import PredictorBoard
from metanas.leaderboard.setting import open_table
from metanas.spaces import ListedSpace, listed, load_space
from metanas.tables import Table, table_names
from metanas.tables.schema import BESIDE
from metanas.tasks import relatives

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Direction = Literal["maximize", "minimize", "none"]


@dataclass(frozen=True, eq=False)
class Target:
    """A column to predict.

    Attributes:
        name: table, and device where there is one.
        group: targets of one group are reported together: the table, or the split of devices.
        table: name of the table that holds the column.
        table_sha256: its hash.
        candidates: the architectures that have a value, which examples are drawn from, ascending indices, ``(m,)``.
        label: their values, ``(m,)``.
        report: the metric that regret is in, ``(m,)``.
        label_direction: what is better.
        report_direction: what is better.
        unit: of the regret.
        source_names: what the sources are, ``(k,)``.
        sources: columns of other tasks or devices, ``(index range, k)``, NaN for all but candidates; None if the board
            has none.
        source_sha256: tables that sources came from: name -> hash.
    """

    name: str
    group: str
    table: str
    table_sha256: str
    candidates: Ints
    label: Floats
    report: Floats
    label_direction: Direction
    report_direction: Direction
    unit: str
    source_names: tuple[str, ...]
    sources: Floats | None
    source_sha256: Mapping[str, str]

    def draw(self, board: PredictorBoard, seed: int, n: int) -> Ints:
        """Return the indices of ``n`` examples, the same for every predictor; fewer of them are the first of more.

        Raises:
            InvalidValueError: there are fewer architectures, or none would be left to score.
        """
        if n >= len(self.candidates):
            msg = f"{self.name} has {len(self.candidates)} architectures, too few to learn from {n} and score others."
            raise InvalidValueError(msg)
        return generator(board.name, self.name, seed).permutation(self.candidates)[:n]

    def places(self, indices: Ints) -> Ints:
        """Return the places of architectures among the candidates; raise ``InvalidValueError`` if one is none."""
        places = np.minimum(np.searchsorted(self.candidates, indices), len(self.candidates) - 1)
        wrong = indices[self.candidates[places] != indices]
        if len(wrong):
            msg = f"{self.name} has no value of the architecture {wrong[0]}, so that it cannot be an example."
            raise InvalidValueError(msg)
        return places


def open_predictor_tables(board: PredictorBoard, names: Sequence[str] = ()) -> tuple[list[Table], list[str]]:
    """Return the tables of a board, and the names of those that are not here.

    Args:
        board: the board.
        names: tables by name or file; those of the board if empty.

    Raises:
        UnknownNameError: a named table, or every table of the board, is missing.
    """
    tables: dict[str, Table] = {}
    missing: list[str] = []
    for name in names or board.tables:
        if _is_pattern(name):
            found = (open_table(entry) for entry in table_names() if fnmatchcase(entry, name))
            tables.update({table.name: table for table in found if _suits(board, table)})
            continue
        try:
            table = open_table(name)
        except UnknownNameError:
            if names:
                raise
            missing.append(name)
        else:
            tables[table.name] = table
    if not tables:
        kind = f"table of board {board.name}"
        raise UnknownNameError(kind, ", ".join(names or board.tables), table_names())
    return list(tables.values()), missing


def _suits(board: PredictorBoard, table: Table) -> bool:
    start = board.metric.partition(DEVICE)[0]
    return table.space_name == board.space and any(name.startswith(start) for name in table.metrics)


def _is_pattern(name: str) -> bool:
    return "*" in name


def targets_of(board: PredictorBoard, tables: Sequence[Table]) -> tuple[Target, ...]:
    """Return every target of a board.

    Args:
        board: the board.
        tables: its tables, as far as they are there.

    Raises:
        UnknownNameError: a metric that a table does not hold.
        InvalidFileError: a table of another space.
        InvalidValueError: a single table where a task is left out, or no device to predict.
    """
    space = listed(load_space(board.space))
    for table in tables:
        if table.row_of_index is None or len(table.row_of_index) != len(space.canonical_indices):
            msg = f"Board {board.name} is about {board.space!r}, but table {table.name} is of {table.space_name!r}."
            raise InvalidFileError(msg)
    found = tuple(_TARGETS[board.kind](board, space, tables))
    if not found:
        msg = f"The tables of board {board.name} hold no device of its splits, {dict(board.splits)}."
        raise InvalidValueError(msg)
    return found


def _alone(board: PredictorBoard, space: ListedSpace, tables: Sequence[Table]) -> Iterator[Target]:
    for table in tables:
        yield _target(board, space, table, table.name, table.name, board.metric, board.report, {}, None)


def _other_tasks(board: PredictorBoard, space: ListedSpace, tables: Sequence[Table]) -> Iterator[Target]:
    if len({table.task for table in tables}) < 2:
        msg = f"Board {board.name} leaves one task out and needs tables of two tasks at least, but got {len(tables)}."
        raise InvalidValueError(msg)
    for table in tables:
        others = [other for other in tables if other.task not in relatives(table.task)]
        sources = {other.name: by_index(other, board.metric) for other in others}
        hashes = {other.name: other.sha256 for other in others}
        yield _target(board, space, table, table.name, table.name, board.metric, board.report, sources, hashes)


def _other_devices(board: PredictorBoard, space: ListedSpace, tables: Sequence[Table]) -> Iterator[Target]:
    held: dict[str, Table] = {}  # column -> the table that holds it
    for table in tables:
        for name in table.metrics:
            if name.startswith(board.metric.partition(DEVICE)[0]) and not name.endswith(BESIDE):
                held.setdefault(name, table)
    start = board.metric.partition(DEVICE)[0]
    known = [name.removeprefix(start) for name in held]
    for split, named in board.splits.items():
        devices = [device for name in named for device in _matching(board, name, known)]
        out = [board.metric.replace(DEVICE, device) for device in devices]
        rest = {metric: table for metric, table in held.items() if metric not in out}
        sources = {metric: by_index(table, metric) for metric, table in rest.items()}
        hashes = {table.name: table.sha256 for table in rest.values()}
        if devices and not rest:
            msg = f"Board {board.name} learns from devices outside the split {split!r}, but its tables have no other."
            raise InvalidValueError(msg)
        for device, metric in zip(devices, out, strict=True):
            name, report = f"{split},{device}", board.report.replace(DEVICE, device)
            yield _target(board, space, held[metric], name, split, metric, report, sources, hashes)


def _matching(board: PredictorBoard, name: str, known: Sequence[str]) -> list[str]:
    """Return the devices that are so called; a plain name must be there."""
    if not _is_pattern(name) and name not in known:
        kind = f"device in the tables of board {board.name}"
        raise UnknownNameError(kind, name, known)
    return [device for device in known if fnmatchcase(device, name)]


_Make = Callable[[PredictorBoard, ListedSpace, Sequence[Table]], Iterator[Target]]
_TARGETS: dict[str, _Make] = {"accuracy": _alone, "tasks": _other_tasks, "devices": _other_devices}


def _target(
    board: PredictorBoard,
    space: ListedSpace,
    table: Table,
    name: str,
    group: str,
    metric: str,
    report: str,
    sources: Mapping[str, Floats],
    hashes: Mapping[str, str] | None,
) -> Target:
    label, reported = by_index(table, metric), by_index(table, report)
    candidates = np.intersect1d(table.archs, space.indices)
    candidates = candidates[np.isfinite(label[candidates]) & np.isfinite(reported[candidates])]
    matrix = np.column_stack(list(sources.values())) if hashes is not None else None
    if matrix is not None:
        candidates = candidates[np.isfinite(matrix[candidates]).all(axis=1)]
        known = np.full_like(matrix, np.nan)  # so that only candidates are proposed as examples
        known[candidates] = matrix[candidates]
        matrix = known
    if len(candidates) < 2:
        msg = f"{name} has {len(candidates)} architectures of {space.name!r} with values, too few to predict any."
        raise InvalidValueError(msg)
    return Target(
        name=name,
        group=group,
        table=table.name,
        table_sha256=table.sha256,
        candidates=candidates.astype(np.int64),
        label=label[candidates],
        report=reported[candidates],
        label_direction=table.metrics[metric].direction,
        report_direction=table.metrics[report].direction,
        unit=table.metrics[report].unit,
        source_names=tuple(sources),
        sources=matrix,
        source_sha256=dict(hashes or {}),
    )


def by_index(table: Table, metric: str) -> Floats:
    """Return a metric of every index of the table's space, ``(index range,)``, NaN where there is none.

    Raises:
        UnknownNameError: no such metric.
        InvalidFileError: the table's space has no list of its architectures.
    """
    if metric not in table.metrics:
        kind = f"metric of table {table.name}"
        raise UnknownNameError(kind, metric, table.metrics)
    if table.row_of_index is None:
        msg = f"Table {table.name} is of {table.space_name!r}, which has no list of its architectures."
        raise InvalidFileError(msg)
    values: Floats = np.append(table.column(metric), np.nan)[table.row_of_index]
    return values
