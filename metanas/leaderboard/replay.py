"""Replay: from a sealed run's choices to its scores. The only place where test scores meet a run.

A :class:`Judge` holds one table's labels, test included. It plays the choices through the harness again, finds the
incumbent (or the front) by validation and looks its test score up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidArchError, NotMeasuredError, StrategyError, VerificationError
from metanas.harness import Replay, Trace, search
from metanas.leaderboard.board import Board
from metanas.leaderboard.climbs import Climb, Fronts, Incumbents
from metanas.leaderboard.setting import make_setting
from metanas.leaderboard.submission import Point, Result, Run
from metanas.problem import Constraint, Trial
from metanas.spaces import listed

if TYPE_CHECKING:
    from metanas.tables.columns import Columns

_SAME = 1e-12  # hypervolumes are sums: equal fronts may differ in the last bits
_VOLUME = "share of the box"


class Judge:
    """Knows the labels of one table, on one device, under one board.

    Attributes:
        board: the board.
        setting: what strategies see.
        table: name of the table.
        task: name of its task.
        device: name of the device; None where the board has none.
        label: table and device, as they are shown.
        table_sha256: hash of the table's file.
        figure: what is reported: ``"test/accuracy of the incumbent"``, or the hypervolume.
        units: unit of what is reported of each split, ``"validation"`` and ``"test"``.
        validation_maximized: whether a greater validation value is better.
        test_maximized: the same of the test value.
        best_validation: best that any run can reach: of all architectures that keep the limits, or of all together.
        best_test: best test value of all.
        optimum_test: test value of the architecture (or front) with the best validation value, the first of equals.
        mean_validation: expected validation value of one architecture that is drawn uniformly, as random search draws
            it, from those of the space that keep the limits; or of the front that it alone makes.
        mean_test: the same of the test value.
        limit: a board with costs may report the incumbent under this limit too.
        limited: follows that incumbent.
        values: labels of every architecture, ``"validation"``, ``"test"`` and the costs by metric, ``(index range,)``.
        indices: all architectures of the board's space, ``(n,)``.
    """

    def __init__(self, board: Board, table: Columns, device: str | None = None) -> None:
        """Read the labels.

        Raises:
            UnknownNameError: the table lacks the board's metrics or epochs.
            NotMeasuredError: the table lacks a label.
            InvalidFileError: the table says that another direction is better.
            InvalidValueError: no architecture keeps the constraints; or the board has no such device.
        """
        self.board, self.device = board, device
        self.table, self.task, self.table_sha256 = table.name, table.task, table.sha256
        self.label = table.name if device is None else f"{table.name}, {device}"
        self.setting = make_setting(board, table, device)
        self.oracle = self.setting.oracle
        self.indices = listed(self.oracle.space).indices
        validation, test = (self._labels(table, part.metric) for part in (board.objective, board.report))
        costs = {objective.metric: self.setting.known[objective.metric] for objective in self.setting.objectives[1:]}
        self.values = {"validation": validation, "test": test, **costs}
        units = [table.metrics[part.metric].unit for part in (board.objective, board.report)]
        maximized = [
            board.objective.direction == "maximize",
            table.metrics[board.report.metric].direction != "minimize",
        ]
        signs = (1.0 if maximized[0] else -1.0, 1.0 if maximized[1] else -1.0)
        self.limit = board.report.limit.on(device) if board.report.limit else None
        self.limited: Incumbents | None = None
        if self.limit:
            self.limited = Incumbents(self.indices, validation, test, signs, self._keep((self.limit,)))
        self._ranked: Incumbents | Fronts
        if costs:
            self.figure, units, maximized = "hypervolume of the front", [_VOLUME, _VOLUME], [True, True]
            self._ranked = Fronts(self.indices, validation, test, signs, list(costs.values()))
        else:
            limits = "".join(f", {limit.metric} <= {limit.at_most:g}" for limit in self.setting.constraints)
            self.figure = f"{board.report.metric} of the incumbent{limits}"
            self._ranked = Incumbents(self.indices, validation, test, signs, self._keep(self.setting.constraints))
        self.units = {"validation": units[0], "test": units[1]}
        self.validation_maximized, self.test_maximized = maximized
        self.best_validation, self.best_test = self._ranked.best_validation, self._ranked.best_test
        self.optimum_test = self._ranked.optimum_test
        self.mean_validation, self.mean_test = self._ranked.mean_validation, self._ranked.mean_test

    @property
    def front(self) -> NDArray[np.int64]:
        """The front of all architectures by validation, as indices; empty on a board with one objective."""
        return self._ranked.members if isinstance(self._ranked, Fronts) else np.empty(0, dtype=np.int64)

    def replay(self, run: Run) -> tuple[Result, Climb]:
        """Play a run's choices again and return what it reached.

        Raises:
            VerificationError: the choices break the board's rules, or are not as many as the budget buys.
        """
        chosen = run.choices.trials()
        space, rules = self.oracle.space, self.board.make_rules(run.workers)
        try:
            trials = [Trial(space.arch(index), epochs) for index, epochs in chosen]
            objective = self.setting.objectives[0]
            answers = self.setting.oracle_of(run.seed)
            trace = search(Replay(trials), answers, objective, rules, name=run.strategy.name)
        except (StrategyError, InvalidArchError) as error:
            msg = f"The choices break the rules of {self.board.name}: {error}"
            raise VerificationError(msg) from error
        if len(trace.index) != len(chosen):
            bought = len(trace.index)
            msg = f"The budget of {self.board.name} buys {bought} of these trials, but the run has {len(chosen)}."
            raise VerificationError(msg)
        climb = self.climb(trace)
        return self._result(trace, climb), climb

    def climb(self, trace: Trace) -> Climb:
        """Return what the run has reached over the budget: the incumbent, or the front."""
        told, spent = trace.told, self._spent(trace)
        if isinstance(self._ranked, Fronts):
            return self._ranked.climb(spent, trace.index[told])
        return self._ranked.climb(spent, trace.index[told], trace.value[told])

    def limited_points(self, trace: Trace) -> tuple[Point, ...]:
        """Return the incumbent under the board's limit of report at its points; empty where it has no such limit."""
        if self.limited is None:
            return ()
        told = trace.told
        return self._points(self.limited.climb(self._spent(trace), trace.index[told], trace.value[told]))

    def _spent(self, trace: Trace) -> NDArray[np.float64]:
        if self.board.unit == "seconds":
            return trace.finished[trace.told]
        return _trainings(trace, self.oracle.epochs[-1])

    def _points(self, climb: Climb) -> tuple[Point, ...]:
        at = np.array(self.board.report.at, dtype=np.float64)
        points = zip(at.tolist(), *(values.tolist() for values in climb.at(at)), strict=True)
        return tuple(Point(at=x, validation=_or_none(v), test=_or_none(t)) for x, v, t in points)

    def _result(self, trace: Trace, climb: Climb) -> Result:
        told, reached = trace.told, len(climb.spent) > 0
        optimal = np.flatnonzero(np.abs(climb.validation - self.best_validation) <= _SAME)
        return Result(
            trainings=float(_trainings(trace, self.oracle.epochs[-1])[-1]) if len(told) else 0.0,
            seconds=float(trace.finished[told[-1]]) if len(told) and self.oracle.timed else None,
            incumbent=int(climb.arch[-1]) if reached and climb.arch[-1] >= 0 else None,
            validation=_or_none(float(climb.validation[-1])) if reached else None,
            test=_or_none(float(climb.test[-1])) if reached else None,
            points=self._points(climb),
            optimum_at=float(climb.spent[optimal[0]]) if len(optimal) else None,
            front=climb.members,
            limited=self.limited_points(trace),
        )

    def _keep(self, limits: tuple[Constraint, ...]) -> NDArray[np.bool_]:
        """Return which architectures keep all limits, ``(index range,)``."""
        keep = np.ones(len(self.values["validation"]), dtype=bool)
        for limit in limits:
            keep &= self.setting.known[limit.metric] <= limit.at_most  # NaN keeps nothing
        if not keep[self.indices].any():
            msg = f"No architecture of table {self.table} keeps the limits of {self.board.name}."
            raise NotMeasuredError(msg)
        return keep

    def _labels(self, table: Columns, metric: str) -> NDArray[np.float64]:
        """Return a metric after a full training, ``(index range,)``."""
        epoch = self.oracle.epochs[-1] if metric in table.metrics and "epoch" in table.metrics[metric].axes else None
        values: NDArray[np.float64] = table.column(metric, epoch=epoch)[table.row_of_index]
        holes = int(np.isnan(values[self.indices]).sum())
        if holes:
            msg = f"Table {table.name} has no {metric} for {holes:,} architectures of {self.board.space!r}."
            raise NotMeasuredError(msg)
        return values


def _trainings(trace: Trace, max_epochs: int) -> NDArray[np.float64]:
    return np.cumsum(trace.charged[trace.told]) / max_epochs


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value


__all__ = ["Climb", "Judge"]
