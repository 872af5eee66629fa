"""Layers of several networks at once: every tensor has an axis of members, every member weights of its own.

Small networks on a CPU spend most of their time between operations; the members of an ensemble therefore share them.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from metanas.encodings.graphs import Graphs
from metanas.extras import require

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
else:
    torch = require("torch", "predictors", "A neural predictor")
    Tensor, nn = torch.Tensor, torch.nn


class Laid(Protocol):
    """Graphs in the form that a network reads."""

    def take(self, rows: NDArray[np.int64]) -> Laid:
        """Return the graphs of ``rows``, in that order."""


class Batch(NamedTuple):
    """What a network sees of ``n`` architectures.

    Attributes:
        graphs: their graphs, as the network lays them out.
        inputs: vectors beside the graphs, standardized, ``(n, d)``; ``d`` may be 0.
    """

    graphs: Any
    inputs: NDArray[np.float32]

    def take(self, rows: NDArray[np.int64]) -> Batch:
        """Return the architectures of ``rows``, in that order."""
        return Batch(self.graphs.take(rows), self.inputs[rows])


class Sizes(NamedTuple):
    """What the weights of a network depend on.

    Attributes:
        members: networks trained together.
        ops: different operations of vertices.
        inputs: length of the vectors beside the graphs.
    """

    members: int
    ops: int
    inputs: int


class Network(nn.Module):
    """Maps a :class:`Batch` to one number for each member and architecture, ``(members, n)``."""

    @abstractmethod
    def prepare(self, graphs: Graphs) -> Laid:
        """Lay graphs out, once for all batches that are taken of them."""


def normal(generator: torch.Generator, *shape: int, std: float) -> nn.Parameter:
    """Return weights drawn from a normal distribution."""
    return nn.Parameter(torch.randn(*shape, generator=generator, dtype=torch.float32) * std)


class Linear(nn.Module):
    """A linear map of each member."""

    def __init__(self, sizes: Sizes, width_in: int, width_out: int, generator: torch.Generator) -> None:
        """Draw weights that keep the variance; offsets are 0."""
        super().__init__()
        self.weight = normal(generator, sizes.members, width_in, width_out, std=1 / math.sqrt(max(width_in, 1)))
        self.offset = nn.Parameter(torch.zeros(sizes.members, 1, width_out, dtype=torch.float32))

    @classmethod
    def side_by_side(cls, *maps: Linear) -> Linear:
        """Return several maps of the same input as one, whose outputs lie side by side."""
        joined = cls.__new__(cls)
        nn.Module.__init__(joined)
        joined.weight = nn.Parameter(torch.cat([own.weight.detach() for own in maps], dim=-1))
        joined.offset = nn.Parameter(torch.cat([own.offset.detach() for own in maps], dim=-1))
        return joined

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(members, n, width_in)`` to ``(members, n, width_out)``."""
        return torch.baddbmm(self.offset, x, self.weight)


class Head(nn.Module):
    """Joins what was read off the graph with the vector beside it and gives one number for each architecture."""

    def __init__(self, sizes: Sizes, width_graph: int, width: int, generator: torch.Generator) -> None:
        """Make two layers, and one for the vectors where there are any."""
        super().__init__()
        self.beside = Linear(sizes, sizes.inputs, width, generator) if sizes.inputs else None
        self.inner = Linear(sizes, width_graph + (width if sizes.inputs else 0), width, generator)
        self.outer = Linear(sizes, width, 1, generator)

    def forward(self, graph: Tensor, inputs: NDArray[np.float32]) -> Tensor:
        """Map ``(members, n, width_graph)`` and ``(n, inputs)`` to ``(members, n)``."""
        if self.beside is not None:
            vectors = torch.from_numpy(inputs).expand(len(graph), -1, -1)
            graph = torch.cat([graph, nn.functional.silu(self.beside(vectors))], dim=-1)
        out: Tensor = self.outer(nn.functional.silu(self.inner(graph)))
        return out[..., 0]
