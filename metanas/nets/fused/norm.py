"""Batch normalization of many networks."""

from __future__ import annotations

import torch
from torch import Tensor

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
        self._wide = torch.zeros(2, n, positions, channels)  # two vectors of channels, repeated for every position
        self._batch_mean = torch.zeros(n, channels, dtype=torch.float64)
        self._inverse_std = torch.ones(n, channels, dtype=torch.float64)

    def forward(self, z: Tensor, out: Tensor, *, training: bool) -> None:
        """Write the normalized ``z`` to ``out``; with ``training`` by the batch's statistics, which are kept."""
        if training:
            count = self.positions * z.shape[-1]
            mean = self._channel_sums(z.sum(-1)) / count
            squares = self._channel_sums(torch.linalg.vector_norm(z, dim=-1).square_())
            variance = (squares / count - mean.square()).clamp_min_(0.0)
            self._batch_mean = mean
            self._inverse_std = (variance + BN_EPSILON).rsqrt_()
            self.mean.lerp_(mean.to(self.mean.dtype), BN_MOMENTUM)
            self.variance.lerp_((variance * (count / (count - 1))).to(self.variance.dtype), BN_MOMENTUM)
            inverse_std = self._inverse_std
        else:
            mean = self.mean.double()
            inverse_std = (self.variance.double() + BN_EPSILON).rsqrt_()
        scale = self.scale * inverse_std
        shift = self.shift - scale * mean
        factors, terms = self._rows(scale, shift)
        torch.mul(z, factors, out=out)
        out.add_(terms)

    def backward(self, grad: Tensor, z: Tensor, scratch: Tensor) -> None:
        """Turn ``grad``, the gradient of the output, in place into that of ``z``; spoils ``z`` and ``scratch``."""
        count = self.positions * z.shape[-1]
        torch.mul(grad, z, out=scratch)
        sums = self._channel_sums(grad.sum(-1))
        products = self._channel_sums(scratch.sum(-1))
        scale_grad = self._inverse_std * (products - self._batch_mean * sums)
        self.shift_grad.copy_(sums)
        self.scale_grad.copy_(scale_grad)
        # The gradient of z is a * grad + b * z + c, with one a, b and c a channel.
        a = self.scale * self._inverse_std
        b = -a * self._inverse_std * scale_grad / count
        c = -a * sums / count - b * self._batch_mean
        factors, terms = self._rows(b, c)
        z.mul_(factors).add_(terms)
        factors, _ = self._rows(a, c)
        grad.mul_(factors).add_(z)

    def batch_variance(self) -> Tensor:
        """Return the variances over positions and batch in the last training pass, ``(n, channels)``, in double."""
        return (self._inverse_std.square().reciprocal() - BN_EPSILON).clamp_min(0.0)

    def _channel_sums(self, rows: Tensor) -> Tensor:
        """Sum ``(n, positions * channels)`` over the positions, in double precision."""
        return rows.view(-1, self.positions, self.channels).sum(1, dtype=torch.float64)

    def _rows(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Repeat two ``(n, channels)`` for every position: ``(n, positions * channels, 1)`` each."""
        self._wide[0].copy_(first.unsqueeze(1))
        self._wide[1].copy_(second.unsqueeze(1))
        factors, terms = self._wide.view(2, len(first), -1, 1)
        return factors, terms
