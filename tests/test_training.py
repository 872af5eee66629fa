"""Training a block by a protocol."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from metanas.errors import InvalidFileError, UnknownNameError
from metanas.protocol import Protocol, load_protocol, protocol_names, read_protocol
from metanas.spaces import load_space
from metanas.tasks import load_task
from metanas.training import train_alone, train_block

TEXT = """
name = "tiny-v1"
block_size = 4
[network]
resolution = 8
channels = 4
[training]
examples = 192
epochs = 2
batch = 64
learning_rate = 0.1
"""


def protocol(tmp_path: Path, text: str = TEXT) -> Protocol:
    path = tmp_path / "tiny-v1.toml"
    path.write_text(text)
    return read_protocol(path)


def archs(n: int, seed: int = 0) -> list:
    space, rng = load_space("nb201"), np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(n)]


@pytest.mark.parametrize("task", ["noto_scripts", "udhr_langid"])
def test_a_block_gives_the_curve_of_each_network_trained_alone(tmp_path: Path, task: str) -> None:
    plan = protocol(
        tmp_path, TEXT + "label_smoothing = 0.1\naugmentation = {shift = 0.1, rotate = 10.0, scale = 0.1, drop = 0.1}\n"
    )
    data = load_task(task)
    chosen = archs(4)
    block = train_block(chosen, data, plan, seed=3)
    for row, arch in enumerate(chosen):
        alone = train_alone(arch, data, plan, seed=3)
        for name, curve in alone.items():
            if name.endswith("cross_entropy"):
                np.testing.assert_allclose(block[name][row], curve[0], rtol=2e-3)
            elif name != "cost/seconds":
                np.testing.assert_allclose(block[name][row], curve[0], atol=0.6)  # percent: a few examples on the edge


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(tmp_path: Path) -> None:
    plan, data, chosen = protocol(tmp_path), load_task("noto_scripts"), archs(3)
    first, again, other = (train_block(chosen, data, plan, seed=seed) for seed in (1, 1, 2))
    state = torch.random.get_rng_state()
    for name in first:
        if name != "cost/seconds":
            np.testing.assert_array_equal(first[name], again[name])
            assert (first[name] != other[name]).any()
    assert torch.equal(state, torch.random.get_rng_state())


def test_equal_functions_get_equal_curves(tmp_path: Path) -> None:
    space = load_space("nb201")
    arch = space.parse("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_1x1~2|")
    curves = train_block([arch, space.canonical(arch)], load_task("noto_scripts"), protocol(tmp_path), seed=0)
    assert space.canonical(arch) != arch
    for name, values in curves.items():
        if name != "cost/seconds":
            np.testing.assert_array_equal(values[0], values[1])


def test_training_learns_and_seconds_grow(tmp_path: Path) -> None:
    text = TEXT.replace("examples = 192", "examples = 2000").replace("epochs = 2", "epochs = 3")
    arch = load_space("nb201").arch(6111)
    curves = train_block([arch], load_task("fashion_mnist"), protocol(tmp_path, text), seed=0)
    assert curves["validation/accuracy"][0, -1] > 60
    assert curves["test/cross_entropy"][0, -1] < 1.2
    assert (np.diff(curves["cost/seconds"][0]) > 0).all()
    assert (curves["validation/accuracy"] != curves["test/accuracy"]).any()


def test_averaged_weights_are_evaluated_and_training_goes_on_as_without(tmp_path: Path) -> None:
    data, chosen = load_task("noto_scripts"), archs(2)
    last = train_block(chosen, data, protocol(tmp_path), seed=0)
    averaged = train_block(chosen, data, protocol(tmp_path, TEXT + "averaging = 0.9\n"), seed=0)
    np.testing.assert_array_equal(last["training/cross_entropy"], averaged["training/cross_entropy"])
    assert (last["validation/cross_entropy"] != averaged["validation/cross_entropy"]).all()


def test_a_diverging_training_is_not_a_number_and_disturbs_no_other(tmp_path: Path) -> None:
    plan = protocol(tmp_path, TEXT.replace("learning_rate = 0.1", "learning_rate = 1e30"))
    curves = train_block(archs(2), load_task("noto_scripts"), plan, seed=0)
    assert np.isnan(curves["validation/accuracy"][:, -1]).all()
    assert np.isnan(curves["test/cross_entropy"][:, -1]).all()
    assert np.isfinite(curves["cost/seconds"]).all()


def test_a_protocol_refuses_unknown_fields_and_names(tmp_path: Path) -> None:
    with pytest.raises(InvalidFileError, match="epoch_count"):
        protocol(tmp_path, TEXT + "epoch_count = 3\n")
    with pytest.raises(UnknownNameError, match="There is"):
        load_protocol("nothing-v1")
    for name in protocol_names():
        assert load_protocol(name).name == name


def test_protocols_are_found_in_all_places_and_an_earlier_one_hides_a_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = protocol_names()
    folder = tmp_path / "benchmark_data" / "protocols"
    folder.mkdir(parents=True)
    own = TEXT.replace(protocol(tmp_path).name, "own-v1")
    (folder / "own-v1.toml").write_text(own)
    (folder / f"{shipped[0]}.toml").write_text(TEXT)
    monkeypatch.setenv("METANAS_DATA", str(tmp_path))
    assert protocol_names() == tuple(sorted({*shipped, "own-v1"}))
    assert load_protocol("own-v1").text == own
    assert load_protocol(shipped[0]).text == TEXT
