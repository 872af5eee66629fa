"""A cell as what can be drawn: nodes, and edges that carry operations.

Of a space whose architectures are sums of terms, the *function* is drawn (``space.cell``): nothing that is dead, nodes
only where something is added up or used twice. Of another space, the graph as it is written.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from metanas.arch import Arch
from metanas.errors import InvalidValueError
from metanas.spaces import Cell, Space
from metanas.spaces.base import Graph, Term

Values = Counter[tuple[int, int]]  # (pools, source) -> count; the source -1 is the input, others are atoms
_INPUT = (0, -1)


@dataclass(frozen=True, slots=True)
class Edge:
    """An operation from one node to another.

    Attributes:
        source: number of a node.
        target: number of a later node.
        labels: what the edge does; several operations between the same nodes are added up.
    """

    source: int
    target: int
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Diagram:
    """Nodes in topological order, the first the input and the last the output.

    Attributes:
        nodes: label of each node.
        edges: sorted by source and target.
    """

    nodes: tuple[str, ...]
    edges: tuple[Edge, ...]


def diagram(space: Space, arch: Arch) -> Diagram:
    """Return what to draw of an architecture."""
    try:
        return of_cell(space.cell(arch))
    except InvalidValueError:  # no sums of terms
        return of_graph(space.graph(arch))


def of_graph(graph: Graph) -> Diagram:
    """Return a graph with operations on its nodes, without those that do not lie between input and output."""
    reached, reaching = {0}, {len(graph.ops) - 1}
    for source, target in sorted(graph.edges):  # edges lead to later vertices
        if source in reached:
            reached.add(target)
    for source, target in sorted(graph.edges, reverse=True):
        if target in reaching:
            reaching.add(source)
    kept = sorted((reached & reaching) | {0, len(graph.ops) - 1})
    number = {vertex: place for place, vertex in enumerate(kept)}
    edges = [(number[a], number[b]) for a, b in sorted(graph.edges) if a in number and b in number]
    return Diagram(tuple(spoken(graph.ops[vertex]) for vertex in kept), tuple(Edge(a, b, ()) for a, b in edges))


def of_cell(cell: Cell) -> Diagram:
    """Return a cell with nodes that add up and edges that carry one operation each.

    A node is needed for the input of each convolution, for the output, and for a convolution that is used in more than
    one way. What a node adds up is told as copies and poolings of earlier nodes (the largest that fit) and as
    convolutions, each drawn once.
    """
    alone: set[int] = set()  # atoms whose value must be a node of its own
    while True:
        values = _nodes(cell, alone)
        edges, again = _edges(cell, values)
        if not again - alone:
            break
        alone |= again
    labels = ["in", *(str(number) for number in range(1, len(values) - 1)), "out"]
    joined: dict[tuple[int, int], list[str]] = {}
    for source, target, label in edges:
        joined.setdefault((source, target), []).append(label)
    return Diagram(tuple(labels), tuple(Edge(*ends, tuple(found)) for ends, found in sorted(joined.items())))


def _nodes(cell: Cell, alone: set[int]) -> list[Values]:
    """Return what each node adds up, in topological order: the input first, the output last."""
    output = _values(cell.output)
    inner = [_values(atom.terms) for atom in cell.atoms] + [Counter({(0, atom): 1}) for atom in sorted(alone)]
    distinct = {tuple(sorted(node.items())): node for node in inner if node not in (output, Counter({_INPUT: 1}))}
    ordered = sorted(distinct.items(), key=lambda item: (_depth(cell, item[1]), sum(item[1].values()), item[0]))
    return [Counter({_INPUT: 1}), *(node for _, node in ordered), output]


def _depth(cell: Cell, values: Values) -> int:
    """Return how many convolutions follow each other at most on the way to a node."""
    return max((_depth(cell, _values(cell.atoms[a].terms)) + 1 if a >= 0 else 0 for _, a in values), default=0)


def _edges(cell: Cell, values: Sequence[Values]) -> tuple[list[tuple[int, int, str]], set[int]]:
    """Return edges (source, target, label), and the atoms that would have to be drawn more than once."""
    edges: list[tuple[int, int, str]] = []
    again: set[int] = set()
    drawn: set[int] = set()
    for target in range(1, len(values)):
        rest = Counter(values[target])
        for source, pools in _parts(rest, values[:target]):
            part = _pooled(values[source], pools)
            count = min(rest[key] // n for key, n in part.items())
            if count:
                edges.append((source, target, _times(count) + _linear(pools)))
                rest -= Counter({key: count * n for key, n in part.items()})
        for (pools, atom), count in sorted(rest.items()):
            if atom in drawn or pools or count > 1:
                again.add(atom)
            drawn.add(atom)
            source = values.index(_values(cell.atoms[atom].terms))
            edges.append((source, target, _times(count) + spoken(cell.atoms[atom].op)))
    return edges, again


def _parts(rest: Values, earlier: Sequence[Values]) -> list[tuple[int, int]]:
    """Return the earlier nodes that may be contained, with a number of poolings, the largest first."""
    most = max((pools for pools, _ in rest), default=0)
    found = [(sum(node.values()), -pools, n, pools) for n, node in enumerate(earlier) for pools in range(most + 1)]
    return [(number, pools) for size, _, number, pools in sorted(found, reverse=True) if size]


def _values(terms: Sequence[Term]) -> Values:
    return Counter({(term.pools, term.source): term.count for term in terms})


def _pooled(values: Values, pools: int) -> Values:
    return Counter({(before + pools, source): count for (before, source), count in values.items()})


def _times(count: int) -> str:
    return f"{count} × " if count > 1 else ""


def _linear(pools: int) -> str:
    return "skip" if pools == 0 else "pool" if pools == 1 else f"pool, {pools} times"


def spoken(op: str) -> str:
    """Write the name of an operation for people: ``nor_conv_3x3`` is ``conv 3×3``."""
    return re.sub(r"(?<=\d)x(?=\d)", "×", op.removeprefix("nor_").replace("_", " "))
