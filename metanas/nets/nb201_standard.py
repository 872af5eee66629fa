"""The network that NAS-Bench-201 trains on cifar10: 16 channels, 5 cells a stage, residual reductions, 32x32 pixels.

Dong and Yang, "NAS-Bench-201", ICLR 2020 (arXiv:2001.00326), section 2.1 and figure 1. The stem is a 3x3 convolution
and batch normalization; between the three stages of cells stand basic residual blocks (He et al. 2016) of stride 2
whose shortcut is 2x2 average pooling and a 1x1 convolution; then batch normalization, ReLU, global average pooling and
a linear layer.

Unlike :mod:`metanas.nets.plain` this builds the cell *as it is written*, nothing pruned: dead operations are there, run
and count, as in the published parameters, multiply-accumulates and latencies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from metanas.arch import Arch
from metanas.nets.plain import BN_EPSILON, BN_MOMENTUM, pool
from metanas.nets.standard_cost import standard_cost
from metanas.nets.standard_program import CELLS, CHANNELS
from metanas.spaces.nb201 import CONV_1X1, CONV_3X3, EDGES, NONE, POOL, SKIP, SPACE

__all__ = ["StandardNetwork", "standard_cost", "standard_network"]

NODES = 4


def standard_network(arch: Arch, classes: int = 10, *, seed: int = 0) -> StandardNetwork:
    """Return the network of a cell, with initial weights by PyTorch's law drawn from ``seed`` alone.

    Args:
        arch: a cell of ``nb201``.
        classes: number of classes.
        seed: of the weights: convolutions and the linear layer from U(−1/√fan_in, 1/√fan_in), bias 0.

    Raises:
        InvalidArchError: not a cell of ``nb201``.
    """
    SPACE.check(arch)
    with torch.random.fork_rng(devices=[]):  # building layers draws weights from the global generator
        network = StandardNetwork(arch, classes)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                bound = layer.weight[0].numel() ** -0.5
                layer.weight.uniform_(-bound, bound, generator=generator)
        network.classifier.bias.zero_()
    return network


class ReluConvNorm(nn.Module):
    """ReLU, convolution without bias, batch normalization."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        """Make the layers; the padding keeps the size at stride 1."""
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
        self.norm = _norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, inputs, H, W)`` to ``(batch, outputs, H / stride, W / stride)``."""
        result: Tensor = self.norm(self.conv(functional.relu(x)))
        return result


class WrittenCell(nn.Module):
    """A cell with an operation on each of its six edges; a node is the sum of its incoming edges."""

    def __init__(self, arch: Arch, channels: int) -> None:
        """Make the operations of all edges."""
        super().__init__()
        self.edges = nn.ModuleList(operation(op, channels) for op in arch.code)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, channels, H, W)`` to the same shape."""
        nodes = [x]
        for target in range(1, NODES):
            incoming = zip(EDGES, self.edges, strict=True)
            values = [edge(nodes[source]) for (node, source), edge in incoming if node == target]
            nodes.append(sum(values[1:], start=values[0]))
        return nodes[-1]


class Zero(nn.Module):
    """The operation ``none``: zeros."""

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, channels, H, W)`` to zeros of that shape."""
        return x * 0.0


class Pool(nn.Module):
    """3x3 average pooling; positions outside do not count."""

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, channels, H, W)`` to the same shape."""
        return pool(x)


class ResidualReduction(nn.Module):
    """A basic residual block of stride 2 that doubles the channels."""

    def __init__(self, inputs: int) -> None:
        """Make the layers."""
        super().__init__()
        self.first = ReluConvNorm(inputs, 2 * inputs, 3, stride=2)
        self.second = ReluConvNorm(2 * inputs, 2 * inputs, 3)
        self.shortcut = nn.Conv2d(inputs, 2 * inputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, inputs, H, W)`` to ``(batch, 2 * inputs, H / 2, W / 2)``."""
        result: Tensor = self.second(self.first(x)) + self.shortcut(functional.avg_pool2d(x, 2))
        return result


class StandardNetwork(nn.Module):
    """The whole network; see the module's text."""

    def __init__(self, arch: Arch, classes: int) -> None:
        """Make the layers; their weights are PyTorch's."""
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, CHANNELS[0], 3, padding=1, bias=False), _norm(CHANNELS[0]))
        body: list[nn.Module] = []
        for number, channels in enumerate(CHANNELS):
            if number:
                body.append(ResidualReduction(CHANNELS[number - 1]))
            body += [WrittenCell(arch, channels) for _ in range(CELLS)]
        self.body = nn.ModuleList(body)
        self.norm = _norm(CHANNELS[-1])
        self.classifier = nn.Linear(CHANNELS[-1], classes)

    def steps(self) -> Sequence[Callable[[Tensor], Tensor]]:
        """Return stem, cells and reductions in order; what one gives is all that the next one sees."""
        return [self.stem, *self.body]

    def final(self, x: Tensor) -> Tensor:
        """Return what is averaged over positions, from the last step's output."""
        return functional.relu(self.norm(x))

    def forward(self, x: Tensor) -> Tensor:
        """Map images ``(batch, 3, 32, 32)`` to logits ``(batch, classes)``."""
        for step in self.steps():
            x = step(x)
        logits: Tensor = self.classifier(self.final(x).mean((2, 3)))
        return logits


def operation(op: int, channels: int) -> nn.Module:
    """Return what stands on an edge of a cell; its weights are PyTorch's."""
    makers: dict[int, Callable[[], nn.Module]] = {
        NONE: Zero,
        SKIP: nn.Identity,
        CONV_1X1: lambda: ReluConvNorm(channels, channels, 1),
        CONV_3X3: lambda: ReluConvNorm(channels, channels, 3),
        POOL: Pool,
    }
    return makers[op]()


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=BN_EPSILON, momentum=BN_MOMENTUM)
