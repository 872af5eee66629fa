"""The fused network gives the losses and gradients of the plain networks, one by one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch.nn import functional

from metanas.arch import Arch
from metanas.nets import plain
from metanas.nets.fused import FusedNetwork
from metanas.nets.fused.conv import StackedConv, StackedPool
from metanas.nets.fused.norm import StackedNorm
from metanas.nets.skeleton import Skeleton, Stage, cost
from metanas.nets.weights import initial_weights, layer_names
from metanas.spaces import Atom, Cell, Term, load_space

SHAPES = [(1, 8, 8), (3, 8, 16), (5, 32)]
BATCH = 6
CLASSES = 4


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    """Rounding is amplified by training; in double precision equality can be tested tightly over many steps."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def features_last(x: torch.Tensor) -> torch.Tensor:
    """``(batch, channels, *spatial)`` as the fused layout ``(positions * channels, batch)``."""
    return x.flatten(2).permute(2, 1, 0).reshape(-1, len(x))


def one_atom_cells() -> list[Cell]:
    inside = (Term(0, -1, 1),)
    cells = [Cell((Atom(op, inside),), (Term(0, 0, 1),)) for op in ("nor_conv_1x1", "nor_conv_3x3")]
    return [
        *cells,
        Cell((), inside),  # skip
        Cell((), ()),  # zero
        Cell((), (Term(1, -1, 1),)),  # pooling
        Cell((), (Term(0, -1, 2), Term(1, -1, 1), Term(2, -1, 3))),  # sums and repeated pooling
        Cell((Atom("nor_conv_3x3", (Term(1, -1, 2),)),), (Term(0, -1, 1), Term(1, 0, 2))),  # pooling around a conv
    ]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("extra", ["operations", "random cells"])
