"""``metanas run``."""

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

    from metanas.leaderboard.replay import Judge
    from metanas.leaderboard.runner import Done, Failed, Job
    from metanas.leaderboard.summary import Section
    from metanas.problem import Problem
    from metanas.strategies import Source


def command(
    board: Annotated[str, typer.Option(help="A board's name, or a board.toml of your own.")] = "anytime-v1",
    table: Annotated[
        list[str] | None, typer.Option(help="Search this table (name or .h5 file) instead of the board's. Repeatable.")
    ] = None,
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            help="Run this strategy: a built-in name, file.py:Object or module:object, with settings after commas "
            "(regularized_evolution,population=50). Repeatable. All built-in ones if absent."
        ),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Runs of each strategy on each table; the board's if absent.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(help="Processes; as many as there are cores if absent.")] = None,
    workers: Annotated[int | None, typer.Option(help="Simulated workers; the board's if absent.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for runs, summary and plots.")] = Path("runs"),
    checkpoint: Annotated[
        float | None,
        typer.Option(help="Write every run under way to the disk at least every so many seconds, to resume within it."),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Make runs anew that are there already.")] = False,
    draw: Annotated[bool, typer.Option("--plots/--no-plots", help="Draw the plots.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON instead of tables.")] = False,
) -> int:
    """Search a board's tables with strategies and rank them.

    Every run is written to OUT/BOARD/TABLE/STRATEGY/ as soon as it is done: what the strategy chose, sealed, and what
    it reached. Runs of other strategies that lie there from before, on the same tables, are ranked with them. Beside
    the runs: summary.json, regret.png and regret.svg (with the extra [plots]), and front.png and front.svg on a board
    with costs. A run that lies there already, from the same code on the same data, is not made again: an interrupted
    call goes on, and a strategy of yours does not cost the others' searches a second time. The code of yours is its
    file and what that imports, libraries excepted: --fresh makes runs anew after a library has changed.

    Your own strategy is one file with a class that has ask() and tell(observation); see metanas/strategies.

        metanas run

        metanas run --strategy my_file.py:MyStrategy

        metanas run --strategy local_search,unique=canonical --seeds 10 --table nb201/fashion_mnist-v1
    """
    from rich.console import Console

    from metanas.errors import InvalidValueError, StrategyError
    from metanas.files import atomic_write_text
    from metanas.leaderboard import summary
    from metanas.leaderboard.board import load_board
    from metanas.leaderboard.replay import Judge
    from metanas.leaderboard.runner import Job, earlier_runs, open_tables
    from metanas.strategies import find_strategy

    for name, value in (("seeds", seeds), ("jobs", jobs), ("workers", workers)):
        if value is not None and value < 1:
            msg = f"--{name} must be at least 1, but got {value}."
            raise InvalidValueError(msg)
    if checkpoint is not None and checkpoint <= 0:
        msg = f"--checkpoint must be positive, but got {checkpoint:g}."
        raise InvalidValueError(msg)
    progress, shown = Console(stderr=True), Console()
    chosen = load_board(board)
    tables, missing = open_tables(chosen, table or ())
    judges = [Judge(chosen, entry, device) for entry in tables for device in chosen.devices or (None,)]
    n_workers = workers or chosen.rules.workers
    problem = judges[0].setting.problem(n_workers)
    sources = [find_strategy(text) for text in strategy] if strategy else _fitting(problem, chosen.name, progress)
    for source in sources:
        unmet, absent = source.requires.unmet(problem), source.requires.not_installed()
        if unmet or absent:
            msg = f"Strategy {source.name!r} needs {absent or f'{unmet} on board {chosen.name}.'}"
            raise StrategyError(msg)
    labels = [source.label for source in sources]
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        msg = f"Strategies of one run must have different names, but {twice!r} occurs twice."
        raise InvalidValueError(msg)
    folder = out / (chosen.name if n_workers == chosen.rules.workers else f"{chosen.name},workers={n_workers}")
    todo = [
        Job(chosen, entry.path.resolve(), entry.sha256, source, seed, n_workers, device, every=checkpoint or 0.0)
        for entry in tables
        for device in chosen.devices or (None,)
        for source in sources
        for seed in range(seeds or chosen.seeds)
    ]
    for name in missing:
        progress.print(f"Table {name} of board {chosen.name} is not here; it is left out.", style="yellow")
    done, failed = _carry_out(todo, judges, jobs or os.cpu_count() or 1, folder, fresh, progress)
    done += earlier_runs(folder, judges, n_workers, without=set(labels))
    sections = summary.sections(judges, done)
    content = summary.as_json(sections, failed, missing, n_workers)
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    atomic_write_text(folder / "summary.json", text)
    plots = _plot(sections, folder) if draw else []
    if as_json:
        typer.echo(text, nl=False)
    else:
        _show(shown, sections)
        shown.print(f"Runs and summary: {folder}", soft_wrap=True, highlight=False)
        if sections and draw:
            plotted = " ".join(map(str, plots)) or "none; install the extra for them: pip install 'metanas[plots]'"
            shown.print(f"Plots: {plotted}", soft_wrap=True, highlight=False, markup=False)
    if failed:
        raise StrategyError(_failures(failed, len(done), folder))
    return 0


