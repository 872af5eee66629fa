"""Measured latencies as a table."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metanas.devices.networks import Family
from metanas.devices.runtimes import load_runtime
from metanas.devices.setting import Drift, Setting, this_host
from metanas.spaces import Space
from metanas.tables.schema import Metric, metric
from metanas.tables.write import write_table


def write_latencies(
    path: Path,
    name: str,
    space: Space,
    family: Family,
    setting: Setting,
    found: Mapping[str, NDArray[np.float64]],
    drift: Drift,
    rounds: int,
) -> str:
    """Write what :func:`metanas.devices.measure.measure` found; return the file's SHA-256.

    The table has ``latency/<name>``, the median, and its quartiles ``latency/<name>.low`` and ``latency/<name>.high``,
    in ms; the setting, the machine, the rounds and the anchor's drift are its provenance.
    """
    order = np.argsort(found["index"])
    columns: dict[str, tuple[Metric, NDArray[np.float64]]] = {}
    for key, suffix in (("median", ""), ("low", ".low"), ("high", ".high")):
        entry = metric(f"latency/{name}{suffix}")
        columns[entry.name] = (entry, found[key][order])
    return write_table(
        path,
        name=f"devices/{name}-v1",
        space=space.name,
        task=family.name,
        arch_index=found["index"][order],
        seeds=(),
        epochs=(),
        metrics=columns,
        protocol="",
        provenance={
            "method": "measured by metanas measure",
            "setting": setting.model_dump(),
            "host": this_host(load_runtime(setting.runtime, setting.precision).version()).model_dump(),
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "rounds": rounds,
            "drift": drift.model_dump() | {"relative": round(drift.relative, 4)},
            "as_written": family.as_written,
        },
    )
