"""Counters of a made-up machine: what is read, what wraps, and that nothing is made up where nothing can be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from metanas.devices.energy import energy_of, find_meter
from metanas.errors import InvalidValueError


def machine(folder: Path, *counters: int, most: int = 1_000_000) -> list[Path]:
    paths = []
    for number, value in enumerate(counters):
        package = folder / f"intel-rapl:{number}"
        package.mkdir(parents=True)
        (package / "max_energy_range_uj").write_text(f"{most}\n")
        (package / "energy_uj").write_text(f"{value}\n")
        paths.append(package / "energy_uj")
    part = folder / "intel-rapl:0:0"  # of package 0, and counted there already
    part.mkdir()
    (part / "energy_uj").write_text("5\n")
    return paths


def test_what_the_packages_took_a_run(tmp_path: Path) -> None:
    first, second = machine(tmp_path, 1000, 999_990)
    meter = find_meter(tmp_path)
    assert meter is not None
    assert meter.read() == (1000, 999_990)

    def run() -> None:
        first.write_text(f"{int(first.read_text()) + 3000}\n")
        second.write_text(f"{(int(second.read_text()) + 500) % 1_000_001}\n")  # begins again at 0

    assert energy_of(run, 4, meter) == pytest.approx(3.5)
    with pytest.raises(InvalidValueError, match="repeats = 0"):
        energy_of(run, 0, meter)


def test_where_nothing_can_be_read_there_is_no_meter(tmp_path: Path) -> None:
    assert find_meter(tmp_path / "absent") is None
    assert find_meter(tmp_path) is None
    (counter,) = machine(tmp_path, 7)
    assert find_meter(tmp_path) is not None
    counter.write_text("")
    assert find_meter(tmp_path) is None
    counter.unlink()  # as for a user who may not read it
    assert find_meter(tmp_path) is None