def _fitting(problem: Problem, board: str, console: Console) -> list[Source]:
    """Return the built-in strategies that the board suits; say which it does not, and which lack a package."""
    from metanas.errors import MetanasError
    from metanas.strategies import find_strategy, strategy_names

    found = []
    for name in strategy_names():
        try:
            source = find_strategy(name)
            unmet, absent = source.requires.unmet(problem), source.requires.not_installed()
        except MetanasError as error:  # an optional package is not installed
            console.print(f"{name} is left out: {error}", style="yellow", highlight=False, markup=False)
            continue
        if unmet is not None:
            console.print(f"{name} is left out: it needs {unmet} on {board}.", style="dim", highlight=False)
        elif absent is not None:
            console.print(f"{name} is left out: it needs {absent}", style="yellow", highlight=False, markup=False)
        else:
            found.append(source)
    return found


def _carry_out(
    todo: Sequence[Job], judges: Sequence[Judge], processes: int, folder: Path, fresh: bool, console: Console
) -> tuple[list[Done], list[Failed]]:
    """Run all jobs under a progress bar; say how many were there already."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from metanas.leaderboard.runner import Failed, run_all

    columns = (TextColumn("searching"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    done: list[Done] = []
    failed: list[Failed] = []
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=len(todo))
        for outcome in run_all(todo, judges, processes=min(processes, len(todo)), folder=folder, fresh=fresh):
            if isinstance(outcome, Failed):
                failed.append(outcome)
            else:
                done.append(outcome)
            bar.advance(task)
    kept = sum(entry.kept for entry in done)
    if kept:
        text = f"{kept} of {len(todo)} runs were there already, from the same code on the same data. (--fresh: anew.)"
        console.print(text, style="dim", highlight=False)
    return done, failed


def _plot(sections: Sequence[Section], folder: Path) -> list[Path]:
    from metanas import charts
    from metanas.leaderboard.pareto import plot_fronts
    from metanas.leaderboard.plots import plot_regret
    from metanas.leaderboard.summary import overall_ranks

    if not sections or not charts.available():
        return []
    panels = [(section.judge, section.entrants) for section in sections]
    order = list(overall_ranks(sections))
    plots = plot_regret(panels, folder / "regret", order)
    return plots + (plot_fronts(panels, folder / "front", order) if sections[0].judge.board.costs else [])


def _show(console: Console, sections: Sequence[Section]) -> None:
    """Print a rank table for each table of the board, and one over all if there are several."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    for section in sections:
        judge, board = section.judge, section.judge.board
        wide = console.width >= 60 + 15 * len(board.report.at)
        between = " ± " if wide else "\n± "
        unit = "" if board.unit == "trainings" else " s"
        digits, best = (4, "front") if board.costs else (2, "architecture")
        limit = judge.limit and f"{board.report.metric}, {judge.limit.metric} <= {judge.limit.at_most:g}"
        grid = Table(
            title=f"{board.name} on {judge.label}: {judge.figure} ({judge.units['test']}), test split",
            caption=f"Mean ± standard error. CPU: the strategy's own, in µs a trial. Optimum: median {board.unit} to "
            f"the best validation value (share of runs that found it). That {best} tests at "
            f"{judge.optimum_test:.{digits}f}; the best test value of all is {judge.best_test:.{digits}f}."
            + _ranked(section),
            title_justify="left",
            caption_justify="left",
            box=SIMPLE_HEAD,
            pad_edge=False,
            padding=(0, 1 if wide else 0),
        )
        grid.add_column("strategy", no_wrap=True)
        points = [f"@{at:g}{unit}" for at in board.report.at]
        for name in (*points, *([limit] if limit else []), "rank", "optimum", "runs", "CPU"):
            grid.add_column(name, justify="right")
        for standing in section.standings:
            tests = [
                _mean(mean, error, digits, between) for mean, error in zip(standing.test, standing.error, strict=True)
            ]
            tests += [_mean(*standing.limited[-1], 2, between)] if standing.limited else ["–"] if limit else []
            median = "–" if standing.optimum_median is None else f"{standing.optimum_median:g}"
            grid.add_row(
                standing.label,
                *tests,
                "–" if math.isnan(standing.rank) else f"{standing.rank:.2f}",
                f"{median} ({standing.optimum_found:.0%})",
                str(standing.n_runs),
                f"{1e6 * standing.cpu_per_trial:,.0f}",
            )
        console.print(grid)
    if len(sections) > 1:
        _show_overall(console, sections)


