"""A device setting: what runs networks and how, and the file that says what was measured on it."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from metanas.files import atomic_write_text
from metanas.toml import as_toml, read_model

Positive = Annotated[int, Field(gt=0)]
_NAME = r"^[a-z0-9][a-z0-9_.-]*$"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Setting(_Part):
    """How networks are run.

    Attributes:
        runtime: one of :func:`metanas.devices.runtimes.runtime_names`.
        threads: that one inference may use.
        batch: examples at once; latencies are of the whole batch.
        precision: as in ``"fp32"``.
    """

    runtime: str
    threads: Positive = 1
    batch: Positive = 1
    precision: str = "fp32"

    @property
    def name(self) -> str:
        """The usual name, as in ``"openvino-t1-b1-fp32"``."""
        return f"{self.runtime.replace('_', '-')}-t{self.threads}-b{self.batch}-{self.precision}"


class Host(_Part):
    """The machine that measured.

    Attributes:
        cpu: its name as the system gives it.
        cores: that the process may use.
        system: operating system.
        versions: of the packages that ran the networks.
    """

    cpu: str
    cores: Positive
    system: str
    versions: str


class Drift(_Part):
    """How the machine's speed changed: the anchor network, measured in every round of every block.

    Attributes:
        anchor: the architecture, as text.
        least: smallest median over a block, in ms.
        median: median over all rounds, in ms.
        greatest: greatest median over a block, in ms.
        blocks: number of blocks.
        remeasured: how often a block was measured anew because the anchor was far off in it.
    """

    anchor: str
    least: Annotated[float, Field(gt=0)]
    median: Annotated[float, Field(gt=0)]
    greatest: Annotated[float, Field(gt=0)]
    blocks: Positive
    remeasured: Annotated[int, Field(ge=0)] = 0

    @property
    def relative(self) -> float:
        """Greatest deviation of a block's median from the overall one, relative to it."""
        return max(self.greatest - self.median, self.median - self.least) / self.median


class Cell(_Part):
    """One measured architecture: its text, and quartiles in ms over the rounds."""

    arch: str
    median: Annotated[float, Field(gt=0)]
    low: Annotated[float, Field(gt=0)]
    high: Annotated[float, Field(gt=0)]


class DeviceFile(_Part):
    """What is known of a device: ``devices/<name>.toml``.

    Attributes:
        name: of the device.
        kind: ``"measured"``, or ``"modelled"`` by formulas.
        network: which networks were run, ``"nb201-standard"`` or a task's.
        space: of the architectures.
        setting: how they were run; None for a device that is modelled.
        host: where.
        date: when it was finished.
        rounds: how often each network was timed.
        drift: of the anchor.
        cells: the measured architectures, if the file carries them (a calibration); a full table is an HDF5 file.
    """

    name: Annotated[str, Field(pattern=_NAME)]
    kind: Literal["measured", "modelled"] = "measured"
    network: str
    space: str
    date: str
    rounds: Positive
    setting: Setting
    host: Host
    drift: Drift
    cells: tuple[Cell, ...] = ()


def this_host(versions: str) -> Host:
    """Describe the machine that runs this."""
    return Host(cpu=_cpu(), cores=len(os.sched_getaffinity(0)), system=platform.platform(terse=True), versions=versions)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def read_device(path: Path) -> DeviceFile:
    """Read a device file; raise :class:`~metanas.errors.InvalidFileError` saying which field is wrong."""
    return read_model(path, DeviceFile, "device file")


def write_device(path: Path, device: DeviceFile) -> None:
    """Write a device file, atomically."""
    atomic_write_text(path, as_toml(device.model_dump()))
