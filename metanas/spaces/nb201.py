"""The topology space of NAS-Bench-201: four nodes, six edges, five operations, 15,625 cells.

Dong and Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search", ICLR 2020
(arXiv:2001.00326), section 2.1. Cells are numbered as in NATS-Bench (Dong et al. 2021, arXiv:2009.00437), whose order
is the lexicographic one shuffled by Python's generator with seed 88.

A cell is written ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|``: node by node, each incoming edge with its source.

**Functional classes.** A node is a multiset of terms. A skip edge adds its source's terms; average pooling is linear
and distributes over them; a zero edge adds nothing; a ReLU-convolution-BatchNorm edge is an atom, an operation on an
input multiset that keeps its identity (the same convolution reached twice is not two convolutions); an atom with an
empty input adds nothing; atoms that do not reach the output are dead. Cells that are equal up to renaming of atoms
are the same function with the same free weights. This gives 5,044 classes, 1,011 of them without pooling. (The
6,466 classes that NAS-Bench-201 publishes join some networks with different weights and keep apart others that are
equal.) Networks are built from the pruned cell, so that the equality holds exactly: a convolution of an all-zero
input, which in the original code is a learned constant per channel, is nothing here.
"""

from __future__ import annotations

import itertools
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metanas.arch import Arch
from metanas.errors import InvalidArchError
from metanas.spaces.base import Atom, Cell, Graph, Term, arch_of_choices, too_many_vertices

OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
NONE, SKIP, CONV_1X1, CONV_3X3, POOL = range(5)
EDGES = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))  # (target node, source node)
SIZE = len(OPS) ** len(EDGES)
FAMILY = "nb201"  # the name that architectures of this space and of its sub-spaces carry

_SHUFFLE_SEED = 88  # NATS-Bench's
_EDGE = re.compile(r"([^~|]+)~(\d+)")

Multiset = dict[tuple[int, int], int]  # (pools, source) -> count


