"""Replay: from a sealed run's choices to its scores. The only place where test scores meet a run.

A :class:`Judge` holds one table's labels, test included. It plays the choices through the harness again, finds the
incumbent by validation and looks its test score up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidArchError, InvalidFileError, NotMeasuredError, StrategyError, VerificationError
from metanas.harness import Replay, Trace, generator, make_problem, search
from metanas.leaderboard.board import Board
from metanas.leaderboard.submission import Point, Result, Run
from metanas.oracles import TableOracle
from metanas.problem import Trial
from metanas.spaces import listed
from metanas.strategies import Source

if TYPE_CHECKING:
    from metanas.tables import Table


@dataclass(frozen=True, slots=True)
class Climb:
    """The incumbent over the budget, one step for each trial that was told (``m`` steps).

    Attributes:
        spent: budget spent when the step was taken, in the board's unit, ascending, ``(m,)``.
        arch: index of the incumbent, ``(m,)``.
        validation: its validation value, ``(m,)``.
        test: its test value, ``(m,)``.
    """

    spent: NDArray[np.float64]
    arch: NDArray[np.int64]
    validation: NDArray[np.float64]
    test: NDArray[np.float64]

    def at(self, budget: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return validation and test value of the incumbent at points of the budget, NaN before the first step."""
        step = np.searchsorted(self.spent, budget, side="right") - 1
        started = step >= 0
        if not started.any():
            return np.full(len(budget), np.nan), np.full(len(budget), np.nan)
        return np.where(started, self.validation[step], np.nan), np.where(started, self.test[step], np.nan)


class Judge:
    """Knows the labels of one table under one board.

    Attributes:
        board: the board.
        table: name of the table.
        task: name of its task.
        table_sha256: hash of its file.
        units: unit of the reported metric of each split, ``"validation"`` and ``"test"``.
        test_maximized: whether a greater test value is better.
        best_validation: best validation value of all architectures of the board's space.
        best_test: best test value of all.
        optimum_test: test value of the architecture with the best validation value (the first of equals).
    """

    def __init__(self, board: Board, table: Table) -> None:
        """Read the labels.

        Raises:
            UnknownNameError: the table lacks the board's metrics or epochs.
            NotMeasuredError: the table lacks a label.
            InvalidFileError: the table says that another direction is better.
        """
        self.board = board
        self.table, self.task, self.table_sha256 = table.name, table.task, table.sha256
        self.oracle = make_oracle(board, table)
        self._objective = board.make_objective()
        indices = listed(self.oracle.space).indices
        epoch = self.oracle.epochs[-1] if _has_epochs(table, board.report.metric) else None
        self._test = table.column(board.report.metric, epoch=epoch)[table.row_of_index]
        if np.isnan(self._test[indices]).any():
            count = int(np.isnan(self._test[indices]).sum())
            msg = f"Table {table.name} has no {board.report.metric} for {count:,} architectures of {board.space!r}."
            raise NotMeasuredError(msg)
        epoch = self.oracle.epochs[-1] if _has_epochs(table, board.objective.metric) else None
        validation = table.column(board.objective.metric, epoch=epoch)[table.row_of_index][indices]
        best = int(np.argmax(self._objective.sign * validation))
        self.units = {
            "validation": table.metrics[board.objective.metric].unit,
            "test": table.metrics[board.report.metric].unit,
        }
        self.test_maximized = table.metrics[board.report.metric].direction != "minimize"
        self.best_validation = float(validation[best])
        self.optimum_test = float(self._test[indices[best]])
        self.best_test = float((np.max if self.test_maximized else np.min)(self._test[indices]))

    def replay(self, run: Run) -> tuple[Result, Climb]:
        """Play a run's choices again and return what it reached.

        Raises:
            VerificationError: the choices break the board's rules, or are not as many as the budget buys.
        """
        chosen = run.choices.trials()
        space, rules = self.oracle.space, self.board.make_rules(run.workers)
        try:
            trials = [Trial(space.arch(index), epochs) for index, epochs in chosen]
            trace = search(Replay(trials), self.oracle, self._objective, rules, name=run.strategy.name)
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
        """Return the incumbent over the budget: the best validation value so far, the first of equals."""
        told = trace.told
        score = self._objective.sign * trace.value[told]
        best = np.maximum.accumulate(score) if len(score) else score
        new = score > np.concatenate(([-np.inf], best[:-1])) if len(score) else np.zeros(0, dtype=bool)
        step = np.maximum.accumulate(np.where(new, np.arange(len(told)), 0)) if len(told) else told
        arch = trace.index[told][step]
        spent = _trainings(trace, self.oracle.epochs[-1]) if self.board.unit == "trainings" else trace.finished[told]
        return Climb(spent=spent, arch=arch, validation=trace.value[told][step], test=self._test[arch])

    def _result(self, trace: Trace, climb: Climb) -> Result:
        at = np.array(self.board.report.at, dtype=np.float64)
        points = zip(at.tolist(), *(values.tolist() for values in climb.at(at)), strict=True)
        optimal = np.flatnonzero(climb.validation == self.best_validation)
        told = trace.told
        return Result(
            trainings=float(_trainings(trace, self.oracle.epochs[-1])[-1]) if len(told) else 0.0,
            seconds=float(trace.finished[told[-1]]) if len(told) and self.oracle.timed else None,
            incumbent=int(climb.arch[-1]) if len(told) else None,
            validation=float(climb.validation[-1]) if len(told) else None,
            test=float(climb.test[-1]) if len(told) else None,
            points=tuple(Point(at=x, validation=_or_none(v), test=_or_none(t)) for x, v, t in points),
            optimum_at=float(climb.spent[optimal[0]]) if len(optimal) else None,
        )


def make_oracle(board: Board, table: Table) -> TableOracle:
    """Return what answers strategies on a table of the board.

    Raises:
        InvalidFileError: table and board differ on which direction is better.
    """
    metric = table.metrics.get(board.objective.metric)
    if metric is not None and metric.direction != board.objective.direction:
        wanted = f"{board.objective.direction} {metric.name}"
        msg = f"Board {board.name} wants to {wanted}, but table {table.name} says {metric.direction}."
        raise InvalidFileError(msg)
    return TableOracle(table, board.make_objective(), space=board.make_space(), max_epochs=board.rules.max_epochs)


def choose(board: Board, oracle: TableOracle, task: str, source: Source, seed: int, workers: int) -> Trace:
    """Let a strategy search on a board; the generator derives from board, task, strategy and seed.

    Raises:
        StrategyError: the strategy raised or broke the rules.
    """
    objective, rules = board.make_objective(), board.make_rules(workers)
    rng = generator(board.name, task, source.name, seed)
    strategy = source.build(make_problem(oracle, objective, rules), rng)
    return search(strategy, oracle, objective, rules, name=source.name)


def _trainings(trace: Trace, max_epochs: int) -> NDArray[np.float64]:
    return np.cumsum(trace.charged[trace.told]) / max_epochs


def _has_epochs(table: Table, metric: str) -> bool:
    return metric in table.metrics and "epoch" in table.metrics[metric].axes


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value
