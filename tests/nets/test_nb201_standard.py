"""The standard NAS-Bench-201 network: its published costs, its forward pass, its weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from metanas.arch import Arch
from metanas.errors import InvalidArchError
from metanas.nets.nb201_standard import ReluConvNorm, StandardNetwork, standard_cost, standard_network
from metanas.spaces import load_space

SPACE = load_space("nb201")


def counted_macs(network: nn.Module) -> int:
    total = 0

    def hook(layer: nn.Module, _: object, out: torch.Tensor) -> None:
        nonlocal total
        total += layer.weight[0].numel() * out.numel()

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(hook)
    with torch.no_grad():
        network.eval()(torch.zeros(1, 3, 32, 32))
    return total


def test_costs_of_all_cells_are_the_published_ones(published_tables: Path) -> None:
    with np.load(published_tables / "nb201.npz", allow_pickle=False) as arrays:
        macs, parameters = arrays["cifar10/macs_m"].astype(float), arrays["params_m_cifar10"].astype(float)
    ours = np.array([standard_cost(SPACE.arch(index)) for index in range(len(macs))])
    # The published numbers are in millions, in single precision: a unit in the last place is up to 16 operations.
    np.testing.assert_array_equal(ours[:, 0], np.round(parameters * 1e6))
    np.testing.assert_allclose(ours[:, 1], macs * 1e6, rtol=0, atol=16)


@pytest.mark.parametrize("index", np.random.default_rng(0).integers(15625, size=6).tolist())
def test_the_network_costs_what_is_stated(index: int) -> None:
    arch = SPACE.arch(index)
    network = standard_network(arch)
    assert (sum(weight.numel() for weight in network.parameters()), counted_macs(network)) == standard_cost(arch)
    network = standard_network(arch, 120)
    assert sum(weight.numel() for weight in network.parameters()) == standard_cost(arch, 120)[0]


def test_the_forward_pass_is_written_out() -> None:
    """One stage by hand: |conv3~0|+|skip~0|conv1~1|+|none~0|pool~1|skip~2|."""
    arch = SPACE.parse("|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|skip_connect~2|")
    network = standard_network(arch, seed=3)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 16, 8, 8, generator=generator)
    cell = network.body[0]
    convs = [module for module in cell.modules() if isinstance(module, ReluConvNorm)]
    assert [module.conv.kernel_size for module in convs] == [(3, 3), (1, 1)]
    one = convs[0](x)
    two = x + convs[1](one)
    pooled = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)(one)
    torch.testing.assert_close(cell(x), pooled + two)


def test_shapes_and_steps() -> None:
    network = standard_network(SPACE.arch(11)).eval()
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    shapes, value = [], x
    for step in network.steps():
        value = step(value)
        shapes.append(tuple(value.shape[1:]))
    assert shapes == [(16, 32, 32)] * 6 + [(32, 16, 16)] * 6 + [(64, 8, 8)] * 6
    torch.testing.assert_close(network.classifier(network.final(value).mean((2, 3))), network(x))


def test_weights_depend_on_the_seed_alone() -> None:
    state = torch.random.get_rng_state()
    first, again, other = (standard_network(SPACE.arch(1462), seed=seed) for seed in (5, 5, 6))
    assert torch.equal(torch.random.get_rng_state(), state)
    for a, b in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(first.classifier.weight, other.classifier.weight)
    bound = first.stem[0].weight[0].numel() ** -0.5
    assert 0.9 * bound < first.stem[0].weight.abs().max() <= bound


def test_other_architectures_are_refused() -> None:
    with pytest.raises(InvalidArchError):
        standard_network(Arch("nb101", (0, 0)))
    assert isinstance(standard_network(SPACE.arch(0)), StandardNetwork)
