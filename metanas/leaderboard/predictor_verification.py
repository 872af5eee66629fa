"""Verification of a predictor's run: all that it states, checked against board and tables, and by fitting again."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from metanas.errors import InvalidFileError, InvalidValueError, MetanasError
from metanas.leaderboard.predictor_board import PredictorBoard
from metanas.leaderboard.predictor_run import FiguresPart, FitPart, PredictorRun, fit_and_predict, scored, unpack
from metanas.leaderboard.predictor_source import PredictorSource, all_names
from metanas.leaderboard.predictor_target import Target
from metanas.leaderboard.submission import impersonates

_SAME = 1e-9  # relative: libraries may differ in the last digit of a correlation
_ALIKE = 1e-4  # of the range of predictions: float32 arithmetic in another order
_RANKED_ALIKE = 5e-3  # correlations of ranks: predictions that nearly agree may change places
_IMPERSONATION = "it says that {!r} came from outside, but that is the name of a built-in one, or it names no source"


def verify_predictor_run(
    run: PredictorRun, board: PredictorBoard, target: Target, sources: Iterable[PredictorSource] = ()
) -> tuple[list[str], list[str]]:
    """Check everything that a run states.

    Args:
        run: the run.
        board: its board.
        target: its target.
        sources: predictors from outside whose source is at hand, so that they can be fitted again.

    Returns:
        Reasons to refuse the run (none if it is sound), and remarks on what could not be checked.
    """
    reasons = [
        f"{what} is {found!r}, but {where} has {expected!r}"
        for what, found, expected, where in (
            ("the board", run.board, board.name, "this board"),
            ("the hash of the board's rules", run.rules_sha256, board.rules_sha256, f"board {board.name}"),
            ("the target", run.target, target.name, "this column"),
            ("the table", run.table, target.table, "this column"),
            ("the hash of the table", run.table_sha256, target.table_sha256, f"table {target.table}"),
            ("what the sources came from", run.sources, dict(target.source_sha256), f"board {board.name}"),
            ("the seal", run.seal, run.computed_seal(), "the sealed content"),
        )
        if found != expected
    ]
    reasons += _check_shots(run, board)
    reasons += _check_examples(run, board, target)
    try:
        reasons += _check_figures(run.figures, scored(board, target, run.fits))
    except (InvalidFileError, InvalidValueError) as error:
        return [*reasons, str(error)], []
    if impersonates(run.predictor, all_names()):
        return [*reasons, _IMPERSONATION.format(run.predictor.name)], []
    source, why_not = _source_of(run, sources)
    if source is None:
        return (reasons, [why_not]) if run.predictor.sha256 else ([*reasons, why_not], [])
    return reasons + _fit_again(run, board, target, source), []


def _check_shots(run: PredictorRun, board: PredictorBoard) -> list[str]:
    stated = sorted([fit.n for fit in run.fits] + [int(n) for n in run.declined if n.isdecimal()])
    if stated == list(board.shots) and [fit.n for fit in run.fits] == sorted({fit.n for fit in run.fits}):
        return []
    return [f"it has fits for {stated} examples, but board {board.name} asks for {list(board.shots)}"]


def _check_examples(run: PredictorRun, board: PredictorBoard, target: Target) -> list[str]:
    reasons = []
    for fit in run.fits:
        if len(fit.examples) != fit.n or len(set(fit.examples)) != fit.n:
            reasons.append(f"it must state {fit.n} different examples, but has {len(set(fit.examples))}")
            continue
        if board.examples == "drawn" and list(fit.examples) != target.draw(board, run.seed, fit.n).tolist():
            reasons.append(f"its {fit.n} examples are not those that seed {run.seed} draws")
    return reasons


def _check_figures(stated: tuple[FiguresPart, ...], computed: tuple[FiguresPart, ...]) -> list[str]:
    if [entry.n for entry in stated] != [entry.n for entry in computed]:
        return [f"it states figures for {[entry.n for entry in stated]}, but has fits for {[e.n for e in computed]}"]
    return [
        f"{name} with {entry.n} examples is stated as {said}, but its predictions give {found}"
        for claim, entry in zip(stated, computed, strict=True)
        for name in FiguresPart.model_fields
        if not _equal(said := getattr(claim, name), found := getattr(entry, name))
    ]


def _equal(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return abs(a - b) <= _SAME * max(1.0, abs(b))


def _source_of(run: PredictorRun, sources: Iterable[PredictorSource]) -> tuple[PredictorSource | None, str]:
    """Return the predictor to fit again, or why there is none."""
    stated = run.predictor
    if stated.sha256 is None:
        if stated.name not in all_names() or stated.source is not None:
            return None, f"the predictor {stated.name!r} is not built in, and the run has no hash of its source"
        return PredictorSource(stated.name, stated.name, stated.config), ""
    for source in sources:
        if source.sha256 == stated.sha256 and source.name == stated.name:
            return PredictorSource(source.spec, source.name, stated.config, source.sha256), ""
    return None, f"the predictions of {stated.name!r} were not made again: its source ({stated.source}) was not given"


def _fit_again(run: PredictorRun, board: PredictorBoard, target: Target, source: PredictorSource) -> list[str]:
    try:
        fits, declined = fit_and_predict(board, target, source, run.seed)
    except MetanasError as error:
        return [f"the predictor fails when it is fitted again: {error}"]
    if sorted(declined) != sorted(run.declined):
        return [f"it declines {sorted(run.declined)} examples, but fitted again {sorted(declined)}"]
    again = {fit.n: fit for fit in fits}
    reasons = [reason for fit in run.fits if fit.n in again for reason in _compare(run, fit, again[fit.n], target)]
    return reasons or _compare_ranks(run, scored(board, target, fits))


def _compare_ranks(run: PredictorRun, again: tuple[FiguresPart, ...]) -> list[str]:
    """Compare correlations: predictions close to the true ones may still be moved so that they rank better."""
    stated = {entry.n: entry for entry in run.figures}
    return [
        f"{name} with {entry.n} examples is stated as {said}, but {run.predictor.name!r} with seed {run.seed}, fitted "
        f"again, reaches {found}"
        for entry in again
        if entry.n in stated
        for name in ("tau", "top_tau", "spearman")
        if abs((said := getattr(stated[entry.n], name)) - (found := getattr(entry, name))) > _RANKED_ALIKE
    ]


def _compare(run: PredictorRun, stated: FitPart, again: FitPart, target: Target) -> list[str]:
    what = f"{run.predictor.name!r} with seed {run.seed} and {stated.n} examples"
    made = f"(made by metanas {run.metanas}, NumPy {run.numpy})"
    if stated.examples != again.examples:
        return [f"{what} chooses other examples than it states {made}"]
    if (stated.std is None) != (again.std is None):
        return [f"{what} gives a standard deviation, or none, otherwise than it states {made}"]
    reasons = []
    for name in ("mean", "std"):
        texts = (getattr(stated, name), getattr(again, name))
        if None in texts:
            continue
        said, found = (unpack(text, len(target.candidates)) for text in texts)
        apart = float(np.abs(said - found).max())
        if apart > _ALIKE * max(float(np.ptp(found)), 1e-12):
            reasons.append(f"the {name} that {what} predicts differs by up to {apart:.3g} from what it states {made}")
    return reasons
