"""Regret over the budget, as PNG and SVG (extra ``[plots]``: Altair and vl-convert; no browser, no network)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metanas.charts import COLOURS, page, require_plots, save
from metanas.leaderboard.panels import LARGE, SMALL, WIDE, Key, Style, budget_grid, regret_panel
from metanas.leaderboard.statistics import Entrant, normalized_curve, random_regret, regret_curve
from metanas.strategies import families

if TYPE_CHECKING:
    from metanas.leaderboard.replay import Judge

_SPLITS = ("validation", "test")
_FEW = 7  # strategies that are all told apart with ease
_ROWS = 2  # of more panels there is a picture over all
_COLUMNS = 4  # of small panels

Panels = Sequence[tuple["Judge", Sequence[Entrant]]]


def plot_regret(panels: Panels, path: Path, order: Sequence[str] = ()) -> list[Path]:
    """Draw regret over the budget: of one or two tables a row for each, validation on the left, test on the right.

    Of more tables (or tables and devices) there is first one row over all, in which regret is normalized
    (:func:`~metanas.leaderboard.statistics.normalized_curve`), and then a small panel for each, of the test split.

    Of many strategies the best of each family have colours, bands and names, and all others are grey lines. Names are
    numbered by rank.

    Args:
        panels: judge and runs of each table.
        path: file without suffix; ``.png`` and ``.svg`` are written.
        order: see :func:`places_of`.

    Returns:
        The files that were written.

    Raises:
        MetanasError: the extra ``[plots]`` is not installed.
    """
    require_plots("The plot of regret")
    return save(regret_chart(panels, order), path)


def regret_chart(panels: Panels, order: Sequence[str] = ()) -> Any:
    """Return the Altair chart that :func:`plot_regret` writes."""
    board = panels[0][0].board
    places = places_of(panels, order)
    complete = _complete(panels, places)
    overview = len(panels) > _ROWS and bool(complete)
    chosen = highlighted(complete if overview else places)
    key = Key(places, dict(zip(chosen, COLOURS, strict=False)))
    n_runs = min(len(entry.climbs) for _, entrants in panels for entry in entrants)
    found = "front" if board.costs else "incumbent"
    if overview:
        chart = _overview(panels, key)
        subtitle = [
            f"First row: mean over {_count(panels)} of regret divided by the expected regret of one random "
            "architecture there (best minus mean of the space): 1 = one random training, 0 = the best there is.",
            f"{n_runs} runs on each and 95 % confidence band of the mean; the band is of the seeds, for these tables. "
            "Logarithmic axes; lower is better.",
        ]
    else:
        chart = _rows(panels, key)
        subtitle = [f"Mean of {n_runs} runs and 95 % confidence band of the mean, logarithmic axes; lower is better."]
    subtitle.append(f"The {found} is always chosen by validation. Numbers: places by mean rank.")
    if len(key.colours) < len(places):
        subtitle.append(f"In colour the best of each family; in grey all others ({len(places) - len(key.colours)}).")
    if overview and len(complete) < len(places):
        subtitle.append(f"Without runs on some tables, and not in the first row: {len(places) - len(complete)}.")
    return page(chart, f"{board.name}: how far the best found is from the best there is", subtitle)


def places_of(panels: Panels, order: Sequence[str]) -> dict[str, int]:
    """Return the place of each strategy, 1 is best; the best first.

    Args:
        panels: judge and runs of each table, the best strategy first.
        order: the strategies by their mean rank over the tables; what it does not name follows as on the tables.
    """
    named = dict.fromkeys([*order, *(entry.label for _, entrants in panels for entry in entrants)])
    return {label: number for number, label in enumerate(named, start=1)}


def highlighted(places: Mapping[str, int]) -> list[str]:
    """Return which strategies have colours: all of a few; of many the best of each family, and those from outside.

    Args:
        places: of all, the best first.
    """
    if len(places) <= _FEW:
        return list(places)
    seen: set[str] = set()
    chosen = []
    for label in places:
        family = families().get(label.partition(",")[0])
        if family is None or family not in seen:
            chosen.append(label)
        if family is not None:
            seen.add(family)
    return chosen[: len(COLOURS)]


def colours_of(panels: Panels, order: Sequence[str] = ()) -> tuple[dict[str, str], str]:
    """Give colours to the strategies that stand out, see :func:`highlighted`, where others cannot be drawn at all.

    Args:
        panels: judge and runs of each table, the best strategy first.
        order: see :func:`places_of`.

    Returns:
        Colour by label, and a sentence on those that are left out (empty if none are).
    """
    places = places_of(panels, order)
    drawn = dict(zip(highlighted(places), COLOURS, strict=False))
    left = len(drawn) < len(places)
    return drawn, f" Drawn are the best of each family, {len(drawn)} of {len(places)} strategies." if left else ""


def short_names(judges: Sequence[Judge]) -> list[str]:
    """Return names of tables without folder and version, and their devices; whole where two would be the same."""
    tables = [re.sub(r"-v[0-9]+$", "", judge.table.rpartition("/")[2]) for judge in judges]
    short = [f"{name}, {judge.device}" if judge.device else name for name, judge in zip(tables, judges, strict=True)]
    return short if len(set(short)) == len(short) else [judge.label for judge in judges]


def _rows(panels: Panels, key: Key) -> Any:
    """Draw a row for each table, of both splits."""
    import altair

    rows = [
        altair.hconcat(*(_panel(judge, runs, split, key, f"{judge.label}: {split}") for split in _SPLITS))
        for judge, runs in panels
    ]
    return altair.vconcat(*rows)


def _overview(panels: Panels, key: Key) -> Any:
    """Draw the mean over all tables of both splits, and below it a small panel for each, of the test split."""
    import altair

    names = short_names([judge for judge, _ in panels])
    small = [_panel(judge, runs, "test", key, name, SMALL) for (judge, runs), name in zip(panels, names, strict=True)]
    judge = panels[0][0]
    budget = "trainings" if judge.board.unit == "trainings" else "simulated seconds"
    one = "table and device" if judge.board.devices else "table"
    text = f"Each {one}: test regret ({_unit(judge, 'test')}) over {budget}; dashed: the validation optimum"
    heading = altair.Title(text, fontSize=13, anchor="start", offset=12)
    grid = altair.concat(*small, columns=_COLUMNS, spacing=20).properties(title=heading)
    return altair.vconcat(altair.hconcat(*(_mean_panel(panels, split, key) for split in _SPLITS)), grid)


def _panel(judge: Judge, entrants: Sequence[Entrant], split: str, key: Key, title: str, style: Style = LARGE) -> Any:
    board = judge.board
    grid = budget_grid(board.limit, whole=board.unit == "trainings")
    curves = {entry.label: regret_curve(entry, judge, split, grid) for entry in entrants}
    unit = f"{split} regret ({_unit(judge, split)})"
    return regret_panel(board, curves, _reference(judge, split), key, title, unit, style)


def _mean_panel(panels: Panels, split: str, key: Key) -> Any:
    """Draw normalized regret of those who ran on all tables, mean over the tables."""
    board = panels[0][0].board
    grid = budget_grid(board.limit, whole=board.unit == "trainings")
    entries = [{entry.label: entry for entry in entrants} for _, entrants in panels]
    curves = {
        label: normalized_curve(
            [(judge, by[label]) for (judge, _), by in zip(panels, entries, strict=True)], split, grid
        )
        for label in _complete(panels, key.places)
    }
    reference = sum(_reference(judge, split) / (random_regret(judge, split) or 1.0) for judge, _ in panels)
    title, unit = f"Mean over {_count(panels)}: {split}", f"{split} regret (1 = one random training)"
    return regret_panel(board, curves, reference / len(panels), key, title, unit, WIDE)


def _complete(panels: Panels, places: Mapping[str, int]) -> dict[str, int]:
    """Return the places of the strategies that ran on every table."""
    labels = set.intersection(*({entry.label for entry in entrants} for _, entrants in panels))
    return {label: place for label, place in places.items() if label in labels}


def _reference(judge: Judge, split: str) -> float:
    """Return the regret of a perfect optimizer of validation."""
    return abs(judge.best_test - judge.optimum_test) if split == "test" else 0.0


def _unit(judge: Judge, split: str) -> str:
    unit = judge.units[split]
    return "percentage points" if unit == "percent" else unit


def _count(panels: Panels) -> str:
    return f"{len(panels)} {'pairs of table and device' if panels[0][0].board.devices else 'tables'}"
