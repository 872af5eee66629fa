"""Energy that the processor itself meters (RAPL); where it cannot be read there is no energy, and none is made up.

Linux shows the counters of Intel's and AMD's "running average power limit" in ``/sys/class/powercap``: one folder a
package, ``intel-rapl:0``, …, with ``energy_uj``, microjoules since some time, which begins again at 0 after
``max_energy_range_uj``. They count *everything* that the package did meanwhile, idle power and other processes
included. Virtual machines and most users without rights do not see them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from metanas.errors import InvalidValueError

POWERCAP = Path("/sys/class/powercap")
_PACKAGE = re.compile(r"intel-rapl:\d+")  # AMD's too; intel-rapl:0:1 is a part of one
_WRAPS = 60.0  # seconds in which a counter may begin again more than once on a large machine


@dataclass(frozen=True)
class Meter:
    """The counters of all packages.

    Attributes:
        packages: folders of the counters.
        ranges: microjoules after which each begins again.
    """

    packages: tuple[Path, ...]
    ranges: tuple[int, ...]

    def read(self) -> tuple[int, ...]:
        """Return microjoules of each package since some time."""
        return tuple(_number(folder / "energy_uj") for folder in self.packages)

    def between(self, before: tuple[int, ...], after: tuple[int, ...]) -> float:
        """Return millijoules of all packages between two readings, no counter having begun again more than once."""
        parts = zip(before, after, self.ranges, strict=True)
        return sum((end - start) % (most + 1) if end < start else end - start for start, end, most in parts) / 1000


def find_meter(folder: Path = POWERCAP) -> Meter | None:
    """Return the meter of this machine, or None where there is none or it may not be read."""
    try:
        packages = tuple(sorted(path for path in folder.iterdir() if _PACKAGE.fullmatch(path.name)))
        meter = Meter(packages, tuple(_number(path / "max_energy_range_uj") for path in packages))
        return meter if meter.packages and meter.read() else None
    except (OSError, ValueError):
        return None


def energy_of(run: Callable[[], object], repeats: int, meter: Meter) -> float:
    """Return millijoules of one run, the mean over some, of all that the packages did meanwhile.

    Args:
        run: runs the network once.
        repeats: how many runs; enough that they take seconds, as counters advance about every millisecond.
        meter: see :func:`find_meter`.

    Raises:
        InvalidValueError: no run, or they took so long that a counter may have begun again twice.
    """
    if repeats < 1:
        msg = f"At least one run is needed to meter energy; got repeats = {repeats}."
        raise InvalidValueError(msg)
    before, start = meter.read(), time.monotonic()
    for _ in range(repeats):
        run()
    after, seconds = meter.read(), time.monotonic() - start
    if seconds > _WRAPS:
        msg = f"Energy is metered over at most {_WRAPS:.0f} s, but {repeats} runs took {seconds:.0f} s; take fewer."
        raise InvalidValueError(msg)
    return meter.between(before, after) / repeats


def _number(path: Path) -> int:
    return int(path.read_text(encoding="ascii"))
