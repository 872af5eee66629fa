"""Runs strategies on a board's tables in several processes, and keeps every run as soon as it is done.

A worker process holds an oracle, which knows no test score, and returns a sealed run. The parent replays it, which
looks the test scores up, and writes it.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import joblib
import numpy as np

from metanas.errors import InvalidFileError, StrategyError, UnknownNameError, VerificationError
from metanas.leaderboard.board import Board
from metanas.leaderboard.replay import Climb, Judge, choose, make_oracle
from metanas.leaderboard.submission import Choices, Result, Run, StrategyPart, read_run, write_run
from metanas.strategies import Source
from metanas.tables import Table, find_entry, load_table

if TYPE_CHECKING:
    from metanas.harness import Trace
    from metanas.oracles import TableOracle


@dataclass(frozen=True, slots=True)
class Job:
    """One run to make: plain data that any process can carry out."""

    board: Board
    table: Path
    table_sha256: str
    source: Source
    seed: int
    workers: int


@dataclass(frozen=True, slots=True)
class Done:
    """A run with its replay."""

    run: Run
    label: str
    result: Result
    climb: Climb


@dataclass(frozen=True, slots=True)
class Failed:
    """A run that its strategy did not finish."""

    label: str
    table: str
    seed: int
    message: str


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


def open_tables(board: Board, names: Sequence[str] = ()) -> tuple[list[Table], list[str]]:
    """Return the tables to search, and the names of the board's tables that are not here.

    Args:
        board: the board.
        names: tables by name or file; those of the board if empty.

    Raises:
        UnknownNameError: a named table, or every table of the board, is missing.
    """
    if names:
        return [open_table(name) for name in names], []
    tables, missing = [], []
    problem: UnknownNameError | None = None
    for name in board.tables:
        try:
            tables.append(open_table(name))
        except UnknownNameError as error:
            missing.append(name)
            problem = error
    if not tables and problem is not None:
        raise problem
    return tables, missing


def make_run(job: Job) -> Run:
    """Search, and return the sealed choices.

    Raises:
        StrategyError: the strategy raised or broke the rules.
    """
    oracle, task, table = _oracle(job.board, job.table, job.table_sha256)
    trace = choose(job.board, oracle, task, job.source, job.seed, job.workers)
    run = Run(
        metanas=_version(),
        numpy=np.__version__,
        board=job.board.name,
        rules_sha256=job.board.rules_sha256,
        space=job.board.space,
        task=task,
        table=table,
        table_sha256=job.table_sha256,
        strategy=_strategy_part(job.source),
        seed=job.seed,
        workers=job.workers,
        choices=_choices(trace),
        strategy_cpu_seconds=trace.cpu_seconds,
    )
    return run.sealed()


def run_all(jobs: Sequence[Job], judges: Sequence[Judge], *, processes: int, folder: Path) -> Iterator[Done | Failed]:
    """Carry out jobs, in no fixed order; every run is written before it is yielded.

    Args:
        jobs: what to run.
        judges: of every table that occurs in ``jobs``.
        processes: worker processes; 1 runs all in this one.
        folder: where runs are written, as ``<table>/<strategy>/seed-<seed>.json``.

    Raises:
        MetanasError: anything but a strategy's own failure.
    """
    by_table = {judge.table_sha256: judge for judge in judges}
    for outcome in _outcomes(jobs, processes):
        if isinstance(outcome, Failed):
            yield outcome
            continue
        judge = by_table[outcome.table_sha256]
        result, climb = judge.replay(outcome)
        run = outcome.model_copy(update={"result": result})
        write_run(run, run_path(folder, run))
        yield Done(run, label_of(run), result, climb)


def run_path(folder: Path, run: Run) -> Path:
    """Return where a run is written."""
    return folder / _slug(run.table.replace("/", "-")) / _slug(label_of(run)) / f"seed-{run.seed:03}.json"


def label_of(run: Run) -> str:
    """Return how a run's strategy is shown: name and settings."""
    return Source("", run.strategy.name, run.strategy.config).label


def earlier_runs(folder: Path, judges: Sequence[Judge], workers: int, without: set[str]) -> list[Done]:
    """Return the runs in ``folder`` of other strategies on the same board and tables, replayed.

    Args:
        folder: where runs were written.
        judges: of the tables that are searched now.
        workers: simulated workers of the runs that are made now.
        without: labels of the strategies that are run anew.
    """
    found = []
    for judge in judges:
        for path in sorted((folder / _slug(judge.table.replace("/", "-"))).glob("*/seed-*.json")):
            with contextlib.suppress(InvalidFileError, VerificationError):
                run = read_run(path)
                same = (run.board, run.rules_sha256, run.table_sha256, run.workers, run.seal)
                board = judge.board
                if same != (board.name, board.rules_sha256, judge.table_sha256, workers, run.computed_seal()):
                    continue
                if label_of(run) not in without:
                    result, climb = judge.replay(run)
                    found.append(Done(run, label_of(run), result, climb))
    return found


def _outcomes(jobs: Sequence[Job], processes: int) -> Iterator[Run | Failed]:
    if processes == 1:
        yield from map(_attempt, jobs)
        return
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        parallel = joblib.Parallel(n_jobs=processes, return_as="generator_unordered", batch_size="auto")
        yield from parallel(joblib.delayed(_attempt)(job) for job in jobs)


def _attempt(job: Job) -> Run | Failed:
    try:
        return make_run(job)
    except StrategyError as error:
        return Failed(job.source.label, Table.open(job.table).name, job.seed, str(error))


@lru_cache(maxsize=4)
def _oracle(board: Board, path: Path, sha256: str) -> tuple[TableOracle, str, str]:
    """Open the table for as long as it takes to copy the validation columns; the hash keeps versions apart."""
    table = Table.open(path)
    if table.sha256 != sha256:
        msg = f"{path} has changed since the runs were started; start them again."
        raise InvalidFileError(msg)
    return make_oracle(board, table), table.task, table.name


def _version() -> str:
    try:
        return version("metanas")
    except PackageNotFoundError:  # a checkout that is on the path but not installed
        return "unknown"


def _strategy_part(source: Source) -> StrategyPart:
    if source.sha256 is None:
        return StrategyPart(name=source.name, config=dict(source.config))
    where = Path(source.spec).name if ".py:" in source.spec else source.spec
    return StrategyPart(name=source.name, config=dict(source.config), source=where, sha256=source.sha256)


def _choices(trace: Trace) -> Choices:
    epochs = trace.epochs.tolist()
    alike = bool(epochs) and len(set(epochs)) == 1
    return Choices(archs=tuple(trace.index.tolist()), epochs=epochs[0] if alike else tuple(epochs))


def _slug(text: str) -> str:
    """Return a folder's name; where it is not the text itself, a hash keeps different texts apart."""
    plain = re.sub(r"[^A-Za-z0-9_.,=+-]+", "-", text).lstrip(".")
    return plain if plain == text else f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
