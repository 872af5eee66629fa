"""One panel of a plot of regret: curves over the budget on logarithmic axes, with bands and names at their ends."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metanas.charts import inline, labels_apart, log_ticks
from metanas.leaderboard.board import Board
from metanas.leaderboard.statistics import Curve

GREY = "#c4c4c4"
_LABEL = 13  # height of a label at a curve's end, in pixels


@dataclass(frozen=True, slots=True)
class Style:
    """How panels are drawn.

    Attributes:
        width: of the panel without axes and names, in pixels.
        height: the same.
        words: whether axes have titles, and curves names at their ends.
        title: size of the title's letters, in pixels.
        tick: size of the axes' numbers.
        line: width of lines in colour; those in grey have half of it.
        band: opacity of bands.
    """

    width: int
    height: int
    words: bool = True
    title: int = 13
    tick: int = 11
    line: float = 2.0
    band: float = 0.18


LARGE = Style(400, 300)
WIDE = Style(440, 340)  # two of them, with names, are as wide as four small ones
SMALL = Style(272, 170, words=False, title=12, tick=10, line=1.5, band=0.12)


@dataclass(frozen=True, slots=True)
class Key:
    """How strategies are told apart.

    Attributes:
        places: number that the name begins with, by strategy.
        colours: of those that stand out; the others are grey lines without band and name.
    """

    places: Mapping[str, int]
    colours: Mapping[str, str]


def budget_grid(limit: float, *, whole: bool) -> NDArray[np.float64]:
    """Return points of the budget that look even on a logarithmic axis, ending at ``limit``, ``(n_points,)``."""
    points = np.geomspace(1.0 if whole else limit / 1000, limit, 200)
    return np.unique(np.round(points)) if whole else points


def regret_panel(
    board: Board, curves: Mapping[str, Curve], reference: float, key: Key, title: str, unit: str, style: Style = LARGE
) -> Any:
    """Draw a panel.

    Args:
        board: of the curves.
        curves: by strategy.
        reference: where a perfect optimizer of validation ends.
        key: how strategies are told apart.
        title: of the panel.
        unit: title of the vertical axis: what it shows.
        style: how it is drawn.
    """
    import altair as alt

    grid = budget_grid(board.limit, whole=board.unit == "trainings")
    low, high = _range(curves.values(), reference)
    points: dict[bool, list[dict[str, Any]]] = {True: [], False: []}  # of those in colour, and of the others
    for label, curve in curves.items():
        rows = np.maximum((curve.mean, curve.low, curve.high), low).T.tolist()
        points[label in key.colours] += [
            {"strategy": label, "at": x, "mean": mean, "low": bottom, "high": top}
            for x, (mean, bottom, top) in zip(curve.at.tolist(), rows, strict=True)
        ]
    budget = "trainings" if board.unit == "trainings" else "simulated seconds"
    x_title, y_title = (budget, unit) if style.words else (None, None)
    x = alt.X(
        "at:Q",
        title=x_title,
        scale=alt.Scale(type="log", domain=[float(grid[0]), board.limit], nice=False),
        axis=alt.Axis(
            values=log_ticks(float(grid[0]), board.limit),
            format="~s" if board.limit >= 10_000 else "~g",
            labelFontSize=style.tick,
        ),
    )
    scale = alt.Scale(type="log", domain=[low, high], nice=False, clamp=True)
    axis = alt.Axis(values=log_ticks(low, high), format="~g", labelFontSize=style.tick)
    palette = alt.Scale(domain=list(key.colours), range=list(key.colours.values()))
    colour = alt.Color("strategy:N", scale=palette, legend=None)
    base = alt.Chart(inline(points[True])).encode(x=x, color=colour)
    band = base.mark_area(opacity=style.band, interpolate="step-after").encode(
        y=alt.Y("low:Q", scale=scale, axis=axis, title=y_title), y2="high:Q"
    )
    line = base.mark_line(strokeWidth=style.line, interpolate="step-after").encode(y=alt.Y("mean:Q", scale=scale))
    layers = [band, line]
    if style.words:
        ends = {label: curve for label, curve in curves.items() if label in key.colours}
        names = [
            {"strategy": label, "name": f"{key.places[label]}  {label}", "at": board.limit, "place": y}
            for label, y in label_places(ends, low, high, style.height).items()
        ]
        layers.append(
            alt.Chart(inline(names))
            .mark_text(align="left", dx=6, fontSize=12, fontWeight="bold")
            .encode(x=x, y=alt.Y("place:Q", scale=scale), text="name:N", color=colour)
        )
    if points[False]:
        grey = alt.Chart(inline(points[False])).mark_line(
            strokeWidth=style.line / 2, color=GREY, interpolate="step-after"
        )
        layers.insert(
            0, grey.encode(x=x, y=alt.Y("mean:Q", scale=scale, axis=axis, title=y_title), detail="strategy:N")
        )
    if reference > low:
        layers += _reference(reference, x, scale, float(grid[0]), words=style.words)
    frame = alt.Undefined if style.words else "group"  # of small ones the titles are in line with the panels
    heading = alt.Title(title, fontSize=style.title, anchor="start", offset=8, frame=frame)
    return alt.layer(*layers).properties(width=style.width, height=style.height, title=heading)


def label_places(curves: Mapping[str, Curve], low: float, high: float, height: int) -> dict[str, float]:
    """Return where the names at the right end go: at the end of each curve, moved apart so that none overlap.

    Args:
        curves: by strategy.
        low: lower end of the vertical axis.
        high: its upper end.
        height: of the axis, in pixels.
    """
    ends = {label: max(float(curve.mean[-1]), low) for label, curve in curves.items() if len(curve.mean)}
    wanted = [math.log(end / low) for end in ends.values()]
    ceiling = math.log(high / low)
    places = labels_apart(wanted, _LABEL * ceiling / height, 0.0, ceiling)
    return {label: low * math.exp(place) for label, place in zip(ends, places, strict=True)}


def _reference(regret: float, x: Any, scale: Any, left: float, *, words: bool) -> list[Any]:
    """Mark where a perfect optimizer of validation ends."""
    import altair as alt

    base = alt.Chart(inline([{"at": left, "regret": regret}])).encode(y=alt.Y("regret:Q", scale=scale))
    rule = base.mark_rule(strokeDash=[4, 3], color="#777")
    if not words:
        return [rule]
    note = "the validation optimum"
    style: dict[str, Any] = {"align": "left", "baseline": "top", "dx": 4, "dy": 4, "color": "#777", "fontSize": 11}
    return [rule, base.mark_text(**style, text=note).encode(x=x)]


def _range(curves: Iterable[Curve], reference: float) -> tuple[float, float]:
    """Return the range of a logarithmic axis; a regret of 0 is drawn at its lower end."""
    drawn = list(curves)
    means = np.concatenate([np.append(curve.mean, reference) for curve in drawn])
    positive = means[means > 0]
    if not positive.size:
        return 0.1, 1.0
    high = max((float(curve.high.max()) for curve in drawn if len(curve.high)), default=float(positive.max()))
    low = max(float(positive.min()), high / 1000)
    return low / 1.25, high * 1.05
