from __future__ import annotations

from pathlib import Path

import pytest

from metanas.arch import Arch
from metanas.devices.lookup import ADD, LookupTable, measure_operations, read_lookup, write_lookup
from metanas.devices.setting import Setting, this_host
from metanas.errors import InvalidArchError, InvalidFileError
from metanas.spaces import load_space
from metanas.spaces.nb201 import OPS

SPACE = load_space("nb201")


def made(**operations: tuple[float, float, float]) -> LookupTable:
    return LookupTable(
        name="phone", network="nb201-standard", date="2030-01-01", rounds=3, base=100.0, setting=Setting(runtime="x"),
        host=this_host("x 1"), operations={name: (0.0, 0.0, 0.0) for name in (ADD, *OPS)} | operations,
    )  # fmt: skip


def test_latency_is_the_sum_of_the_operations() -> None:
    table = made(nor_conv_3x3=(1.0, 2.0, 4.0), none=(0.1, 0.1, 0.1), add=(0.01, 0.02, 0.03))
    cells = [
        SPACE.parse("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|nor_conv_3x3~0|none~1|avg_pool_3x3~2|"),
        SPACE.parse("|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|"),
    ]
    # Five cells a stage; in a cell, three sums.
    sums = 100 + 5 * 3 * 0.06
    assert table.latency(cells) == pytest.approx([sums + 5 * (2 * 7 + 2 * 0.3), sums])
    assert table.latency([]).shape == (0,)
    with pytest.raises(InvalidArchError):
        table.latency([Arch("nb101", (0, 0))])


@pytest.mark.parametrize("runtime", ["torch_eager", "onnxruntime"])
def test_operations_are_measured(runtime: str, tmp_path: Path) -> None:
    if runtime != "torch_eager":
        pytest.importorskip(runtime)
    table = measure_operations("here", Setting(runtime=runtime), rounds=3)
    assert set(table.operations) == {ADD, *OPS}
    assert table.operations["skip_connect"] == (0.0, 0.0, 0.0)
    assert sum(table.operations["nor_conv_3x3"]) > 0
    assert table.base > 0
    assert table.kind == "modelled"
    write_lookup(tmp_path / "here.toml", table)
    assert read_lookup(tmp_path / "here.toml") == table


def test_a_malformed_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "here.toml"
    write_lookup(path, made())
    text = path.read_text()
    path.write_text(text.replace("base =", "bass ="))
    with pytest.raises(InvalidFileError, match="bass"):
        read_lookup(path)
    path.write_text(text.replace("avg_pool_3x3 =", "max_pool_3x3 ="))
    with pytest.raises(InvalidFileError, match="must hold latencies of add and none"):
        read_lookup(path)
