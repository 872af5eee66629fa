"""Runs strategies on a board's tables in several processes, and keeps every run as soon as it is done.

A worker process holds an oracle, which knows no test score, and returns a sealed run. The parent replays it, which
looks the test scores up, and writes it.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from metanas.checkpoint import Journal
from metanas.errors import InvalidFileError, StrategyError, UnknownNameError, VerificationError
from metanas.leaderboard.board import Board
from metanas.leaderboard.code import code_sha256
from metanas.leaderboard.processes import in_processes
from metanas.leaderboard.replay import Climb, Judge
from metanas.leaderboard.setting import Setting, make_setting, open_searched, reopen_searched
from metanas.leaderboard.submission import Choices, Result, Run, StrategyPart, impersonates, read_run
from metanas.strategies import Source, strategy_names
from metanas.tables import Table

if TYPE_CHECKING:
    from metanas.harness import Trace
    from metanas.surrogates.table import SurrogateTable


@dataclass(frozen=True, slots=True)
class Job:
    """One run to make: plain data that any process can carry out.

    Attributes:
        board: the board.
        table: file of the table.
        table_sha256: its hash.
        source: the strategy.
        seed: of the run.
        workers: simulated workers.
        device: on which device; None on a board without devices.
        journal: where the run is written down while it is under way, to be resumed; None: nowhere.
        every: seconds between two writes of the journal.
    """

    board: Board
    table: Path
    table_sha256: str
    source: Source
    seed: int
    workers: int
    device: str | None = None
    journal: Path | None = None
    every: float = 0.0

    @property
    def head(self) -> dict[str, object]:
        """What identifies the run in its journal."""
        source = self.source
        what = {"board": self.board.rules_sha256, "table": self.table_sha256, "device": self.device}
        who = {"strategy": source.name, "config": dict(source.config), "source": source.sha256}
        return {**what, **who, "seed": self.seed, "workers": self.workers, "code": code_sha256()}


@dataclass(frozen=True, slots=True)
class Done:
    """A run with its replay.

    Attributes:
        run: the run.
        label: how its strategy is shown.
        result: what it reached.
        climb: how it went there.
        kept: whether it was there already.
    """

    run: Run
    label: str
    result: Result
    climb: Climb
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """A run that its strategy did not finish."""

    label: str
    table: str
    seed: int
    message: str
    device: str | None = None


def open_tables(board: Board, names: Sequence[str] = ()) -> tuple[list[Table | SurrogateTable], list[str]]:
    """Return the tables to search, and the names of the board's tables that are not here.

    Args:
        board: the board.
        names: tables by name or file; those of the board if empty.

    Raises:
        UnknownNameError: a named table, or every table of the board, is missing.
    """
    if names:
        return [open_searched(board, name) for name in names], []
    tables: list[Table | SurrogateTable] = []
    missing = []
    problem: UnknownNameError | None = None
    for name in board.tables:
        try:
            tables.append(open_searched(board, name))
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
    setting = _setting(job.board.model_dump_json(), job.table, job.table_sha256, job.device)
    through = None
    if job.journal is not None:
        path, head, every = job.journal, job.head, job.every
        through = lambda oracle: Journal(oracle, path, head, every=every)  # noqa: E731
    trace = setting.search(job.source, job.seed, job.workers, through)
    run = Run(
        metanas=_version(),
        numpy=np.__version__,
        code=code_sha256(),
        board=job.board.name,
        rules_sha256=job.board.rules_sha256,
        space=job.board.space,
        task=setting.task,
        table=setting.table,
        table_sha256=job.table_sha256,
        strategy=_strategy_part(job.source),
        seed=job.seed,
        workers=job.workers,
        choices=_choices(trace),
        device=job.device,
        columns=dict(setting.columns),
        strategy_cpu_seconds=trace.cpu_seconds,
    )
    return run.sealed()


def run_all(
    jobs: Sequence[Job], judges: Sequence[Judge], *, processes: int, folder: Path, fresh: bool = False
) -> Iterator[Done | Failed]:
    """Carry out jobs, in no fixed order; every run is written before it is yielded.

    A run that lies in the folder already, whole, from the same code on the same data, is not made again; such runs are
    yielded first.

    Args:
        jobs: what to run.
        judges: of every table that occurs in ``jobs``.
        processes: worker processes; 1 runs all in this one.
        folder: where runs are written, as ``<table>/<strategy>/seed-<seed>.json``.
        fresh: make every run anew, from its beginning.

    Raises:
        MetanasError: anything but a strategy's own failure.
    """
    by_table = {(judge.table_sha256, judge.device): judge for judge in judges}
    todo = []
    for job in jobs:
        judge = by_table[job.table_sha256, job.device]
        path = path_of(folder, judge.table, judge.device, job.source.label, job.seed)
        journal = _journal_of(path)
        if fresh:
            journal.unlink(missing_ok=True)
        kept = None if fresh else _kept(job, judge, path)
        if kept is None:
            todo.append(replace(job, journal=journal) if job.every else job)
        else:
            yield kept
    for outcome in in_processes(_attempt, todo, processes):
        if isinstance(outcome, Failed):
            yield outcome
            continue
        judge = by_table[outcome.table_sha256, outcome.device]
        result, climb = judge.replay(outcome)
        run = outcome.model_copy(update={"result": result})
        path = run_path(folder, run)
        run.write(path)
        _journal_of(path).unlink(missing_ok=True)
        yield Done(run, label_of(run), result, climb)


def run_path(folder: Path, run: Run) -> Path:
    """Return where a run is written."""
    return path_of(folder, run.table, run.device, label_of(run), run.seed)


def path_of(folder: Path, table: str, device: str | None, label: str, seed: int) -> Path:
    """Return where the run of a strategy on a table is written."""
    place = table.replace("/", "-") + (f",{device}" if device else "")
    return folder / _slug(place) / _slug(label) / f"seed-{seed:03}.json"


def label_of(run: Run) -> str:
    """Return how a run's strategy is shown: name and settings."""
    return Source("", run.strategy.name, run.strategy.config).label