class CellSpace:
    """The cells that use ``allowed`` operations; codes, strings and indices are those of the whole space."""

    def __init__(self, name: str, allowed: Sequence[int] = range(len(OPS))) -> None:
        """Make the (sub-)space of the cells whose edges all carry an operation of ``allowed``."""
        self.name = name
        self.allowed = tuple(allowed)
        self._allowed_names = tuple(OPS[op] for op in self.allowed)

    def __len__(self) -> int:
        """Return the number of cells."""
        return int(len(self.allowed) ** len(EDGES))

    def __repr__(self) -> str:
        """Show the name and the size."""
        return f"<space {self.name}: {len(self):,} cells, operations {', '.join(self._allowed_names)}>"

    def check(self, arch: Arch) -> Arch:
        """Return ``arch``; raise ``InvalidArchError`` if it is not of this space."""
        if not isinstance(arch, Arch):
            msg = f"An architecture must be a metanas.Arch, but got {type(arch).__name__}: {str(arch)[:80]!r}."
            raise InvalidArchError(msg)
        if arch.space != FAMILY:
            msg = f"Space {self.name!r} takes architectures of {FAMILY!r}, but got one of {arch.space!r}."
            raise InvalidArchError(msg)
        if len(arch.code) != len(EDGES) or any(op not in self.allowed for op in arch.code):
            allowed = ", ".join(f"{op}={OPS[op]}" for op in self.allowed)
            msg = f"A code of {self.name!r} has {len(EDGES)} operations among {allowed}; got {arch.code!r}."
            raise InvalidArchError(msg)
        return arch

    def parse(self, text: str) -> Arch:
        """Read ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|``; raise ``InvalidArchError`` saying what is wrong."""
        form = "|op~0|+|op~0|op~1|+|op~0|op~1|op~2|"
        nodes = text.strip().split("+")
        if len(nodes) != 3:
            msg = f"A cell has three nodes joined by '+', as in {form}; got {len(nodes)} in {text!r}."
            raise InvalidArchError(msg)
        code = []
        for target, node in enumerate(nodes, start=1):
            parts = node.split("|")
            if len(parts) != target + 2 or parts[0] or parts[-1]:
                msg = f"Node {target} of a cell has {target} edges between '|', as in {form}; got {node!r}."
                raise InvalidArchError(msg)
            for source, part in enumerate(parts[1:-1]):
                match = _EDGE.fullmatch(part)
                if match is None or int(match[2]) != source:
                    msg = f"Edge {source} of node {target} is written 'op~{source}'; got {part!r} in {text!r}."
                    raise InvalidArchError(msg)
                if match[1] not in self._allowed_names:
                    allowed = ", ".join(self._allowed_names)
                    msg = f"Unknown operation {match[1]!r} in {text!r}. {self.name!r} allows: {allowed}."
                    raise InvalidArchError(msg)
                code.append(OPS.index(match[1]))
        return Arch(FAMILY, tuple(code))

    def format(self, arch: Arch) -> str:
        """Write the standard string."""
        code = self.check(arch).code
        parts: dict[int, list[str]] = {1: [], 2: [], 3: []}
        for (target, source), op in zip(EDGES, code, strict=True):
            parts[target].append(f"{OPS[op]}~{source}")
        return "+".join(f"|{'|'.join(parts[target])}|" for target in (1, 2, 3))

    @cached_property
    def _cells(self) -> list[tuple[int, ...]]:
        return list(itertools.product(self.allowed, repeat=len(EDGES)))

    @cached_property
    def indices(self) -> NDArray[np.int64]:
        """NATS-Bench indices of all cells, ascending, ``(len(self),)``."""
        return np.flatnonzero(np.isin(codes(), self.allowed).all(axis=1))

    def arch(self, index: int) -> Arch:
        """Return the cell with that NATS-Bench index."""
        if not 0 <= index < SIZE:
            msg = f"0 <= index < {SIZE} must hold in space {self.name!r}, but got index={index}."
            raise InvalidArchError(msg)
        return self.check(Arch(FAMILY, _code_tuples()[int(index)]))

    def index(self, arch: Arch) -> int:
        """Return the NATS-Bench index of a cell."""
        return int(_data()["index_of"][_position(self.check(arch).code)])

    def sample(self, rng: np.random.Generator) -> Arch:
        """Draw one cell uniformly."""
        cells = self._cells
        return Arch(FAMILY, cells[rng.integers(len(cells))])  # one scalar draw: six in an array take 4x the time

    def neighbours(self, arch: Arch) -> list[Arch]:
        """Return all cells with one edge changed to another operation, edge by edge (24 with five operations)."""
        code = self.check(arch).code
        return [
            Arch(FAMILY, (*code[:edge], op, *code[edge + 1 :]))
            for edge in range(len(EDGES))
            for op in self.allowed
            if op != code[edge]
        ]

    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        """Return the cell with one edge, drawn uniformly, changed to another operation, drawn uniformly."""
        code = self.check(arch).code
        steps = len(self.allowed) - 1
        edge, step = divmod(int(rng.integers(len(EDGES) * steps)), steps)
        others = [op for op in self.allowed if op != code[edge]]
        return Arch(FAMILY, (*code[:edge], others[step], *code[edge + 1 :]))

    def crossover(self, first: Arch, second: Arch, rng: np.random.Generator) -> Arch:
        """Return a cell that takes each edge from either parent with equal chance."""
        mask = rng.random(len(EDGES)) < 0.5
        pairs = zip(mask, self.check(first).code, self.check(second).code, strict=True)
        return Arch(FAMILY, tuple(a if take else b for take, a, b in pairs))

    @property
    def decisions(self) -> tuple[int, ...]:
        """Number of operations that each edge may carry, ``(6,)``."""
        return (len(self.allowed),) * len(EDGES)

    def choices(self, arch: Arch) -> tuple[int, ...]:
        """Return the position of each edge's operation among those allowed, ``(6,)``."""
        return tuple([self.allowed.index(op) for op in self.check(arch).code])

    def from_choices(self, choices: Sequence[int]) -> Arch:
        """Return the cell whose edges carry the allowed operations at these positions."""
        return arch_of_choices(self.name, FAMILY, (self.allowed,) * len(EDGES), choices)

    @property
    def inner_vertices(self) -> int:
        """The nodes 1 and 2."""
        return 2

    @property
    def vertex_ops(self) -> tuple[int, ...]:
        """Nodes carry no operations."""
        return (0,)

    @property
    def edge_ops(self) -> tuple[int, ...]:
        """Those allowed, but for ``none``: an edge that is not there."""
        return tuple(op for op in self.allowed if op != NONE)

    def from_wiring(self, vertices: Sequence[int], edges: Mapping[tuple[int, int], int]) -> Arch:
        """Return the cell of a graph of the nodes: what is no edge carries ``none``."""
        if len(vertices) > self.inner_vertices:
            raise too_many_vertices(self.name, len(vertices), self.inner_vertices)
        node = [*range(len(vertices) + 1), 3]
        placed = {(node[target], node[source]): op for (source, target), op in edges.items()}
        return self.check(Arch(FAMILY, tuple(placed.get(edge, NONE) for edge in EDGES)))

    def canonical(self, arch: Arch) -> Arch:
        """Return the representative of the functional class: its member with the fewest operations."""
        return Arch(FAMILY, _code_tuples()[int(self.canonical_indices[self.index(arch)])])

    @cached_property
    def canonical_indices(self) -> NDArray[np.int64]:
        """Index of the representative of every index, ``(15625,)``; −1 for cells outside a sub-space."""
        return self._inside(_data()["representative"].astype(np.int64))

    @cached_property
    def without_dead_code(self) -> NDArray[np.int64]:
        """Index of each cell without edges whose result nothing uses, ``(15625,)``; −1 outside a sub-space."""
        return self._inside(_compiled(zeros_too=False))

    @cached_property
    def without_zeros(self) -> NDArray[np.int64]:
        """Index of each cell without dead edges and without those whose input is zero, as above."""
        return self._inside(_compiled(zeros_too=True))

    def graph(self, arch: Arch) -> Graph:
        """Return the cell as written, each edge a vertex: input, the six operations, output."""
        code = self.check(arch).code
        vertices = {edge: number for number, edge in enumerate(EDGES, start=1)}
        edges = {(0, number) for (_, source), number in vertices.items() if source == 0}
        edges |= {(number, len(EDGES) + 1) for (target, _), number in vertices.items() if target == 3}
        pairs = itertools.product(vertices.items(), repeat=2)
        edges |= {(first, second) for ((middle, _), first), ((_, source), second) in pairs if middle == source}
        return Graph(ops=("input", *(OPS[op] for op in code), "output"), edges=tuple(sorted(edges)))

    def cell(self, arch: Arch) -> Cell:
        """Return the function that the cell computes, in its canonical form."""
        return functional_cell(self.check(arch).code)

    def _inside(self, whole: NDArray[np.int64]) -> NDArray[np.int64]:
        inside = np.zeros(SIZE, dtype=bool)
        inside[self.indices] = True
        return np.where(inside, whole, -1)


