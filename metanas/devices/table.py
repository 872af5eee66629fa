"""Measured latencies as a table."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metanas.devices.measure import ANCHOR_EVERY, SHORTEST, WARM_UP
from metanas.devices.networks import STANDARD, Family
from metanas.devices.pace import NEIGHBOURS
from metanas.devices.runtimes import load_runtime
from metanas.devices.setting import Drift, Setting, this_host
from metanas.nets.standard_cost import model_bytes, peak_activation_bytes, standard_cost
from metanas.spaces import Space
from metanas.tables.schema import QUARTILES, TIMED, Metric, metric
from metanas.tables.write import write_table

METHOD = "measured by metanas measure"
_PACE = (
    f"of the moment, taken out: the median of what {NEIGHBOURS} timings before and after have beyond "
    "their networks' levels"
)


def write_latencies(
    path: Path,
    name: str,
    space: Space,
    family: Family,
    setting: Setting,
    found: Mapping[str, NDArray[np.float64]],
    drift: Drift,
    rounds: int,
    *,
    again: Mapping[str, float] | None = None,
) -> str:
    """Write what :func:`metanas.devices.measure.measure` found; return the file's SHA-256.

    The table has ``latency/<name>``, the median, its quartiles ``latency/<name>.low`` and ``latency/<name>.high``, all
    without the machine's changes of pace, and ``latency/<name>.timed``, the median with them, in ms; its protocol says
    how one measured, its provenance where, and how the anchor drifted. Networks that were run as they are written make
    a table that answers for them alone; pruned networks answer for their functional class. Of the standard network,
    the exact costs are there too, as ``cost/...``: counted, for one image in float32.

    Args:
        path: the file to write.
        name: of the device.
        space: of the architectures.
        family: which networks.
        setting: how they were run.
        found: what was measured.
        drift: of the anchor.
        rounds: timings of each network.
        again: what a second measurement of some of them says (:func:`repeatability`).
    """
    order = np.argsort(found["index"])
    columns: dict[str, tuple[Metric, NDArray[np.float64]]] = {}
    for key, suffix in (("median", ""), *zip(("low", "high"), QUARTILES, strict=True), ("timed", TIMED)):
        entry = metric(f"latency/{name}{suffix}")
        columns[entry.name] = (entry, found[key][order])
    if family.name == STANDARD:
        columns |= _costs(space, found["index"][order])
    provenance: dict[str, Any] = {
        "method": METHOD,
        "setting": setting.model_dump(),
        "host": this_host(load_runtime(setting.runtime, setting.precision).version()).model_dump(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "drift": drift.model_dump() | {"relative": round(drift.relative, 4)},
    }
    if again is not None:
        provenance["again"] = dict(again)
    return write_table(
        path,
        name=f"devices/{name}-v1",
        space=space.name,
        task=family.name,
        arch_index=found["index"][order],
        seeds=(),
        epochs=(),
        metrics=columns,
        protocol=protocol(family, setting, rounds),
        provenance=provenance,
        as_written=family.as_written,
    )


def _costs(space: Space, index: NDArray[Any]) -> dict[str, tuple[Metric, NDArray[np.float64]]]:
    """Return the exact costs of the standard networks of some cells, counted and not measured."""
    archs = [space.arch(int(number)) for number in index]
    counted = {
        "parameters": [standard_cost(arch)[0] for arch in archs],
        "macs": [standard_cost(arch)[1] for arch in archs],
        "model_bytes": [model_bytes(arch) for arch in archs],
        "peak_activation_bytes": [peak_activation_bytes(arch) for arch in archs],
    }
    entries = {name: metric(f"cost/{name}", ("arch",)) for name in counted}
    return {entry.name: (entry, np.array(counted[name], dtype=np.float64)) for name, entry in entries.items()}


def protocol(family: Family, setting: Setting, rounds: int) -> str:
    """Return how latencies are measured, as TOML."""
    return f"""\
kind = "latency"
network = "{family.name}"
cells = "{"as written, dead operations included" if family.as_written else "pruned"}"
runtime = "{setting.runtime}"
threads = {setting.threads}
batch = {setting.batch}  # latencies are of the whole batch
precision = "{setting.precision}"
rounds = {rounds}  # each network once a round, in a new random order; kept are the quartiles over the rounds
anchor_every = {ANCHOR_EVERY}  # networks; its median brings the blocks to one level
pace = "{_PACE}"
warm_up = {WARM_UP}  # runs before the first round
shortest_s = {SHORTEST}  # a shorter run is repeated within one timing
"""


def repeatability(
    first: Mapping[str, NDArray[np.float64]], second: Mapping[str, NDArray[np.float64]]
) -> dict[str, float]:
    """Compare two measurements of some architectures at different times.

    Returns:
        ``cells``, how many; ``spearman`` between the two, and ``spearman_as_timed``, the changes of pace not taken
        out; ``median_difference`` and ``greatest_difference``, relative to the first.
    """
    own, again = first["index"].astype(np.int64), second["index"].astype(np.int64)
    place = {index: row for row, index in enumerate(own.tolist())}
    rows = [place[index] for index in again.tolist()]
    x, y = first["median"][rows], second["median"]
    off = np.abs(y - x) / x
    return {
        "cells": len(again),
        "spearman": round(_spearman(x, y), 4),
        "spearman_as_timed": round(_spearman(first["timed"][rows], second["timed"]), 4),
        "median_difference": round(float(np.median(off)), 4),
        "greatest_difference": round(float(off.max()), 4),
    }


def _spearman(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Return Spearman's correlation of values that hardly tie (times)."""
    first, second = (np.argsort(np.argsort(values)).astype(np.float64) for values in (x, y))
    return float(np.corrcoef(first, second)[0, 1]) if len(x) > 1 else float("nan")
