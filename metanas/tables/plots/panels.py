"""The panels of a table's page. What is drawn is computed apart from how."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metanas.charts import COLOURS, labels_apart, log_ticks
from metanas.tables import noise
from metanas.tables.lint.values import rank_correlation
from metanas.tables.table import Table

COSTS = {"cost/parameters": "parameters", "cost/macs": "multiply-accumulates of one example"}
BINS = (10, 60)  # at least and at most
QUANTILES = {"best": 1.0, "90 %": 0.9, "50 %": 0.5, "10 %": 0.1}
_SPLITS = ("validation", "test")
_MOST = 3000  # points of a cloud; of more architectures, an even choice is drawn
_WIDTH, _HEIGHT, _SQUARE = 445, 280, 290  # of a panel, in pixels
_LABEL = 14  # height of a label, in pixels
_SHOWN = 0.8  # share of the architectures in a scatter plot, so that the worst do not press the others together
_METRIC = "validation/accuracy"
_CLOUD = "#8aa9c0"
_FRONT = COLOURS[1]

Column = NDArray[np.float64]


def histogram(table: Table) -> Any:
    """Draw how many architectures reach which accuracy."""
    import altair as alt

    columns = {split: table.column(f"{split}/accuracy") for split in _SPLITS if f"{split}/accuracy" in table.metrics}
    columns = {split: column[~np.isnan(column)] for split, column in columns.items()}
    bins = int(np.clip(len(columns["validation"]) / 8, *BINS))
    edges = np.histogram_bin_edges(np.concatenate(list(columns.values())), bins=bins)
    values = [
        {"label": split, "low": low, "high": high, "count": count, "none": 0}
        for split, column in columns.items()
        for count, low, high in zip(
            np.histogram(column, edges)[0].tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True
        )
    ]
    low, high = np.quantile(columns["validation"], (0.25, 0.75))
    best = columns["validation"].max()
    bars = (
        alt.Chart(alt.InlineData(values=values))
        .mark_rect(opacity=0.5)
        .encode(
            x=alt.X(
                "low:Q",
                title="accuracy (percent)",
                scale=alt.Scale(zero=False, nice=False),
                axis=alt.Axis(tickCount=8),
            ),
            x2="high:Q",
            y=alt.Y("none:Q", title="architectures"),
            y2="count:Q",
            color=_colour(list(columns), alt.Legend(orient="bottom", title=None, direction="horizontal", offset=4)),
        )
    )  # fmt: skip
    return bars.properties(
        width=_WIDTH,
        height=_HEIGHT,
        title=_title(
            f"Half of the architectures validate at {low:.1f} to {high:.1f} %, the best at {best:.1f} %",
            "Number of architectures by accuracy",
        ),
    )


def curves(table: Table) -> Any | None:
    """Draw learning curves of a few architectures; None where there is one epoch only."""
    entry = table.metrics[_METRIC]
    if "epoch" not in entry.axes or len(table.epochs) < 2:
        return None
    import altair as alt

    rows = quantile_rows(table.column(_METRIC), list(QUANTILES.values()))
    values = table.values(_METRIC)[rows]
    values = values.astype(np.float64) if values.ndim == 3 else values[:, None].astype(np.float64)
    points, ends = [], []
    for label, curve in zip(QUANTILES, values, strict=True):
        measured = curve[~np.isnan(curve).all(axis=1)]
        mean, low, high = np.nanmean(measured, 0), np.nanmin(measured, 0), np.nanmax(measured, 0)
        points += [
            {"label": label, "epoch": epoch, "mean": m, "low": a, "high": b}
            for epoch, m, a, b in zip(table.epochs, mean.tolist(), low.tolist(), high.tolist(), strict=True)
        ]
        ends.append(float(mean[-1]))
    least, most = min(point["low"] for point in points), max(point["high"] for point in points)
    places = labels_apart(ends, _LABEL * (most - least) / _HEIGHT, least, most)
    texts = [
        {"label": label, "epoch": table.epochs[-1], "place": place, "text": f"{label}: {end:.1f} %"}
        for label, place, end in zip(QUANTILES, places, ends, strict=True)
    ]
    ticks = list(table.epochs) if len(table.epochs) <= 12 else alt.Undefined
    axis = alt.Axis(values=ticks, format="d")
    x = alt.X("epoch:Q", title="epochs", scale=alt.Scale(zero=False, nice=False), axis=axis)
    y = alt.Y("low:Q", title="validation accuracy (percent)", scale=alt.Scale(domain=[least, most], nice=True))
    colour = _colour(list(QUANTILES), None)
    base = alt.Chart(alt.InlineData(values=points)).encode(x=x, color=colour)
    layers = [
        base.mark_area(opacity=0.18).encode(y=y, y2="high:Q"),
        base.mark_line(strokeWidth=2, point=len(table.epochs) <= 12).encode(y="mean:Q"),
        alt.Chart(alt.InlineData(values=texts)).mark_text(align="left", dx=8, fontSize=12, fontWeight="bold")
        .encode(x="epoch:Q", y="place:Q", text="text:N", color=colour),
    ]  # fmt: skip
    ahead = ends[0] - ends[list(QUANTILES).index("50 %")]
    band = "; band: least to greatest of the seeds" if values.shape[1] > 1 else ""
    return alt.layer(*layers).properties(
        width=_WIDTH - 80,  # the labels'
        height=_HEIGHT,
        title=_title(
            f"The best architecture ends {ahead:.1f} points above the median one",
            f"Architectures at four quantiles of the final value{band}",
        ),
    )


def cost(table: Table, name: str) -> Any | None:
    """Draw accuracy over a cost, and the architectures that no cheaper one surpasses; None without that cost."""
    if name not in table.metrics:
        return None
    import altair as alt

    costs, values = table.column(name), table.column(_METRIC)
    there = np.flatnonzero(~np.isnan(costs) & ~np.isnan(values) & (costs > 0))
    if not len(there):
        return None
    costs, values = costs[there], values[there]
    front = pareto_front(costs, values)
    few = np.union1d(_even(len(values)), front)
    low, high = float(costs.min()) / 1.15, float(costs.max()) * 1.15
    ticks = log_ticks(low, high)
    x = alt.X(
        "cost:Q",
        title=COSTS[name],
        scale=alt.Scale(type="log", domain=[low, high], nice=False),
        axis=alt.Axis(values=ticks, format="~s" if high >= 10_000 else "~g"),
    )
    y = alt.Y("value:Q", title="validation accuracy (percent)", scale=alt.Scale(zero=False))
    cloud = [{"cost": costs[row], "value": values[row]} for row in few.tolist()]
    steps = [{"cost": costs[row], "value": values[row]} for row in front.tolist()]
    line = [*steps, {"cost": high, "value": values[front[-1]]}]

    def chart(points: list[dict[str, float]]) -> Any:
        return alt.Chart(alt.InlineData(values=points)).encode(x=x, y=y)

    layers = [
        chart(cloud).mark_point(filled=True, size=14, opacity=0.5, color=_CLOUD),
        chart(line).mark_line(strokeWidth=1.5, color=_FRONT, interpolate="step-after"),
        chart(steps).mark_point(filled=True, size=40, opacity=1, color=_FRONT),
    ]
    quantity = COSTS[name].partition(" of ")[0]
    share = float(costs[values >= values.max() - 1].min() / costs[values.argmax()])
    return alt.layer(*layers).properties(
        width=_WIDTH,
        height=_HEIGHT,
        title=_title(
            f"Within a point of the best with {100 * share:.0f} % of its {quantity}"
            if share < 1
            else f"Nothing with fewer {quantity} comes within a point of the best",
            f"Pareto front of {len(front)} architectures: none with fewer {quantity} validates better",
        ),
    )


def agreement(table: Table) -> list[Any]:
    """Draw the values with one seed over those with another, for two pairs of seeds, and test over validation."""
    panels = []
    if "seed" in table.metrics[_METRIC].axes:
        for first, second in itertools.pairwise(table.seeds[:3]):
            x, y = (table.column(_METRIC, seed=seed) for seed in (first, second))
            names = (f"validation with seed {first} (percent)", f"validation with seed {second} (percent)")
            panels.append(_scatter(x, y, table.column(_METRIC), names, f"Seeds {first} and {second}"))
    if "test/accuracy" in table.metrics:
        x, y = table.column(_METRIC), table.column("test/accuracy")
        panels.append(_scatter(x, y, x, ("validation (percent)", "test (percent)"), "Validation and test"))
    return [panel for panel in panels if panel is not None]


def _scatter(x: Column, y: Column, mean: Column, names: tuple[str, str], title: str) -> Any | None:
    """Draw one column over another, near the diagonal, without the worst architectures; None if there are too few."""
    import altair as alt

    there = np.flatnonzero(~np.isnan(x) & ~np.isnan(y))
    x, y, mean = x[there], y[there], mean[there]
    shown = noise.best(mean, _SHOWN, "maximize")
    if len(shown) < 2:
        return None
    half = noise.best(mean, 0.5, "maximize")
    tau, tau_half = rank_correlation(x, y), rank_correlation(x[half], y[half])
    x, y = x[shown], y[shown]
    low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
    scale, axis = alt.Scale(domain=[low, high], nice=False, zero=False), alt.Axis(tickCount=6)
    points = [{"x": x[row], "y": y[row]} for row in _even(len(x))]
    diagonal = alt.Chart(alt.InlineData(values=[{"x": low, "y": low}, {"x": high, "y": high}]))
    cloud = alt.Chart(alt.InlineData(values=points))
    layers = [
        diagonal.mark_line(strokeDash=[4, 3], strokeWidth=1, color="#777").encode(x="x:Q", y="y:Q"),
        cloud.mark_point(filled=True, size=12, opacity=0.5, color=COLOURS[0]).encode(
            x=alt.X("x:Q", title=names[0], scale=scale, axis=axis),
            y=alt.Y("y:Q", title=names[1], scale=scale, axis=axis),
        ),
    ]
    return alt.layer(*layers).properties(
        width=_SQUARE,
        height=_SQUARE,
        title=_title(
            f"{title}: Kendall's tau {tau:.2f}, better half {tau_half:.2f}",
            f"Drawn: the better {100 * _SHOWN:.0f} %. To halve by a noisy mean lowers tau",
        ),
    )


def quantile_rows(column: Column, quantiles: Sequence[float]) -> list[int]:
    """Return the rows whose values are at these quantiles of the measured ones, 1 for the greatest."""
    order = noise.best(column, 1.0, "minimize")
    return [int(order[round(quantile * (len(order) - 1))]) for quantile in quantiles]


def pareto_front(costs: Column, values: Column) -> NDArray[np.intp]:
    """Return the rows that no other surpasses at equal or less cost, the cheapest first; both ``(n,)``, no NaN."""
    order = np.lexsort((-values, costs))
    reached = np.maximum.accumulate(values[order])
    return order[np.concatenate(([True], reached[1:] > reached[:-1]))]


def _even(n: int) -> NDArray[np.intp]:
    return np.linspace(0, n - 1, min(n, _MOST)).astype(np.intp)


def _colour(labels: Sequence[str], legend: Any) -> Any:
    import altair as alt

    scale = alt.Scale(domain=list(labels), range=list(COLOURS[: len(labels)]))
    return alt.Color("label:N", scale=scale, legend=legend)


def _title(text: str, subtitle: str = "") -> Any:
    import altair as alt

    title = alt.Title(text, fontSize=13, subtitleFontSize=11, subtitleColor="#555", anchor="start", offset=8)
    if subtitle:
        title.subtitle = subtitle
    return title
