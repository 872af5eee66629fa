"""K whole networks as one, with its own forward and backward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from metanas.nets.fused.cell import FusedCell
from metanas.nets.fused.conv import StackedConv
from metanas.nets.fused.norm import StackedNorm
from metanas.nets.skeleton import Skeleton, Stage
from metanas.nets.weights import Weights
from metanas.spaces import Cell


class FusedNetwork:
    """K networks of one skeleton that see the same batches, each with its own cell and weights.

    The loss and every gradient of a network are those of :class:`~metanas.nets.plain.PlainNetwork` alone.
    """

    def __init__(self, cells: Sequence[Cell], skeleton: Skeleton, weights: Sequence[Weights], batch: int) -> None:
        """Make the networks of ``cells`` with initial ``weights``, for batches of exactly ``batch`` examples."""
        self.n = len(cells)
        self.batch = batch
        self.skeleton = skeleton
        stages = [skeleton.stage(number) for number in range(skeleton.stages)]
        largest = max(_widest(cells) * stage.positions * stage.channels for stage in stages)
        scratch = torch.zeros(largest * batch)
        self._stem = _Stem(_stack(weights, "stem.conv"), stages[0], batch, scratch)
        self._reductions: list[_Reduction] = []
        self.cells: list[list[FusedCell]] = []
        for number, stage in enumerate(stages):
            if number:
                stacked = _stack(weights, f"stage{number}.reduction.conv")
                self._reductions.append(_Reduction(stacked, stages[number - 1], stage, batch, scratch))
            row = []
            for copy in range(skeleton.cells):
                prefix = f"stage{number}.cell{copy}.atom"

                def weight(network: int, atom: int, prefix: str = prefix) -> Tensor:
                    return torch.from_numpy(weights[network][f"{prefix}{atom}.conv"])

                row.append(FusedCell(cells, stage, batch, weight, scratch))
            self.cells.append(row)
        self._head = _Head(_stack(weights, "head.linear"), stages[-1], batch)

    def parameters(self) -> list[tuple[Tensor, Tensor]]:
        """Return all free weights with their gradients; the first axis of each is the network or the atom."""
        convs, norms = self._layers()
        pairs = [(conv.weight, conv.grad) for conv in convs]
        for norm in norms:
            pairs += [(norm.scale, norm.scale_grad), (norm.shift, norm.shift_grad)]
        return [*pairs, *self._head.parameters(), (self._stem.weight, self._stem.grad)]

    def statistics(self) -> list[Tensor]:
        """Return the running means and variances of all batch normalizations."""
        return [values for norm in self._layers()[1] for values in (norm.mean, norm.variance)]

    def refresh(self) -> None:
        """Take note of changed weights."""
        for conv in self._layers()[0]:
            conv.refresh()

    def forward(self, x: Tensor, *, training: bool) -> Tensor:
        """Return the logits ``(n, n_classes, batch)`` of examples ``(batch, channels, *spatial)``."""
        first = self.cells[0][0]
        self._stem.forward(x, first.values[: self.n], training=training)
        flat = [cell for row in self.cells for cell in row]
        for number, row in enumerate(self.cells):
            for copy, cell in enumerate(row):
                position = number * self.skeleton.cells + copy
                if copy + 1 < len(row):
                    cell.forward(flat[position + 1].values[: self.n], training=training)
                elif number + 1 < len(self.cells):
                    reduction = self._reductions[number]
                    cell.forward(reduction.input, training=training)
                    reduction.forward(flat[position + 1].values[: self.n], training=training)
                else:
                    cell.forward(self._head.input, training=training)
        return self._head.forward(training=training)

    def backward(self, grad: Tensor) -> None:
        """Set all gradients from that of the logits ``(n, n_classes, batch)`` of the last training forward pass."""
        grad = self._head.backward(grad)
        for number in reversed(range(len(self.cells))):
            for cell in reversed(self.cells[number]):
                cell.backward(grad)
                grad = cell.grads[: self.n]
            if number:
                grad = self._reductions[number - 1].backward(grad)
        self._stem.backward(grad)

    def weights(self, network: int) -> dict[str, NDArray[np.float32]]:
        """Return the present convolution and linear weights of one network, named as in ``metanas.nets.weights``."""
        return {name: weight.numpy().copy() for name, (weight, _) in self.layers(network).items()}

    def layers(self, network: int) -> dict[str, tuple[Tensor, Tensor]]:
        """Return views of the convolution and linear weights of one network and of their gradients, by name."""
        weight, grad = self._head.parameters()[0]
        found = {
            "stem.conv": (self._stem.weight[network], self._stem.grad[network]),
            "head.linear": (weight[network], grad[network]),
        }
        for number, reduction in enumerate(self._reductions, start=1):
            found[f"stage{number}.reduction.conv"] = (reduction.conv.weight[network], reduction.conv.grad[network])
        for number, row in enumerate(self.cells):
            for copy, cell in enumerate(row):
                for atom, (conv, _, place) in cell.atoms[network].items():
                    found[f"stage{number}.cell{copy}.atom{atom}.conv"] = (conv.weight[place], conv.grad[place])
        return found

    def batch_variances(self, network: int) -> list[Tensor]:
        """Return the variances ``(channels,)`` that every norm of one network saw in the last training pass."""
        norms = [(norm, network) for norm in (self._stem.norm, self._head.norm)]
        norms += [(reduction.norm, network) for reduction in self._reductions]
        for cell in (cell for row in self.cells for cell in row):
            norms += [(norm, place) for _, norm, place in cell.atoms[network].values()]
        return [norm.batch_variance()[place] for norm, place in norms]

    def final(self) -> Tensor:
        """Return what the last forward pass averaged over positions, ``(n, features, batch)``: a buffer."""
        return self._head.active

    def activations(self) -> Iterator[tuple[list[int], Tensor]]:
        """Yield the outputs of all ReLUs in the last forward pass, ``(m, features, batch)``, and whose they are.

        Whose: the network of each of the ``m`` rows. The tensors are buffers of the network.
        """
        for row in self.cells:
            for cell in row:
                yield from cell.activations()
        yield list(range(self.n)), self._head.active

    def input_gradient(self) -> Tensor:
        """Return the gradients of the input after :meth:`backward`, ``(n, batch, channels, *spatial)``."""
        return self._stem.input_gradient(self.skeleton.input_shape)

    def _layers(self) -> tuple[list[StackedConv], list[StackedNorm]]:
        cells = [cell for row in self.cells for cell in row]
        convs = [conv for cell in cells for conv in cell.convs] + [reduction.conv for reduction in self._reductions]
        norms = [norm for cell in cells for norm in cell.norms] + [reduction.norm for reduction in self._reductions]
        return convs, [*norms, self._stem.norm, self._head.norm]


class _Stem:
    """The first convolution and its norm: all networks read one input, so it is one matrix product."""

    def __init__(self, weight: Tensor, stage: Stage, batch: int, scratch: Tensor) -> None:
        self.weight = weight
        self.grad = torch.zeros_like(weight)
        n, self.channels = weight.shape[:2]
        self.norm = StackedNorm(n, stage.channels, stage.positions)
        self._positions = stage.positions
        self._raw = torch.zeros(n, stage.positions * stage.channels, batch)
        self._product = torch.zeros(n * stage.channels, stage.positions * batch)
        self._columns = torch.empty(0)
        self._scratch = scratch

    def forward(self, x: Tensor, out: Tensor, *, training: bool) -> None:
        n, kernel, batch = len(self.weight), self.weight.shape[-1], len(x)
        images = x.unsqueeze(-2) if x.dim() == 3 else x  # a sequence is an image of one row
        size = (1, kernel) if x.dim() == 3 else (kernel, kernel)
        padding = (0, kernel // 2) if x.dim() == 3 else (kernel // 2, kernel // 2)
        unfolded = functional.unfold(images, size, padding=padding)  # (batch, inputs * taps, positions)
        self._columns = unfolded.permute(1, 2, 0).reshape(unfolded.shape[1], -1)
        torch.mm(self.weight.reshape(n * self.channels, -1), self._columns, out=self._product)
        raw = self._raw.view(n, self._positions, self.channels, batch)
        raw.copy_(self._product.view(n, self.channels, self._positions, batch).transpose(1, 2))
        self.norm.forward(self._raw, out, training=training)

    def backward(self, grad: Tensor) -> None:
        n, batch = len(self.weight), grad.shape[-1]
        self.norm.backward(grad, self._raw, self._scratch[: grad.numel()].view(grad.shape))
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


class _Reduction:
    """2x average pooling, 1x1 convolution, batch normalization."""

    def __init__(self, weight: Tensor, before: Stage, after: Stage, batch: int, scratch: Tensor) -> None:
        n = len(weight)
        self.conv = StackedConv(weight, after)
        self.norm = StackedNorm(n, after.channels, after.positions)
        self.input = torch.zeros(n, before.positions * before.channels, batch)
        self._pooled = torch.zeros(n, after.positions * before.channels, batch)
        self._raw = torch.zeros(n, after.positions * after.channels, batch)
        self._scratch = scratch
        self._before, self._after = before, after

    def forward(self, out: Tensor, *, training: bool) -> None:
        corners = self._corners(self.input)
        pooled = self._pooled.view(corners[0].shape)
        torch.add(corners[0], corners[1], out=pooled)
        for corner in corners[2:]:
            pooled.add_(corner)
        pooled.mul_(1.0 / len(corners))
        self.conv.forward(self._pooled, self._raw)
        self.norm.forward(self._raw, out, training=training)

    def backward(self, grad: Tensor) -> Tensor:
        """Return the gradient of the input; it takes the place of the input's buffer."""
        self.norm.backward(grad, self._raw, self._scratch[: grad.numel()].view(grad.shape))
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


class _Head:
    """Batch normalization, ReLU, average over positions, linear layer."""

    def __init__(self, weight: Tensor, stage: Stage, batch: int) -> None:
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
        return [(self.weight, self._grads[0]), (self.bias, self._grads[1])]

    def forward(self, *, training: bool) -> Tensor:
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
        self.norm.backward(self._grad, self.input, self.active)
        return self._grad


def _stack(weights: Sequence[Weights], name: str) -> Tensor:
    return torch.from_numpy(np.stack([own[name] for own in weights]))


def _widest(cells: Sequence[Cell]) -> int:
    """Return a bound on how many values of one kind and depth there are in all cells."""
    return sum(max(1, len(cell.atoms), _values(cell)) for cell in cells)


def _values(cell: Cell) -> int:
    terms = [term for atom in cell.atoms for term in atom.terms] + list(cell.output)
    return len({(term.source, pools) for term in terms for pools in range(1, term.pools + 1)})
