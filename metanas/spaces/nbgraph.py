"""The space of NAS-Bench-Graph: graph neural networks of four computing nodes, 26,206 of them up to isomorphism.

Qin, Zhang, Wang, Zhang and Zhu, "NAS-Bench-Graph: Benchmarking Graph Neural Architecture Search", NeurIPS 2022 Datasets
and Benchmarks (arXiv:2206.09166). Each computing node has one of nine operations and one source, the input (0) or an
earlier node; nodes that are nobody's source are joined in the output. The sources form a rooted tree; there are nine
trees of four nodes.

**Code.** Number of the tree in ``TREES``, then the operations of the nodes 1 to 4. The index reads the code as a
number. The four skips that are nothing but the input are no architecture.

**Text.** The nodes in order, each with its source: ``gcn(0)|gin(1)|fc(2)|cheb(1)``. Any order in which sources come
first can be read.

**Classes** are those of the benchmark, whose tables have one row for each. Nodes may be renumbered. A skip that another
node follows, or that is the only follower of its source, does nothing where it is and is moved before all others, to
the input; so is a skip (or a chain of skips) that joins the bare input to the output beside other nodes, which the
benchmark leaves out. A skip beside other followers of a computed value stays: it joins that value to the output.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from metanas.arch import Arch
from metanas.errors import InvalidArchError, InvalidValueError
from metanas.spaces.base import Cell, Graph, arch_of_choices, too_many_vertices

FAMILY = "nbgraph"
OPS = ("gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc", "skip")  # numbered as in the published keys
SKIP = OPS.index("skip")
NODES = 4
TREES = (  # sources of the nodes 1 to 4; 0 is the input; each tree in its least numbering, in the published order
    (0, 0, 0, 0),
    (0, 0, 0, 1),
    (0, 0, 1, 1),
    (0, 0, 1, 2),
    (0, 0, 1, 3),
    (0, 1, 1, 1),
    (0, 1, 1, 2),
    (0, 1, 2, 2),
    (0, 1, 2, 3),
)
SIZE = len(TREES) * len(OPS) ** NODES  # of the index range

_FORM = "gcn(0)|gin(1)|fc(2)|cheb(1)"
_NODE = re.compile(r"([a-z0-9]+)\(([0-9])\)")

Code = tuple[int, ...]
_Four = tuple[int, ...]


class NbGraphSpace:
    """The architectures that use ``allowed`` operations; codes, texts and indices are those of the whole space."""

    def __init__(self, name: str, allowed: Sequence[int] = range(len(OPS))) -> None:
        """Make the (sub-)space of the architectures whose nodes all have an operation of ``allowed``."""
        self.name = name
        self.allowed = tuple(allowed)

    def __len__(self) -> int:
        """Return the number of architectures."""
        return len(self.indices)

    def __repr__(self) -> str:
        """Show the name and the size."""
        return f"<space {self.name}: {len(self):,} architectures, operations {self._names}>"

    @property
    def _names(self) -> str:
        return ", ".join(OPS[op] for op in self.allowed)

    def check(self, arch: Arch) -> Arch:
        """Return ``arch``; raise ``InvalidArchError`` if it is not of this space."""
        if not isinstance(arch, Arch):
            msg = f"An architecture must be a metanas.Arch, but got {type(arch).__name__}: {str(arch)[:80]!r}."
            raise InvalidArchError(msg)
        if arch.space != FAMILY:
            msg = f"Space {self.name!r} takes architectures of {FAMILY!r}, but got one of {arch.space!r}."
            raise InvalidArchError(msg)
        tree, ops = arch.code[:1], arch.code[1:]
        if len(ops) != NODES or tree[0] not in range(len(TREES)) or any(op not in self.allowed for op in ops):
            allowed = ", ".join(f"{op}={OPS[op]}" for op in self.allowed)
            msg = (
                f"A code of {self.name!r} has a tree, 0 to {len(TREES) - 1}, and {NODES} operations among {allowed}; "
                f"got {arch.code!r}."
            )
            raise InvalidArchError(msg)
        if all(op == SKIP for op in ops):
            msg = f"An architecture of {self.name!r} has an operation; this one has {NODES} skips."
            raise InvalidArchError(msg)
        return arch

    def parse(self, text: str) -> Arch:
        """Read ``gcn(0)|gin(1)|fc(2)|cheb(1)``; raise ``InvalidArchError`` saying what is wrong."""
        parts = [part.strip() for part in text.strip().split("|")]
        matches = [_NODE.fullmatch(part) for part in parts]
        if len(parts) != NODES or None in matches:
            msg = f"An architecture has {NODES} nodes written operation(source), as in {_FORM}; got {text!r}."
            raise InvalidArchError(msg)
        read = [(match[1], int(match[2])) for match in matches if match is not None]
        for node, (op, source) in enumerate(read, start=1):
            if op not in OPS or OPS.index(op) not in self.allowed:
                msg = f"Unknown operation {op!r} in {text!r}. {self.name!r} allows: {self._names}."
                raise InvalidArchError(msg)
            if source >= node:
                msg = f"The source of node {node} is the input (0) or an earlier node, but got {source} in {text!r}."
                raise InvalidArchError(msg)
        sources, ops = (source for _, source in read), (OPS.index(op) for op, _ in read)
        return self.check(self.from_sources(tuple(sources), tuple(ops)))

    def format(self, arch: Arch) -> str:
        """Write the standard form."""
        code = self.check(arch).code
        return "|".join(f"{OPS[op]}({source})" for op, source in zip(code[1:], TREES[code[0]], strict=True))

    def from_sources(self, sources: Sequence[int], ops: Sequence[int]) -> Arch:
        """Return the architecture with these sources, numbered so that they are one of ``TREES``.

        Args:
            sources: source of each node, 0 for the input, ``(4,)``.
            ops: operation of each node, ``(4,)``.
        """
        written = tuple(sources)
        if written in TREES:
            return Arch(FAMILY, (TREES.index(written), *ops))
        tree, orders = _least(written)
        return Arch(FAMILY, (tree, *(ops[node - 1] for node in orders[0])))

    @cached_property
    def indices(self) -> NDArray[np.int64]:
        """Indices of all architectures, ascending, ``(len(self),)``; those of the whole space in a sub-space."""
        digits = np.stack(np.unravel_index(np.arange(SIZE), (len(TREES), *(len(OPS),) * NODES)))[1:]
        return np.flatnonzero(np.isin(digits, self.allowed).all(axis=0) & (digits != SKIP).any(axis=0))

    def arch(self, index: int) -> Arch:
        """Return the architecture with that index."""
        if not 0 <= index < SIZE:
            msg = f"0 <= index < {SIZE} must hold in space {self.name!r}, but got index={index}."
            raise InvalidArchError(msg)
        return self.check(Arch(FAMILY, _decode(int(index))))

    def index(self, arch: Arch) -> int:
        """Return the number that the code reads as."""
        return _encode(self.check(arch).code)

    def sample(self, rng: np.random.Generator) -> Arch:
        """Draw one architecture uniformly."""
        return Arch(FAMILY, _decode(int(self.indices[rng.integers(len(self))])))

    def neighbours(self, arch: Arch) -> list[Arch]:
        """Return all architectures with another tree or one operation changed, trees first (40 with all operations)."""
        code = self.check(arch).code
        choices = [range(len(TREES)), *[self.allowed] * NODES]
        changed = [
            (*code[:at], value, *code[at + 1 :])
            for at, values in enumerate(choices)
            for value in values
            if value != code[at]
        ]
        return [Arch(FAMILY, other) for other in changed if any(op != SKIP for op in other[1:])]

    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        """Return a uniformly drawn neighbour."""
        neighbours = self.neighbours(arch)
        return neighbours[int(rng.integers(len(neighbours)))]

    def crossover(self, first: Arch, second: Arch, rng: np.random.Generator) -> Arch:
        """Take the tree and each operation from either parent with equal chance, anew while all are skips."""
        mine, other = self.check(first).code, self.check(second).code
        while True:
            mask = rng.random(len(mine)) < 0.5
            child = tuple(a if take else b for take, a, b in zip(mask, mine, other, strict=True))
            if any(op != SKIP for op in child[1:]):
                return Arch(FAMILY, child)

    @property
    def _values(self) -> tuple[Sequence[int], ...]:
        return (range(len(TREES)), *(self.allowed,) * NODES)

    @property
    def decisions(self) -> tuple[int, ...]:
        """Number of trees, then of the operations that each node may have, ``(5,)``."""
        return tuple(len(values) for values in self._values)

    def choices(self, arch: Arch) -> tuple[int, ...]:
        """Return the tree and the position of each node's operation among those allowed, ``(5,)``."""
        code = self.check(arch).code
        return tuple([values.index(entry) for values, entry in zip(self._values, code, strict=True)])

    def from_choices(self, choices: Sequence[int]) -> Arch:
        """Return the architecture of a tree and operations; raise ``InvalidArchError`` if all of them are skips."""
        return self.check(arch_of_choices(self.name, FAMILY, self._values, choices))

    @property
    def inner_vertices(self) -> int:
        """The four nodes."""
        return NODES

    @property
    def vertex_ops(self) -> tuple[int, ...]:
        """Those allowed, but for ``skip``: a vertex that is not there."""
        return tuple(op for op in self.allowed if op != SKIP)

    @property
    def edge_ops(self) -> tuple[int, ...]:
        """Edges carry no operations."""
        return (0,)

    def from_wiring(self, vertices: Sequence[int], edges: Mapping[tuple[int, int], int]) -> Arch:
        """Return the architecture of a graph in which every inner vertex has one source.

        A vertex that others follow joins the output through a skip; nodes that are left over are skips at the input.
        """
        output = len(vertices) + 1
        sources = [[source for source, target in edges if target == vertex] for vertex in range(1, output)]
        followed = {source for source, target in edges if target != output}
        joined = sorted(source for source, target in edges if target == output)
        skips = [source for source in joined if source in followed or source == 0]
        loose = NODES - len(vertices) - len(skips)
        if loose < 0:
            raise too_many_vertices(self.name, len(vertices) + len(skips), NODES)
        if any(len(its) != 1 for its in sources) or not followed - {0} | set(joined) >= set(range(1, output)):
            msg = f"In a graph of {self.name!r} every vertex has one source and leads to the output; got {dict(edges)}."
            raise InvalidArchError(msg)
        shifted = [source + loose for source in ([its[0] for its in sources] + skips)]
        return self.check(
            self.from_sources((*range(loose), *shifted), (*(SKIP,) * loose, *vertices, *(SKIP,) * len(skips)))
        )

    def canonical(self, arch: Arch) -> Arch:
        """Return the representative of the benchmark's class (see the module): skips first, the least numbering."""
        return Arch(FAMILY, _canonical(self.check(arch).code))

    @cached_property
    def canonical_indices(self) -> NDArray[np.int64]:
        """Index of the representative for every index of the whole index range (−1 outside the space)."""
        whole = np.full(SIZE, -1, dtype=np.int64)
        whole[self.indices] = _representatives()[self.indices]
        return whole

    def published_key(self, arch: Arch) -> int:
        """Return the key of the architecture's class in the published files: the digits of its code, to the base 10."""
        return int("".join(map(str, self.canonical(arch).code)))

    def graph(self, arch: Arch) -> Graph:
        """Return the architecture as written: input, the four nodes, output."""
        code = self.check(arch).code
        sources = TREES[code[0]]
        edges = {(source, node) for node, source in enumerate(sources, start=1)}
        edges |= {(node, NODES + 1) for node in range(1, NODES + 1) if node not in sources}
        return Graph(ops=("input", *(OPS[op] for op in code[1:]), "output"), edges=tuple(sorted(edges)))

    def cell(self, arch: Arch) -> Cell:
        """Raise ``InvalidValueError``: these are networks on graphs, and metanas does not train them."""
        self.check(arch)
        msg = f"{FAMILY!r} holds networks on graphs, which metanas does not train; import the published tables."
        raise InvalidValueError(msg)