def test_same_losses_as_each_network_alone(shape: tuple[int, ...], extra: str) -> None:
    space, rng = load_space("nb201"), np.random.default_rng(1)
    cells = one_atom_cells() if extra == "operations" else [space.cell(space.sample(rng)) for _ in range(12)]
    skeleton = Skeleton(shape, CLASSES, channels=4, cells=2 if len(shape) == 2 else 1)
    weights = [{k: v.astype(np.float64) for k, v in initial_weights(cell, skeleton, 0).items()} for cell in cells]
    fused = FusedNetwork(cells, skeleton, weights, BATCH)
    fused.refresh()
    pairs = fused.parameters()
    stacked = [torch.nn.Parameter(weight) for weight, _ in pairs]
    for parameter, (_, grad) in zip(stacked, pairs, strict=True):
        parameter.grad = grad
    settings = {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-2}
    fused_descent = torch.optim.SGD(stacked, **settings)
    networks = [plain.PlainNetwork(cell, skeleton) for cell in cells]
    for network, own in zip(networks, weights, strict=True):
        network.load(own)
    descents = [torch.optim.SGD(network.parameters(), **settings) for network in networks]
    for _ in range(4):
        x = torch.from_numpy(rng.standard_normal((BATCH, *shape)))
        y = torch.from_numpy(rng.integers(CLASSES, size=BATCH))
        logits = fused.forward(x, training=True)
        log_probabilities = torch.log_softmax(logits, 1)
        losses = -log_probabilities.gather(1, y.expand(len(cells), 1, -1)).mean((1, 2))
        fused.backward((log_probabilities.exp() - functional.one_hot(y, CLASSES).T) / BATCH)
        fused_descent.step()
        fused.refresh()
        for network, descent, loss in zip(networks, descents, losses, strict=True):
            expected = functional.cross_entropy(network(x), y)
            descent.zero_grad()
            expected.backward()
            descent.step()
            assert loss.item() == pytest.approx(expected.item(), rel=1e-9)
    # … and the same weights and the same evaluation by running statistics at the end.
    x = torch.from_numpy(rng.standard_normal((BATCH, *shape)))
    logits = fused.forward(x, training=False)
    for number, network in enumerate(networks):
        for name, array in fused.weights(number).items():
            expected = network.layer(name).weight.detach()
            torch.testing.assert_close(torch.from_numpy(array), expected, rtol=1e-8, atol=1e-9)
        torch.testing.assert_close(logits[number].T, network.eval()(x).detach(), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("spatial", [(8, 8), (2, 2), (4, 2), (64,), (6,)], ids=str)
def test_stacked_convolution_and_its_gradients(spatial: tuple[int, ...], kernel: int) -> None:
    n, inputs, outputs = 3, 4, 4
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(n, outputs, inputs, *[kernel] * len(spatial), generator=generator, requires_grad=True)
    x = torch.randn(n, BATCH, inputs, *spatial, generator=generator, requires_grad=True)
    convolve = functional.conv1d if len(spatial) == 1 else functional.conv2d
    expected = torch.stack([convolve(x[i], weight[i], padding=kernel // 2) for i in range(n)])
    upstream = torch.randn(expected.shape, generator=generator)
    expected.backward(upstream)

    conv = StackedConv(weight.detach(), Stage(inputs, spatial))
    conv.refresh()
    flat = torch.stack([features_last(own) for own in x.detach()])
    out, grad_in = torch.empty(n, outputs * flat.shape[1] // inputs, BATCH), torch.empty_like(flat)
    conv.forward(flat, out)
    torch.testing.assert_close(out, torch.stack([features_last(own) for own in expected.detach()]))
    grad_out = torch.stack([features_last(own) for own in upstream])
    conv.backward_weight(grad_out, flat)
    conv.backward_input(grad_out, grad_in)
    torch.testing.assert_close(conv.grad, weight.grad)
    torch.testing.assert_close(grad_in, torch.stack([features_last(own) for own in x.grad]))


@pytest.mark.parametrize("spatial", [(8, 8), (2, 4), (16,)], ids=str)
def test_stacked_pooling_and_its_gradient(spatial: tuple[int, ...]) -> None:
    x = torch.randn(2, BATCH, 3, *spatial, generator=torch.Generator().manual_seed(0), requires_grad=True)
    expected = torch.stack([plain.pool(own) for own in x])
    upstream = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1))
    expected.backward(upstream)
    pool = StackedPool(Stage(3, spatial))
    flat = torch.stack([features_last(own) for own in x.detach()])
    out = torch.empty_like(flat)
    pool.forward(flat, out)
    torch.testing.assert_close(out, torch.stack([features_last(own) for own in expected.detach()]))
    pool.backward(torch.stack([features_last(own) for own in upstream]), out)
    torch.testing.assert_close(out, torch.stack([features_last(own) for own in x.grad]))


def test_stacked_norm_keeps_the_statistics_of_pytorch() -> None:
    layers = [torch.nn.BatchNorm1d(3) for _ in range(2)]
    norm = StackedNorm(2, 3, positions=5)
    for step in range(3):
        x = 2 + torch.randn(2, BATCH, 3, 5, generator=torch.Generator().manual_seed(step))
        out = torch.empty(2, 15, BATCH)
        norm.forward(torch.stack([features_last(own) for own in x]), out, training=True)
        expected = torch.stack([features_last(layer(own)) for layer, own in zip(layers, x, strict=True)])
        torch.testing.assert_close(out, expected.detach())
    torch.testing.assert_close(norm.mean, torch.stack([layer.running_mean for layer in layers]))
    torch.testing.assert_close(norm.variance, torch.stack([layer.running_var for layer in layers]))


def test_initial_weights_do_not_depend_on_the_rest_of_the_cell() -> None:
    space, skeleton = load_space("nb201"), Skeleton((1, 8, 8), 3, 4)
    small = space.parse("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|")
    large = space.parse("|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|none~0|skip_connect~1|skip_connect~2|")
    few, many = (initial_weights(space.cell(arch), skeleton, 5) for arch in (small, large))
    assert few.keys() < many.keys()
    for name, array in few.items():
        np.testing.assert_array_equal(array, many[name])
    other = initial_weights(space.cell(small), skeleton, 6)
    assert all((other[name] != array).any() for name, array in few.items())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_cost_counts_the_parameters_of_the_network(shape: tuple[int, ...]) -> None:
    space, rng = load_space("nb201"), np.random.default_rng(2)
    skeleton = Skeleton(shape, CLASSES, channels=4, cells=2)
    for _ in range(5):
        cell = space.cell(space.sample(rng))
        network = plain.PlainNetwork(cell, skeleton)
        parameters, macs = cost(cell, skeleton)
        assert parameters == sum(weight.numel() for weight in network.parameters())
        assert macs == counted_macs(network, shape)
        assert {name: tuple(network.layer(name).weight.shape) for name in layer_names(cell, skeleton)} == layer_names(
            cell, skeleton
        )


def counted_macs(network: plain.PlainNetwork, shape: tuple[int, ...]) -> int:
    total = 0

    def hook(layer: torch.nn.Module, _: object, out: torch.Tensor) -> None:
        nonlocal total
        total += layer.weight[0].numel() * out.numel()

    layers = [m for m in network.modules() if isinstance(m, torch.nn.Conv1d | torch.nn.Conv2d | torch.nn.Linear)]
    for layer in layers:
        layer.register_forward_hook(hook)
    network.eval()(torch.zeros(1, *shape))
    return total


class Literal(torch.nn.Module):
    """A cell exactly as it is written, nothing pruned: six edges, each its own operation (NAS-Bench-201's code)."""

    def __init__(self, arch: Arch, channels: int) -> None:
        super().__init__()
        self.code = arch.code
        for edge, op in enumerate(arch.code):
            if op in (2, 3):
                self.add_module(f"edge{edge}", plain.ConvNorm(2, channels, channels, 1 if op == 2 else 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        nodes = [x]
        for target in (1, 2, 3):
            total = torch.zeros_like(x)
            for edge, (node, source) in enumerate(((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))):
                op = self.code[edge]
                if node != target or op == 0:
                    continue
                value = nodes[source]
                if op == 1:
                    total = total + value
                elif op == 4:
                    total = total + plain.pool(value)
                else:
                    total = total + self.get_submodule(f"edge{edge}")(functional.relu(value))
            nodes.append(total)
        return nodes[3]


def test_members_of_a_class_are_one_function_of_the_same_weights() -> None:
    """For every class drawn: some assignment of weights to a member's edges gives the representative's output.

    The norms evaluate by fixed random statistics without shifts, so that a convolution of nothing is nothing.
    """
    space, rng = load_space("nb201"), np.random.default_rng(3)
    canonical = space.canonical_indices
    sizes = np.bincount(canonical, minlength=len(canonical))
    chosen = rng.choice(np.flatnonzero((sizes > 1) & (sizes < 60)), 40, replace=False)
    x = torch.from_numpy(rng.standard_normal((2, 3, 4, 4)))
    for representative in chosen.tolist():
        first = Literal(space.arch(representative), 3).eval()
        expected = first(x)
        weights = [(module.conv.weight, module.conv.weight.shape[-1]) for module in first.children()]
        members = np.setdiff1d(np.flatnonzero(canonical == representative), [representative])
        for member in rng.permutation(members)[:3].tolist():
            assert any_assignment_gives(space.arch(member), weights, x, expected), (representative, member)
    # A control: cells of two classes with the same operations are not the same function of any such assignment.
    chain = space.parse("|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|skip_connect~2|")
    sum_of_two = space.parse("|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|skip_connect~1|skip_connect~2|")
    network = Literal(chain, 3).eval()
    weights = [(module.conv.weight, module.conv.weight.shape[-1]) for module in network.children()]
    assert not any_assignment_gives(sum_of_two, weights, x, network(x))


def any_assignment_gives(
    arch: Arch, weights: list[tuple[torch.Tensor, int]], x: torch.Tensor, expected: torch.Tensor
) -> bool:
    """Whether some edges of the literal cell, given the weights, the rest random, give ``expected``."""
    network = Literal(arch, 3).eval()
    edges = list(network.children())
    for places in itertools.permutations(range(len(edges)), len(weights)):
        if any(edges[place].conv.weight.shape[-1] != size for place, (_, size) in zip(places, weights, strict=True)):
            continue
        with torch.no_grad():
            for place, (weight, _) in zip(places, weights, strict=True):
                edges[place].conv.weight.copy_(weight)
        if torch.allclose(network(x), expected, rtol=1e-9, atol=1e-9):
            return True
    return False
