"""Latency by a look-up table of operations, as ProxylessNAS and FBNet estimate it.

Cai, Zhu and Han, "ProxylessNAS", ICLR 2019 (arXiv:1812.00332), section 3.3.1 and appendix B; Wu et al., "FBNet", CVPR
2019 (arXiv:1812.03443), section 3.2: the latency of a network is the sum of the latencies of its
operations, each measured once by itself, and of the fixed parts, measured as one network.

Each operation of a cell (and the sum of two edges) is timed in every stage's shape by itself, less what an empty
network of that shape takes, so that the time to call the runtime is not counted once an operation; stem, reductions and
head are timed as the network without its cells. The protocol is that of :mod:`metanas.devices.measure`. An operation
that stands alone misses what a runtime fuses across operations, and what else has been in the cache before it. The
estimate is **modelled** from measured parts.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from metanas.arch import Arch
from metanas.devices.measure import ROUNDS, time_rounds, torch_threads
from metanas.devices.networks import STANDARD, SelfSum, settled, without_cells
from metanas.devices.pace import at_one_pace
from metanas.devices.runtimes import load_runtime
from metanas.devices.setting import Host, Setting, this_host
from metanas.errors import InvalidFileError
from metanas.files import atomic_write_text
from metanas.nets.nb201_standard import operation
from metanas.nets.standard_program import CELLS, CHANNELS, SIZE
from metanas.spaces.nb201 import EDGES, OPS, SKIP, SPACE
from metanas.toml import as_toml, read_model

ADD = "add"
_SUMS = len(EDGES) - len({target for target, _ in EDGES})  # in a cell as written, whatever its operations

_Ms = Annotated[float, Field(ge=0)]
_Stages = tuple[_Ms, _Ms, _Ms]


class LookupTable(BaseModel):
    """Latencies of operations in one setting, in ms.

    Attributes:
        name: of the device.
        kind: ``"modelled"``: what it gives is a sum of measured parts, not a measured network.
        network: whose operations these are.
        date: when they were measured.
        rounds: how often each was timed.
        base: stem, reductions and head.
        setting: how they were run.
        host: where.
        operations: of each operation, in the shape of each stage; ``"add"`` is the sum of two edges.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    kind: Literal["modelled"] = "modelled"
    network: str
    date: str
    rounds: Annotated[int, Field(gt=0)]
    base: _Ms
    setting: Setting
    host: Host
    operations: dict[str, _Stages]

    def latency(self, archs: Sequence[Arch]) -> NDArray[np.float64]:
        """Return the modelled latency of cells of ``nb201`` as they are written, ``(n,)``, in ms.

        Raises:
            InvalidArchError: not a cell of ``nb201``.
        """
        each = np.array([sum(self.operations[op]) for op in OPS])
        sums = _SUMS * sum(self.operations[ADD])
        codes = np.array([SPACE.check(arch).code for arch in archs], dtype=np.int64).reshape(len(archs), len(EDGES))
        found: NDArray[np.float64] = self.base + CELLS * (each[codes].sum(axis=1) + sums)
        return found


def measure_operations(name: str, setting: Setting, *, rounds: int = ROUNDS) -> LookupTable:
    """Measure the operations of the standard network's cells, and the rest of it.

    Args:
        name: of the device.
        setting: how they are run.
        rounds: timings of each.
    """
    runtime = load_runtime(setting.runtime, setting.precision)
    image = (3, SIZE, SIZE)
    parts: list[tuple[nn.Module, tuple[int, ...]]] = [(without_cells(), image)]
    for stage, channels in enumerate(CHANNELS):
        size = SIZE // 2**stage
        with torch.random.fork_rng(devices=[]):  # layers draw weights from the global generator
            torch.random.manual_seed(0)
            pieces = [nn.Identity(), SelfSum(), *(operation(op, channels) for op in range(len(OPS)) if op != SKIP)]
        own = (channels, size, size)
        parts += [(settled(nn.Sequential(piece), own), own) for piece in pieces]
    with torch_threads(setting.threads):
        runs = []
        for network, shape in parts:
            example = torch.randn((setting.batch, *shape), generator=torch.Generator().manual_seed(1))
            runs.append(runtime.prepare(network, example, setting.threads, setting.precision))
        timed = at_one_pace(*time_rounds(runs, rounds, np.random.default_rng(0)))
        base, *rest = 1e3 * np.median(timed, axis=0)
    stages = np.reshape(rest, (len(CHANNELS), -1))
    alone = np.maximum(stages[:, 1:] - stages[:, :1], 0.0)  # without what an empty network takes
    names = [ADD, *(text for op, text in enumerate(OPS) if op != SKIP)]
    operations = {text: tuple(alone[:, place].round(6).tolist()) for place, text in enumerate(names)}
    return LookupTable(
        name=name,
        network=STANDARD,
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        rounds=rounds,
        base=round(float(base), 6),
        setting=setting,
        host=this_host(runtime.version()),
        operations=operations | {OPS[SKIP]: (0.0, 0.0, 0.0)},  # it hands on what it got
    )


def write_lookup(path: Path, table: LookupTable) -> None:
    """Write a look-up table as TOML, atomically."""
    atomic_write_text(path, as_toml(table.model_dump()))


def read_lookup(path: Path) -> LookupTable:
    """Read a look-up table; raise :class:`~metanas.errors.InvalidFileError` saying which field is wrong."""
    found = read_model(path, LookupTable, "look-up table")
    if set(found.operations) != {ADD, *OPS}:
        msg = f"{path} must hold latencies of {ADD} and {', '.join(OPS)}, but has {', '.join(found.operations)}."
        raise InvalidFileError(msg)
    return found