@cache
def _least(sources: _Four) -> tuple[int, tuple[_Four, ...]]:
    """Return the tree that ``sources`` are, and all orders of the nodes that number it so.

    There is more than one order where the tree is symmetric. Sources may stand behind what follows them.
    """
    forms: dict[_Four, list[_Four]] = {}
    for order in itertools.permutations(range(1, NODES + 1)):
        new = {0: 0, **{node: number for number, node in enumerate(order, start=1)}}
        renumbered = tuple(new[sources[node - 1]] for node in order)
        if all(source < number for number, source in enumerate(renumbered, start=1)):
            forms.setdefault(renumbered, []).append(order)
    least = min(forms)
    return TREES.index(least), tuple(forms[least])


@cache
def _normal(tree: int, skips: tuple[bool, ...]) -> tuple[int, tuple[_Four, ...]]:
    """Move the skips of a tree to the input where they do nothing; return the tree then, and the orders of its nodes.

    Args:
        tree: number of the tree.
        skips: which nodes are skips, ``(4,)``.
    """
    parent = dict(enumerate(TREES[tree], start=1))
    for node in range(1, NODES + 1):
        alone = list(parent.values()).count(parent[node]) == 1
        if skips[node - 1] and (node in parent.values() or alone or _only_skips(node, parent, skips)):
            _move_to_input(node, parent)
    return _least(tuple(parent[node] for node in sorted(parent)))