def codes() -> NDArray[np.int8]:
    """Return the operations of all cells in NATS-Bench's order, ``(15625, 6)``, columns in the order of ``EDGES``."""
    array: NDArray[np.int8] = _data()["codes"]
    return array


def _compiled(*, zeros_too: bool) -> NDArray[np.int64]:
    """Return the index of every cell without the edges that reach no output and, if asked, those that no input does."""
    ops = codes().astype(np.int64)
    used = np.zeros((SIZE, 4), dtype=bool)  # by node
    fed = np.zeros((SIZE, 4), dtype=bool)
    used[:, 3] = fed[:, 0] = True
    for edge, (target, source) in reversed(list(enumerate(EDGES))):  # from the output to the input
        used[:, source] |= used[:, target] & (ops[:, edge] != NONE)
    for edge, (target, source) in enumerate(EDGES):
        fed[:, target] |= fed[:, source] & (ops[:, edge] != NONE)
    for edge, (target, source) in enumerate(EDGES):
        kept = used[:, target] & (fed[:, source] | (not zeros_too))
        ops[:, edge] = np.where(kept, ops[:, edge], NONE)
    positions = ops @ len(OPS) ** np.arange(len(EDGES))[::-1]
    return np.asarray(_data()["index_of"].astype(np.int64)[positions])


