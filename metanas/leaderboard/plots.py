"""Regret over the budget, as PNG and SVG (extra ``[plots]``: Altair and vl-convert; no browser, no network)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metanas.charts import COLOURS, labels_apart, log_ticks, page, require_plots, save
from metanas.leaderboard.statistics import Curve, Entrant, regret_curve
from metanas.strategies import families

if TYPE_CHECKING:
    from metanas.leaderboard.replay import Judge

_WIDTH, _HEIGHT = 400, 300  # of a panel, in pixels
_LABEL = 13  # height of a label at a curve's end, in pixels
_SPLITS = ("validation", "test")
_FEW = 7  # strategies that are all told apart with ease
_GREY = "#c4c4c4"


def budget_grid(limit: float, *, whole: bool) -> NDArray[np.float64]:
    """Return points of the budget that look even on a logarithmic axis, ending at ``limit``, ``(n_points,)``."""
    points = np.geomspace(1.0 if whole else limit / 1000, limit, 200)
    return np.unique(np.round(points)) if whole else points


def plot_regret(panels: Sequence[tuple[Judge, Sequence[Entrant]]], path: Path, order: Sequence[str] = ()) -> list[Path]:
    """Draw regret over the budget: a row for each table, validation on the left, test on the right.

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
    import altair

    board = panels[0][0].board
    places = places_of(panels, order)
    colours = {label: COLOURS[number] for number, label in enumerate(highlighted(places))}
    rows = [
        altair.hconcat(*(_panel(judge, runs, places, colours, split) for split in _SPLITS)) for judge, runs in panels
    ]
    n_runs = min(len(entry.climbs) for _, entrants in panels for entry in entrants)
    title = f"{board.name}: how far the best found is from the best there is"
    subtitle = [
        f"Mean of {n_runs} runs and 95 % confidence band of the mean, logarithmic axes; lower is better.",
        f"The {'front' if board.costs else 'incumbent'} is always chosen by validation. Numbers: places by mean rank.",
    ]
    if len(colours) < len(places):
        subtitle.append(f"In colour the best of each family; in grey all others ({len(places) - len(colours)}).")
    return save(page(altair.vconcat(*rows), title, subtitle), path)


def places_of(panels: Sequence[tuple[Judge, Sequence[Entrant]]], order: Sequence[str]) -> dict[str, int]:
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


def colours_of(
    panels: Sequence[tuple[Judge, Sequence[Entrant]]], order: Sequence[str] = ()
) -> tuple[dict[str, str], str]:
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


def _panel(
    judge: Judge, entrants: Sequence[Entrant], places: Mapping[str, int], colours: Mapping[str, str], split: str
) -> Any:
    import altair as alt

    board = judge.board
    grid = budget_grid(board.limit, whole=board.unit == "trainings")
    curves = {entry.label: regret_curve(entry, judge, split, grid) for entry in entrants}
    reference = abs(judge.best_test - judge.optimum_test) if split == "test" else 0.0
    low, high = _range(curves.values(), reference)
    points: dict[bool, list[dict[str, Any]]] = {True: [], False: []}  # of those in colour, and of the others
    for label, curve in curves.items():
        points[label in colours] += [
            {"strategy": label, "at": x, "mean": max(y, low), "low": max(a, low), "high": max(b, low)}
            for x, y, a, b in zip(curve.at, curve.mean, curve.low, curve.high, strict=True)
        ]
    unit = judge.units[split]
    shown = "percentage points" if unit == "percent" else unit
    x = alt.X(
        "at:Q",
        title="trainings" if board.unit == "trainings" else "simulated seconds",
        scale=alt.Scale(type="log", domain=[float(grid[0]), board.limit], nice=False),
        axis=alt.Axis(values=log_ticks(float(grid[0]), board.limit), format="~s" if board.limit >= 10_000 else "~g"),
    )
    scale = alt.Scale(type="log", domain=[low, high], nice=False, clamp=True)
    axis = alt.Axis(values=log_ticks(low, high), format="~g")
    colour = alt.Color("strategy:N", scale=alt.Scale(domain=list(colours), range=list(colours.values())), legend=None)
    base = alt.Chart(alt.InlineData(values=points[True])).encode(x=x, color=colour)
    band = base.mark_area(opacity=0.18, interpolate="step-after").encode(
        y=alt.Y("low:Q", scale=scale, axis=axis, title=f"{split} regret ({shown})"), y2="high:Q"
    )
    line = base.mark_line(strokeWidth=2, interpolate="step-after").encode(y=alt.Y("mean:Q", scale=scale))
    ends = _label_places({label: curve for label, curve in curves.items() if label in colours}, low, high)
    names = [
        {"strategy": label, "name": f"{places[label]}  {label}", "at": board.limit, "place": y}
        for label, y in ends.items()
    ]
    text = (
        alt.Chart(alt.InlineData(values=names))
        .mark_text(align="left", dx=6, fontSize=12, fontWeight="bold")
        .encode(x=x, y=alt.Y("place:Q", scale=scale), text="name:N", color=colour)
    )
    layers = [band, line, text]
    if points[False]:
        grey = alt.Chart(alt.InlineData(values=points[False])).mark_line(
            strokeWidth=1, color=_GREY, interpolate="step-after"
        )
        y = alt.Y("mean:Q", scale=scale, axis=axis, title=f"{split} regret ({shown})")
        layers.insert(0, grey.encode(x=x, y=y, detail="strategy:N"))
    if reference > low:
        layers += _reference(reference, x, scale, float(grid[0]))
    return alt.layer(*layers).properties(
        width=_WIDTH, height=_HEIGHT, title=alt.Title(f"{judge.label}: {split}", fontSize=13, anchor="start", offset=8)
    )


def _reference(regret: float, x: Any, scale: Any, left: float) -> list[Any]:
    """Mark where a perfect optimizer of validation ends."""
    import altair as alt

    base = alt.Chart(alt.InlineData(values=[{"at": left, "regret": regret}])).encode(y=alt.Y("regret:Q", scale=scale))
    note = "the validation optimum"
    return [
        base.mark_rule(strokeDash=[4, 3], color="#777"),
        base.mark_text(align="left", baseline="top", dx=4, dy=4, color="#777", fontSize=11, text=note).encode(x=x),
    ]


def _range(curves: Any, reference: float) -> tuple[float, float]:
    """Return the range of a logarithmic axis; a regret of 0 is drawn at its lower end."""
    means = np.concatenate([np.append(curve.mean, reference) for curve in curves])
    positive = means[means > 0]
    if not positive.size:
        return 0.1, 1.0
    high = max((float(curve.high.max()) for curve in curves if len(curve.high)), default=float(positive.max()))
    low = max(float(positive.min()), high / 1000)
    return low / 1.25, high * 1.05


def _label_places(curves: Mapping[str, Curve], low: float, high: float) -> dict[str, float]:
    """Return where the labels at the right end go: at the end of each curve, moved apart so that none overlap."""
    ends = {label: max(float(curve.mean[-1]), low) for label, curve in curves.items() if len(curve.mean)}
    wanted = [math.log(end / low) for end in ends.values()]
    ceiling = math.log(high / low)
    places = labels_apart(wanted, _LABEL * ceiling / _HEIGHT, 0.0, ceiling)
    return {label: low * math.exp(place) for label, place in zip(ends, places, strict=True)}
