"""The board's figure over the number of examples, as PNG and SVG (extra ``[plots]``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from metanas.charts import COLOURS, labels_apart, page, require_plots, save
from metanas.leaderboard.predictor_board import PredictorBoard
from metanas.leaderboard.predictor_report import PredictorSection

_WIDTH, _HEIGHT = 420, 320  # of a panel, in pixels
_LABEL = 13  # height of a label at a curve's end, in pixels
_NAMES = {"tau": "Kendall's tau", "spearman": "Spearman's correlation"}


def plot_predictors(board: PredictorBoard, sections: Sequence[PredictorSection], path: Path) -> list[Path]:
    """Draw a panel for each group of targets; predictors beyond the number of colours are left out.

    Args:
        board: the board.
        sections: its groups, with standings.
        path: file without suffix; ``.png`` and ``.svg`` are written.

    Returns:
        The files that were written.

    Raises:
        MetanasError: the extra ``[plots]`` is not installed.
    """
    require_plots("The plot of predictors")
    import altair

    labels = [standing.label for standing in sections[-1].standings]
    colours = dict(zip(labels, COLOURS, strict=False))
    panels = [_panel(board, section, colours) for section in sections]
    rows = [altair.hconcat(*panels[start : start + 2]) for start in range(0, len(panels), 2)]
    left = len(labels) - len(colours)
    crowd = f" Drawn are the first {len(colours)} of {len(labels)} predictors by rank." if left else ""
    subtitle = [
        f"Mean over seeds and 95 % confidence band of the mean; higher is better.{crowd}",
        f"Learned from the examples on the axis, scored on {_scored(board)}.",
    ]
    return save(page(altair.vconcat(*rows), f"{board.name}: {board.title}", subtitle), path)


def _scored(board: PredictorBoard) -> str:
    return "all architectures" if board.scored == "all" else "all other architectures"


def _panel(board: PredictorBoard, section: PredictorSection, colours: dict[str, str]) -> Any:
    import altair as alt

    points, ends = [], {}
    for standing in section.standings:
        if standing.label not in colours:
            continue
        means, errors = standing.means[board.figure], standing.errors[board.figure]
        for n, mean, error in zip(board.shots, means.tolist(), errors.tolist(), strict=True):
            if mean == mean:  # noqa: PLR0124, RUF100  (NaN alone differs from itself)
                half = 1.96 * error if error == error else 0.0  # noqa: PLR0124, RUF100
                points.append(
                    {"predictor": standing.label, "n": n, "mean": mean, "low": mean - half, "high": mean + half}
                )
                ends[standing.label] = mean
    low = min((point["low"] for point in points), default=0.0)
    high = max((point["high"] for point in points), default=1.0)
    scale = alt.Scale(domain=[low, high if high > low else low + 1], nice=False, clamp=True)
    kind: Literal["symlog", "log"] = "symlog" if board.shots[0] == 0 else "log"
    first, last = board.shots[0], board.shots[-1]
    domain = [first, last] if last > first else [max(first - 1, 0 if kind == "symlog" else 0.5), last + 1]
    x = alt.X(
        "n:Q",
        title="examples",
        scale=alt.Scale(type=kind, domain=domain, nice=False),
        axis=alt.Axis(values=list(board.shots), format="~g"),
    )
    colour = alt.Color("predictor:N", scale=alt.Scale(domain=list(colours), range=list(colours.values())), legend=None)
    base = alt.Chart(alt.InlineData(values=points)).encode(x=x, color=colour)
    band = base.mark_area(opacity=0.18).encode(y=alt.Y("low:Q", scale=scale, title=_NAMES[board.figure]), y2="high:Q")
    line = base.mark_line(strokeWidth=2, point=True).encode(y=alt.Y("mean:Q", scale=scale))
    places = labels_apart(list(ends.values()), _LABEL * (high - low) / _HEIGHT, low, high)
    rows = [{"predictor": label, "n": last, "place": y} for label, y in zip(ends, places, strict=True)]
    text = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_text(align="left", dx=8, fontSize=12, fontWeight="bold")
        .encode(x=x, y=alt.Y("place:Q", scale=scale), text="predictor:N", color=colour)
    )
    return alt.layer(band, line, text).properties(
        width=_WIDTH, height=_HEIGHT, title=alt.Title(section.name, fontSize=13, anchor="start", offset=8)
    )
