"""What surrounds the cells of many networks: stem, reductions, head."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from metanas.nets.fused.conv import StackedConv
from metanas.nets.fused.norm import StackedNorm
from metanas.nets.skeleton import Stage


class Stem:
    """The first convolution and its norm: all networks read one input, so it is one matrix product."""

    def __init__(self, weight: Tensor, stage: Stage, batch: int) -> None:
        """Take over the weights ``(n, outputs, inputs, *kernel)``."""
        self.weight = weight
        self.grad = torch.zeros_like(weight)
        n, self.channels = weight.shape[:2]
        self.norm = StackedNorm(n, stage.channels, stage.positions)
        self._positions = stage.positions
        self.raw = torch.zeros(n, stage.positions * stage.channels, batch)
        self._product = torch.zeros(n * stage.channels, stage.positions * batch)
        self._columns = torch.empty(0)

    def forward(self, x: Tensor, out: Tensor, *, training: bool) -> None:
        """Map examples ``(batch, inputs, *spatial)`` to ``out`` ``(n, features, batch)``."""
        n, kernel, batch = len(self.weight), self.weight.shape[-1], len(x)
        images = x.unsqueeze(-2) if x.dim() == 3 else x  # a sequence is an image of one row
        size = (1, kernel) if x.dim() == 3 else (kernel, kernel)
        padding = (0, kernel // 2) if x.dim() == 3 else (kernel // 2, kernel // 2)
        unfolded = functional.unfold(images, size, padding=padding)  # (batch, inputs * taps, positions)
        self._columns = unfolded.permute(1, 2, 0).reshape(unfolded.shape[1], -1)
        torch.mm(self.weight.reshape(n * self.channels, -1), self._columns, out=self._product)
        raw = self.raw.view(n, self._positions, self.channels, batch)
        raw.copy_(self._product.view(n, self.channels, self._positions, batch).transpose(1, 2))
        self.norm.forward(self.raw, out, training=training)

    def backward(self, grad: Tensor) -> None:
        """Set the gradient of the weights from that of the output; make of ``grad`` that before the norm."""
        n, batch = len(self.weight), grad.shape[-1]
        self.norm.backward(grad, self.raw)
        product = self._product.view(n, self.channels, self._positions, batch)
        product.copy_(grad.view(n, self._positions, self.channels, batch).transpose(1, 2))
        self.grad.copy_(torch.mm(self._product, self._columns.t()).view(self.weight.shape))

    def input_gradient(self, shape: tuple[int, ...]) -> Tensor:
        """Return the gradient of the input by what the last backward pass left in ``_product``."""
        n, kernel = len(self.weight), self.weight.shape[-1]
        batch = self._product.shape[1] // self._positions
        columns = torch.bmm(
            self.weight.reshape(n, self.channels, -1).transpose(1, 2), self._product.view(n, self.channels, -1)
        )
        columns = (
            columns.view(n, -1, self._positions, batch).permute(0, 3, 1, 2).reshape(n * batch, -1, self._positions)
        )
        one = len(shape) == 2  # a sequence is an image of one row
        size, taps = ((1, shape[1]), (1, kernel)) if one else ((shape[1], shape[2]), (kernel, kernel))
        padding = (0, kernel // 2) if one else (kernel // 2, kernel // 2)
        return functional.fold(columns, size, taps, padding=padding).view(n, batch, *shape)


class Reduction:
    """2x average pooling, 1x1 convolution, batch normalization."""

    def __init__(self, weight: Tensor, before: Stage, after: Stage, batch: int) -> None:
        """Take over the weights of the reductions between two stages."""
        n = len(weight)
        self.conv = StackedConv(weight, after)
        self.norm = StackedNorm(n, after.channels, after.positions)
        self.input = torch.zeros(n, before.positions * before.channels, batch)
        self._pooled = torch.zeros(n, after.positions * before.channels, batch)
        self.raw = torch.zeros(n, after.positions * after.channels, batch)
        self._before, self._after = before, after

    def forward(self, out: Tensor, *, training: bool) -> None:
        """Map :attr:`input` to ``out``, both ``(n, features, batch)``."""
        corners = self._corners(self.input)
        pooled = self._pooled.view(corners[0].shape)
        torch.add(corners[0], corners[1], out=pooled)
        for corner in corners[2:]:
            pooled.add_(corner)
        pooled.mul_(1.0 / len(corners))
        self.conv.forward(self._pooled, self.raw)
        self.norm.forward(self.raw, out, training=training)

    def backward(self, grad: Tensor) -> Tensor:
        """Return the gradient of the input; it takes the place of the input's buffer."""
        self.norm.backward(grad, self.raw)
        self.conv.backward_weight(grad, self._pooled)
        self.conv.backward_input(grad, self._pooled)
        corners = self._corners(self.input)
        self._pooled.mul_(1.0 / len(corners))
        for corner in corners:
            corner.copy_(self._pooled.view(corner.shape))
        return self.input

    def _corners(self, x: Tensor) -> list[Tensor]:
        n, batch = len(x), x.shape[-1]
        inner = self._before.channels * batch
        if len(self._after.spatial) == 1:
            pairs = x.view(n, self._after.spatial[0], 2, inner)
            return [pairs[:, :, offset] for offset in range(2)]
        height, width = self._after.spatial
        squares = x.view(n, height, 2, width, 2, inner)
        return [squares[:, :, row, :, column] for row in range(2) for column in range(2)]


class Head:
    """Batch normalization, ReLU, average over positions, linear layer."""

    def __init__(self, weight: Tensor, stage: Stage, batch: int) -> None:
        """Take over the weights ``(n, n_classes, features)`` of the linear layers."""
        n = len(weight)
        self.weight = weight
        self.bias = torch.zeros(n, weight.shape[1], 1)
        self._grads = (torch.zeros_like(weight), torch.zeros_like(self.bias))
        self.norm = StackedNorm(n, stage.channels, stage.positions)
        self.input = torch.zeros(n, stage.positions * stage.channels, batch)
        self.active = torch.zeros_like(self.input)
        self._grad = torch.zeros_like(self.input)
        self._features = torch.zeros(n, stage.channels, batch)
        self._positions = stage.positions

    def parameters(self) -> list[tuple[Tensor, Tensor]]:
        """Return weight and bias of the linear layers with their gradients."""
        return [(self.weight, self._grads[0]), (self.bias, self._grads[1])]

    def forward(self, *, training: bool) -> Tensor:
        """Return the logits ``(n, n_classes, batch)`` of :attr:`input`."""
        self.norm.forward(self.input, self.active, training=training)
        self.active.relu_()
        n, channels, batch = self._features.shape
        torch.mean(self.active.view(n, self._positions, channels, batch), 1, out=self._features)
        return torch.baddbmm(self.bias, self.weight, self._features)

    def backward(self, grad: Tensor) -> Tensor:
        """Return the gradient of the input."""
        torch.bmm(grad, self._features.transpose(1, 2), out=self._grads[0])
        torch.sum(grad, -1, keepdim=True, out=self._grads[1])
        features = torch.bmm(self.weight.transpose(1, 2), grad).mul_(1.0 / self._positions)
        n, channels, batch = features.shape
        self._grad.view(n, self._positions, channels, batch).copy_(features.unsqueeze(1))
        torch.ops.aten.threshold_backward.grad_input(self._grad, self.active, 0, grad_input=self._grad)
        self.norm.backward(self._grad, self.input)
        return self._grad
