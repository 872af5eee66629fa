"""Which architectures describe a device best, and a device file made from measuring them."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metanas.devices.measure import ROUNDS, Report, drift_of, measure
from metanas.devices.networks import Family
from metanas.devices.runtimes import load_runtime
from metanas.devices.setting import Cell, DeviceFile, Setting, this_host
from metanas.predictors.transfer_gp import TransferGP
from metanas.spaces import Space
from metanas.tables.sample import PART, drawn_classes
from metanas.tables.shards import representatives

REFERENCES = 16


def reference_cells(space: Space, n: int = REFERENCES, sources: NDArray[np.float64] | None = None) -> NDArray[np.int64]:
    """Return the indices of ``n`` architectures that tell most of a device, always the same.

    They are chosen by :meth:`metanas.predictors.transfer_gp.TransferGP.propose`, by what the sources leave open.

    Args:
        space: of the architectures, with a list of them.
        n: how many.
        sources: latencies on other devices, ``(index range, k)``; none if None.
    """
    return TransferGP(space, np.random.default_rng(0), sources=sources, log=sources is not None).propose(n)


def class_representatives(*, conv: bool, pooled: int) -> NDArray[np.int64]:
    """Return representatives of the functional classes of ``nb201``.

    Args:
        conv: all classes without pooling (those of ``nb201-conv``).
        pooled: how many classes with pooling, the first of those that tables of trainings draw.

    Raises:
        InvalidValueError: there are not so many classes with pooling.
    """
    plain = representatives(PART) if conv else ()
    return np.array([*plain, *sorted(drawn_classes(pooled) if pooled else ())], dtype=np.int64)


def device_file(
    name: str,
    space: Space,
    indices: NDArray[np.int64],
    family: Family,
    setting: Setting,
    folder: Path,
    *,
    rounds: int = ROUNDS,
    report: Report = lambda done: None,
) -> DeviceFile:
    """Measure architectures and describe the device by them; the first one is the anchor.

    Args:
        name: of the device.
        space: of the architectures.
        indices: of the architectures.
        family: which networks.
        setting: how they are run.
        folder: where finished blocks are kept.
        rounds: timings of each network.
        report: called with the number of architectures that are done.
    """
    found = measure(
        space, indices, family, setting, folder, anchor=int(indices[0]), rounds=rounds, block=8, report=report
    )
    texts = [space.format(space.arch(int(index))) for index in found["index"]]
    cells = [
        Cell(arch=text, median=float(median), low=float(low), high=float(high))
        for text, median, low, high in zip(texts, found["median"], found["low"], found["high"], strict=True)
    ]
    return DeviceFile(
        name=name,
        network=family.name,
        space=space.name,
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        rounds=rounds,
        setting=setting,
        host=this_host(load_runtime(setting.runtime, setting.precision).version()),
        drift=drift_of(texts[0], found["anchor"]),
        cells=tuple(cells),
    )
