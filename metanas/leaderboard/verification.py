"""Verification: all that a run states, checked against board, table and replay, and by running the strategy again."""

from __future__ import annotations

from collections.abc import Iterable

from metanas.errors import InvalidFileError, MetanasError, VerificationError
from metanas.leaderboard.replay import Judge
from metanas.leaderboard.submission import Result, Run, impersonates
from metanas.strategies import Source, strategy_names

_IMPERSONATION = "it says that {!r} came from outside, but that is the name of a built-in one, or it names no source"


def verify(run: Run, judge: Judge, sources: Iterable[Source] = ()) -> tuple[list[str], list[str]]:
    """Check everything that a run states.

    Args:
        run: the run.
        judge: of the run's board and table.
        sources: strategies from outside whose source is at hand, so that they can be run again.

    Returns:
        Reasons to refuse the run (none if it is sound), and remarks on what could not be checked.
    """
    board = judge.board
    reasons = [
        f"{what} is {found!r}, but {where} has {expected!r}"
        for what, found, expected, where in (
            ("the board", run.board, board.name, "this board"),
            ("the hash of the board's rules", run.rules_sha256, board.rules_sha256, f"board {board.name}"),
            ("the space", run.space, board.space, f"board {board.name}"),
            ("the task", run.task, judge.task, f"table {judge.table}"),
            ("the table", run.table, judge.table, "this table"),
            ("the hash of the table", run.table_sha256, judge.table_sha256, f"table {judge.table}"),
            ("the device", run.device, judge.device, "this search"),
            ("what the columns came from", run.columns, dict(judge.setting.columns), f"board {board.name}"),
            ("the seal", run.seal, run.computed_seal(), "the sealed content"),
        )
        if found != expected
    ]
    remarks = []
    if run.table not in board.tables:
        remarks.append(f"the table is none of board {board.name}'s own")
    if run.workers != board.rules.workers:
        remarks.append(f"run with {run.workers} workers, where the board has {board.rules.workers}")
    try:
        result, _ = judge.replay(run)
        reasons += _compare(run.result, result)
    except (VerificationError, InvalidFileError) as error:
        reasons.append(str(error))
    if run.seed >= board.seeds:
        remarks.append(f"made with a seed beyond the {board.seeds} of board {board.name}")
    if impersonates(run.strategy, strategy_names()):
        return [*reasons, _IMPERSONATION.format(run.strategy.name)], remarks
    source, why_not = _source_of(run, sources)
    if source is None:
        (reasons if run.strategy.sha256 is None else remarks).append(why_not)
    else:
        reasons += _search_again(run, judge, source)
    return reasons, remarks


def _compare(claimed: Result | None, replayed: Result) -> list[str]:
    if claimed is None:
        return ["it states no result"]
    stated = _flat(claimed)
    return [
        f"{what} is stated as {stated.get(what)}, but the replay gives {found}"
        for what, found in _flat(replayed).items()
        if stated.get(what) != found
    ]


def _flat(result: Result) -> dict[str, object]:
    plain = [name for name in Result.model_fields if name not in ("points", "limited")]
    values = {f"the result's {name}": getattr(result, name) for name in plain}
    for points, where in ((result.points, ""), (result.limited, " under the limit")):
        for point in points:
            values[f"the validation value{where} at {point.at:g}"] = point.validation
            values[f"the test value{where} at {point.at:g}"] = point.test
        values[f"the number of points{where}"] = len(points)
    return values


def _source_of(run: Run, sources: Iterable[Source]) -> tuple[Source | None, str]:
    """Return the strategy to run again, or why there is none."""
    stated = run.strategy
    if stated.sha256 is None:
        if stated.name not in strategy_names() or stated.source is not None:
            return None, f"the strategy {stated.name!r} is not built in, and the run has no hash of its source"
        return Source(stated.name, stated.name, stated.config), ""
    for source in sources:
        if source.sha256 == stated.sha256 and source.name == stated.name:
            return Source(source.spec, source.name, stated.config, source.sha256), ""
    return None, f"the choices of {stated.name!r} were not made again: its source ({stated.source}) was not given"


def _search_again(run: Run, judge: Judge, source: Source) -> list[str]:
    """Run the strategy from its seed and compare every choice."""
    try:
        trace = judge.setting.search(source, run.seed, run.workers)
    except MetanasError as error:
        return [f"the strategy fails when it is run again: {error}"]
    again = list(zip(trace.index.tolist(), trace.epochs.tolist(), strict=True))
    try:
        stated = run.choices.trials()
    except InvalidFileError:
        return []  # the replay has said so
    for number, (found, expected) in enumerate(zip(stated, again, strict=False), start=1):
        if found != expected:
            return [
                f"trial {number} is stated as {_trial(found)}, but {run.strategy.name!r} with seed {run.seed} "
                f"chooses {_trial(expected)} (made by metanas {run.metanas}, NumPy {run.numpy})"
            ]
    if len(stated) != len(again):
        return [f"it states {len(stated)} trials, but {run.strategy.name!r} with seed {run.seed} makes {len(again)}"]
    return []


def _trial(trial: tuple[int, int]) -> str:
    return f"architecture {trial[0]} for {trial[1]} epochs"
