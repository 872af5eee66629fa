"""Genomes of NEAT: connection and vertex genes with historical markings.

Stanley and Miikkulainen, "Evolving Neural Networks through Augmenting Topologies", Evolutionary Computation 10(2),
2002, sections 3.1 to 3.3. A genome is a list of connection genes (source, target, enabled, marking) and the vertices
that they join; where the paper has a weight on a connection there is an operation, on connections or on vertices as
the space has it. Vertex 0 is the input, 1 the output; there is one of each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import combinations
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from metanas.arch import Arch
from metanas.errors import InvalidArchError
from metanas.spaces import WiredSpace
from metanas.strategies._draws import Draws

INPUT, OUTPUT = 0, 1

Rng = np.random.Generator | Draws


class Connection(NamedTuple):
    """A connection gene (figure 2); its marking is its key in :attr:`Genome.connections`."""

    source: int
    target: int
    op: int
    enabled: bool = True


class Genome(NamedTuple):
    """A network as the paper encodes it.

    Attributes:
        connections: genes by innovation number.
        vertices: operation of each inner vertex, by its number.
    """

    connections: Mapping[int, Connection]
    vertices: Mapping[int, int] = MappingProxyType({})


class Live(NamedTuple):
    """The part of a genome that lies on a path from the input to the output.

    Attributes:
        vertices: the inner ones, in their topological order.
        edges: innovation number of each connection, and the places of its ends in that order, the input's being 0.
    """

    vertices: list[int]
    edges: list[tuple[int, tuple[int, int]]]


class Wiring(NamedTuple):
    """What the operators need of a space, looked up once; see :class:`metanas.spaces.WiredSpace`."""

    inner_vertices: int
    vertex_ops: tuple[int, ...]
    edge_ops: tuple[int, ...]
    from_wiring: Callable[[Sequence[int], Mapping[tuple[int, int], int]], Arch]

    @classmethod
    def of(cls, space: WiredSpace) -> Wiring:
        """Look it up."""
        return cls(space.inner_vertices, space.vertex_ops, space.edge_ops, space.from_wiring)


class History:
    """Gives every structural innovation its number: the same for the same innovation, in the whole run (section 3.2).

    The paper keeps the list of innovations for one generation; a list for the run gives fewer numbers to one structure.

    Attributes:
        live: the live part of genomes, by the innovation numbers of their enabled connections: most children differ
            from another genome in an operation alone.
    """

    def __init__(self) -> None:
        """Know nothing but input and output."""
        self._connections: dict[tuple[int, int], int] = {}
        self._splits: dict[tuple[int, int], int] = {}
        self._depth = {INPUT: Fraction(0), OUTPUT: Fraction(1)}  # all different
        self._place = {INPUT: 0, OUTPUT: 1}
        self.live: dict[tuple[int, ...], Live | None] = {}

    def connection(self, source: int, target: int) -> int:
        """Return the innovation number of a connection."""
        return self._connections.setdefault((source, target), len(self._connections) + 1)

    def split(self, innovation: int, connection: Connection, genome: Genome) -> int:
        """Return the vertex that splitting a connection gives: the first of those that ``genome`` does not have yet."""
        time = 0
        while self._splits.get((innovation, time)) in genome.vertices:
            time += 1
        if (innovation, time) not in self._splits:
            vertex = self._splits[innovation, time] = len(self._depth)
            depth = (self._depth[connection.source] + self._depth[connection.target]) / 2
            while depth in self._depth.values():  # right behind the older vertex, and still before the target
                depth = (depth + min(other for other in self._depth.values() if other > depth)) / 2
            self._depth[vertex] = depth
            self._place = {each: place for place, each in enumerate(sorted(self._depth, key=self._depth.__getitem__))}
        return self._splits[innovation, time]

    def place(self, vertex: int) -> int:
        """Return what sorts vertices topologically: a new vertex lies half-way between the two that it is put between.

        Of two vertices that are put between the same the older comes first. Connections lead from earlier to later
        ones. What is added later changes the numbers, but not which of two is the greater.
        """
        return self._place[vertex]


def distance(first: Genome, second: Genome, excess: float, disjoint: float, ops: float) -> float:
    """Return the compatibility distance (eq. 1): c1 E / N + c2 D / N + c3 W.

    E and D are the numbers of excess and disjoint connection genes, N the size of the larger genome, or 1 where both
    have fewer than 20 genes (section 3.3). For W, the mean difference of the weights of matching genes, stands the
    share of matching genes, connections and vertices, whose operations differ.
    """
    mine, its = first.connections, second.connections
    matching = mine.keys() & its.keys()
    apart = mine.keys() ^ its.keys()
    reach = min(max(mine), max(its))
    n_excess = sum(innovation > reach for innovation in apart)
    larger = max(len(mine), len(its))
    size = larger if larger >= 20 else 1
    differ = [mine[key].op != its[key].op for key in matching]
    differ += [first.vertices[key] != second.vertices[key] for key in first.vertices.keys() & second.vertices.keys()]
    unlike = sum(differ) / len(differ) if differ else 0.0
    return excess * n_excess / size + disjoint * (len(apart) - n_excess) / size + ops * unlike


def crossover(fitter: Genome, other: Genome, rng: Rng, *, equal: bool = False, disabled: float = 0.75) -> Genome:
    """Return a child of two genomes, aligned by their markings (section 3.2 and figure 4).

    Args:
        fitter: the fitter parent; disjoint and excess genes are its.
        other: the other parent.
        rng: draws which parent's matching genes are inherited.
        equal: the parents are equally fit: disjoint and excess genes of both are inherited, each with chance 1/2.
        disabled: chance that a gene is disabled if it is in either parent (section 4.1).
    """
    connections: dict[int, Connection] = {}
    for innovation in sorted(fitter.connections.keys() | (other.connections.keys() if equal else set())):
        genes = [parent.connections[innovation] for parent in (fitter, other) if innovation in parent.connections]
        if len(genes) == 1 and equal and rng.random() < 0.5:
            continue
        gene = genes[int(rng.integers(len(genes)))]
        off = not all(one.enabled for one in genes)
        connections[innovation] = _with(gene, enabled=not (off and rng.random() < disabled))
    if not connections:
        return fitter
    vertices: dict[int, int] = {}
    for vertex in sorted({end for gene in connections.values() for end in (gene.source, gene.target)}):
        ops = [parent.vertices[vertex] for parent in (fitter, other) if vertex in parent.vertices]
        if ops:  # not the input, not the output
            vertices[vertex] = ops[int(rng.integers(len(ops)))]
    return Genome(connections, vertices)


def add_vertex(genome: Genome, space: WiredSpace | Wiring, history: History, rng: Rng) -> Genome:
    """Split an enabled connection (section 3.1 and figure 3): it is disabled, two new ones lead through a new vertex.

    The old operation goes to the connection behind the new vertex, as the old weight does; the one before it, and the
    vertex, get a random operation, where the paper sets the weight 1: the same function again would teach nothing.
    """
    enabled = [innovation for innovation, gene in genome.connections.items() if gene.enabled]
    if not enabled:
        return genome
    innovation = enabled[int(rng.integers(len(enabled)))]
    old = genome.connections[innovation]
    vertex = history.split(innovation, old, genome)
    connections = {**genome.connections, innovation: _with(old, enabled=False)}
    connections[history.connection(old.source, vertex)] = Connection(old.source, vertex, _drawn(space.edge_ops, rng))
    connections[history.connection(vertex, old.target)] = Connection(vertex, old.target, old.op)
    return Genome(connections, {**genome.vertices, vertex: _drawn(space.vertex_ops, rng)})


def add_connection(genome: Genome, space: WiredSpace | Wiring, history: History, rng: Rng) -> Genome:
    """Join two vertices that no enabled connection joins (section 3.1); one that is disabled is enabled again."""
    joined = {(source, target) for source, target, _, on in genome.connections.values() if on}
    order = sorted((INPUT, OUTPUT, *genome.vertices), key=history.place)
    free = [pair for pair in combinations(order, 2) if pair not in joined]
    if not free:
        return genome
    source, target = free[int(rng.integers(len(free)))]
    op = _drawn(space.edge_ops, rng)
    innovation = history.connection(source, target)
    old = genome.connections.get(innovation)
    gene = _with(old, enabled=True) if old else Connection(source, target, op)
    return Genome({**genome.connections, innovation: gene}, genome.vertices)


def change_op(genome: Genome, space: WiredSpace | Wiring, rng: Rng) -> Genome:
    """Give a connection, or a vertex, another operation: what the mutation of a weight is to the paper."""
    by_edge = len(genome.connections) if len(space.edge_ops) > 1 else 0
    by_vertex = len(genome.vertices) if len(space.vertex_ops) > 1 else 0
    if not by_edge and not by_vertex:
        return genome
    at = int(rng.integers(by_edge + by_vertex))
    if at < by_edge:
        innovation = list(genome.connections)[at]
        source, target, old, on = genome.connections[innovation]
        op = _drawn([op for op in space.edge_ops if op != old], rng)
        return Genome({**genome.connections, innovation: Connection(source, target, op, on)}, genome.vertices)
    vertex = list(genome.vertices)[at - by_edge]
    op = _drawn([op for op in space.vertex_ops if op != genome.vertices[vertex]], rng)
    return Genome(genome.connections, {**genome.vertices, vertex: op})


def toggle(genome: Genome, rng: Rng) -> Genome:
    """Enable or disable a connection."""
    innovation = list(genome.connections)[int(rng.integers(len(genome.connections)))]
    gene = genome.connections[innovation]
    return Genome({**genome.connections, innovation: _with(gene, enabled=not gene.enabled)}, genome.vertices)


def express(genome: Genome, space: WiredSpace | Wiring, history: History) -> Arch | None:
    """Return the architecture that a genome stands for; None if the space has no such architecture.

    Enabled connections count, and vertices on a path from the input to the output, in their topological order. An
    overgrown genome is none either.
    """
    if is_overgrown(genome, space):
        return None
    enabled = tuple([number for number, (_, _, _, on) in genome.connections.items() if on])
    try:
        live = history.live[enabled]
    except KeyError:
        live = _live([(number, genome.connections[number]) for number in enabled], genome, history)
        history.live[enabled] = live
    if live is None or len(live.vertices) > space.inner_vertices:
        return None
    edges = {pair: genome.connections[number].op for number, pair in live.edges}
    try:
        return space.from_wiring([genome.vertices[vertex] for vertex in live.vertices], edges)
    except InvalidArchError:
        return None


def is_overgrown(genome: Genome, space: WiredSpace | Wiring) -> bool:
    """Return whether it has more than twice the vertices of the space: dead ones would grow without bound."""
    return len(genome.vertices) > 2 * space.inner_vertices


def _live(enabled: list[tuple[int, Connection]], genome: Genome, history: History) -> Live | None:
    """Return what lies on a path from the input to the output; None if there is none."""
    after: dict[int, list[int]] = {}
    before: dict[int, list[int]] = {}
    for _, gene in enabled:
        after.setdefault(gene.source, []).append(gene.target)
        before.setdefault(gene.target, []).append(gene.source)
    order = sorted((INPUT, OUTPUT, *genome.vertices), key=history.place)
    fed = _reached(INPUT, order, before)
    if OUTPUT not in fed:
        return None
    live = fed & _reached(OUTPUT, order[::-1], after)
    order = [vertex for vertex in order if vertex in live]
    place = {vertex: at for at, vertex in enumerate(order)}
    edges = [
        (number, (place[gene.source], place[gene.target]))
        for number, gene in enabled
        if gene.source in live and gene.target in live
    ]
    return Live(order[1:-1], edges)


def _reached(start: int, order: list[int], towards: dict[int, list[int]]) -> set[int]:
    """Return the vertices on a path from ``start``, which is the first in the order.

    Args:
        start: a vertex.
        order: all of them, none before what leads to it.
        towards: what leads to each.
    """
    reached = {start}
    for vertex in order:
        for other in towards.get(vertex, ()):
            if other in reached:
                reached.add(vertex)
                break
    return reached


def _with(gene: Connection, *, enabled: bool) -> Connection:
    """Return the gene with its enable bit set: ``_replace`` takes several times as long."""
    return Connection(gene.source, gene.target, gene.op, enabled)


def _drawn(ops: list[int] | tuple[int, ...], rng: Rng) -> int:
    return ops[int(rng.integers(len(ops)))]
