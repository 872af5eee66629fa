"""Convolutions of many networks as batched products with Toeplitz matrices."""

from __future__ import annotations

import torch
from torch import Tensor

from metanas.nets.skeleton import Stage

_BLOCK = 32  # rows of a Toeplitz matrix that 1-D and 1x1 convolutions aim at


class StackedConv:
    """``n`` convolutions of stride 1 with weights of their own, each on an input of its own.

    Activations are ``(n, positions * channels, batch)``, features ordered ``(position, channel)``. The outputs are cut
    into blocks of positions (a row of an image, a stretch of a sequence); the outputs of a block depend on a contiguous
    slab of input features, through one matrix that is the same for all blocks but for what the border cuts off.

    Attributes:
        weight: ``(n, outputs, inputs, *kernel)``, the free weights.
        grad: gradient of ``weight``, same shape.
    """

    def __init__(self, weight: Tensor, stage: Stage) -> None:
        """Take over ``weight`` (a copy is made) for inputs of ``stage.spatial``."""
        self.weight = weight.clone()
        self.grad = torch.zeros_like(weight)
        n, outputs, inputs, *kernel = weight.shape
        spatial = stage.spatial
        if kernel[0] == 1:
            block, halo = _stretch(stage.positions, outputs), 0
        elif len(spatial) == 1:
            block, halo = _stretch(stage.positions, outputs), 1
        else:
            block, halo = spatial[1], spatial[1]  # a row, and the rows above and below
        slab = block + 2 * halo
        self.matrix = torch.zeros(n, block * outputs, slab * inputs)
        self.matrix_grad = torch.zeros_like(self.matrix)
        self._diagonals = _diagonals(self.matrix, self.weight, block, halo, spatial)
        self._grad_diagonals = _diagonals(self.matrix_grad, self.grad, block, halo, spatial)
        self._blocks: list[tuple[slice, slice, slice]] = []
        for start in range(0, stage.positions, block):
            low, high = max(0, start - halo), min(stage.positions, start + block + halo)
            cut = low - (start - halo)
            self._blocks.append(
                (
                    slice(start * outputs, (start + block) * outputs),
                    slice(low * inputs, high * inputs),
                    slice(cut * inputs, (cut + high - low) * inputs),
                )
            )

    def refresh(self) -> None:
        """Write the weights into the matrices; to be called after the weights changed."""
        for diagonal, weight in self._diagonals:
            diagonal.copy_(weight.unsqueeze(-1))

    def forward(self, x: Tensor, out: Tensor) -> None:
        """Write the convolution of ``x`` ``(n, features in, batch)`` to ``out`` ``(n, features out, batch)``."""
        for outputs, inputs, columns in self._blocks:
            torch.bmm(self.matrix[:, :, columns], x[:, inputs], out=out[:, outputs])

    def backward_weight(self, grad_out: Tensor, x: Tensor) -> None:
        """Set :attr:`grad` from the gradient of the output and the input of the forward pass."""
        self.matrix_grad.zero_()
        for outputs, inputs, columns in self._blocks:
            self.matrix_grad[:, :, columns].baddbmm_(grad_out[:, outputs], x[:, inputs].transpose(1, 2))
        for diagonal, grad in self._grad_diagonals:
            torch.sum(diagonal, -1, out=grad)

    def backward_input(self, grad_out: Tensor, grad_in: Tensor) -> None:
        """Write the gradient of the input to ``grad_in``."""
        grad_in.zero_()
        for outputs, inputs, columns in self._blocks:
            grad_in[:, inputs].baddbmm_(self.matrix[:, :, columns].transpose(1, 2), grad_out[:, outputs])


class StackedPool:
    """3x3 (or 3) average pooling of many inputs.

    Positions outside the input do not count. Pooling is separable: sums over neighbours along each axis, then a
    division by how many there are.
    """

    def __init__(self, stage: Stage) -> None:
        """Prepare the number of neighbours of every position of ``stage``."""
        self.spatial = stage.spatial
        self.channels = stage.channels
        counts = torch.ones(())
        for size in stage.spatial:
            axis = torch.full((size,), 3.0)
            axis[0] -= 1
            axis[-1] -= 1
            counts = counts.unsqueeze(-1) * axis
        self._scale = (1.0 / counts.reshape(-1, 1)).expand(-1, stage.channels).reshape(1, -1, 1).contiguous()

    def forward(self, x: Tensor, out: Tensor, scratch: Tensor) -> None:
        """Write the pooled ``x`` ``(n, features, batch)`` to ``out``; ``scratch`` has the same shape."""
        self._sums(x, out, scratch)
        out.mul_(self._scale)

    def backward(self, grad_out: Tensor, grad_in: Tensor, scratch: Tensor) -> None:
        """Write the gradient of the input to ``grad_in``; spoils ``grad_out``."""
        grad_out.mul_(self._scale)
        self._sums(grad_out, grad_in, scratch)

    def _sums(self, x: Tensor, out: Tensor, scratch: Tensor) -> None:
        n, features, batch = x.shape
        source = x
        targets = [scratch, out] if len(self.spatial) == 2 else [out]
        inner = features
        for size, target in zip(self.spatial, targets, strict=True):
            inner //= size
            outer = features // (size * inner)
            a, b = source.view(n, outer, size, inner * batch), target.view(n, outer, size, inner * batch)
            b.copy_(a)
            b[:, :, 1:].add_(a[:, :, :-1])
            b[:, :, :-1].add_(a[:, :, 1:])
            source = target


def _stretch(positions: int, channels: int) -> int:
    """Return the largest divisor of ``positions`` with at most ``_BLOCK`` features, at least 1."""
    divisors = [size for size in range(1, positions + 1) if positions % size == 0]
    return max(size for size in divisors if size * channels <= _BLOCK or size == 1)


def _diagonals(
    matrix: Tensor, weight: Tensor, block: int, halo: int, spatial: tuple[int, ...]
) -> list[tuple[Tensor, Tensor]]:
    """Return pairs of views: the diagonals of the Toeplitz matrix that hold one weight each, and that weight.

    The views have shapes ``(n, outputs, …, inputs, length)`` and ``(n, outputs, …, inputs)``.
    """
    n, outputs, inputs, *kernel = weight.shape
    if kernel[0] == 1:
        view = matrix.view(n, block, outputs, block, inputs)
        return [(view.diagonal(0, 1, 3), weight.view(n, outputs, inputs))]
    if len(spatial) == 1:
        view = matrix.view(n, block, outputs, block + 2 * halo, inputs)
        return [(view.diagonal(tap, 1, 3)[..., :block], weight[:, :, :, tap]) for tap in range(3)]
    width = spatial[1]
    view = matrix.view(n, width, outputs, 3, width, inputs)
    return [(view.diagonal(tap - 1, 1, 4), weight[:, :, :, :, tap].transpose(2, 3)) for tap in range(3)]
