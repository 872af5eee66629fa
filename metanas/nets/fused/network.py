"""K whole networks as one, with its own forward and backward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metanas.nets.fused.cell import FusedCell
from metanas.nets.fused.conv import StackedConv
from metanas.nets.fused.ends import Head, Reduction, Stem
from metanas.nets.fused.norm import StackedNorm
from metanas.nets.skeleton import Skeleton
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
        self._stem = Stem(_stack(weights, "stem.conv"), stages[0], batch)
        self._reductions: list[Reduction] = []
        self.cells: list[list[FusedCell]] = []
        for number, stage in enumerate(stages):
            if number:
                stacked = _stack(weights, f"stage{number}.reduction.conv")
                self._reductions.append(Reduction(stacked, stages[number - 1], stage, batch))
            row = []
            for copy in range(skeleton.cells):
                prefix = f"stage{number}.cell{copy}.atom"

                def weight(network: int, atom: int, prefix: str = prefix) -> Tensor:
                    return torch.from_numpy(weights[network][f"{prefix}{atom}.conv"])

                row.append(FusedCell(cells, stage, batch, weight, scratch))
            self.cells.append(row)
        self._head = Head(_stack(weights, "head.linear"), stages[-1], batch)

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

    def step_outputs(self) -> list[Tensor]:
        """Return what stem, cells and reductions gave in the last forward pass, in order, ``(n, features, batch)``.

        The features are ordered ``(position, channel)``; the tensors are buffers of the network.
        """
        found = []
        for number, row in enumerate(self.cells):
            found += [cell.values[: self.n] for cell in row]
            if number < len(self._reductions):
                found.append(self._reductions[number].input)
        return [*found, self._head.input]

    def step_gradients(self, grads: Sequence[Tensor]) -> list[Tensor]:
        """Return the gradient at the input of every cell and reduction, from one at its own output, in order.

        To be called once after a training forward pass, whose buffers it spoils.

        Args:
            grads: of the output of each cell and reduction, ``(n, features, batch)``.
        """
        found = []
        given = iter([grad.contiguous() for grad in grads])
        for number, row in enumerate(self.cells):
            if number:
                found.append(self._reductions[number - 1].backward(next(given).clone()).clone())
            for cell in row:
                cell.backward(next(given))
                found.append(cell.grads[: self.n].clone())
        return found

    def conv_outputs(self) -> list[tuple[list[int], Tensor, Tensor, Tensor]]:
        """Return, for groups of convolutions, what they gave and its gradient, and whose they are.

        Returns:
            Networks ``(m,)``, outputs and gradients ``(m, features, batch)``, weights ``(m, outputs, inputs, *kernel)``
            of each group. All are buffers: outputs stand from a forward pass to :meth:`backward`, gradients after it.
        """
        everyone = list(range(self.n))
        first = self.cells[0][0]
        found = [(everyone, self._stem.raw, first.grads[: self.n], self._stem.weight)]
        for reduction, row in zip(self._reductions, self.cells[1:], strict=True):
            found.append((everyone, reduction.raw, row[0].grads[: self.n], reduction.conv.weight))
        for cell in (cell for row in self.cells for cell in row):
            found += cell.conv_outputs()
        return found

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


def _stack(weights: Sequence[Weights], name: str) -> Tensor:
    return torch.from_numpy(np.stack([own[name] for own in weights]))


def _widest(cells: Sequence[Cell]) -> int:
    """Return a bound on how many values of one kind and depth there are in all cells."""
    return sum(max(1, len(cell.atoms), _values(cell)) for cell in cells)


def _values(cell: Cell) -> int:
    terms = [term for atom in cell.atoms for term in atom.terms] + list(cell.output)
    return len({(term.source, pools) for term in terms for pools in range(1, term.pools + 1)})
