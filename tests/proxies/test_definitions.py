"""Each score against its definition, computed another way."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from metanas.proxies import Batch, Block, load_proxy
from metanas.proxies.base import INPUTS, WEIGHTS
from metanas.proxies.blockwise import entropies, spectral_norms
from metanas.proxies.epe_nas import _from_jacobian as epe_from_jacobian
from metanas.proxies.gradients import loss_gradients
from metanas.proxies.jacov import _from_jacobian as jacov_from_jacobian
from metanas.proxies.zico import _score as zico_from_gradients
from metanas.spaces import Cell

CLASSES = 3
pytestmark = pytest.mark.usefixtures("double")


class Chain(nn.Module):
    """Steps in a row, then the mean over positions and a linear layer."""

    def __init__(self, *steps: nn.Module, features: int) -> None:
        super().__init__()
        self.chain = nn.ModuleList(steps)
        self.linear = nn.Linear(features, CLASSES)

    def steps(self) -> Sequence[Callable[[Tensor], Tensor]]:
        return list(self.chain)

    def final(self, x: Tensor) -> Tensor:
        return x.flatten(2)

    def forward(self, x: Tensor) -> Tensor:
        for step in self.chain:
            x = step(x)
        return self.linear(self.final(x).mean(-1))


def tiny(seed: int = 0) -> Chain:
    """A small network without norms, smooth enough for differences."""
    network = Chain(nn.Conv2d(2, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 3, 1, bias=False), features=3)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator))
    return network


def loss(network: nn.Module, batch: Batch) -> float:
    with torch.no_grad():
        return float(functional.cross_entropy(network(batch.x), batch.y))


def weights_of(network: Chain) -> list[Tensor]:
    return [network.chain[0].weight, network.chain[2].weight, network.linear.weight]


def test_snip_is_the_change_of_the_loss_when_connections_shrink(make_batch: Callable[..., Batch]) -> None:
    network, batch, h = tiny(), make_batch((2, 5, 5)), 1e-5
    total = 0.0
    with torch.no_grad():
        for weight in weights_of(network):
            flat = weight.view(-1)
            for place in range(len(flat)):
                value = flat[place].clone()
                flat[place] = value * (1 + h)
                above = loss(network, batch)
                flat[place] = value * (1 - h)
                total += abs(above - loss(network, batch)) / (2 * h)
                flat[place] = value
    assert load_proxy("snip")(network, batch) == pytest.approx(total, rel=1e-6)


def test_plain_is_the_change_of_the_loss_when_all_weights_shrink(make_batch: Callable[..., Batch]) -> None:
    network, batch, h = tiny(), make_batch((2, 5, 5)), 1e-5
    losses = []
    for factor in (1 + h, (1 - h) / (1 + h)):
        with torch.no_grad():
            for weight in weights_of(network):
                weight.mul_(factor)
        losses.append(loss(network, batch))
    assert load_proxy("plain")(tiny(), batch) == pytest.approx((losses[0] - losses[1]) / (2 * h), rel=1e-6)


def test_plain_sees_only_the_linear_layer_behind_norms(
    make_block: Callable[..., Block], some_cells: Callable[[int], list[Cell]]
) -> None:
    block = make_block(some_cells(1)[2:])
    (network,) = block.networks()
    pairs = loss_gradients(network.train(), block.batch)
    own = [float((weight.detach() * grad).sum()) for weight, grad in pairs]
    assert load_proxy("plain")(network, block.batch) == pytest.approx(own[-1], rel=1e-2)  # the norms' epsilon


def test_grad_norm_adds_the_norms_of_layers(make_batch: Callable[..., Batch]) -> None:
    network, batch = tiny(), make_batch((2, 5, 5))
    functional.cross_entropy(network(batch.x), batch.y).backward()
    expected = sum(float(weight.grad.norm()) for weight in weights_of(network))
    assert load_proxy("grad_norm")(tiny(), batch) == pytest.approx(expected)


def test_grasp_is_the_change_of_the_gradient_along_itself(make_batch: Callable[..., Batch]) -> None:
    network, batch, h = tiny(), make_batch((2, 5, 5)), 1e-5
    weights = weights_of(network)
    start = [weight.detach().clone() for weight in weights]
    gradient = [grad.clone() for _, grad in loss_gradients(network, batch)]
    moved = []
    for sign in (1, -1):
        with torch.no_grad():
            for weight, value, grad in zip(weights, start, gradient, strict=True):
                weight.copy_(value + sign * h * grad)
        moved.append([grad.clone() for _, grad in loss_gradients(network, batch)])
    product = [(plus - minus) / (2 * h) for plus, minus in zip(*moved, strict=True)]
    expected = -sum(float((value * own).sum()) for value, own in zip(start, product, strict=True))
    assert load_proxy("grasp")(tiny(), batch) == pytest.approx(expected, rel=1e-6)


def test_fisher_example_by_example(make_batch: Callable[..., Batch]) -> None:
    network, batch = tiny(), make_batch((2, 5, 5), 4)
    first, second, last = network.chain[0], network.chain[2], network.linear
    total = 0.0
    for x, y in zip(batch.x, batch.y, strict=True):
        a = first(x[None])
        b = second(torch.tanh(a))
        c = last(b.flatten(2).mean(-1))
        grads = torch.autograd.grad(functional.cross_entropy(c, y[None]), (a, b, c))
        for values, grad, layer in zip((a, b, c), grads, (first, second, last), strict=True):
            per_channel = (values.detach() * grad).reshape(values.shape[1], -1).sum(1)
            total += float((0.5 * per_channel.square()).sum()) * layer.weight[0].numel() / len(batch.x)
    assert load_proxy("fisher")(tiny(), batch) == pytest.approx(total)


def test_synflow_of_a_chain_is_layers_times_flow(make_batch: Callable[..., Batch]) -> None:
    network = Chain(nn.Conv2d(2, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 3, 1), features=3)
    product = network.linear.weight.abs()
    for layer in (network.chain[2], network.chain[0]):
        product = product @ layer.weight.abs().flatten(1)
    expected = math.log(3 * float(product.detach().sum()))
    assert load_proxy("synflow")(network, make_batch((2, 5, 5))) == pytest.approx(expected)


def test_synflow_of_a_deep_network_does_not_overflow(make_batch: Callable[..., Batch]) -> None:
    depth = 400
    layers = [nn.Conv2d(2, 2, 1, bias=False) for _ in range(depth)]
    for layer in layers:
        nn.init.constant_(layer.weight, 1e3)
    network = Chain(*layers, features=2)
    nn.init.constant_(network.linear.weight, 1.0)
    expected = math.log(depth + 1) + depth * math.log(2e3) + math.log(2 * CLASSES)
    assert expected > 3000  # beyond exp(709), the largest double
    assert load_proxy("synflow")(network, make_batch((2, 3, 3))) == pytest.approx(expected)


def test_jacov_of_known_correlations() -> None:
    k = 1e-5
    same = torch.randn(1, 40, generator=torch.Generator().manual_seed(0)).expand(5, -1)
    expected = -sum(math.log(v + k) + 1 / (v + k) for v in (5.0, 0.0, 0.0, 0.0, 0.0))
    assert jacov_from_jacobian(same) == pytest.approx(expected, rel=1e-6)
    apart = torch.eye(8).repeat_interleave(2, 1) - torch.eye(8).repeat_interleave(2, 1).roll(1, 1)
    pairs = apart[::2]  # rows without common support and with mean 0: uncorrelated
    assert jacov_from_jacobian(pairs) == pytest.approx(-4 * (math.log(1 + k) + 1 / (1 + k)))
    assert math.isnan(jacov_from_jacobian(torch.ones(4, 10)))


def test_epe_nas_by_hand() -> None:
    rng = np.random.default_rng(0)
    jacobian, y, k = rng.standard_normal((7, 30)), np.array([0, 1, 0, 1, 2, 0, 1]), 1e-5
    each = [np.log(np.abs(np.atleast_2d(np.corrcoef(jacobian[y == c]))) + k).sum() for c in range(3)]
    rows, labels = torch.from_numpy(jacobian), torch.from_numpy(y)
    assert epe_from_jacobian(rows, labels, 3) == pytest.approx(sum(map(abs, each)))
    divided = [value / (y == c).sum() for c, value in enumerate(each)]
    expected = sum(abs(a - b) for a, b in itertools.combinations(divided, 2)) / 3
    assert epe_from_jacobian(rows, labels, 101) == pytest.approx(expected)


def test_naswot_counts_agreements() -> None:
    network = Chain(nn.Conv2d(1, 3, 1), nn.ReLU(), nn.Conv2d(3, 2, 1), nn.ReLU(), features=2)
    batch = Batch(torch.randn(4, 1, 3, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 0]))
    first = network.chain[0](batch.x)
    second = network.chain[2](first.relu())
    codes = torch.cat([(first > 0).flatten(1), (second > 0).flatten(1)], 1).numpy()
    kernel = np.array([[codes.shape[1] - (a != b).sum() for b in codes] for a in codes])
    sign, expected = np.linalg.slogdet(kernel)
    assert sign > 0  # with these weights; with some, two examples are on the same side of every ReLU
    assert load_proxy("naswot")(network, batch) == pytest.approx(expected)
    twice = Batch(batch.x[[0, 0, 1, 2]], batch.y)
    assert math.isnan(load_proxy("naswot")(network, twice))


def test_zen_undoes_the_normalization(make_batch: Callable[..., Batch]) -> None:
    """With one channel, normalization and its undoing cancel but for the change of the statistics by the noise."""
    chain = [nn.Conv2d(1, 1, 1, bias=False), nn.Tanh(), nn.Conv2d(1, 1, 3, bias=False)]
    batch = make_batch((1, 8, 8), 32)
    plain = load_proxy("zen")(Chain(*chain, features=1), batch)
    normed = load_proxy("zen")(Chain(*chain, nn.BatchNorm2d(1), features=1), batch)
    assert normed == pytest.approx(plain, abs=0.01)
    # A linear function: E |f(x) − f(x + αε)| is α |w| E Σ |ε| over 64 positions.
    linear = Chain(nn.Conv2d(1, 1, 1, bias=False), features=1)
    generator = batch.generator(INPUTS)
    noise = [torch.randn(32, 1, 8, 8, generator=generator, dtype=torch.float64) for _ in range(2)][1]
    weight = torch.randn(1, generator=batch.generator(WEIGHTS), dtype=torch.float64)
    expected = math.log(0.01 * float(weight.abs()) * float(noise.abs().flatten(1).sum(1).mean()))
    assert load_proxy("zen")(linear, batch) == pytest.approx(expected)


def test_zico_by_hand() -> None:
    first = [torch.tensor([3.0, -1.0, 0.0]), torch.tensor([2.0])]
    second = [torch.tensor([1.0, 3.0, 0.0]), torch.tensor([-2.0])]
    # Sizes (3, 1): mean 2, deviation 1; (1, 3): the same; (0, 0): dead; (2, 2): deviation 0, so 1e-3 of the mean.
    expected = math.log(2.0 + 2.0) + math.log(1e3)
    assert zico_from_gradients(zip(first, second, strict=True)) == pytest.approx(expected)
    assert math.isnan(zico_from_gradients([(torch.zeros(3), torch.zeros(3))]))


class Scale(nn.Module):
    """x -> factor * x."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