def _show_overall(console: Console, sections: Sequence[Section]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from metanas.leaderboard.summary import overall

    board, rows = sections[0].judge.board, overall(sections)
    grid = Table(
        title=f"{board.name} over {len(sections)} tables: test regret in % of that of one random training",
        caption="Mean over the tables ± its standard error over seeds; 0 is the best there is. Rank: mean over tables.",
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    grid.add_column("strategy", no_wrap=True)
    unit = "" if board.unit == "trainings" else " s"
    for name in (*(f"@{at:g}{unit}" for at in board.report.at), "rank"):
        grid.add_column(name, justify="right")
    between = " ± " if console.width >= 35 + 13 * len(board.report.at) else "\n± "
    for row in rows:
        regrets = [
            _mean(100 * mean, 100 * error, 1, between) for mean, error in zip(row.regret, row.error, strict=True)
        ]
        grid.add_row(row.label, *regrets, "–" if math.isnan(row.rank) else f"{row.rank:.2f}")
    console.print(grid)


def _ranked(section: Section) -> str:
    """Say over which runs ranks are, where not over all."""
    from metanas.leaderboard.statistics import shared_seeds

    shared = len(shared_seeds(section.entrants))
    if all(standing.n_runs == shared for standing in section.standings):
        return ""
    fewest = min(section.standings, key=lambda standing: standing.n_runs)
    return f" Ranks are over the {shared} seeds that all strategies have ({fewest.label} has {fewest.n_runs})."


def _mean(mean: float, error: float, digits: int, between: str) -> str:
    return "–" if math.isnan(mean) else f"{mean:.{digits}f}{between}{error:.{digits}f}"


def _failures(failed: Sequence[Failed], n_done: int, folder: Path) -> str:
    """Say of every strategy that failed what happened in its first failed run."""
    first: dict[str, Failed] = {}
    for entry in sorted(failed, key=lambda entry: (entry.label, entry.table, entry.seed)):
        first.setdefault(entry.label, entry)
    lines = []
    for label, entry in first.items():
        more = sum(other.label == label for other in failed) - 1
        others = f" (and {more} more of its runs failed)" if more else ""
        where = entry.table + (f", {entry.device}" if entry.device else "")
        lines.append(f"{entry.message} Table {where}, seed {entry.seed}{others}.")
    kept = f"The {n_done} finished runs are kept in {folder}." if n_done else "No run finished."
    return "\n".join([*lines, kept])
