"""The house style of all plots, and writing them as PNG and SVG (extra ``[plots]``: Altair and vl-convert).

No browser and no network is needed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from metanas.extras import require
from metanas.files import atomic_write

# Okabe and Ito's palette, which colour-blind readers can tell apart; then Tableau's for the rest of a crowd.
COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000",
    "#4C78A8", "#F58518", "#54A24B", "#B279A2", "#9D755D", "#72B7B2", "#BAB0AC",
)  # fmt: skip


def available() -> bool:
    """Return whether the extra ``[plots]`` is installed."""
    from importlib.util import find_spec

    return find_spec("altair") is not None and find_spec("vl_convert") is not None


def require_plots(purpose: str) -> None:
    """Raise ``MetanasError``, which says how to install it, if the extra ``[plots]`` is not installed."""
    for module in ("altair", "vl_convert"):
        require(module, "plots", purpose)


def page(chart: Any, title: str, subtitle: Sequence[str]) -> Any:
    """Give a whole chart its title and the house style.

    Args:
        chart: an Altair chart, of one panel or many.
        title: what one sees.
        subtitle: further lines: what was drawn, and how to read it.
    """
    return (
        chart.properties(
            title={
                "text": title,
                "subtitle": list(subtitle),
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
        .configure_legend(labelFontSize=12, symbolStrokeWidth=0)
        .configure_concat(spacing=36)
    )  # fmt: skip


def inline(rows: Sequence[Mapping[str, object]]) -> Any:
    """Return rows of data for a chart, as text: Altair copies a list whenever charts are joined or given a title."""
    import altair

    return altair.InlineData(values=json.dumps(rows), format={"type": "json"})


def save(chart: Any, path: Path) -> list[Path]:
    """Write a chart.

    Args:
        chart: an Altair chart.
        path: file without suffix; ``.png`` and ``.svg`` are written.

    Returns:
        The files that were written.
    """
    import vl_convert

    specification = chart.to_json()
    files = [path.with_name(f"{path.name}.png"), path.with_name(f"{path.name}.svg")]
    with atomic_write(files[0]) as temporary:
        temporary.write_bytes(vl_convert.vegalite_to_png(specification, scale=2))
    with atomic_write(files[1]) as temporary:
        temporary.write_text(vl_convert.vegalite_to_svg(specification), encoding="utf-8")
    return files


def log_ticks(low: float, high: float) -> list[float]:
    """Return 1, 2, 5, 10, 20 … within a range, or 1, 10, 100 … where that would be a crowd; and its ends if few."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if math.log10(high / low) <= 2.6 else (1, 3) if math.log10(high / low) <= 3.2 else (1,)
    return [tick for decade in decades for step in steps if low <= (tick := round(step * 10.0**decade, 12)) <= high]


def labels_apart(wanted: Sequence[float], step: float, low: float, high: float) -> list[float]:
    """Return where labels go along a line: as near to where they are wanted as can be, none nearer than ``step``.

    Args:
        wanted: a place for each label.
        step: least distance between two.
        low: no place is below, where there is room enough.
        high: no place is above.
    """
    order = sorted(range(len(wanted)), key=lambda number: wanted[number])
    places = [max(low, wanted[number]) for number in order]
    for position in range(1, len(places)):  # push up what is too near to the label below
        places[position] = max(places[position], places[position - 1] + step)
    ceiling = high
    for position in reversed(range(len(places))):  # and down again what left the panel
        places[position] = ceiling = min(places[position], ceiling)
        ceiling -= step
    return [places[order.index(number)] for number in range(len(wanted))]