@cache
def functional_cell(code: tuple[int, ...]) -> Cell:
    """Return the canonical form of the function of a cell (see the module's text).

    The form is the least one over all orders of the live atoms that respect their depth and operation; there are at
    most 3! 2! 1! of them.
    """
    nodes: list[Multiset] = [{(0, -1): 1}]
    atoms: list[tuple[int, Multiset]] = []
    for target in (1, 2, 3):
        value: Counter[tuple[int, int]] = Counter()
        for (node, source), op in zip(EDGES, code, strict=True):
            if node != target or op == NONE or not nodes[source]:
                continue
            if op == SKIP:
                value.update(nodes[source])
            elif op == POOL:
                value.update({(pools + 1, atom): count for (pools, atom), count in nodes[source].items()})
            else:
                atoms.append((op, nodes[source]))
                value[0, len(atoms) - 1] += 1
        nodes.append(dict(value))
    return _least_form(atoms, nodes[3])


def _least_form(atoms: list[tuple[int, Multiset]], output: Multiset) -> Cell:
    """Drop the dead atoms and return the least of all equivalent forms."""
    depth: dict[int, int] = {}

    def visit(atom: int) -> int:
        if atom < 0:
            return 0
        if atom not in depth:
            depth[atom] = 1 + max(visit(source) for _, source in atoms[atom][1])
        return depth[atom]

    for _, source in output:
        visit(source)
    groups: dict[tuple[int, int], list[int]] = {}
    for atom in sorted(depth):
        groups.setdefault((depth[atom], atoms[atom][0]), []).append(atom)
    forms = []
    for orders in itertools.product(*(itertools.permutations(groups[key]) for key in sorted(groups))):
        name = {atom: position for position, atom in enumerate(itertools.chain(*orders))}
        name[-1] = -1
        forms.append(
            (
                tuple(Atom(OPS[atoms[atom][0]], _terms(atoms[atom][1], name)) for order in orders for atom in order),
                _terms(output, name),
            )
        )
    best = min(forms)
    return Cell(atoms=best[0], output=best[1])


def _terms(multiset: Multiset, name: dict[int, int]) -> tuple[Term, ...]:
    return tuple(sorted(Term(pools, name[source], count) for (pools, source), count in multiset.items()))


def compute_tables() -> dict[str, NDArray[np.int16] | NDArray[np.int8]]:
    """Compute what ``nb201.npz`` beside this file holds (about two seconds; a test compares the two).

    Returns:
        ``codes`` (15625, 6): operations in NATS-Bench's order; ``index_of`` (15625,): index of the cell at a
        lexicographic position; ``representative`` (15625,): index of the representative of each cell's class, the
        member with the most ``none`` edges, of these the first in lexicographic order.
    """
    ordered = list(itertools.product(range(len(OPS)), repeat=len(EDGES)))
    shuffled = list(ordered)
    random.Random(_SHUFFLE_SEED).shuffle(shuffled)
    index_of = {code: index for index, code in enumerate(shuffled)}
    classes: dict[Cell, list[tuple[int, ...]]] = {}
    for code in ordered:
        classes.setdefault(functional_cell(code), []).append(code)
    representative = np.zeros(SIZE, dtype=np.int16)
    for members in classes.values():
        best = min(members, key=lambda code: (-code.count(NONE), code))
        representative[[index_of[code] for code in members]] = index_of[best]
    return {
        "codes": np.array(shuffled, dtype=np.int8),
        "index_of": np.array([index_of[code] for code in ordered], dtype=np.int16),
        "representative": representative,
    }


@cache
def _data() -> dict[str, NDArray[Any]]:
    with resources.files("metanas.spaces").joinpath("nb201.npz").open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        return {name: arrays[name] for name in arrays.files}


@cache
def _code_tuples() -> list[tuple[int, ...]]:
    return [tuple(row) for row in codes().tolist()]


def _position(code: tuple[int, ...]) -> int:
    position = 0
    for op in code:
        position = position * len(OPS) + op
    return position


SPACE = CellSpace(FAMILY)
