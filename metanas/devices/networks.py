"""The networks whose latency is measured: the standard one of NAS-Bench-201, and the small ones of our tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from metanas.arch import Arch
from metanas.nets.nb201_standard import ResidualReduction, StandardNetwork, standard_network
from metanas.nets.plain import PlainNetwork
from metanas.nets.skeleton import Skeleton
from metanas.nets.weights import initial_weights
from metanas.spaces import load_space
from metanas.spaces.nb201 import EDGES

STANDARD = "nb201-standard"
_WARM = 8  # examples that set the statistics of batch normalization


@dataclass(frozen=True)
class Family:
    """Networks that are measured together.

    Attributes:
        name: what they are called, ``"nb201-standard"`` or the task's name.
        shape: of one example, ``(C, H, W)`` or ``(C, L)``.
        make: builds the network of an architecture, with random weights; see :func:`settled`. Who measures must not
            alter it, so that one network can be measured in many ways.
        as_written: whether dead operations run too; else the pruned cell is built.
    """

    name: str
    shape: tuple[int, ...]
    make: Callable[[Arch], nn.Module]
    as_written: bool


def standard_family() -> Family:
    """Return the networks that NAS-Bench-201 trains on cifar10, cells as written: those of the published latencies."""
    shape = (3, 32, 32)
    return Family(STANDARD, shape, lambda arch: settled(standard_network(arch), shape), as_written=True)


def small_family(name: str, skeleton: Skeleton) -> Family:
    """Return the networks of a table of ours: the pruned cell in the skeleton of its protocol."""

    def make(arch: Arch) -> nn.Module:
        cell = load_space(arch.space).cell(arch)
        network = PlainNetwork(cell, skeleton)
        network.load(initial_weights(cell, skeleton, 0))
        return settled(network, skeleton.input_shape)

    return Family(name, skeleton.input_shape, make, as_written=False)


def without_cells() -> StandardNetwork:
    """Return stem, reductions and head of the standard network: what is the same for all cells."""
    network = standard_network(Arch("nb201", (0,) * len(EDGES)))
    network.body = nn.ModuleList(part for part in network.body if isinstance(part, ResidualReduction))
    settled(network, (3, 32, 32))
    return network


class SelfSum(nn.Module):
    """The sum of two edges of a cell, to be measured by itself: of one tensor with itself."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(batch, C, H, W)`` to the same shape."""
        return x + x


def ready(family: Family, arch: Arch, batch: int) -> tuple[nn.Module, torch.Tensor]:
    """Return a network in evaluation mode, and an example to run it on, ``(batch, *shape)``."""
    example = torch.randn((batch, *family.shape), generator=torch.Generator().manual_seed(1))
    return family.make(arch), example


def settled(network: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    """Return the network in evaluation mode, with the statistics of batch normalization set by one pass of noise.

    With the initial ones (0 and 1) the signal shrinks from layer to layer until it is denormal, and denormal numbers
    are an order of magnitude slower on CPUs: one would measure an accident of untrained networks.

    Args:
        network: to be settled.
        shape: of one example.
    """
    norms = [layer for layer in network.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.momentum = 1.0  # the statistics of this pass alone
    network.train()
    with torch.no_grad():
        network(torch.randn((_WARM, *shape), generator=torch.Generator().manual_seed(0)))
    return network.eval()
