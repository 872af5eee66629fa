"""Runs predictors on a board's targets in several processes, and keeps every run as soon as it is done."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from metanas.errors import InvalidFileError, InvalidValueError, PredictorError
from metanas.leaderboard.code import code_sha256
from metanas.leaderboard.predictor_board import PredictorBoard
from metanas.leaderboard.predictor_run import (
    PredictorRun,
    fit_and_predict,
    read_predictor_run,
    scored,
)
from metanas.leaderboard.predictor_source import PredictorSource, all_names
from metanas.leaderboard.predictor_target import Target, targets_of
from metanas.leaderboard.processes import in_processes
from metanas.leaderboard.runner import path_of
from metanas.leaderboard.submission import StrategyPart, impersonates
from metanas.tables import Table


@dataclass(frozen=True, slots=True)
class PredictorJob:
    """One run to make: plain data that any process can carry out.

    Attributes:
        board: the board.
        tables: files of its tables, and their hashes.
        target: name of the target.
        source: the predictor.
        seed: of the run.
    """

    board: PredictorBoard
    tables: tuple[tuple[Path, str], ...]
    target: str
    source: PredictorSource
    seed: int


@dataclass(frozen=True, slots=True)
class FailedPredictor:
    """A run that its predictor did not finish."""

    label: str
    target: str
    seed: int
    message: str


def make_predictor_run(job: PredictorJob) -> PredictorRun:
    """Fit, predict, seal, and score.

    Raises:
        PredictorError: the predictor raised or broke its contract.
    """
    target = _targets(job.board.model_dump_json(), job.tables)[job.target]
    fits, declined = fit_and_predict(job.board, target, job.source, job.seed)
    run = PredictorRun(
        metanas=_version(),
        numpy=np.__version__,
        code=code_sha256(),
        board=job.board.name,
        rules_sha256=job.board.rules_sha256,
        target=target.name,
        table=target.table,
        table_sha256=target.table_sha256,
        sources=dict(target.source_sha256),
        predictor=part_of(job.source),
        seed=job.seed,
        fits=tuple(fits),
        declined=declined,
    )
    run = run.sealed()
    return run.model_copy(update={"figures": scored(job.board, target, run.fits)})


def run_predictors(
    jobs: Sequence[PredictorJob], *, processes: int, folder: Path, fresh: bool = False
) -> Iterator[PredictorRun | FailedPredictor]:
    """Carry out jobs, in no fixed order; every run is written before it is yielded.

    A run that lies in the folder already, whole, from the same code on the same data, is not made again.

    Args:
        jobs: what to run.
        processes: worker processes; 1 runs all in this one.
        folder: where runs are written, as ``<target>/<predictor>/seed-<seed>.json``.
        fresh: make every run anew.
    """
    todo = []
    for job in jobs:
        run = None if fresh else _kept(job, folder)
        if run is None:
            todo.append(job)
        else:
            yield run
    for outcome in in_processes(_attempt, todo, processes):
        if isinstance(outcome, PredictorRun):
            outcome.write(run_path(folder, outcome))
        yield outcome


def run_path(folder: Path, run: PredictorRun) -> Path:
    """Return where a run is written."""
    return path_of(folder, run.target, None, label_of(run), run.seed)


def label_of(run: PredictorRun) -> str:
    """Return how a run's predictor is shown: name and settings."""
    return PredictorSource("", run.predictor.name, run.predictor.config).label


def earlier_predictor_runs(
    folder: Path, board: PredictorBoard, targets: Sequence[Target], without: set[str]
) -> list[PredictorRun]:
    """Return the runs in ``folder`` of other predictors on the same board and targets, scored again.

    Args:
        folder: where runs were written.
        board: the board.
        targets: its targets.
        without: labels of the predictors that are run anew.
    """
    found = []
    for target in targets:
        place = path_of(folder, target.name, None, "any", 0).parents[1]
        for path in sorted(place.glob("*/seed-*.json")):
            try:
                run = read_predictor_run(path)
            except InvalidFileError:
                continue
            if not _is_of(run, board, target) or run.seal != run.computed_seal() or label_of(run) in without:
                continue
            if impersonates(run.predictor, all_names()):
                continue
            with contextlib.suppress(InvalidFileError, InvalidValueError):  # fits that are none
                found.append(run.model_copy(update={"figures": scored(board, target, run.fits)}))
    return found


def part_of(source: PredictorSource) -> StrategyPart:
    """Return what a run says of its predictor."""
    if source.sha256 is None:
        return StrategyPart(name=source.name, config=dict(source.config))
    where = Path(source.spec).name if ".py:" in source.spec else source.spec
    return StrategyPart(name=source.name, config=dict(source.config), source=where, sha256=source.sha256)


def _is_of(run: PredictorRun, board: PredictorBoard, target: Target) -> bool:
    said = (run.board, run.rules_sha256, run.target, run.table_sha256, run.sources)
    return said == (board.name, board.rules_sha256, target.name, target.table_sha256, dict(target.source_sha256))


def _kept(job: PredictorJob, folder: Path) -> PredictorRun | None:
    path = path_of(folder, job.target, None, job.source.label, job.seed)
    try:
        run = read_predictor_run(path)
    except InvalidFileError:
        return None
    target = _targets(job.board.model_dump_json(), job.tables)[job.target]
    same = run.seal == run.computed_seal() and run.code == code_sha256() and run.predictor == part_of(job.source)
    if not same or not _is_of(run, job.board, target):
        return None
    return run.model_copy(update={"figures": scored(job.board, target, run.fits)})


def _attempt(job: PredictorJob) -> PredictorRun | FailedPredictor:
    try:
        return make_predictor_run(job)
    except PredictorError as error:
        return FailedPredictor(job.source.label, job.target, job.seed, str(error))


@lru_cache(maxsize=2)
def _targets(board: str, tables: tuple[tuple[Path, str], ...]) -> dict[str, Target]:
    """Open the tables; the hashes keep versions apart."""
    opened = [Table.open(path) for path, _ in tables]
    for table, (path, sha256) in zip(opened, tables, strict=True):
        if table.sha256 != sha256:
            msg = f"{path} has changed since the runs were started; start them again."
            raise InvalidFileError(msg)
    found = targets_of(PredictorBoard.model_validate_json(board), opened)
    return {target.name: target for target in found}


def _version() -> str:
    try:
        return version("metanas")
    except PackageNotFoundError:  # a checkout that is on the path but not installed
        return "unknown"
