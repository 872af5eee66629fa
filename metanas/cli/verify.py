"""``metanas verify``."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

if TYPE_CHECKING:
    from metanas.leaderboard.predictor_board import PredictorBoard
    from metanas.leaderboard.predictor_target import Target
    from metanas.leaderboard.replay import Judge
    from metanas.leaderboard.submission import Run

NEEDS_ARGUMENTS = True

_FEW = 8  # runs that are not worth another process


def command(
    run: Annotated[list[Path], typer.Argument(help="Run files, or folders that hold them.", metavar="RUN...")],
    board: Annotated[str | None, typer.Option(help="The board's file, if it is not a published board.")] = None,
    table: Annotated[
        list[str] | None, typer.Option(help="The .h5 file of a table that is not published. Repeatable.")
    ] = None,
    strategy: Annotated[
        list[str] | None,
        typer.Option(help="Source of a strategy from outside (file.py:Object), to run it again. Repeatable."),
    ] = None,
    predictor: Annotated[
        list[str] | None,
        typer.Option(help="Source of a predictor from outside (file.py:Object), to fit it again. Repeatable."),
    ] = None,
    jobs: Annotated[int | None, typer.Option(help="Processes; as many as there are cores if absent.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> int:
    """Check runs: replay their choices, compare every number, and run the strategy again.

    A run is refused, with the reason, if its seal, a hash, a choice, its seed or a score is not what the replay and a
    second run of its strategy give. Built-in strategies are run again from their seed; those from outside if --strategy
    names their source. Runs of predictors (`metanas rank`) are checked likewise: every figure is computed again from
    the predictions, and the predictor is fitted again. Exit code 5 if any run is refused.

        metanas verify runs/anytime-v1

        metanas verify runs/anytime-v1/my-table/MyStrategy --strategy my_file.py:MyStrategy
    """
    from rich.console import Console
    from rich.markup import escape

    from metanas.errors import InvalidValueError, VerificationError

    if jobs is not None and jobs < 1:
        msg = f"--jobs must be at least 1, but got {jobs}."
        raise InvalidValueError(msg)
    given = _Given(board, tuple(table or ()), tuple(strategy or ()), tuple(predictor or ()))
    _verifier.cache_clear()
    _verifier(given)  # what is named is found here, or nothing begins
    console = Console(soft_wrap=True, highlight=False)
    findings: list[dict[str, Any]] = []
    for finding in _findings(_files(run), given, jobs or os.cpu_count() or 1):
        findings.append(finding)
        if finding["reasons"] and not as_json:
            console.print(f"[red]refused[/red] {escape(finding['run'])}")
            for text in finding["reasons"]:
                console.print(f"  {escape(text)}")
    refused = sum(not finding["sound"] for finding in findings)
    if as_json:
        typer.echo(json.dumps({"runs": findings, "refused": refused}, indent=1, ensure_ascii=False))
    else:
        notes = Counter(remark for finding in findings for remark in finding["remarks"])
        for text, count in notes.items():
            console.print(f"note on {count} of {len(findings)} runs: {escape(text)}")
        console.print(f"{len(findings) - refused} of {len(findings)} runs are sound.")
    if refused:
        if as_json:
            return VerificationError.exit_code
        msg = f"{refused} of {len(findings)} runs are refused."
        raise VerificationError(msg)
    return 0


class _Given(NamedTuple):
    """What the call names: board, files of tables, sources of strategies and of predictors."""

    board: str | None
    tables: tuple[str, ...]
    strategies: tuple[str, ...]
    predictors: tuple[str, ...]


def _findings(paths: Sequence[Path], given: _Given, processes: int) -> Iterator[dict[str, Any]]:
    """Check runs in several processes under a progress bar; yield what was found in the order of ``paths``."""
    from rich.console import Console
    from rich.progress import track

    from metanas.leaderboard.processes import in_processes

    found = in_processes(partial(_finding, given=given), paths, min(processes, -(-len(paths) // _FEW)), ordered=True)
    yield from track(found, "verifying", len(paths), console=Console(stderr=True), transient=True)


def _finding(path: Path, given: _Given) -> dict[str, Any]:
    """Return what is found about a run."""
    from metanas.errors import MetanasError

    try:
        reasons, remarks = _verifier(given).verify(path)
    except MetanasError as error:
        reasons, remarks = [str(error)], []
    return {"run": str(path), "sound": not reasons, "reasons": reasons, "remarks": remarks}


@lru_cache(maxsize=1)
def _verifier(given: _Given) -> _Verifier:
    return _Verifier(given)


class _Verifier:
    """Finds what the call names, once in each process."""

    def __init__(self, given: _Given) -> None:
        from metanas.strategies import find_strategy

        self._sources = [find_strategy(text) for text in given.strategies]
        self._judges = _Judges(given.board, given.tables)
        self._predictions = _Predictions(given.board, given.tables, given.predictors)

    def verify(self, path: Path) -> tuple[list[str], list[str]]:
        """Return reasons to refuse a run, and remarks."""
        from metanas.leaderboard.predictor_run import is_predictor_run
        from metanas.leaderboard.submission import read_run
        from metanas.leaderboard.verification import verify

        if is_predictor_run(path):
            return self._predictions.verify(path)
        run = read_run(path)
        return verify(run, self._judges.of(run), self._sources)


class _Judges:
    """Opens boards and tables once."""

    def __init__(self, board: str | None, tables: Sequence[str]) -> None:
        from metanas.leaderboard.setting import open_table

        self._board = board
        self._named = {open_table(name).name: name for name in tables}
        self._judges: dict[tuple[str, str, str | None], Judge] = {}

    def of(self, run: Run) -> Judge:
        """Return the judge of a run's board, table and device."""
        from metanas.leaderboard.board import load_board
        from metanas.leaderboard.replay import Judge
        from metanas.leaderboard.setting import open_searched

        key = (run.board, run.table, run.device)
        if key not in self._judges:
            board = load_board(self._board or run.board)
            table = open_searched(board, self._named.get(run.table, run.table))
            self._judges[key] = Judge(board, table, run.device)
        return self._judges[key]


