"""The cells of many networks, evaluated group by group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metanas.nets.fused import kernels
from metanas.nets.fused.conv import StackedConv, StackedPool
from metanas.nets.fused.norm import StackedNorm
from metanas.nets.skeleton import Stage
from metanas.spaces import Cell, Term

Key = tuple[int, int, int]  # (network, source: −1 the input or an atom, pools)
POOL = "pool"


class _Terms(NamedTuple):
    """Sums of slots, one a row: row ``r`` has the terms from ``starts[r]`` to ``starts[r + 1]``."""

    starts: NDArray[np.int64]
    slots: NDArray[np.int64]
    counts: NDArray[Any]  # of the type of the activations


@dataclass
class _Group:
    """Everything of one depth and one kind, in all networks: atoms of one operation, or poolings."""

    kind: str
    members: list[Key]
    inputs: _Terms
    start: int  # the first slot of the members' outputs
    conv: StackedConv | None = None
    norm: StackedNorm | None = None
    relu: Tensor = field(default_factory=lambda: torch.empty(0))  # what the operation reads
    raw: Tensor = field(default_factory=lambda: torch.empty(0))  # what the convolution gives
    grad: Tensor = field(default_factory=lambda: torch.empty(0))  # of what the operation reads; shared memory

    @property
    def slots(self) -> slice:
        return slice(self.start, self.start + len(self.members))


class FusedCell:
    """One cell of each of ``n`` networks (all of one stage).

    Every value in a cell has a *slot*, a row of one buffer: the inputs of the networks, then group by group the
    outputs of the atoms and of the poolings. Poolings are done once per value, whoever reads it.

    Attributes:
        values: the slots, ``(n_slots, features, batch)``; the first ``n`` are the cells' inputs.
        grads: their gradients, same shape.
        atoms: position of each atom of each network: ``atoms[network][atom] = (group's conv, its norm, row)``.
    """

    def __init__(
        self, cells: Sequence[Cell], stage: Stage, batch: int, weight: Callable[[int, int], Tensor], scratch: Tensor
    ) -> None:
        """Lay out the groups; ``weight(network, atom)`` gives initial weights, ``scratch`` is shared memory."""
        self.n = len(cells)
        self.batch = batch
        self.features = stage.positions * stage.channels
        self._scratch = scratch
        self._pool = StackedPool(stage)
        self._groups, slot_of = _groups(cells)
        n_slots = self.n + sum(len(group.members) for group in self._groups)
        self.values = torch.zeros(n_slots, self.features, batch)
        self.grads = torch.zeros(n_slots, self.features, batch)
        self._value_slots, self._grad_slots = self.values.numpy(), self.grads.numpy()
        self.atoms: list[dict[int, tuple[StackedConv, StackedNorm, int]]] = [{} for _ in cells]
        for group in self._groups:
            size = len(group.members)
            group.relu = torch.zeros(size, self.features, batch)
            group.grad = self._scratch[: group.relu.numel()].view(group.relu.shape)
            if group.kind == POOL:
                continue
            group.raw = torch.zeros(size, self.features, batch)
            group.conv = StackedConv(torch.stack([weight(network, atom) for network, atom, _ in group.members]), stage)
            group.norm = StackedNorm(size, stage.channels, stage.positions)
            for row, (network, atom, _) in enumerate(group.members):
                self.atoms[network][atom] = (group.conv, group.norm, row)
        self._output = _terms([_slots(network, cell.output, slot_of) for network, cell in enumerate(cells)])

    @property
    def convs(self) -> list[StackedConv]:
        """Return the convolutions of all groups."""
        return [group.conv for group in self._groups if group.conv is not None]

    @property
    def norms(self) -> list[StackedNorm]:
        """Return the batch normalizations of all groups."""
        return [group.norm for group in self._groups if group.norm is not None]

    def activations(self) -> Iterator[tuple[list[int], Tensor]]:
        """Yield what the ReLUs of each group of atoms gave in the last forward pass, and the network of each row."""
        for group in self._groups:
            if group.kind != POOL:
                yield [network for network, _, _ in group.members], group.relu

    def conv_outputs(self) -> list[tuple[list[int], Tensor, Tensor, Tensor]]:
        """Return networks, outputs, gradients of the outputs and weights of each group of convolutions."""
        return [
            ([network for network, _, _ in group.members], group.raw, self.grads[group.slots], group.conv.weight)
            for group in self._groups
            if group.conv is not None
        ]

    def forward(self, out: Tensor, *, training: bool) -> None:
        """Read the inputs from ``values[:n]``, write the outputs to ``out`` ``(n, features, batch)``."""
        for group in self._groups:
            kernels.gather(self._value_slots, *group.inputs, group.relu.numpy(), group.kind != POOL)
            slots = self.values[group.slots]
            if group.conv is None or group.norm is None:
                self._pool.forward(group.relu, slots)
            else:
                group.conv.forward(group.relu, group.raw)
                group.norm.forward(group.raw, slots, training=training)
        kernels.gather(self._value_slots, *self._output, out.numpy(), False)

    def backward(self, grad: Tensor) -> None:
        """Take the gradient of the output, leave that of the inputs in ``grads[:n]`` and those of the weights."""
        self.grads.zero_()
        kernels.scatter(grad.numpy(), grad.numpy(), *self._output, self._grad_slots, False)
        for group in reversed(self._groups):
            slots = self.grads[group.slots]
            if group.conv is None or group.norm is None:
                self._pool.backward(slots, group.grad)
            else:
                group.norm.backward(slots, group.raw)
                group.conv.backward_weight(slots, group.relu)
                group.conv.backward_input(slots, group.grad)
            kernels.scatter(group.grad.numpy(), group.relu.numpy(), *group.inputs, self._grad_slots, group.kind != POOL)


def _terms(rows: Sequence[Sequence[tuple[int, int]]]) -> _Terms:
    """Write sums of (slot, count) as arrays."""
    starts = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    slots = np.array([slot for row in rows for slot, _ in row], dtype=np.int64)
    counts = torch.tensor([count for row in rows for _, count in row], dtype=torch.get_default_dtype()).numpy()
    return _Terms(starts, slots, counts)


def _slots(network: int, terms: Sequence[Term], slot_of: dict[Key, int]) -> list[tuple[int, int]]:
    return [(slot_of[network, term.source, term.pools], term.count) for term in terms]


def _groups(cells: Sequence[Cell]) -> tuple[list[_Group], dict[Key, int]]:
    """Sort all atoms and poolings by depth and kind, and give every value its slot."""
    depth: dict[Key, int] = {}
    kind: dict[Key, str] = {}
    for network, cell in enumerate(cells):
        depth[network, -1, 0] = 0

        def visit(term: Term, network: int = network) -> int:
            for pools in range(1, term.pools + 1):
                key = (network, term.source, pools)
                depth[key] = depth[network, term.source, pools - 1] + 1
                kind[key] = POOL
            return depth[network, term.source, term.pools]

        for position, atom in enumerate(cell.atoms):
            depth[network, position, 0] = 1 + max(visit(term) for term in atom.terms)
            kind[network, position, 0] = atom.op
        for term in cell.output:
            visit(term)
    slot_of = {(network, -1, 0): network for network in range(len(cells))}
    groups = []
    for level, name in sorted({(depth[key], kind[key]) for key in kind}):
        members = sorted(key for key in kind if (depth[key], kind[key]) == (level, name))
        start = len(slot_of)
        inputs = []
        for row, (network, source, pools) in enumerate(members):
            slot_of[network, source, pools] = start + row
            if pools:
                inputs.append([(slot_of[network, source, pools - 1], 1)])
            else:
                inputs.append(_slots(network, cells[network].atoms[source].terms, slot_of))
        groups.append(_Group(name, members, _terms(inputs), start))
    return groups, slot_of
