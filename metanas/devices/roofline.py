"""Latency and energy by formulas: a roofline, a systolic array, and energies of single operations.

**Modelled, not measured.** Everything here is computed from the operations of the standard network
(:mod:`metanas.nets.standard_program`) and a few stated numbers of a device; names of such devices end in ``-modelled``,
so that they cannot be taken for measured ones.

- :class:`Roofline`: Williams, Waterman and Patterson, "Roofline: an insightful visual performance model for multicore
  architectures", Communications of the ACM 52(4), 2009. An operation takes the longer of arithmetic at the peak rate
  and memory traffic at the peak bandwidth; here, besides, a fixed time to start it.
- :class:`Systolic`: Samajdar et al., "A systematic methodology for characterizing scalability of DNN accelerators using
  SCALE-Sim", ISPASS 2020: its analytical runtime of a matrix product on one array, for three dataflows. What is not a
  matrix product is limited by memory alone here, and a product by the slower of array and memory; SCALE-Sim itself
  simulates buffers, which this does not.
- :class:`Energies`: Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC 2014, figure 1.1.9:
  rough energies of arithmetic and of memory accesses in 45 nm at 0.9 V. Leakage and control are not in them.

In all three every operation reads its inputs and weights and writes its output once (nothing is fused; no input is read
twice): the least traffic of an executor that runs one operation after the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from metanas.nets.standard_program import Operation, Program

SUFFIX = "-modelled"
Dataflow = Literal["output", "weight", "input"]


@dataclass(frozen=True)
class Roofline:
    """A processor by two ceilings and a time to start an operation.

    Attributes:
        name: of the device; ends in ``-modelled``.
        arithmetic: peak floating-point operations a second.
        bandwidth: peak bytes a second between processor and memory.
        start: seconds that each operation takes besides.
        width: bytes of a number.
        source: where the numbers are from.
    """

    name: str
    arithmetic: float
    bandwidth: float
    start: float
    width: int
    source: str

    def latency(self, program: Program, batch: int = 1) -> float:
        """Return modelled milliseconds of a batch."""
        seconds = sum(self._seconds(program, operation, batch) for operation in program.operations)
        return 1e3 * seconds

    def _seconds(self, program: Program, operation: Operation, batch: int) -> float:
        moved = self.width * numbers_moved(program, operation, batch)
        return self.start + max(batch * operation.arithmetic / self.arithmetic, moved / self.bandwidth)


@dataclass(frozen=True)
class Systolic:
    """An array of multiply-accumulators beside a memory.

    Attributes:
        name: of the device; ends in ``-modelled``.
        rows: of the array, R.
        columns: of the array, C.
        clock: cycles a second.
        bandwidth: bytes a second between array and memory.
        width: bytes of a number.
        dataflow: what stays in the array: the ``"output"``, the ``"weight"`` or the ``"input"``.
        source: where the numbers are from.
    """

    name: str
    rows: int
    columns: int
    clock: float
    bandwidth: float
    width: int
    dataflow: Dataflow
    source: str

    def cycles(self, pixels: int, filters: int, terms: int) -> int:
        """Return the cycles of a matrix product: ``pixels x filters`` sums of ``terms`` products.

        Each fold of the array takes 2R + C + T − 2 cycles, and there are ⌈S_R / R⌉ ⌈S_C / C⌉ folds (ISPASS 2020, the
        analytical runtime of scaling up). S_R, S_C and T are, by dataflow: output stationary pixels, filters, terms;
        weight stationary terms, filters, pixels; input stationary terms, pixels, filters.
        """
        down, across, through = {
            "output": (pixels, filters, terms),
            "weight": (terms, filters, pixels),
            "input": (terms, pixels, filters),
        }[self.dataflow]
        folds = math.ceil(down / self.rows) * math.ceil(across / self.columns)
        return (2 * self.rows + self.columns + through - 2) * folds

    def latency(self, program: Program, batch: int = 1) -> float:
        """Return modelled milliseconds of a batch; its images are further pixels of every product."""
        seconds = 0.0
        for operation in program.operations:
            moved = self.width * numbers_moved(program, operation, batch) / self.bandwidth
            pixels, filters, terms = operation.shape or (0, 0, 0)
            seconds += max(moved, self.cycles(batch * pixels, filters, terms) / self.clock if pixels else 0.0)
        return 1e3 * seconds


@dataclass(frozen=True)
class Energies:
    """What single operations take, in picojoules.

    Attributes:
        name: ends in ``-modelled``.
        multiply: a multiplication.
        add: an addition; also taken for comparisons.
        activation: a byte of an activation, read or written.
        weight: a byte of a weight, read.
        width: bytes of a number.
        source: where the numbers are from.
    """

    name: str
    multiply: float
    add: float
    activation: float
    weight: float
    width: int
    source: str

    def energy(self, program: Program, batch: int = 1) -> float:
        """Return modelled millijoules of a batch, weights being read once for all of it."""
        total = 0.0
        for operation in program.operations:
            single = operation.arithmetic - 2 * operation.macs  # taken as additions
            total += batch * (operation.macs * (self.multiply + self.add) + single * self.add)
            activations = numbers_moved(program, operation, batch) - operation.weights
            total += self.width * (activations * self.activation + operation.weights * self.weight)
        return 1e-9 * total


def numbers_moved(program: Program, operation: Operation, batch: int = 1) -> int:
    """Return how many numbers an operation reads and writes: a batch of inputs and outputs, and its weights once."""
    tensors = (*operation.inputs, operation.output)
    return batch * sum(program.elements[tensor] for tensor in tensors) + operation.weights


TPU_V1 = Systolic(
    name=f"tpu-v1-array{SUFFIX}",
    rows=256,
    columns=256,
    clock=700e6,
    bandwidth=34e9,
    width=1,
    dataflow="weight",
    source="Jouppi et al., In-datacenter performance analysis of a tensor processing unit, ISCA 2017, table 2",
)
SMALL_ARRAY = replace(
    TPU_V1,
    name=f"array-16x16{SUFFIX}",
    rows=16,
    columns=16,
    dataflow="output",
    source="as the one of Jouppi et al. 2017, but 16x16 and output stationary: nobody's product",
)
HOROWITZ_FP32 = Energies(
    name=f"horowitz-45nm-fp32{SUFFIX}",
    multiply=3.7,
    add=0.9,
    activation=100 / 8,  # 64 bits of a 1 MB cache: the activations of one image fit into it
    weight=1950 / 8,  # 64 bits of DRAM take 1.3 to 2.6 nJ; the middle
    width=4,
    source="Horowitz, ISSCC 2014, figure 1.1.9 (45 nm, 0.9 V)",
)
HOROWITZ_INT8 = replace(
    HOROWITZ_FP32, name=f"horowitz-45nm-int8{SUFFIX}", multiply=0.2, add=0.1, width=1
)  # 32-bit sums
