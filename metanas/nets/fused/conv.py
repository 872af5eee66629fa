"""Convolutions and poolings of many networks."""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metanas.nets.fused import kernels
from metanas.nets.skeleton import Stage

Positions = NDArray[np.uint32]


class Wiring(NamedTuple):
    """Which positions of the input each position of the output reads, and by which tap of the kernel.

    Three times the same triples (source, target, tap), sorted by target, by source, by tap; ``*_starts`` say where the
    triples of one target, source, tap begin.
    """

    target_starts: NDArray[np.int64]
    target_sources: Positions
    target_taps: Positions
    source_starts: NDArray[np.int64]
    source_targets: Positions
    source_taps: Positions
    tap_starts: NDArray[np.int64]
    tap_sources: Positions
    tap_targets: Positions


class StackedConv:
    """``n`` convolutions of stride 1 with weights of their own, each on an input of its own.

    Activations are ``(n, positions * channels, batch)``, features ordered ``(position, channel)``.

    Attributes:
        weight: ``(n, outputs, inputs, *kernel)``, the free weights.
        grad: gradient of ``weight``, same shape.
    """

    def __init__(self, weight: Tensor, stage: Stage) -> None:
        """Take over ``weight`` (a copy is made) for inputs of ``stage.spatial``."""
        self.weight = weight.clone()
        self.grad = torch.zeros_like(weight)
        n, outputs, inputs, *kernel = weight.shape
        taps = math.prod(kernel)
        self._wiring = wiring(stage.spatial, tuple(kernel))
        self._forward = torch.zeros(n, taps, inputs, outputs)
        self._backward = torch.zeros(n, taps, outputs, inputs)
        self._gradient = torch.zeros(n, taps, inputs, outputs)
        self._flat = (n, outputs, inputs, taps)

    def refresh(self) -> None:
        """Take note of changed weights; to be called after each change."""
        flat = self.weight.view(self._flat)
        self._forward.copy_(flat.permute(0, 3, 2, 1))
        self._backward.copy_(flat.permute(0, 3, 1, 2))

    def forward(self, x: Tensor, out: Tensor) -> None:
        """Write the convolution of ``x`` ``(n, features in, batch)`` to ``out`` ``(n, features out, batch)``."""
        wires = self._wiring
        kernels.products(
            x.numpy(), self._forward.numpy(), wires.target_starts, wires.target_sources, wires.target_taps, out.numpy()
        )

    def backward_weight(self, grad_out: Tensor, x: Tensor) -> None:
        """Set :attr:`grad` from the gradient of the output and the input of the forward pass."""
        wires = self._wiring
        kernels.outer_products(
            x.numpy(), grad_out.numpy(), wires.tap_starts, wires.tap_sources, wires.tap_targets, self._gradient.numpy()
        )
        self.grad.view(self._flat).copy_(self._gradient.permute(0, 3, 2, 1))

    def backward_input(self, grad_out: Tensor, grad_in: Tensor) -> None:
        """Write the gradient of the input to ``grad_in``."""
        wires = self._wiring
        kernels.products(
            grad_out.numpy(),
            self._backward.numpy(),
            wires.source_starts,
            wires.source_targets,
            wires.source_taps,
            grad_in.numpy(),
        )


class StackedPool:
    """3x3 (or 3) average pooling of many inputs; positions outside the input do not count.

    Pooling is separable: sums over neighbours along each axis, then a division by how many there are.
    """

    def __init__(self, stage: Stage) -> None:
        """Prepare the number of neighbours of every position of ``stage``."""
        height, width = (1, *stage.spatial)[-2:]
        self._sizes = (height, width, stage.channels)
        self._scratch = np.empty(0)
        across = np.full(width, 3.0) - (np.arange(width) == 0) - (np.arange(width) == width - 1)
        down = np.full(height, 3.0) - (np.arange(height) == 0) - (np.arange(height) == height - 1)
        self._scale: NDArray[Any] = (1.0 / (down[:, None] * across)).ravel()

    def forward(self, x: Tensor, out: Tensor) -> None:
        """Write the pooled ``x`` ``(n, features, batch)`` to ``out``."""
        self._sums(x, out, backward=False)

    def backward(self, grad_out: Tensor, grad_in: Tensor) -> None:
        """Write the gradient of the input to ``grad_in``."""
        self._sums(grad_out, grad_in, backward=True)

    def _sums(self, x: Tensor, out: Tensor, *, backward: bool) -> None:
        source = x.numpy()
        if self._scratch.shape != source.shape[1:] or self._scratch.dtype != source.dtype:
            self._scratch = np.empty_like(source[0])
        scale = self._scale.astype(source.dtype)
        ones = np.ones_like(scale)
        before, after = (scale, ones) if backward else (ones, scale)
        kernels.pool(source, *self._sizes, before, after, self._scratch, out.numpy())


@functools.cache
def wiring(spatial: tuple[int, ...], kernel: tuple[int, ...]) -> Wiring:
    """Return the wiring of a convolution of stride 1 that keeps the size ``spatial``."""
    triples = []
    for target in itertools.product(*map(range, spatial)):
        for tap in itertools.product(*map(range, kernel)):
            source = [at + shift - size // 2 for at, shift, size in zip(target, tap, kernel, strict=True)]
            if all(0 <= at < size for at, size in zip(source, spatial, strict=True)):
                own = (np.ravel_multi_index(source, spatial), np.ravel_multi_index(target, spatial))
                triples.append((*own, np.ravel_multi_index(tap, kernel)))
    sources, targets, taps = np.array(triples, dtype=np.uint32).T
    positions, n_taps = math.prod(spatial), math.prod(kernel)
    by_target, by_source, by_tap = (np.argsort(key, kind="stable") for key in (targets, sources, taps))
    return Wiring(
        _starts(targets, positions), sources[by_target], taps[by_target],
        _starts(sources, positions), targets[by_source], taps[by_source],
        _starts(taps, n_taps), sources[by_tap], targets[by_tap],
    )  # fmt: skip


def _starts(key: Positions, size: int) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(np.bincount(key, minlength=size))]).astype(np.int64)
