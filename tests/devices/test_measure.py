from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from metanas.devices.measure import DriftError, check_drift, drift_of, measure
from metanas.devices.networks import ready, small_family, standard_family
from metanas.devices.reference import device_file, reference_cells
from metanas.devices.runtimes import load_runtime, runtime_names
from metanas.devices.setting import Setting, read_device, write_device
from metanas.errors import InvalidFileError, InvalidValueError, UnknownNameError
from metanas.nets.skeleton import Skeleton
from metanas.spaces import load_space

SPACE = load_space("nb201")
SMALL = small_family("small", Skeleton((1, 8, 8), 10, 4, stem_kernel=1))
BUSY = SPACE.index(
    SPACE.parse("|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|")
)
IDLE = SPACE.index(SPACE.parse("|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"))


@pytest.mark.parametrize("name", runtime_names())
def test_every_runtime_computes_the_network(name: str) -> None:
    runtime = load_runtime(name)
    network, example = ready(SMALL, SPACE.arch(BUSY), 2)
    with torch.no_grad():
        wanted = network(example)
    found = runtime.prepare(network, example, 1, "fp32")()
    found = found if isinstance(found, torch.Tensor) else torch.from_numpy(np.asarray(next(iter(_values(found)))))
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    assert runtime.version()


def _values(found: object) -> list[object]:
    return list(found.values()) if hasattr(found, "values") else list(found)  # type: ignore[call-overload]


def test_signals_are_of_ordinary_size() -> None:
    """With batch normalization at its initial statistics the outputs would be denormal, and denormals are slow."""
    network, example = ready(standard_family(), SPACE.arch(BUSY), 1)
    seen: list[float] = []
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(lambda _, inputs, out: seen.append(float(out.abs().mean())))
    with torch.no_grad():
        network(example)
    assert min(seen) > 1e-3
    assert max(seen) < 1e3


def test_a_larger_network_takes_longer(tmp_path: Path) -> None:
    found = measure(SPACE, [BUSY, IDLE], SMALL, Setting(runtime="torch_eager"), tmp_path, anchor=IDLE, rounds=5)
    busy, idle = found["median"]
    assert busy > idle > 0
    assert (found["low"] <= found["median"]).all()
    assert (found["median"] <= found["high"]).all()
    assert found["anchor"].shape == (1,)


def test_finished_blocks_are_not_measured_again(tmp_path: Path) -> None:
    setting, cells = Setting(runtime="torch_eager"), np.arange(0, 15625, 4000)
    done: list[int] = []
    first = measure(SPACE, cells, SMALL, setting, tmp_path, anchor=0, rounds=2, block=3, report=done.append)
    assert done == [3, 4]
    (tmp_path / "block-0001.npz").unlink()
    second = measure(SPACE, cells, SMALL, setting, tmp_path, anchor=0, rounds=2, block=3)
    np.testing.assert_array_equal(first["timed"][:3], second["timed"][:3])
    levels = [
        found["median"] * np.repeat(found["anchor"], [3, 1]) / np.median(found["anchor"]) for found in (first, second)
    ]
    np.testing.assert_allclose(levels[0][:3], levels[1][:3])
    with pytest.raises(InvalidFileError, match="other architectures"):
        measure(SPACE, cells[::-1], SMALL, setting, tmp_path, anchor=0, rounds=2, block=3)
    (tmp_path / "block-0000.npz").write_bytes(b"cut short")
    with pytest.raises(InvalidFileError, match="no block of measurements"):
        measure(SPACE, cells, SMALL, setting, tmp_path, anchor=0, rounds=2, block=3)


def test_threads_are_given_back(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    measure(SPACE, [IDLE], SMALL, Setting(runtime="torch_eager", threads=before + 1), tmp_path, anchor=IDLE, rounds=1)
    assert torch.get_num_threads() == before


def test_drift_is_recorded_and_too_much_of_it_refused() -> None:
    drift = drift_of("cell", np.array([1.0, 1.02, 1.3]))
    assert (drift.least, drift.median, drift.greatest, drift.blocks) == (1.0, 1.02, 1.3, 3)
    with pytest.raises(DriftError, match=r"1\.000 to 1\.300 ms \(27 % off its median\)"):
        check_drift(drift)
    check_drift(drift, most=0.3)


def test_what_cannot_be_measured_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError):
        load_runtime("abacus")
    with pytest.raises(InvalidValueError, match="runs the precisions fp32, but got 'int8'"):
        load_runtime("torchscript", "int8")
    with pytest.raises(InvalidValueError, match="Different architectures"):
        measure(SPACE, [3, 3], SMALL, Setting(runtime="torch_eager"), tmp_path, anchor=3)


def test_a_device_file_can_be_read_again(tmp_path: Path) -> None:
    cells = reference_cells(SPACE, 3)
    np.testing.assert_array_equal(cells, reference_cells(SPACE, 3))
    setting = Setting(runtime="torch_eager", batch=2)
    device = device_file("my-laptop", SPACE, cells, SMALL, setting, tmp_path / "work", rounds=2)
    assert setting.name == "torch-eager-t1-b2-fp32"
    write_device(tmp_path / "my.toml", device)
    assert read_device(tmp_path / "my.toml") == device
    assert [SPACE.index(SPACE.parse(cell.arch)) for cell in device.cells] == cells.tolist()
    text = (tmp_path / "my.toml").read_text()
    (tmp_path / "my.toml").write_text(text.replace("median =", "meridian ="))
    with pytest.raises(InvalidFileError, match="meridian"):
        read_device(tmp_path / "my.toml")
