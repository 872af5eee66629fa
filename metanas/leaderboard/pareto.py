"""The fronts that strategies end with, as PNG and SVG (extra ``[plots]``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metanas.charts import page, require_plots, save
from metanas.leaderboard.plots import colours_of
from metanas.leaderboard.statistics import Curve, Entrant, mean_curve

if TYPE_CHECKING:
    from metanas.leaderboard.replay import Judge

_WIDTH, _HEIGHT = 400, 300  # of a panel, in pixels
_SPACE = "front of the space"


def plot_fronts(panels: Sequence[tuple[Judge, Sequence[Entrant]]], path: Path, order: Sequence[str] = ()) -> list[Path]:
    """Draw what a strategy's front offers at or below every cost: a row for each table, a column for each cost.

    Args:
        panels: judge and runs of each table of a board with costs.
        path: file without suffix; ``.png`` and ``.svg`` are written.
        order: the strategies by their mean rank over the tables, the best first.

    Returns:
        The files that were written.

    Raises:
        MetanasError: the extra ``[plots]`` is not installed.
    """
    require_plots("The plot of fronts")
    import altair

    colours, crowd = colours_of(panels, order)
    rows = []
    for judge, entrants in panels:
        drawn = [entry for entry in entrants if entry.label in colours]
        rows.append(altair.hconcat(*(_panel(judge, drawn, colours, cost) for cost in _costs(judge))))
    board = panels[0][0].board
    title = f"{board.name}: {board.report.metric} of the best that costs no more"
    subtitle = [
        f"At {board.limit:g} {board.unit}: the architecture of the final front with the best validation value among",
        "those at or below the cost. Mean of the runs and 95 % confidence band of the mean; dashed: the whole space.",
    ]
    return save(page(altair.vconcat(*rows), title, [*subtitle, crowd.strip()] if crowd else subtitle), path)


def offered(judge: Judge, members: NDArray[np.int64], cost: str, grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the test value of the best architecture by validation at or below each cost, NaN where there is none.

    Args:
        judge: of the table.
        members: architectures of a front, ``(n,)``.
        cost: one of the board's costs.
        grid: values of the cost, ``(n_points,)``.
    """
    costs, validation = judge.values[cost][members], judge.values["validation"][members]
    score = validation if judge.board.objective.direction == "maximize" else -validation
    affordable = np.where(costs[None, :] <= grid[:, None], score[None, :], -np.inf)  # (n_points, n)
    if not len(members):
        return np.full(len(grid), np.nan)
    best = members[np.argmax(affordable, axis=1)]
    found: NDArray[np.float64] = np.where(np.isinf(affordable).all(axis=1), np.nan, judge.values["test"][best])
    return found


def _costs(judge: Judge) -> list[str]:
    return [objective.metric for objective in judge.setting.objectives[1:]]


def _panel(judge: Judge, entrants: Sequence[Entrant], colours: Mapping[str, str], cost: str) -> Any:
    import altair as alt

    reach = judge.values[cost][judge.front]
    grid = np.linspace(float(reach.min()), float(reach.max()), 120)
    curves = {entry.label: _curve(judge, entry, cost, grid) for entry in entrants}
    points = [
        {"strategy": label, "cost": x, "mean": y, "low": a, "high": b}
        for label, curve in curves.items()
        for x, y, a, b in zip(curve.at, curve.mean, curve.low, curve.high, strict=True)
    ]
    whole = offered(judge, judge.front, cost, grid)
    space = [{"strategy": _SPACE, "cost": x, "mean": y} for x, y in zip(grid, whole, strict=True)]
    shown = np.array([point["mean"] for point in [*points, *space]])
    low, high = np.quantile(shown, 0.03), shown.max()
    scale = alt.Scale(domain=[float(low), float(high + 0.02 * (high - low))], nice=False, clamp=True)
    x = alt.X("cost:Q", title=cost, scale=alt.Scale(domain=[float(grid[0]), float(grid[-1])], nice=False))
    colour = alt.Color("strategy:N", scale=alt.Scale(domain=list(colours), range=list(colours.values())))
    base = alt.Chart(alt.InlineData(values=points)).encode(x=x, color=colour)
    title = f"{judge.board.report.metric}"
    band = base.mark_area(opacity=0.18).encode(y=alt.Y("low:Q", scale=scale, title=title), y2="high:Q")
    line = base.mark_line(strokeWidth=2).encode(y=alt.Y("mean:Q", scale=scale))
    reference = (
        alt.Chart(alt.InlineData(values=space))
        .mark_line(strokeDash=[4, 3], color="#777", interpolate="step-after")
        .encode(x=x, y=alt.Y("mean:Q", scale=scale))
    )
    return alt.layer(band, line, reference).properties(
        width=_WIDTH, height=_HEIGHT, title=alt.Title(f"{judge.label}", fontSize=13, anchor="start", offset=8)
    )


def _curve(judge: Judge, entrant: Entrant, cost: str, grid: NDArray[np.float64]) -> Curve:
    """Return the mean over the runs, where every run offers something."""
    rows = [offered(judge, np.array(c.members, dtype=np.int64), cost, grid) for c in entrant.climbs.values()]
    return mean_curve(np.array(rows), grid)
