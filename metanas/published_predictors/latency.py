"""Latency on a device of which a few architectures were measured, from the latencies of others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metanas.devices.setting import DeviceFile
from metanas.errors import InvalidFileError, InvalidValueError
from metanas.predictors.transfer_gp import TransferGP
from metanas.published_predictors.store import Config, read_arrays
from metanas.spaces import Space, listed, load_space
from metanas.tables import Table
from metanas.tables.schema import BESIDE

SOURCES = "sources.npz"
PUBLISHED = "latency"
_METRIC = "latency/"
_LEARNED_FROM = 2500  # measured architectures, at most
_AT_ONCE = 2000  # architectures predicted at once

Floats = NDArray[np.float64]


def latency_columns(tables: Sequence[Table]) -> dict[str, Floats]:
    """Return the latencies of every device of some tables by index, ``(index range,)``, NaN = not measured.

    What stands beside a latency (quartiles, medians as timed) is left out.

    Raises:
        InvalidFileError: a table of a space without a list, or of another space than the first.
    """
    found: dict[str, Floats] = {}
    for table in tables:
        if table.row_of_index is None or table.space_name != tables[0].space_name:
            msg = f"Latencies must be of one space with a list, but table {table.name} is of {table.space_name!r}."
            raise InvalidFileError(msg)
        for name in table.metrics:
            if name.startswith(_METRIC) and not name.endswith(BESIDE):
                values = np.append(table.column(name), np.nan)[table.row_of_index]
                found.setdefault(name.removeprefix(_METRIC), values)
    return found


def published_columns(config: Config, folder: Path) -> dict[str, Floats]:
    """Return the devices of a published latency predictor; see :func:`latency_columns`.

    Raises:
        InvalidFileError: a file that is not the published one, or holds something else.
    """
    arrays = read_arrays(config, folder, SOURCES)
    if config.kind != "latency" or set(arrays) != {"names", "latency_ms"}:
        msg = f"{folder} must hold a predictor of latency with names and latency_ms, but has {sorted(arrays)}."
        raise InvalidFileError(msg)
    matrix = arrays["latency_ms"].astype(np.float64)
    return dict(zip(arrays["names"].tolist(), matrix.T, strict=True))


def completed(
    space: Space, columns: Mapping[str, Floats], wanted: NDArray[np.int64] | None = None
) -> dict[str, Floats]:
    """Return columns in which what a device did not measure is predicted from what it did.

    A device that measured a part of the space (one cell of every function, say) says nothing of the others by itself;
    a Gaussian process on the cell as it is written, on logarithms and without sources
    (:mod:`metanas.predictors.transfer_gp`), does.

    Args:
        space: space of the architectures, with a list of them.
        columns: latencies by index, ``(index range,)``, NaN = not measured.
        wanted: only these indices; all of the space if None.

    Raises:
        InvalidValueError: a device that measured fewer than two architectures.
    """
    indices = listed(space).indices
    wanted = indices if wanted is None else np.unique(wanted)
    found = {}
    for name, values in columns.items():
        missing = wanted[~np.isfinite(values[wanted])]
        found[name] = values
        if len(missing):
            known = indices[np.isfinite(values[indices])]
            known = np.random.default_rng(0).permutation(known)[:_LEARNED_FROM]
            predictor = TransferGP(space, np.random.default_rng(0), log=True).fit(known, values[known])
            found[name] = values.copy()
            for part in np.array_split(missing, math.ceil(len(missing) / _AT_ONCE)):
                found[name][part] = predictor.predict(part).mean
    return found


def few_shot(device: DeviceFile, columns: Mapping[str, Floats]) -> tuple[TransferGP, Floats]:
    """Return a predictor fitted to a device's calibration, and what was measured by index, NaN elsewhere.

    Args:
        device: with the measured architectures.
        columns: latencies of other devices; one that has the device's own name is left out.

    Raises:
        InvalidValueError: fewer than two measured architectures, no other device, or a space of other indices.
        InvalidArchError: an architecture that is not of the device file's space.
    """
    others = {name: values for name, values in columns.items() if name != device.name}
    if not others:
        msg = f"The latency of {device.name} is learned from other devices, but there are none. Name some: --sources."
        raise InvalidValueError(msg)
    if len(device.cells) < 2:
        msg = f"At least two architectures must be measured on {device.name}; run metanas measure --calibrate."
        raise InvalidValueError(msg)
    space = load_space(device.space)
    matrix = np.column_stack(list(others.values()))
    indices = np.array([space.index(space.parse(cell.arch)) for cell in device.cells], dtype=np.int64)
    predictor = TransferGP(space, np.random.default_rng(0), sources=matrix, log=True)
    medians = np.array([cell.median for cell in device.cells])
    there = np.isfinite(matrix[indices]).all(axis=1)  # an architecture that a source lacks teaches nothing
    predictor.fit(indices[there], medians[there])
    measured = np.full(len(matrix), np.nan)
    measured[indices] = medians
    return predictor, measured