def earlier_runs(folder: Path, judges: Sequence[Judge], workers: int, without: set[str]) -> list[Done]:
    """Return the runs in ``folder`` of other strategies on the same board and tables, replayed.

    Of a strategy whose source, or the code of this package, has changed since, only the runs of the one that ran last
    are returned: those of two versions are not the runs of one strategy.

    Args:
        folder: where runs were written.
        judges: of the tables that are searched now.
        workers: simulated workers of the runs that are made now.
        without: labels of the strategies that are run anew.
    """
    found = []
    last: dict[str, tuple[int, tuple[str, str | None]]] = {}  # when a strategy ran last, and which version of it
    for judge in judges:
        place = path_of(folder, judge.table, judge.device, "any", 0).parents[1]
        for path in sorted(place.glob("*/seed-*.json")):
            with contextlib.suppress(InvalidFileError, VerificationError):
                run = read_run(path)
                if not _is_of(run, judge) or run.workers != workers or run.seal != run.computed_seal():
                    continue
                label = label_of(run)
                if label not in without and not impersonates(run.strategy, strategy_names()):
                    found.append(Done(run, label, *judge.replay(run)))
                    made = path.stat().st_mtime_ns, _made_by(run)
                    last[label] = max(last.get(label, made), made, key=lambda each: each[0])
    return [entry for entry in found if _made_by(entry.run) == last[entry.label][1]]


def _made_by(run: Run) -> tuple[str, str | None]:
    return run.code, run.strategy.sha256


def _journal_of(path: Path) -> Path:
    return path.with_suffix(".journal.jsonl")


def _kept(job: Job, judge: Judge, path: Path) -> Done | None:
    """Return the run of a job that lies at ``path``, if it is whole and was made by the same code on the same data."""
    with contextlib.suppress(InvalidFileError, VerificationError):
        run = read_run(path)
        said = (run.code, run.strategy, run.seed, run.workers)
        same = said == (code_sha256(), _strategy_part(job.source), job.seed, job.workers)
        if same and _is_of(run, judge) and run.seal == run.computed_seal():
            return Done(run, label_of(run), *judge.replay(run), kept=True)
    return None


def _is_of(run: Run, judge: Judge) -> bool:
    """Return whether a run was made on a judge's board, table and device."""
    board = judge.board
    said = (run.board, run.rules_sha256, run.table_sha256, run.device, run.columns)
    columns = dict(judge.setting.columns)
    return said == (board.name, board.rules_sha256, judge.table_sha256, judge.device, columns)


def _attempt(job: Job) -> Run | Failed:
    try:
        return make_run(job)
    except StrategyError as error:
        return Failed(job.source.label, Table.open(job.table).name, job.seed, str(error), job.device)


@lru_cache(maxsize=4)
def _setting(board: str, path: Path, sha256: str, device: str | None) -> Setting:
    """Open the table for as long as it takes to copy the validation columns; the hash keeps versions apart."""
    loaded = Board.model_validate_json(board)
    table = reopen_searched(loaded, path)
    if table.sha256 != sha256:
        msg = f"{path} has changed since the runs were started; start them again."
        raise InvalidFileError(msg)
    return make_setting(loaded, table, device)


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
