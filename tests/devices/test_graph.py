"""The standard network written as ONNX computes what the PyTorch network computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from metanas.devices.networks import ready, standard_family
from metanas.devices.runtimes import _onnx
from metanas.devices.runtimes._graph import can_write, write_onnx
from metanas.nets.nb201_standard import Pool, ReluConvNorm, Zero
from metanas.spaces import load_space

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

SPACE = load_space("nb201")
CELLS = (
    "|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_3x3~2|",
    "|skip_connect~0|+|skip_connect~0|none~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|",
    "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
)


def run(model: bytes, x: torch.Tensor) -> torch.Tensor:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return torch.from_numpy(np.asarray(session.run(None, {"x": x.numpy()})[0]))


@pytest.mark.parametrize("text", CELLS)
def test_the_graph_computes_the_network(text: str) -> None:
    network, x = ready(standard_family(), SPACE.parse(text), 2)
    model = write_onnx(network, tuple(x.shape))
    onnx.checker.check_model(model, full_check=True)
    with torch.no_grad():
        wanted = network(x)
    assert wanted.std() > 0 or "conv" not in text
    torch.testing.assert_close(run(model, x), wanted, rtol=1e-4, atol=1e-4)


def test_each_convolution_has_its_own_weights() -> None:
    """Another seed, another network: nothing of a graph is left over from the one before."""
    network, x = ready(standard_family(), SPACE.parse(CELLS[0]), 1)
    before = run(write_onnx(network, tuple(x.shape)), x)
    with torch.no_grad():
        network.body[16].edges[5].conv.weight.mul_(-1)
        wanted = network(x)
    after = run(write_onnx(network, tuple(x.shape)), x)
    torch.testing.assert_close(after, wanted, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(after, before, rtol=1e-3, atol=1e-3)


def test_parts_can_be_written_too() -> None:
    x = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    with torch.random.fork_rng(devices=[]):
        parts = nn.Sequential(ReluConvNorm(4, 4, 3), Pool(), ReluConvNorm(4, 4, 1), Zero(), nn.Identity()).eval()
    for count in range(1, len(parts) + 1):
        part = parts[:count]
        with torch.no_grad():
            torch.testing.assert_close(run(write_onnx(part, tuple(x.shape)), x), part(x), rtol=1e-4, atol=1e-5)


def test_other_networks_are_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    other = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).eval()
    assert not can_write(other)
    x = torch.randn(1, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(run(_onnx.to_onnx(other, x), x), other(x), rtol=1e-4, atol=1e-5)
    network, x = ready(standard_family(), SPACE.parse(CELLS[1]), 1)
    monkeypatch.setattr(torch.onnx, "export", None)  # the standard network needs no export
    assert _onnx.to_onnx(network, x)


def test_eight_bits_are_eight_bits() -> None:
    """Every convolution reads and gives 8-bit numbers; normalizations are folded into them; the answer is near."""
    text = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|"
    network, x = ready(standard_family(), SPACE.parse(text), 1)
    exact = write_onnx(network, tuple(x.shape))
    small = onnx.load_from_string(_onnx.quantized(exact, x, draws=2))
    made_by = {out: node.op_type for node in small.graph.node for out in node.output}
    convolutions = [node for node in small.graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 1 + 15 + 2 * 3
    assert all(made_by[name] == "DequantizeLinear" for node in convolutions for name in node.input)
    # The last normalization stands after a sum, so that no convolution can take it in.
    assert [node.op_type for node in small.graph.node].count("BatchNormalization") == 1
    wanted, found = run(exact, x), run(small.SerializeToString(), x)
    assert np.corrcoef(wanted[0], found[0])[0, 1] > 0.9
