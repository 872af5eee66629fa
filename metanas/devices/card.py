"""The card of a table of latencies, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from metanas.tables.card import show
from metanas.tables.schema import BESIDE, QUARTILES
from metanas.tables.table import Table


def card(table: Table) -> str:
    """Return the card of a table of latencies, as Markdown."""
    return "\n".join(_lines(table)) + "\n"


def _lines(table: Table) -> Iterator[str]:
    whose = (
        "as they are written: a row answers for its own architecture alone, not for its functional class"
        if table.as_written
        else "pruned, so that a row answers for its whole functional class"
    )
    yield f"# {table.name}"
    yield ""
    yield f"Latencies of {len(table):,} architectures of the space `{table.space_name}` in the networks `{table.task}`,"
    yield f"{whose}. Measured, not modelled."
    yield ""
    yield "## How it was measured"
    yield ""
    for key, value in table.provenance.items():
        yield f"- {key.replace('_', ' ')}: {show(value)}"
    yield f"- protocol sha256: {table.protocol_sha256}"
    yield ""
    yield "```toml"
    yield table.protocol.rstrip()
    yield "```"
    yield ""
    yield "*Drift*: medians of the anchor network over the rounds of a block, in ms; *relative*: the furthest of them"
    yield "from their median; *remeasured*: blocks that were measured anew because of it. *Again*: some of the"
    yield "architectures, measured a second time after all others; *as timed*: the changes of pace not taken out."
    yield ""
    yield "## Values"
    yield ""
    yield "| metric | unit | least | 25 % | median | 75 % | greatest | interquartile range of the rounds |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, entry in table.metrics.items():
        if name.endswith(BESIDE):
            continue
        column = table.column(name)
        figures = " | ".join(
            f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
            for value in np.nanquantile(column, (0, 0.25, 0.5, 0.75, 1))
        )
        low, high = (table.metrics.get(f"{name}{suffix}") for suffix in QUARTILES)
        spread = "–"
        if low and high:
            ranges = (table.column(high.name) - table.column(low.name)) / column
            spread = f"{100 * float(np.nanmedian(ranges)):.1f} %"
        yield f"| {name} | {entry.unit} | {figures} | {spread} |"
    yield ""
    yield "The last column: of the middle architecture, relative to its median. Costs are counted, not measured."
