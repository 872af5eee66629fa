"""Drawings of the best architectures: nodes from top to bottom, operations on the edges."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from metanas.charts import COLOURS
from metanas.tables import noise
from metanas.tables.plots.diagram import Diagram, Edge, diagram
from metanas.tables.table import Table

SHOWN = 3
WIDTH, HEIGHT = 290, 270  # of a drawing, in pixels
_BOX = 20  # height of a node
_LETTER = 6.2  # width of a letter
_PLAIN = "#777777"  # of what has no weights
_GAP = 62.0  # between an edge and the next one further out: a label's width
_POINTS = 121  # of a curve
_ORDINALS = ("Best", "Second", "Third")

Point = tuple[float, float]


class Path(NamedTuple):
    """An edge as it is drawn, in pixels from the upper left: points along it, and the middle for its label."""

    edge: Edge
    points: list[Point]
    middle: Point


class Layout(NamedTuple):
    """Where everything goes, in pixels from the upper left."""

    nodes: list[Point]
    paths: list[Path]


def best(table: Table) -> list[Any]:
    """Return drawings of the best architectures by validation."""
    column = table.column("validation/accuracy")
    rows = noise.best(column, 1.0, "maximize")[:SHOWN]
    diagrams = [diagram(table.space, table.space.arch(int(table.archs[row]))) for row in rows]
    labels = dict.fromkeys(label for shown in diagrams for edge in shown.edges for label in edge.labels)
    weighted = sorted(label for label in labels if not label.split(" × ")[-1].startswith(("skip", "pool")))
    colours = dict(zip(weighted, COLOURS, strict=False))
    drawings = []
    for ordinal, row, shown in zip(_ORDINALS, rows, diagrams, strict=False):
        facts = [f"architecture {table.archs[row]}"]
        if "test/accuracy" in table.metrics:
            facts.append(f"test {table.column('test/accuracy')[row]:.1f} %")
        if "cost/parameters" in table.metrics:
            facts.append(f"{table.column('cost/parameters')[row]:,.0f} parameters")
        title = f"{ordinal} by validation: {column[row]:.1f} %"
        drawings.append(draw(shown, title, ", ".join(facts), colours))
    return drawings


def arrange(shown: Diagram, width: float = WIDTH, height: float = HEIGHT) -> Layout:
    """Place nodes one below the other; edges between neighbours are straight, others swing out to the left or right.

    An edge swings out further than those that it passes on its side, and on the side where that is less far.
    """
    last = len(shown.nodes) - 1
    top, step = _BOX / 2 + 4, (height - _BOX - 8) / max(last, 1)
    levels: dict[Edge, int] = {}
    for edge in sorted(shown.edges, key=lambda edge: (edge.target - edge.source, edge.source)):
        if edge.target - edge.source > 1:
            left, right = (
                1 + max((side * level for other, level in levels.items() if _overlap(other, edge)), default=0)
                for side in (-1, 1)
            )
            levels[edge] = -max(left, 1) if left <= right else max(right, 1)
    furthest = [max(0, *(side * level for level in levels.values())) if levels else 0 for side in (-1, 1)]
    widest = max(map(_half, shown.nodes))
    spoken = any(edge.labels for edge in shown.edges)
    gap = min(_GAP if spoken else _GAP / 3, (width - 2 * widest) / max(sum(furthest), 1))
    clear = max(gap, widest + _BOX / 2)  # so that an edge passes beside the nodes

    def out(level: int) -> float:
        return math.copysign(clear + gap * (abs(level) - 1), level) if level else 0.0

    centre = width / 2 + (out(furthest[0]) - out(furthest[1])) / 2
    nodes = [(centre, top + step * number) for number in range(last + 1)]
    paths = []
    for edge in shown.edges:
        (x, start), (_, end) = nodes[edge.source], nodes[edge.target]
        swing = out(levels.get(edge, 0))
        along = (1 - np.cos(np.linspace(0, np.pi, _POINTS))) / 2  # close together at the ends, where it bends
        bulge = swing * np.sqrt(np.clip(1 - (2 * along - 1) ** 4, 0, 1))
        points = list(zip((x + bulge).tolist(), (start + (end - start) * along).tolist(), strict=True))
        outside = [point for point in points if not _within(point, nodes, shown.nodes, edge)]
        paths.append(Path(edge, outside, (x + swing, (start + end) / 2)))
    return Layout(nodes, paths)


def draw(shown: Diagram, title: str, subtitle: str, colours: Mapping[str, str]) -> Any:
    """Return a drawing.

    Args:
        shown: what to draw.
        title: what it is.
        subtitle: what is known of it.
        colours: of labels; grey where there is none.
    """
    import altair as alt

    layout = arrange(shown)
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[0, WIDTH], nice=False))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[HEIGHT, 0], nice=False))

    def chart(values: Sequence[Mapping[str, Any]]) -> Any:
        return alt.Chart(alt.InlineData(values=list(values))).encode(x=x, y=y)

    colour = alt.Color("colour:N", scale=None, legend=None)
    layers = [
        chart(list(_lines(layout, colours))).mark_line(strokeWidth=2).encode(
            color=colour, detail="edge:N", order="place:Q"
        ),
        chart(list(_heads(layout, colours))).mark_point(shape="triangle-right", filled=True, size=70, opacity=1).encode(
            color=colour, angle=alt.Angle("angle:Q", scale=None)
        ),
    ]  # fmt: skip
    texts = [
        {"x": path.middle[0], "y": path.middle[1], "text": "\n+ ".join(path.edge.labels), "colour": _of(path, colours)}
        for path in layout.paths
        if path.edge.labels
    ]
    if texts:
        halo = {"stroke": "white", "strokeWidth": 5, "strokeJoin": "round"}
        layers += [
            chart(texts)
            .mark_text(fontSize=11, lineBreak="\n", baseline="middle", **more)
            .encode(text="text:N", **shade)
            for more, shade in ((halo, {}), ({}, {"color": colour}))
        ]
    boxes = [
        {"x": at[0] - _half(label), "x2": at[0] + _half(label), "y": at[1] - _BOX / 2, "y2": at[1] + _BOX / 2}
        for at, label in zip(layout.nodes, shown.nodes, strict=True)
    ]
    names = [{"x": at[0], "y": at[1], "text": label} for at, label in zip(layout.nodes, shown.nodes, strict=True)]
    layers += [
        chart(boxes).mark_rect(fill="white", stroke="#333", cornerRadius=_BOX / 2).encode(x2="x2:Q", y2="y2:Q"),
        chart(names).mark_text(fontSize=11, color="#333").encode(text="text:N"),
    ]
    heading = alt.Title(title, subtitle=subtitle, fontSize=13, subtitleFontSize=11, subtitleColor="#555",
                        anchor="start", offset=8)  # fmt: skip
    return alt.layer(*layers).properties(width=WIDTH, height=HEIGHT, title=heading)


def _lines(layout: Layout, colours: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for number, path in enumerate(layout.paths):
        for place, (x, y) in enumerate(path.points):
            yield {"edge": number, "place": place, "x": x, "y": y, "colour": _of(path, colours)}


def _heads(layout: Layout, colours: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for path in layout.paths:
        (x0, y0), (x, y) = path.points[-4], path.points[-1]
        angle = math.degrees(math.atan2(y - y0, x - x0))
        yield {"x": x, "y": y, "angle": angle, "colour": _of(path, colours)}


def _of(path: Path, colours: Mapping[str, str]) -> str:
    return next((colours[label] for label in path.edge.labels if label in colours), _PLAIN)


def _overlap(a: Edge, b: Edge) -> bool:
    return a.source < b.target and b.source < a.target


def _within(point: Point, nodes: Sequence[Point], labels: Sequence[str], edge: Edge) -> bool:
    """Whether a point is in the box of one of the edge's nodes, or so near that an arrow's head would be."""
    return any(
        abs(point[0] - nodes[node][0]) < _half(labels[node]) + 4 and abs(point[1] - nodes[node][1]) < _BOX / 2 + 4
        for node in (edge.source, edge.target)
    )


def _half(label: str) -> float:
    return max(_BOX, _LETTER * len(label) + 12) / 2
