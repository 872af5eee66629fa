"""The examples that a score may look at, and many architectures that are scored on them at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from metanas.errors import InvalidValueError
from metanas.nets.fused import FusedNetwork
from metanas.nets.plain import PlainNetwork
from metanas.nets.skeleton import Skeleton
from metanas.nets.weights import Weights, initial_weights
from metanas.spaces import Cell


@dataclass(frozen=True, slots=True)
class Batch:
    """The examples that a score may look at.

    Attributes:
        x: examples, ``(n, channels, *spatial)``.
        y: their class numbers, int64, ``(n,)``.
        seed: decides what a score draws itself (inputs, weights), the same for every network.
    """

    x: Tensor
    y: Tensor
    seed: int = 0

    def __post_init__(self) -> None:
        """Check that there is a class for every example, and at least two."""
        if len(self.x) < 2 or self.y.shape != (len(self.x),):
            msg = f"A batch has at least two examples and a class for each; got {len(self.x)} and {len(self.y)}."
            raise InvalidValueError(msg)

    def generator(self, stream: int = 0) -> torch.Generator:
        """Return a new generator of random numbers; streams are independent of one another."""
        return torch.Generator().manual_seed(int(np.random.SeedSequence([self.seed, stream]).generate_state(1)[0]))

    def halves(self) -> tuple[Batch, Batch]:
        """Return two batches of the first and of the second half of the examples."""
        half = len(self.x) // 2
        first, second = slice(0, half), slice(half, 2 * half)
        return Batch(self.x[first], self.y[first], self.seed), Batch(self.x[second], self.y[second], self.seed)


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
