"""The live part of an architecture as a small graph, from the function of a cell or from the graph as written."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from metanas.arch import Arch
from metanas.encodings.base import ZERO
from metanas.errors import InvalidValueError
from metanas.spaces import Cell, Graph, Space

Word = tuple[str, ...]

INPUT = -1
POOL = "pool"


class Link(NamedTuple):
    """A term: the value of ``source`` (-1: the input), pooled ``pools`` times, added ``times`` times."""

    source: int
    pools: int
    times: int


class Dag(NamedTuple):
    """Vertices that reach the output and are reached from the input, in the order of evaluation.

    Attributes:
        ops: operation of each vertex, ``(n,)``.
        links: what each vertex adds up, ``(n,)``.
        output: what the output adds up (or joins); empty where no path leads to it.
    """

    ops: tuple[str, ...]
    links: tuple[tuple[Link, ...], ...]
    output: tuple[Link, ...]


def functional_dag(space: Space, arch: Arch) -> Dag:
    """Return the live part: the canonical form of the cell, or the pruned graph where the space has no such form."""
    try:
        cell = space.cell(arch)
    except InvalidValueError:
        return _from_graph(space.graph(arch))
    return _from_cell(cell)


def live_vertices(graph: Graph) -> set[int]:
    """Return the vertices on a path from the input to the output that passes something on, these two included.

    The set is empty where there is no path.
    """
    last = len(graph.ops) - 1
    edges = [edge for edge in graph.edges if graph.ops[edge[0]] != ZERO and graph.ops[edge[1]] != ZERO]
    reached, needed = {0}, {last}
    for source, target in sorted(edges):
        if source in reached:
            reached.add(target)
    for source, target in sorted(edges, key=lambda edge: -edge[1]):
        if target in needed:
            needed.add(source)
    live = reached & needed
    return live if {0, last} <= live else set()


def short_words(letters: Sequence[str], longest: int, most: int) -> list[Word]:
    """Return all words of ``letters``, the short ones first, up to the length that ``most`` words allow."""
    words: list[Word] = []
    for length in range(longest + 1):
        if words and len(words) + len(letters) ** length > most:
            break
        words.extend(itertools.product(letters, repeat=length))
    return words


def _from_cell(cell: Cell) -> Dag:
    links = [tuple(Link(term.source, term.pools, term.count) for term in atom.terms) for atom in cell.atoms]
    output = tuple(Link(term.source, term.pools, term.count) for term in cell.output)
    return Dag(tuple(atom.op for atom in cell.atoms), tuple(links), output)


def _from_graph(graph: Graph) -> Dag:
    live = sorted(live_vertices(graph))
    place = {vertex: number for number, vertex in enumerate(live, start=INPUT)}
    links: dict[int, list[Link]] = {vertex: [] for vertex in live}
    for source, target in graph.edges:
        if source in place and target in place:
            links[target].append(Link(place[source], 0, 1))
    if not live:
        return Dag((), (), ())
    inner = live[1:-1]
    return Dag(
        tuple(graph.ops[vertex] for vertex in inner),
        tuple(tuple(links[vertex]) for vertex in inner),
        tuple(links[live[-1]]),
    )
