"""What answers a trial. An oracle knows validation metrics and costs; it has never seen a test score.

:class:`TableOracle` copies the validation columns out of a table and lets go of it, so that no chain of attributes
leads from what a strategy is handed to the test columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from metanas.arch import Arch
from metanas.errors import InvalidValueError, NotMeasuredError, StrategyError, UnknownNameError
from metanas.problem import Objective
from metanas.spaces import ListedSpace, Space, listed, load_space

if TYPE_CHECKING:
    from metanas.tables.columns import Columns

SECONDS = "cost/seconds"


class Values(dict[str, float]):
    """Validation metrics, and costs that the board asks for, by name; asking for another says what is there."""

    def __missing__(self, name: str) -> float:
        """Raise :class:`~metanas.errors.StrategyError`."""
        msg = f"A strategy sees validation metrics only: {', '.join(self)}. There is no {name!r}."
        raise StrategyError(msg)


class Answer(NamedTuple):
    """What a training gives.

    Attributes:
        values: validation metrics, and costs of the architecture that objectives or constraints ask for.
        curve: the objective at each measured epoch, ``(n_epochs,)``, or None; a copy.
    """

    values: Mapping[str, float]
    curve: NDArray[np.float64] | None


class Oracle(Protocol):
    """Answers trials of one task.

    Attributes:
        space: the architectures that it answers for.
        epochs: the epochs after which it has values, ascending; the last is a full training.
        timed: whether it knows seconds.
    """

    space: Space
    epochs: tuple[int, ...]
    timed: bool

    def index(self, arch: Arch) -> int:
        """Return the index of ``arch``; raise :class:`~metanas.errors.InvalidArchError` outside the space."""

    def answer(self, index: int, epochs: int) -> Answer:
        """Return what training an architecture for so many epochs gives; ``epochs`` is one of :attr:`epochs`."""

    def seconds(self, index: int, epochs: int) -> float:
        """Return the seconds of training from scratch for so many epochs; NaN unless :attr:`timed`."""


class TableOracle:
    """Answers from a table, by the mean over the seeds that were measured.

    Attributes:
        space: the architectures that it answers for.
        epochs: the epochs of the table up to ``max_epochs`` at which the objective, and the seconds if there are any,
            were measured; 1, a whole training, where the table has no epochs.
        timed: whether the table has ``cost/seconds``.
        metrics: the metrics that it answers with: the objective, other validation metrics, costs.
    """

    def __init__(
        self,
        table: Columns,
        objective: Objective,
        *,
        space: Space | None = None,
        max_epochs: int | None = None,
        costs: Mapping[str, NDArray[np.float64]] | None = None,
    ) -> None:
        """Copy what a strategy may know out of ``table``.

        Args:
            table: the values: a table, or one with its surrogate.
            objective: what is optimized (the first of several), one of the table's validation metrics.
            space: the architectures to answer for; the table's space if None.
            max_epochs: epochs of a full training; the table's last if None.
            costs: what else every answer holds, the same after any number of epochs: metrics of the untrained
                architecture by name, ``(index range,)``.

        Raises:
            UnknownNameError: the table has no such metric or epoch.
            InvalidValueError: the objective is no validation metric, or the table is of other architectures.
            NotMeasuredError: the table cannot answer for every architecture of the space, or not at ``max_epochs``.
        """
        names = [name for name, metric in table.metrics.items() if metric.split == "validation"]
        if objective.metric not in table.metrics:
            kind = f"metric of table {table.name}"
            raise UnknownNameError(kind, objective.metric, names)
        if objective.metric not in names:
            msg = f"A strategy sees validation metrics only ({', '.join(names)}), but got {objective.metric!r}."
            raise InvalidValueError(msg)
        if max_epochs is not None and max_epochs not in table.epochs:
            kind = f"epoch of table {table.name}"
            raise UnknownNameError(kind, max_epochs, table.epochs)
        self.space = space if space is not None else load_space(table.space_name)
        _check_family(table, self.space)
        self.metrics = (objective.metric, *(name for name in sorted(names) if name != objective.metric))
        self.timed = SECONDS in table.metrics
        self.epochs = _measured_epochs(table, (objective.metric, SECONDS) if self.timed else (objective.metric,))
        if max_epochs is not None:
            self.epochs = tuple(epoch for epoch in self.epochs if epoch <= max_epochs)
        if not self.epochs or self.epochs[-1] != (max_epochs or self.epochs[-1]):
            at = f"after {max_epochs} epochs" if max_epochs is not None else "of any architecture"
            msg = f"Table {table.name} holds no {objective.metric} (with {SECONDS}, if it has any) {at}."
            raise NotMeasuredError(msg)
        self._columns = {name: _by_epoch(table, name, self.epochs) for name in self.metrics}
        self._seconds = _by_epoch(table, SECONDS, self.epochs) if self.timed else None
        row_of_index = self._check_complete(table, objective.metric)
        self._curves = self._columns[objective.metric]
        self._has_curve = len(self.epochs) > 1
        self._rows: list[int] = row_of_index.tolist()
        if costs:
            self._answer_by_index(row_of_index, costs)
        self._indices: dict[Arch, int] = {}
        self._records: dict[int, list[tuple[float, ...]]] = {}  # by epochs, then by row: plain lists are quick to read
        self._names: dict[int, tuple[str, ...]] = {}  # of the metrics of a record
        self._clocks: dict[int, list[float]] = {}

    def index(self, arch: Arch) -> int:
        """Return the index of ``arch``; raise :class:`~metanas.errors.InvalidArchError` outside the space."""
        index = self._indices.get(arch)
        if index is None:
            if not isinstance(arch, Arch):
                self.space.check(arch)  # raises, saying what an architecture is
            plain = Arch(arch.space, tuple([int(entry) for entry in arch.code]))  # 1, np.int8(1), 1.0: equal keys
            index = self._indices[plain] = self.space.index(self.space.check(plain if plain == arch else arch))
        return index

    def answer(self, index: int, epochs: int) -> Answer:
        """Return the validation metrics and the objective's curve, mean over the measured seeds."""
        records = self._records.get(epochs)
        if records is None:
            at = self._position(epochs)
            known = [name for name in self.metrics if not np.isnan(self._columns[name][:, at]).all()]
            columns = [self._columns[name][:, at].tolist() for name in known]
            self._names[epochs] = tuple(known)
            records = self._records[epochs] = list(zip(*columns, strict=True))
        row = self._rows[index]
        values = Values(zip(self._names[epochs], records[row], strict=True))
        if not self._has_curve:
            return Answer(values, None)
        full = epochs == self.epochs[-1]
        curve = self._curves[row] if full else self._curves[row, : self._position(epochs) + 1]
        return Answer(values, curve.copy())  # a view would lead to the curves of all architectures

    def curves(self, index: int) -> dict[str, NDArray[np.float64]]:
        """Return every metric at every epoch, mean over the measured seeds, ``(n_epochs,)`` each, NaN = none."""
        row = self._rows[index]
        return {name: self._columns[name][row].copy() for name in self.metrics}

    def seconds(self, index: int, epochs: int) -> float:
        """Return the cumulative seconds of training, mean over the measured seeds; NaN if the table has no times."""
        clock = self._clocks.get(epochs)
        if clock is None:
            n_rows = len(self._curves)
            values = self._seconds[:, self._position(epochs)] if self._seconds is not None else np.full(n_rows, np.nan)
            clock = self._clocks[epochs] = values.tolist()
        return clock[self._rows[index]]

    def _position(self, epochs: int) -> int:
        return self.epochs.index(epochs)

    def _answer_by_index(self, row_of_index: NDArray[np.int32], costs: Mapping[str, NDArray[np.float64]]) -> None:
        """Give every index a row of its own: architectures that share a row of the table may differ in cost."""
        for name, values in costs.items():
            if len(values) != len(row_of_index) or np.isnan(values[listed(self.space).indices]).any():
                msg = (
                    f"A search over {self.space.name!r} needs {name} of each of its {len(listed(self.space)):,} cells."
                )
                raise NotMeasuredError(msg)
        self._columns = {name: values[row_of_index] for name, values in self._columns.items()}
        self._curves = self._columns[self.metrics[0]]
        self._seconds = self._seconds[row_of_index] if self._seconds is not None else None
        for name, values in costs.items():
            self._columns[name] = np.repeat(np.asarray(values, dtype=np.float64)[:, None], len(self.epochs), axis=1)
        self.metrics = (*self.metrics, *(name for name in costs if name not in self.metrics))
        self._rows = list(range(len(row_of_index)))

    def check_clock(self) -> None:
        """Check that a continued training lasts longer: it is charged the difference.

        Raises:
            InvalidValueError: it does not, for an architecture that may be asked for.
        """
        if self._seconds is not None and (np.diff(self._seconds[np.unique(self._rows)], axis=1) <= 0).any():
            msg = (
                f"Where trainings may be stopped and continued, {SECONDS} must grow with the epochs, but the mean over "
                f"the measured seeds does not, for some architecture: were slow seeds not measured to the end?"
            )
            raise InvalidValueError(msg)

    def _check_complete(self, table: Columns, metric: str) -> NDArray[np.int32]:
        """Check that a search cannot run into a hole: every architecture of the space has its label and its time.

        Returns:
            The row that answers each index of the space.
        """
        if table.row_of_index is None or not isinstance(self.space, ListedSpace):
            msg = (
                f"A search may ask for any architecture of {self.space!r}, but table {table.name} holds {len(table):,} "
                f"sampled ones, and most of what a strategy would draw, mutate or walk to is not measured. "
                f"Query it and fit predictors on it, or search a table of a space that it covers."
            )
            raise NotMeasuredError(msg)
        rows = table.row_of_index[self.space.indices]
        holes = (rows < 0) | np.isnan(self._columns[metric][rows]).any(axis=1)
        if self._seconds is not None:
            holes |= ~(self._seconds[rows] > 0).all(axis=1)  # also NaN; a training of no time would never end a run
        if holes.any():
            what = f"{metric} and {SECONDS}" if self.timed else metric
            msg = (
                f"A search over {self.space.name!r} needs {what} of every one of its {len(rows):,} architectures, but "
                f"table {table.name} lacks {int(holes.sum()):,} of them (index {self.space.indices[holes][0]}). "
                f"Complete it (metanas build), or search a smaller space."
            )
            raise NotMeasuredError(msg)
        return table.row_of_index


