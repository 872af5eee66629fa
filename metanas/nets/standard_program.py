"""The standard NAS-Bench-201 network as the list of operations that it runs, on sizes alone (without torch).

The list is that of :class:`metanas.nets.nb201_standard.StandardNetwork` in evaluation mode, in its order: nothing is
fused, nothing is pruned, and every operation writes a new tensor, except that a skip edge hands on the tensor that it
got. The costs and the models of devices that are computed from it say what *they* assume beyond that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from metanas.arch import Arch
from metanas.spaces.nb201 import CONV_1X1, CONV_3X3, EDGES, NONE, POOL, SKIP, SPACE

CHANNELS = (16, 32, 64)
CELLS = 5  # in each stage
SIZE = 32  # pixels

Kind = Literal["conv", "norm", "relu", "zero", "pool", "halve", "add", "mean", "linear"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation on one image.

    Attributes:
        kind: which; ``pool`` averages 3x3 neighbours, ``halve`` 2x2 squares, ``mean`` all positions.
        inputs: numbers of the tensors that it reads.
        output: number of the tensor that it writes.
        weights: numbers (parameters and running statistics) that it reads besides.
        macs: multiply-accumulates of convolutions and the linear layer; 0 for the others.
        arithmetic: floating-point operations: two a multiply-accumulate; for the others what each output number takes,
            normalization being one multiplication and one addition.
        shape: of a convolution or linear layer as a matrix product: positions, output channels, and the terms of each
            sum, ``(pixels, filters, terms)``; None for the others.
    """

    kind: Kind
    inputs: tuple[int, ...]
    output: int
    weights: int = 0
    macs: int = 0
    arithmetic: int = 0
    shape: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class Program:
    """Operations in order, and the tensors between them.

    Attributes:
        operations: in order.
        elements: how many numbers each tensor holds for one image; tensor 0 is the image, the last one the logits.
    """

    operations: tuple[Operation, ...]
    elements: tuple[int, ...]

    def peak(self) -> int:
        """Return the most numbers that are alive while an operation runs, for one image.

        A tensor is alive from the operation that writes it (the image: from the first) to the last one that reads it
        (the logits: to the end), these two included: an operation does not write over what it reads.
        """
        last = list(range(len(self.elements)))
        for time, operation in enumerate(self.operations):
            for tensor in (*operation.inputs, operation.output):
                last[tensor] = time
        ends: list[list[int]] = [[] for _ in self.operations]
        for tensor, time in enumerate(last[:-1]):
            ends[time].append(tensor)
        alive = most = self.elements[0]
        for time, operation in enumerate(self.operations):
            alive += self.elements[operation.output]
            most = max(most, alive)
            alive -= sum(self.elements[tensor] for tensor in ends[time])
        return most


@dataclass
class _Writer:
    """Writes a program; a tensor is known by its number."""

    operations: list[Operation] = field(default_factory=list)
    elements: list[int] = field(default_factory=lambda: [3 * SIZE**2])

    def run(self, kind: Kind, inputs: tuple[int, ...], elements: int, each: int, weights: int = 0) -> int:
        """Add an operation of ``each`` floating-point operations an output number; return what it writes."""
        self.elements.append(elements)
        output = len(self.elements) - 1
        self.operations.append(Operation(kind, inputs, output, weights, arithmetic=each * elements))
        return output

    def product(self, kind: Kind, x: int, pixels: int, filters: int, terms: int, biases: int = 0) -> int:
        self.elements.append(pixels * filters)
        output, macs = len(self.elements) - 1, pixels * filters * terms
        entry = Operation(kind, (x,), output, filters * terms + biases, macs, 2 * macs, (pixels, filters, terms))
        self.operations.append(entry)
        return output

    def norm(self, x: int, channels: int) -> int:
        return self.run("norm", (x,), self.elements[x], 2, 4 * channels)

    def relu(self, x: int) -> int:
        return self.run("relu", (x,), self.elements[x], 1)

    def add(self, x: int, y: int) -> int:
        return self.run("add", (x, y), self.elements[x], 1)

    def relu_conv_norm(self, x: int, inputs: int, outputs: int, size: int, kernel: int) -> int:
        return self.norm(self.product("conv", self.relu(x), size**2, outputs, inputs * kernel**2), outputs)

    def edge(self, op: int, x: int, channels: int, size: int) -> int:
        """Write what an edge of a cell does; return its value, which is ``x`` itself where it is a skip."""
        if op == NONE:
            return self.run("zero", (x,), self.elements[x], 1)
        if op == POOL:
            return self.run("pool", (x,), self.elements[x], 9)  # eight additions and a division
        if op in (CONV_1X1, CONV_3X3):
            return self.relu_conv_norm(x, channels, channels, size, 3 if op == CONV_3X3 else 1)
        assert op == SKIP
        return x

    def cell(self, code: tuple[int, ...], x: int, channels: int, size: int) -> int:
        """Write a cell: the edges of a node one after the other, then their sum from left to right."""
        nodes = [x]
        for target in range(1, 1 + max(node for node, _ in EDGES)):
            incoming = zip(EDGES, code, strict=True)
            first, *rest = [
                self.edge(op, nodes[source], channels, size) for (to, source), op in incoming if to == target
            ]
            for value in rest:
                first = self.add(first, value)
            nodes.append(first)
        return nodes[-1]

    def reduction(self, x: int, inputs: int, size: int) -> int:
        """Write a residual block that halves the size to ``size`` and doubles the channels."""
        outputs = 2 * inputs
        first = self.relu_conv_norm(x, inputs, outputs, size, 3)
        second = self.relu_conv_norm(first, outputs, outputs, size, 3)
        halved = self.run("halve", (x,), inputs * size**2, 4)
        return self.add(second, self.product("conv", halved, size**2, outputs, inputs))


def standard_program(arch: Arch, classes: int = 10) -> Program:
    """Return what the standard network of a cell runs for one 32x32 image.

    Raises:
        InvalidArchError: not a cell of ``nb201``.
    """
    code, writer, size = SPACE.check(arch).code, _Writer(), SIZE
    x = writer.norm(writer.product("conv", 0, size**2, CHANNELS[0], 3 * 9), CHANNELS[0])
    for number, channels in enumerate(CHANNELS):
        if number:
            size //= 2
            x = writer.reduction(x, CHANNELS[number - 1], size)
        for _ in range(CELLS):
            x = writer.cell(code, x, channels, size)
    x = writer.relu(writer.norm(x, CHANNELS[-1]))
    mean = writer.run("mean", (x,), CHANNELS[-1], size**2)
    writer.product("linear", mean, 1, classes, CHANNELS[-1], classes)
    return Program(tuple(writer.operations), tuple(writer.elements))
