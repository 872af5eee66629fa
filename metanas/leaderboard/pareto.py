"""The fronts that strategies end with, as PNG and SVG (extra ``[plots]``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metanas.charts import inline, page, require_plots, save
from metanas.leaderboard.board import DEVICE
from metanas.leaderboard.plots import colours_of, short_names
from metanas.leaderboard.statistics import Curve, Entrant, mean_curve

if TYPE_CHECKING:
    from metanas.leaderboard.replay import Judge

_LARGE, _SMALL = (400, 300), (300, 200)  # width and height of a panel, in pixels
_ROWS = 2  # of more tables there are small panels, side by side
_COLUMNS = 3  # of these
_SPACE = "front of the space"


def plot_fronts(panels: Sequence[tuple[Judge, Sequence[Entrant]]], path: Path, order: Sequence[str] = ()) -> list[Path]:
    """Draw what a strategy's front offers at or below every cost.

    One or two tables (or tables and devices) have a row each, with a column for each cost; of more, every cost has a
    block of small panels.

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
    drawn = [(judge, [entry for entry in entrants if entry.label in colours]) for judge, entrants in panels]
    board, costs = panels[0][0].board, len(_costs(panels[0][0]))
    if len(panels) <= _ROWS:
        chart = altair.vconcat(
            *(
                altair.hconcat(*(_panel(judge, runs, colours, number, judge.label) for number in range(costs)))
                for judge, runs in drawn
            )
        )
    else:
        names = short_names([judge for judge, _ in panels])
        blocks = []
        for number in range(costs):
            small = [
                _panel(judge, runs, colours, number, name, _SMALL)
                for (judge, runs), name in zip(drawn, names, strict=True)
            ]
            heading = altair.Title(
                f"By {board.costs[number].removesuffix(f'/{DEVICE}')}", fontSize=14, anchor="start", offset=12
            )
            blocks.append(altair.concat(*small, columns=_COLUMNS, spacing=20).properties(title=heading))
        chart = altair.vconcat(*blocks)
    title = f"{board.name}: {board.report.metric} of the best that costs no more"
    subtitle = [
        f"At {board.limit:g} {board.unit}: the architecture of the final front with the best validation value among",
        "those at or below the cost. Mean of the runs and 95 % confidence band of the mean; dashed: the whole space.",
    ]
    return save(page(chart, title, [*subtitle, crowd.strip()] if crowd else subtitle), path)


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


def _panel(
    judge: Judge,
    entrants: Sequence[Entrant],
    colours: Mapping[str, str],
    number: int,
    title: str,
    size: tuple[int, int] = _LARGE,
) -> Any:
    """Draw what fronts offer at or below one of the costs, by its number."""
    import altair as alt

    cost = _costs(judge)[number]
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
    words = size == _LARGE
    x = alt.X(
        "cost:Q", title=cost if words else None, scale=alt.Scale(domain=[float(grid[0]), float(grid[-1])], nice=False)
    )
    colour = alt.Color("strategy:N", scale=alt.Scale(domain=list(colours), range=list(colours.values())))
    base = alt.Chart(inline(points)).encode(x=x, color=colour)
    y = alt.Y("low:Q", scale=scale, title=judge.board.report.metric if words else None)
    band = base.mark_area(opacity=0.18).encode(y=y, y2="high:Q")
    line = base.mark_line(strokeWidth=2).encode(y=alt.Y("mean:Q", scale=scale))
    reference = (
        alt.Chart(inline(space))
        .mark_line(strokeDash=[4, 3], color="#777", interpolate="step-after")
        .encode(x=x, y=alt.Y("mean:Q", scale=scale))
    )
    return alt.layer(band, line, reference).properties(
        width=size[0], height=size[1], title=alt.Title(title, fontSize=13, anchor="start", offset=8, frame="group")
    )


def _curve(judge: Judge, entrant: Entrant, cost: str, grid: NDArray[np.float64]) -> Curve:
    """Return the mean over the runs, where every run offers something."""
    rows = [offered(judge, np.array(c.members, dtype=np.int64), cost, grid) for c in entrant.climbs.values()]
    return mean_curve(np.array(rows), grid)
