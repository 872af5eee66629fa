"""Many architectures that are scored at once on one batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from metanas.nets.fused import FusedNetwork
from metanas.nets.plain import PlainNetwork
from metanas.nets.skeleton import Skeleton
from metanas.nets.weights import Weights, initial_weights
from metanas.spaces import Cell

if TYPE_CHECKING:
    from metanas.proxies.base import Batch


class Block:
    """Networks of one skeleton, each with its own cell, and the batch that they all look at.

    Attributes:
        cells: the (pruned) cells, ``(n,)``.
        skeleton: what surrounds them.
        weights: the initial weights of each network.
        batch: the examples.
    """

    def __init__(
        self, cells: Sequence[Cell], skeleton: Skeleton, batch: Batch, *, seed: int = 0, weights: Sequence[Weights] = ()
    ) -> None:
        """Take over the arguments; the weights are those of ``seed`` (:mod:`metanas.nets.weights`) unless given."""
        self.cells = list(cells)
        self.skeleton = skeleton
        self.batch = batch
        self.weights = list(weights) or [initial_weights(cell, skeleton, seed) for cell in self.cells]
        self._fused: dict[int, FusedNetwork] = {}

    def __len__(self) -> int:
        """Return the number of networks."""
        return len(self.cells)

    def networks(self) -> Iterator[PlainNetwork]:
        """Yield each network by itself."""
        for cell, weights in zip(self.cells, self.weights, strict=True):
            network = PlainNetwork(cell, self.skeleton)
            network.load(weights)
            yield network

    def fused(self, examples: int, weights: Sequence[Weights] | None = None) -> FusedNetwork:
        """Return all networks as one, for batches of so many examples, ready for a forward pass in training mode.

        The one with the block's own weights is made once and kept: weights stay, statistics and gradients do not.
        """
        if weights is None and examples in self._fused:
            return self._fused[examples]
        network = FusedNetwork(self.cells, self.skeleton, weights or self.weights, examples)
        network.refresh()
        if weights is None:
            self._fused[examples] = network
        return network
