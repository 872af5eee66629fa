"""One table of a board, on one device, as strategies see it. Holds no test value: worker processes make it anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidFileError, InvalidValueError, UnknownNameError
from metanas.harness import Trace, generator, make_problem, search, seed_sequence
from metanas.leaderboard.board import Board
from metanas.oracles import Oracle, TableOracle
from metanas.outcomes import Outcomes
from metanas.problem import Constraint, Objective, Problem
from metanas.spaces import listed, load_space
from metanas.strategies import Source
from metanas.surrogates.store import load_surrogate, open_surrogate
from metanas.surrogates.table import SurrogateTable
from metanas.tables import Table, find_entry, load_table

if TYPE_CHECKING:
    from metanas.problem import Strategy
    from metanas.tables.columns import Columns


@dataclass(frozen=True)
class Setting:
    """What is searched, and by which rules.

    Attributes:
        board: the board.
        table: name of the table.
        task: name of its task.
        device: one of the board's devices; None where it has none.
        oracle: what answers.
        objectives: what is optimized.
        constraints: what the incumbent must keep.
        known: every cost and score that the board names, by metric, ``(index range,)``, NaN where there is none.
        columns: the tables that those came from beside the searched one: name -> SHA-256.
        outcomes: what one training gives; None where a trial is answered with the mean over seeds.
    """

    board: Board
    table: str
    task: str
    device: str | None
    oracle: TableOracle
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]
    known: Mapping[str, NDArray[np.float64]]
    columns: Mapping[str, str]
    outcomes: Outcomes | None = None

    def oracle_of(self, seed: int) -> Oracle:
        """Return what answers the runs with that seed.

        Where outcomes are drawn, all strategies meet the same ones in runs of the same seed.
        """
        if self.outcomes is None:
            return self.oracle
        words = ("outcomes", self.board.name, self.task, seed)
        entropy = seed_sequence(*words).entropy
        assert isinstance(entropy, int)
        return self.outcomes.world(entropy)

    def problem(self, workers: int) -> Problem:
        """Return what a strategy is told."""
        names = self.board.scores_on(self.device)
        scores = {name: self.known[name].copy() for name in names}  # the strategy's own
        rules = self.board.make_rules(workers)
        return make_problem(self.oracle, self.objectives, rules, constraints=self.constraints, scores=scores)

    def strategy(self, source: Source, seed: int, workers: int) -> Strategy:
        """Build a strategy; its generator derives from board, task, device, strategy and seed.

        Raises:
            StrategyError: it cannot be built, or requires something else.
        """
        words = (self.board.name, self.task, source.name, seed)
        rng = generator(*words) if self.device is None else generator(*words, self.device)
        return source.build(self.problem(workers), rng)

    def search(
        self, source: Source, seed: int, workers: int, through: Callable[[Oracle], Oracle] | None = None
    ) -> Trace:
        """Let a strategy search.

        Args:
            source: the strategy.
            seed: of the run.
            workers: simulated workers.
            through: makes another oracle of the setting's, to be asked instead (a journal).

        Raises:
            StrategyError: the strategy raised or broke the rules.
        """
        strategy = self.strategy(source, seed, workers)
        answers = self.oracle_of(seed)
        oracle = through(answers) if through else answers
        return search(strategy, oracle, self.objectives[0], self.board.make_rules(workers), name=source.name)


def make_setting(board: Board, table: Columns, device: str | None = None) -> Setting:
    """Copy what strategies may know out of a table of the board, and out of those that hold further columns.

    Raises:
        InvalidFileError: table and board differ on which direction is better.
        InvalidValueError: the board has no such device.
        UnknownNameError: a metric that no table holds.
        NotMeasuredError: a metric that is not measured everywhere, or outcomes of a table without seeds.
    """
    if (device or "") not in (board.devices or ("",)):
        msg = f"Board {board.name} is searched on the devices {board.devices}, but got {device!r}."
        raise InvalidValueError(msg)
    metric = table.metrics.get(board.objective.metric)
    if metric is not None and metric.direction != board.objective.direction:
        wanted = f"{board.objective.direction} {metric.name}"
        msg = f"Board {board.name} wants to {wanted}, but table {table.name} says {metric.direction}."
        raise InvalidFileError(msg)
    objectives, constraints = board.make_objectives(device), board.make_constraints(device)
    costs = [objective.metric for objective in objectives[1:]] + [limit.metric for limit in constraints]
    reported = [board.report.limit.on(device).metric] if board.report.limit else []
    elsewhere = board.columns_on(device, table.task)
    known, columns = {}, {}
    for name in dict.fromkeys([*costs, *reported, *board.scores_on(device)]):
        source: Columns = open_table(elsewhere[name]) if name in elsewhere else table
        known[name] = _by_index(source, name, board)
        if source is not table:
            columns[source.name] = source.sha256
    oracle = TableOracle(
        table,
        objectives[0],
        space=board.make_space(),
        max_epochs=board.rules.max_epochs,
        costs={name: known[name] for name in dict.fromkeys(costs)},
    )
    if board.rules.fidelity == "any":
        oracle.check_clock()
    outcomes = None if board.outcome == "mean" else Outcomes(_measured(table), oracle, board.outcome)
    return Setting(board, table.name, table.task, device, oracle, objectives, constraints, known, columns, outcomes)


def open_table(name: str) -> Table:
    """Return the published table called ``name``, its bytes checked, or the one in an ``.h5`` file.

    Raises:
        UnknownNameError: no such table.
        InvalidFileError: the file is not the published one, or is no table.
    """
    if name.endswith(".h5"):
        return Table.open(name)
    entry = find_entry(name)
    table = load_table(name)
    if table.sha256 != entry.sha256:
        entry.verify()
    return table


def open_searched(board: Board, name: str) -> Table | SurrogateTable:
    """Return a table to search, as :func:`open_table`; with its surrogate where the board says so.

    Raises:
        UnknownNameError: no such table, or it has no surrogate.
        InvalidFileError: a file is not the published one, or is no table or no surrogate.
    """
    table = open_table(name)
    if not board.surrogate:
        return table
    return open_surrogate(table.path) if name.endswith(".h5") else load_surrogate(name)


def reopen_searched(board: Board, path: Path) -> Table | SurrogateTable:
    """Return what :func:`open_searched` gave, by the path of its table."""
    return open_surrogate(path) if board.surrogate else Table.open(path)


def _measured(table: Columns) -> Table:
    """Return the table of what was measured."""
    if isinstance(table, SurrogateTable):
        return table.source
    assert isinstance(table, Table)
    return table


def _by_index(table: Columns, name: str, board: Board) -> NDArray[np.float64]:
    """Return a metric of every index of the space, ``(index range,)``."""
    if name not in table.metrics:
        kind = f"metric of table {table.name}"
        raise UnknownNameError(kind, name, table.metrics)
    representatives = listed(load_space(board.space)).canonical_indices
    if table.row_of_index is None or len(table.row_of_index) != len(representatives):
        msg = f"Board {board.name} searches {board.space!r}, but table {table.name} is of {table.space_name!r}."
        raise InvalidFileError(msg)
    values = np.append(table.column(name), np.nan)
    by_class = board.by_class and isinstance(table, Table) and table.as_written
    return values[table.row_of_index[representatives] if by_class else table.row_of_index]
