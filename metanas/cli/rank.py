"""``metanas rank``."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from metanas.leaderboard.predictor_board import PredictorBoard
    from metanas.leaderboard.predictor_report import PredictorSection, PredictorStanding
    from metanas.leaderboard.predictor_run import PredictorRun
    from metanas.leaderboard.predictor_runner import FailedPredictor, PredictorJob


def command(
    board: Annotated[str, typer.Option(help="A board's name, or a .toml file of your own.")] = "predictor-v1",
    table: Annotated[
        list[str] | None, typer.Option(help="Take this table (name or .h5 file) instead of the board's. Repeatable.")
    ] = None,
    predictor: Annotated[
        list[str] | None,
        typer.Option(
            help="Rank this predictor: a built-in name, file.py:Object or module:object, with settings after commas "
            "(extra_trees,trees=100). Repeatable. All built-in ones if absent."
        ),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Runs of each predictor on each target; the board's if absent.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(help="Processes; as many as there are cores if absent.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for runs, summary and plot.")] = Path("runs"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Make runs anew that are there already.")] = False,
    draw: Annotated[bool, typer.Option("--plots/--no-plots", help="Draw the plot.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON instead of tables.")] = False,
) -> int:
    """Rank predictors on a board: how well each predicts what nobody trained or measured, from few examples.

    Every run is written to OUT/BOARD/TARGET/PREDICTOR/ as soon as it is done: the examples, every prediction, sealed,
    and the figures, which `metanas verify` computes again. Runs of other predictors that lie there, on the same tables,
    are ranked with them; runs that are there already are not made again. Beside the runs: summary.json, and
    predictors.png and .svg (with the extra [plots]).

    Your own predictor is one file with a class that has fit(archs, y) and predict(archs); see docs/predictors.md.

        metanas rank --predictor extra_trees --predictor gaussian_process

        metanas rank --predictor my_file.py:MyPredictor --seeds 5 --table nb201/fashion_mnist-v1

        metanas rank --board published-latency-v1 --predictor transfer_gp --predictor ridge
    """
    from metanas.cli._common import console
    from metanas.errors import InvalidValueError, PredictorError
    from metanas.files import atomic_write_text
    from metanas.leaderboard.predictor_board import load_predictor_board
    from metanas.leaderboard.predictor_report import predictor_json, predictor_sections
    from metanas.leaderboard.predictor_runner import PredictorJob, earlier_predictor_runs
    from metanas.leaderboard.predictor_source import all_names, find_predictor
    from metanas.leaderboard.predictor_target import open_predictor_tables, targets_of
    from metanas.predictors import predictor_names

    for name, value in (("seeds", seeds), ("jobs", jobs)):
        if value is not None and value < 1:
            msg = f"--{name} must be at least 1, but got {value}."
            raise InvalidValueError(msg)
    progress, shown = console(stderr=True), console()
    chosen = load_predictor_board(board)
    tables, missing = open_predictor_tables(chosen, table or ())
    targets = targets_of(chosen, tables)
    known = predictor_names() if chosen.kind == "accuracy" else all_names()
    sources = [find_predictor(text) for text in predictor or known]
    labels = [source.label for source in sources]
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        msg = f"Predictors of one call must have different names, but {twice!r} occurs twice."
        raise InvalidValueError(msg)
    for name in missing:
        progress.print(f"Table {name} of board {chosen.name} is not here; it is left out.", style="yellow")
    files = tuple((entry.path.resolve(), entry.sha256) for entry in tables)
    todo = [
        PredictorJob(chosen, files, target.name, source, seed)
        for target in targets
        for source in sources
        for seed in range(seeds or chosen.seeds)
    ]
    folder = out / chosen.name
    done, failed = _carry_out(todo, jobs or os.cpu_count() or 1, folder, fresh, progress)
    done += earlier_predictor_runs(folder, chosen, targets, without=set(labels))
    sections = predictor_sections(chosen, targets, done)
    content = predictor_json(chosen, sections, failed, missing)
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    atomic_write_text(folder / "summary.json", text)
    plots = _plot(chosen, sections, folder) if draw else []
    if as_json:
        typer.echo(text, nl=False)
    else:
        for section in sections:
            _show(shown, chosen, section)
        shown.print(f"Runs and summary: {folder}", soft_wrap=True, highlight=False)
        if plots:
            shown.print(f"Plots: {' '.join(map(str, plots))}", soft_wrap=True, highlight=False, markup=False)
    if failed:
        first = min(failed, key=lambda entry: (entry.label, entry.target, entry.seed))
        more = f" (and {len(failed) - 1} more runs failed)" if len(failed) > 1 else ""
        msg = f"{first.message}{more} The {len(done)} finished runs are kept in {folder}."
        raise PredictorError(msg)
    return 0


def _carry_out(
    todo: Sequence[PredictorJob], processes: int, folder: Path, fresh: bool, console: Console
) -> tuple[list[PredictorRun], list[FailedPredictor]]:
    """Make all runs under a progress bar."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from metanas.leaderboard.predictor_runner import FailedPredictor, run_predictors

    columns = (TextColumn("predicting"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    done: list[PredictorRun] = []
    failed: list[FailedPredictor] = []
    with Progress(*columns, console=console, transient=True) as bar:
        line = bar.add_task("", total=len(todo))
        for outcome in run_predictors(todo, processes=processes, folder=folder, fresh=fresh):
            if isinstance(outcome, FailedPredictor):
                failed.append(outcome)
            else:
                done.append(outcome)
            bar.advance(line)
    return done, failed


def _plot(board: PredictorBoard, sections: Sequence[PredictorSection], folder: Path) -> list[Path]:
    from metanas import charts
    from metanas.leaderboard.predictor_plot import plot_predictors

    return plot_predictors(board, sections, folder / "predictors") if sections and charts.available() else []


def _show(console: Console, board: PredictorBoard, section: PredictorSection) -> None:
    """Print a rank table of a group of targets."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    several = len(section.targets) > 1
    between = " ± " if console.width >= 60 + 18 * len(board.shots) else "\n± "
    units = ", ".join(dict.fromkeys(target.unit for target in section.targets))
    worst = "the worst target's mean; " if several else ""
    grid = Table(
        title=f"{board.name} on {section.name}: {board.figure} after so many examples",
        caption=f"Mean ± standard error over seeds. Below it: {worst}tau within the best tenth (T); regret of the "
        f"predicted best in {units} (R). Behind: what the first has more, paired. Seconds: of CPU, most examples.",
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    grid.add_column("predictor", no_wrap=True)
    for name in (*(f"@{n}" for n in board.shots), "rank", "behind", "fit s", "predict s", "runs"):
        grid.add_column(name, justify="right", no_wrap=True)
    for standing in section.standings:
        grid.add_row(
            standing.label,
            *(_cell(board, standing, place, several, between) for place in range(len(board.shots))),
            _number(standing.rank, 2),
            "–"
            if math.isnan(standing.behind[0])
            else f"{standing.behind[0]:.3f}{between}{_number(standing.behind[1], 3)}",
            _number(float(standing.means["fit_seconds"][-1]), 2),
            _number(float(standing.means["predict_seconds"][-1]), 2),
            str(standing.n_runs),
        )
    console.print(grid)


def _cell(board: PredictorBoard, standing: PredictorStanding, place: int, several: bool, between: str) -> str:
    mean, error = (float(part[board.figure][place]) for part in (standing.means, standing.errors))
    if math.isnan(mean):
        return "–"
    lines = [f"{mean:.3f}{between}{_number(error, 3)}"]
    if several:
        lines.append(f"worst {standing.worst[place]:.3f}")
    top, regret = (float(standing.means[name][place]) for name in ("top_tau", "regret"))
    return "\n".join([*lines, f"T {top:.2f}", f"R {regret:.2f}"])


def _number(value: float, digits: int) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}"
