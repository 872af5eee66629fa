"""One architecture as an ordinary PyTorch network: the reference that the fused network must reproduce."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from metanas.nets.skeleton import Skeleton
from metanas.nets.weights import Weights
from metanas.spaces import Atom, Cell, Term

BN_EPSILON = 1e-5
BN_MOMENTUM = 0.1

_CONV = {1: nn.Conv1d, 2: nn.Conv2d}
_NORM = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d}


def pool(x: Tensor) -> Tensor:
    """Average over 3 (1-D) or 3x3 (2-D) neighbours; positions outside do not count (as in NAS-Bench-201)."""
    average = functional.avg_pool1d if x.dim() == 3 else functional.avg_pool2d
    return average(x, 3, stride=1, padding=1, count_include_pad=False)


def halve(x: Tensor) -> Tensor:
    """Average over disjoint pairs (1-D) or 2x2 squares (2-D)."""
    return functional.avg_pool1d(x, 2) if x.dim() == 3 else functional.avg_pool2d(x, 2)


class ConvNorm(nn.Module):
    """Convolution without bias, then batch normalization."""

    def __init__(self, dims: int, inputs: int, outputs: int, kernel: int) -> None:
        """Make the layers for 1-D or 2-D inputs."""
        super().__init__()
        self.conv = _CONV[dims](inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.norm = _NORM[dims](outputs, eps=BN_EPSILON, momentum=BN_MOMENTUM)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, inputs, *spatial)`` to ``(batch, outputs, *spatial)``."""
        result: Tensor = self.norm(self.conv(x))
        return result


class PlainCell(nn.Module):
    """The pruned cell: its atoms in order, then the sum of the output's terms."""

    def __init__(self, cell: Cell, dims: int, channels: int) -> None:
        """Make one ConvNorm an atom."""
        super().__init__()
        self.cell = cell
        for position, atom in enumerate(cell.atoms):
            self.add_module(f"atom{position}", ConvNorm(dims, channels, channels, _kernel(atom)))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, channels, *spatial)`` to the same shape."""
        values = [x]  # the cell's input, then the atoms
        for position, atom in enumerate(self.cell.atoms):
            inputs = _sum(atom.terms, values)
            values.append(self.get_submodule(f"atom{position}")(functional.relu(inputs)))
        return _sum(self.cell.output, values)


class PlainNetwork(nn.Module):
    """Stem, stages of cells with reductions between them, head; see :class:`~metanas.nets.skeleton.Skeleton`."""

    def __init__(self, cell: Cell, skeleton: Skeleton) -> None:
        """Make the network of one cell; its weights are PyTorch's until :meth:`load` sets them."""
        super().__init__()
        dims = len(skeleton.spatial)
        self.stem = ConvNorm(dims, skeleton.input_shape[0], skeleton.channels, skeleton.stem_kernel)
        self.body = nn.ModuleList()
        for number in range(skeleton.stages):
            channels = skeleton.stage(number).channels
            stage = nn.Module()
            if number:
                stage.add_module("reduction", ConvNorm(dims, channels // 2, channels, 1))
            for copy in range(skeleton.cells):
                stage.add_module(f"cell{copy}", PlainCell(cell, dims, channels))
            self.body.append(stage)
        self.norm = nn.BatchNorm1d(skeleton.features, eps=BN_EPSILON, momentum=BN_MOMENTUM)
        self.linear = nn.Linear(skeleton.features, skeleton.n_classes)
        self.skeleton = skeleton

    def forward(self, x: Tensor) -> Tensor:
        """Map examples ``(batch, channels, *spatial)`` to logits ``(batch, n_classes)``."""
        for step in self.steps():
            x = step(x)
        logits: Tensor = self.linear(self.final(x).mean(-1))
        return logits

    def steps(self) -> list[Callable[[Tensor], Tensor]]:
        """Return stem, cells and reductions in order; what one gives is all that the next one sees."""
        found: list[Callable[[Tensor], Tensor]] = [self.stem]
        for number, stage in enumerate(self.body):
            if number:
                found.append(partial(_reduce, stage.get_submodule("reduction")))
            found += [stage.get_submodule(f"cell{copy}") for copy in range(self.skeleton.cells)]
        return found

    def final(self, x: Tensor) -> Tensor:
        """Return what is averaged over positions, ``(batch, features, positions)``, from the last step's output."""
        return functional.relu(self.norm(x.flatten(2)))

    def load(self, weights: Weights) -> None:
        """Set convolutions and the linear layer to ``weights`` (:mod:`metanas.nets.weights`), the bias to 0."""
        with torch.no_grad():
            for name, array in weights.items():
                self.layer(name).weight.copy_(torch.from_numpy(array))  # type: ignore[operator]
            self.linear.bias.zero_()

    def layer(self, name: str) -> nn.Module:
        """Return the layer that carries the weights called ``name``, as in ``"stage1.cell0.atom2.conv"``."""
        if name == "head.linear":
            return self.linear
        head, _, rest = name.partition(".")
        return self.get_submodule(name if head == "stem" else f"body.{head.removeprefix('stage')}.{rest}")


def _reduce(conv: nn.Module, x: Tensor) -> Tensor:
    result: Tensor = conv(halve(x))
    return result


def _kernel(atom: Atom) -> int:
    return 3 if atom.op == "nor_conv_3x3" else 1


def _sum(terms: Iterable[Term], values: list[Tensor]) -> Tensor:
    total = 0.0 * values[0]
    for term in terms:
        value = values[term.source + 1]
        for _ in range(term.pools):
            value = pool(value)
        total = total + term.count * value
    return total