class _Predictions:
    """Opens boards of predictors and their targets once."""

    def __init__(self, board: str | None, tables: Sequence[str], predictors: Sequence[str]) -> None:
        from metanas.leaderboard.predictor_source import find_predictor

        self._board = board
        self._tables = tables
        self._sources = [find_predictor(text) for text in predictors]
        self._targets: dict[str, tuple[PredictorBoard, dict[str, Target]]] = {}

    def verify(self, path: Path) -> tuple[list[str], list[str]]:
        """Return reasons to refuse a run of a predictor, and remarks."""
        from metanas.errors import UnknownNameError
        from metanas.leaderboard.predictor_board import load_predictor_board
        from metanas.leaderboard.predictor_run import read_predictor_run
        from metanas.leaderboard.predictor_target import open_predictor_tables, targets_of
        from metanas.leaderboard.predictor_verification import verify_predictor_run

        run = read_predictor_run(path)
        name = self._board or run.board
        if name not in self._targets:
            board = load_predictor_board(name)
            found = targets_of(board, open_predictor_tables(board, self._tables)[0])
            self._targets[name] = board, {target.name: target for target in found}
        board, targets = self._targets[name]
        if run.target not in targets:
            kind = f"target of board {board.name}"
            raise UnknownNameError(kind, run.target, targets)
        return verify_predictor_run(run, board, targets[run.target], self._sources)


def _files(paths: Sequence[Path]) -> list[Path]:
    """Return the run files; raise ``InvalidFileError`` where there are none."""
    from metanas.errors import InvalidFileError

    found: list[Path] = []
    for path in paths:
        files = sorted(path.rglob("seed-*.json")) if path.is_dir() else [path]
        if not files or not files[0].is_file():
            msg = (
                f"There is no run at {path}. 'metanas run' writes runs to runs/<board>/<table>/<strategy>/seed-….json, "
                f"'metanas rank' likewise."
            )
            raise InvalidFileError(msg)
        found += files
    return found