class First(nn.Module):
    """Only the first channel."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.tensor([1.0, 0.0, 0.0, 0.0]).view(1, 4, 1, 1)


def test_entropy_of_features(make_batch: Callable[..., Batch]) -> None:
    batch = make_batch((4, 8, 8), 64)
    network = Chain(Scale(1.0), Scale(3.0), First(), Scale(0.0), features=4)
    even, still_even, one, none = entropies(network, batch)
    assert even == pytest.approx(math.log(4), abs=1e-3)  # white noise in four channels
    assert still_even == pytest.approx(even)
    assert abs(one) < 1e-6
    assert none == 0.0
    assert load_proxy("az_expressivity")(network, batch) == pytest.approx(even + still_even + one)
    assert load_proxy("az_progressivity")(network, batch) == pytest.approx(one - still_even)


def test_spectral_norms_of_steps(make_batch: Callable[..., Batch]) -> None:
    batch = make_batch((4, 8, 8), 64)
    network = Chain(Scale(1.0), Scale(3.0), nn.AvgPool2d(2), Scale(0.0), features=4)
    three, quarter, none = spectral_norms(network, batch)
    assert three == pytest.approx(3.0, rel=0.1)  # the estimate's noise, 1 / √(positions)
    assert quarter == pytest.approx(0.5, rel=0.1)  # four merged positions, a quarter each: √(4 / 16)
    assert none == 0.0
    expected = sum(2 - v - 1 / (v + 1e-6) for v in (three, quarter, none)) / 3
    assert load_proxy("az_trainability")(network, batch) == pytest.approx(expected)
    assert math.isnan(load_proxy("az_trainability")(Chain(Scale(1.0), Scale(1.0), features=4), batch))