def _canonical(code: Code) -> Code:
    tree, orders = _normal(code[0], tuple(op == SKIP for op in code[1:]))
    return (tree, *min(tuple(code[node] for node in order) for order in orders))


@cache
def _representatives() -> NDArray[np.int64]:
    """Return the index of the representative for every index, ``(SIZE,)``: all trees and places of skips in turn."""
    ops = np.array(list(itertools.product(range(len(OPS)), repeat=NODES)))
    weights = len(OPS) ** np.arange(NODES)[::-1]
    whole = np.empty((len(TREES), len(ops)), dtype=np.int64)
    for skips in itertools.product((False, True), repeat=NODES):
        rows = np.flatnonzero(((ops == SKIP) == skips).all(axis=1))
        for number in range(len(TREES)):
            tree, orders = _normal(number, skips)
            numbers = [ops[np.ix_(rows, np.array(order) - 1)] @ weights for order in orders]
            whole[number, rows] = tree * len(OPS) ** NODES + np.min(numbers, axis=0)
    return whole.reshape(-1)


def _only_skips(node: int, parent: dict[int, int], skips: tuple[bool, ...]) -> bool:
    """Whether the value of a node is the bare input."""
    while node:
        if not skips[node - 1]:
            return False
        node = parent[node]
    return True


def _move_to_input(node: int, parent: dict[int, int]) -> None:
    """Take a node out, its followers to its source, and put it between the input and all that follow the input."""
    source = parent.pop(node)
    for other, its in parent.items():
        if its == node:
            parent[other] = source
    for other, its in parent.items():
        if its == 0:
            parent[other] = node
    parent[node] = 0


def _encode(code: Code) -> int:
    number = int(code[0])
    for op in code[1:]:
        number = number * len(OPS) + int(op)
    return number


def _decode(number: int) -> Code:
    ops = []
    for _ in range(NODES):
        number, op = divmod(number, len(OPS))
        ops.append(op)
    return (number, *ops[::-1])


SPACE = NbGraphSpace(FAMILY)
