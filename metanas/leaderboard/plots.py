"""Regret over the budget, as PNG and SVG (extra ``[plots]``: Altair and vl-convert; no browser, no network)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metanas.extras import require
from metanas.files import atomic_write
from metanas.leaderboard.statistics import Curve, Entrant, regret_curve

if TYPE_CHECKING:
    from metanas.leaderboard.replay import Judge

# Okabe and Ito's palette, which colour-blind readers can tell apart; then Tableau's for the rest of a crowd.
_COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000",
    "#4C78A8", "#F58518", "#54A24B", "#B279A2", "#9D755D", "#72B7B2", "#BAB0AC",
)  # fmt: skip
_WIDTH, _HEIGHT = 400, 300  # of a panel, in pixels
_LABEL = 13  # height of a label at a curve's end, in pixels
_SPLITS = ("validation", "test")


def available() -> bool:
    """Return whether the extra ``[plots]`` is installed."""
    from importlib.util import find_spec

    return find_spec("altair") is not None and find_spec("vl_convert") is not None


def budget_grid(limit: float, *, whole: bool) -> NDArray[np.float64]:
    """Return points of the budget that look even on a logarithmic axis, ending at ``limit``, ``(n_points,)``."""
    points = np.geomspace(1.0 if whole else limit / 1000, limit, 200)
    return np.unique(np.round(points)) if whole else points


def plot_regret(panels: Sequence[tuple[Judge, Sequence[Entrant]]], path: Path) -> list[Path]:
    """Draw regret over the budget: a row for each table, validation on the left, test on the right.

    Args:
        panels: judge and runs of each table.
        path: file without suffix; ``.png`` and ``.svg`` are written.

    Returns:
        The files that were written.

    Raises:
        MetanasError: the extra ``[plots]`` is not installed.
    """
    for module in ("altair", "vl_convert"):
        require(module, "plots", "The plot of regret")
    import altair
    import vl_convert

    board = panels[0][0].board
    labels = list(dict.fromkeys(entry.label for _, entrants in panels for entry in entrants))
    colours = {label: _COLOURS[position % len(_COLOURS)] for position, label in enumerate(labels)}
    rows = [altair.hconcat(*(_panel(judge, runs, colours, split) for split in _SPLITS)) for judge, runs in panels]
    n_runs = min(len(entry.climbs) for _, entrants in panels for entry in entrants)
    chart = (
        altair.vconcat(*rows)
        .properties(
            title={
                "text": f"{board.name}: how far the best found is from the best there is",
                "subtitle": [
                    f"Mean of {n_runs} runs and 95 % confidence band of the mean, logarithmic axes; lower is better.",
                    "The incumbent is always chosen by validation.",
                ],
                "anchor": "start",
                "fontSize": 16,
                "subtitleFontSize": 12,
                "subtitleColor": "#555",
                "offset": 14,
            },
            background="white",
            padding=16,
        )
        .configure_view(stroke=None)
        .configure_axis(
            gridColor="#e8e8e8", domainColor="#888", tickColor="#888", labelFontSize=11, titleFontSize=12,
            titleFontWeight="normal",
        )
        .configure_concat(spacing=36)
    )  # fmt: skip
    specification = chart.to_json()
    files = [path.with_name(f"{path.name}.png"), path.with_name(f"{path.name}.svg")]
    with atomic_write(files[0]) as temporary:
        temporary.write_bytes(vl_convert.vegalite_to_png(specification, scale=2))
    with atomic_write(files[1]) as temporary:
        temporary.write_text(vl_convert.vegalite_to_svg(specification), encoding="utf-8")
    return files


def _panel(judge: Judge, entrants: Sequence[Entrant], colours: Mapping[str, str], split: str) -> Any:
    import altair as alt

    board = judge.board
    grid = budget_grid(board.limit, whole=board.unit == "trainings")
    curves = {entry.label: regret_curve(entry, judge, split, grid) for entry in entrants}
    reference = abs(judge.best_test - judge.optimum_test) if split == "test" else 0.0
    low, high = _range(curves.values(), reference)
    points = [
        {"strategy": label, "at": x, "mean": max(y, low), "low": max(a, low), "high": max(b, low)}
        for label, curve in curves.items()
        for x, y, a, b in zip(curve.at, curve.mean, curve.low, curve.high, strict=True)
    ]
    unit = judge.units[split]
    shown = "percentage points" if unit == "percent" else unit
    x = alt.X(
        "at:Q",
        title="trainings" if board.unit == "trainings" else "simulated seconds",
        scale=alt.Scale(type="log", domain=[float(grid[0]), board.limit], nice=False),
        axis=alt.Axis(values=_ticks(float(grid[0]), board.limit), format="~s" if board.limit >= 10_000 else "~g"),
    )
    scale = alt.Scale(type="log", domain=[low, high], nice=False, clamp=True)
    axis = alt.Axis(values=_ticks(low, high), format="~g")
    colour = alt.Color("strategy:N", scale=alt.Scale(domain=list(colours), range=list(colours.values())), legend=None)
    base = alt.Chart(alt.InlineData(values=points)).encode(x=x, color=colour)
    band = base.mark_area(opacity=0.18, interpolate="step-after").encode(
        y=alt.Y("low:Q", scale=scale, axis=axis, title=f"{split} regret ({shown})"), y2="high:Q"
    )
    line = base.mark_line(strokeWidth=2, interpolate="step-after").encode(y=alt.Y("mean:Q", scale=scale))
    ends = _label_places(curves, low, high)
    text = (
        alt.Chart(
            alt.InlineData(values=[{"strategy": label, "at": board.limit, "place": y} for label, y in ends.items()])
        )
        .mark_text(align="left", dx=6, fontSize=12, fontWeight="bold")
        .encode(x=x, y=alt.Y("place:Q", scale=scale), text="strategy:N", color=colour)
    )
    layers = [band, line, text]
    if reference > low:
        layers += _reference(reference, x, scale, float(grid[0]))
    return alt.layer(*layers).properties(
        width=_WIDTH, height=_HEIGHT, title=alt.Title(f"{judge.table}: {split}", fontSize=13, anchor="start", offset=8)
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
    high = max(float(curve.high.max()) for curve in curves if len(curve.high))
    low = max(float(positive.min()), high / 1000)
    return low / 1.25, high * 1.05


def _label_places(curves: Mapping[str, Curve], low: float, high: float) -> dict[str, float]:
    """Return where the labels at the right end go: at the end of each curve, moved apart so that none overlap."""
    ends = {label: max(float(curve.mean[-1]), low) for label, curve in curves.items() if len(curve.mean)}
    step = _LABEL * math.log(high / low) / _HEIGHT
    ordered = sorted(ends, key=lambda label: ends[label])
    places = [math.log(ends[label] / low) for label in ordered]
    for position in range(1, len(places)):  # push up what is too near to the label below
        places[position] = max(places[position], places[position - 1] + step)
    ceiling = math.log(high / low)
    for position in reversed(range(len(places))):  # and down again what left the panel
        places[position] = ceiling = min(places[position], ceiling)
        ceiling -= step
    return {label: low * math.exp(place) for label, place in zip(ordered, places, strict=True)}


def _ticks(low: float, high: float) -> list[float]:
    """Return 1, 2, 5, 10, 20 … within a range, or 1, 10, 100 … where that would be a crowd; and its ends if few."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if math.log10(high / low) <= 2.6 else (1, 3) if math.log10(high / low) <= 3.2 else (1,)
    return [tick for decade in decades for step in steps if low <= (tick := round(step * 10.0**decade, 12)) <= high]
