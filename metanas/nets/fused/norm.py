"""Batch normalization of many networks."""

from __future__ import annotations

import torch
from torch import Tensor

from metanas.nets.fused import kernels
from metanas.nets.plain import BN_EPSILON, BN_MOMENTUM


class StackedNorm:
    """``n`` batch normalizations over positions and batch, activations ``(n, positions * channels, batch)``.

    Attributes:
        scale, shift: ``(n, channels)``, the free weights, with ``scale_grad`` and ``shift_grad``.
        mean, variance: ``(n, channels)``, running statistics, as PyTorch keeps them.
    """

    def __init__(self, n: int, channels: int, positions: int) -> None:
        """Start at scale 1 and shift 0."""
        self.channels = channels
        self.positions = positions
        self.scale = torch.ones(n, channels)
        self.shift = torch.zeros(n, channels)
        self.scale_grad = torch.zeros(n, channels)
        self.shift_grad = torch.zeros(n, channels)
        self.mean = torch.zeros(n, channels)
        self.variance = torch.ones(n, channels)
        self._batch_mean = torch.zeros(n, channels, dtype=torch.float64)
        self._inverse_std = torch.ones(n, channels, dtype=torch.float64)
        self._arrays = [own.numpy() for own in (self.scale, self.shift, self.mean, self.variance)]
        self._kept = [self._batch_mean.numpy(), self._inverse_std.numpy()]
        self._grads = [self.scale_grad.numpy(), self.shift_grad.numpy()]

    def forward(self, z: Tensor, out: Tensor, *, training: bool) -> None:
        """Write the normalized ``z`` to ``out``; with ``training`` by the batch's statistics, which are kept."""
        kernels.norm_forward(z.numpy(), *self._arrays, *self._kept, out.numpy(), training, BN_EPSILON, BN_MOMENTUM)

    def backward(self, grad: Tensor, z: Tensor) -> None:
        """Turn ``grad``, the gradient of the output, in place into that of ``z``."""
        kernels.norm_backward(grad.numpy(), z.numpy(), self._arrays[0], *self._kept, *self._grads)

    def batch_variance(self) -> Tensor:
        """Return the variances over positions and batch in the last training pass, ``(n, channels)``, in double."""
        return (self._inverse_std.square().reciprocal() - BN_EPSILON).clamp_min(0.0)
