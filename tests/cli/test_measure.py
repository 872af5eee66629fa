from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from metanas.devices.setting import read_device
from metanas.tables import Table

Run = Callable[..., tuple[int, str, str]]

CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_1x1~2|"
SMALL = ("--network", "optdigits", "--rounds", 2)


def test_named_architectures_are_shown(run: Run) -> None:
    code, out, _ = run("measure", CELL, 5, *SMALL, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["cells"][0]["arch"] == CELL
    assert len(found["cells"]) == 2
    assert all(0 < cell["low"] <= cell["median"] <= cell["high"] for cell in found["cells"])
    assert found["network"] == "optdigits-v1"
    code, out, _ = run("measure", CELL, *SMALL)
    assert code == 0
    assert CELL in out


def test_calibration_writes_a_device_file(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    code, out, _ = run(
        "measure", "--calibrate", "--cells", 4, "--device", "mine", "--out", path, "--allow-drift", *SMALL
    )
    assert (code, out.splitlines()[-1]) == (0, f"Written: {path}")
    device = read_device(path)
    assert (device.name, len(device.cells), device.setting.runtime) == ("mine", 4, "torch_eager")


def test_a_table_of_drawn_classes_can_be_queried(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.h5"
    arguments = ("--pooled", 3, "--device", "mine", "--work", tmp_path / "work", "--out", path, "--allow-drift")
    code, _, _ = run("measure", *arguments, *SMALL)
    assert code == 0
    table = Table.open(path)
    assert set(table.metrics) == {f"latency/mine{ending}" for ending in ("", ".low", ".high", ".timed")}
    index = int(table.archs[1])
    code, out, _ = run("query", path, index, "--metric", "latency/mine", "--json")
    assert code == 0
    [answer] = json.loads(out)["answers"]
    assert answer["values"]["latency/mine"] == pytest.approx(table.query(index, "latency/mine"))
    assert table.provenance["drift"]["blocks"] == 1
    first = path.read_bytes()
    assert run("measure", *arguments, *SMALL)[0] == 0  # all blocks are there: the same table
    assert path.read_bytes() == first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--conv", "--calibrate"), "one of the three"),
        ((5, "--calibrate"), "one of the three"),
        ((5, "--runtime", "abacus"), "abacus"),
        ((5, "--precision", "fp8"), "runs the precisions"),
        ((5, "--network", "optdigit"), "optdigits"),
        (("|sausage~0|",), "sausage"),
        (("--pooled", 9000), "4,033 classes with pooling"),
    ],
)
def test_bad_input(run: Run, arguments: tuple[object, ...], message: str) -> None:
    code, out, error = run("measure", *arguments)
    assert code != 0
    assert out == ""
    assert message in error


def test_a_table_is_published_with_its_card(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "content"
    (place / "benchmark_data").mkdir(parents=True)
    monkeypatch.setattr("metanas.published.writable", lambda: place)
    path = tmp_path / "mine.h5"
    arguments = ("--pooled", 2, "--device", "mine", "--work", tmp_path / "work", "--out", path, "--allow-drift")
    code, _, _ = run("measure", *arguments, *SMALL, "--register")
    assert code == 0
    card = (place / "benchmark_data" / "devices" / "mine-v1.md").read_text()
    assert card.startswith("# devices/mine-v1\n")
    assert '[tables."devices/mine-v1"]' in (place / "benchmark_data" / "registry.toml").read_text()
    code, out, _ = run("tables", path, "--card")
    assert (code, out) == (0, card)