def _check_family(table: Columns, space: Space) -> None:
    """Refuse a table of another kind of architectures: the same indices mean others there."""
    if isinstance(space, ListedSpace):
        held = table.space.arch(int(table.archs[0])).space
        if space.arch(int(space.indices[0])).space != held:
            msg = f"The search is over {space.name!r}, but table {table.name} holds architectures of {held!r}."
            raise InvalidValueError(msg)


def _measured_epochs(table: Columns, metrics: tuple[str, ...]) -> tuple[int, ...]:
    """Return the epochs at which each of the metrics was measured for any architecture at all."""
    epochs = table.epochs or (1,)
    columns = [_by_epoch(table, metric, epochs) for metric in metrics]
    return tuple(
        epoch for at, epoch in enumerate(epochs) if all(not np.isnan(column[:, at]).all() for column in columns)
    )


def _by_epoch(table: Columns, metric: str, epochs: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the mean over the measured seeds at every epoch, ``(n_rows, n_epochs)``; an array of our own.

    A metric without an epoch axis is of the finished training: what it says of an earlier end is not known, NaN.
    """
    if "epoch" in table.metrics[metric].axes:
        return np.stack([table.column(metric, epoch=epoch) for epoch in epochs], axis=1)
    last = (table.epochs or (1,))[-1]
    values = np.full((len(table), len(epochs)), np.nan)
    if last in epochs:
        values[:, epochs.index(last)] = table.column(metric)
    return values
