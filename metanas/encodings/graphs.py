"""The pruned functional graph of architectures as arrays, many graphs in one, for networks on graphs.

Vertices are the input, the live operations and the output of the canonical form; edges are its terms, with how often
the value is pooled on its way and how often it is added (see ``dag.py`` for spaces without such a form). Functionally
equal architectures have equal graphs.

Vertices are in topological order, the input first and the output last. An architecture that passes nothing on is an
input and an output without an edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metanas.encodings.base import Archs, as_indices, examples, once_per_space
from metanas.encodings.dag import Dag, functional_dag
from metanas.spaces import ListedSpace, Space

INPUT, OUTPUT = 0, 1  # their numbers in Graphs.ops

Ints = NDArray[np.int64]


class Dense(NamedTuple):
    """Graphs as matrices; vertices are padded to the largest graph, the output moved to the last place.

    Attributes:
        ops: operation of each vertex, −1 where there is none, ``(n, v)``.
        counts: how often the value of a vertex (row) is added at another (column), whatever its pooling, ``(n, v, v)``.
        pools: how often it is pooled on the way, the mean over all that is added, ``(n, v, v)``.
    """

    ops: Ints
    counts: NDArray[np.float64]
    pools: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Graphs:
    """``n`` graphs, their vertices and edges one after another.

    Attributes:
        op_names: names of the operations, the input and the output before all others.
        ops: operation of each vertex, a position in ``op_names``, ``(n_vertices,)``.
        vertex_starts: first vertex of each graph, and the number of all vertices, ``(n + 1,)``.
        sources: vertex that each edge leaves, numbered over all graphs, ``(n_edges,)``.
        targets: vertex that it enters, ``(n_edges,)``.
        kinds: what edges can be: how often a value is pooled on the way and how often it is added, ``(n_kinds, 2)``.
        kinds_of_edges: kind of each edge, a row of ``kinds``, ``(n_edges,)``.
        edge_starts: first edge of each graph, and the number of all edges, ``(n + 1,)``.
    """

    op_names: tuple[str, ...]
    ops: Ints
    vertex_starts: Ints
    sources: Ints
    targets: Ints
    kinds: Ints
    kinds_of_edges: Ints
    edge_starts: Ints

    def __len__(self) -> int:
        """Return the number of graphs."""
        return len(self.vertex_starts) - 1

    @cached_property
    def graph_of_vertex(self) -> Ints:
        """Graph of each vertex, ``(n_vertices,)``."""
        return np.repeat(np.arange(len(self)), np.diff(self.vertex_starts))

    @property
    def pools(self) -> Ints:
        """How often the value is pooled on each edge, ``(n_edges,)``."""
        pools: Ints = self.kinds[self.kinds_of_edges, 0]
        return pools

    @property
    def counts(self) -> Ints:
        """How often it is added, ``(n_edges,)``."""
        counts: Ints = self.kinds[self.kinds_of_edges, 1]
        return counts

    @property
    def outputs(self) -> Ints:
        """Output vertex of each graph, ``(n,)``."""
        return self.vertex_starts[1:] - 1

    def take(self, rows: Ints) -> Graphs:
        """Return the graphs of ``rows``, in that order; one may be taken more than once."""
        vertices, vertex_starts = _runs(self.vertex_starts, rows)
        edges, edge_starts = _runs(self.edge_starts, rows)
        shift = np.repeat(vertex_starts[:-1] - self.vertex_starts[rows], np.diff(edge_starts))
        return Graphs(
            op_names=self.op_names,
            ops=self.ops[vertices],
            vertex_starts=vertex_starts,
            sources=self.sources[edges] + shift,
            targets=self.targets[edges] + shift,
            kinds=self.kinds,
            kinds_of_edges=self.kinds_of_edges[edges],
            edge_starts=edge_starts,
        )

    def dense(self) -> Dense:
        """Return the graphs as padded matrices."""
        width = int(np.diff(self.vertex_starts).max(initial=2))
        graph = self.graph_of_vertex
        place = np.arange(len(self.ops)) - self.vertex_starts[graph]
        place[self.outputs] = width - 1
        ops = np.full((len(self), width), -1, dtype=np.int64)
        ops[graph, place] = self.ops
        counts, pools = np.zeros((2, len(self), width, width))
        where = (graph[self.sources], place[self.sources], place[self.targets])
        np.add.at(counts, where, self.counts)
        np.add.at(pools, where, self.pools * self.counts)
        return Dense(ops, counts, pools / np.maximum(counts, 1))


def class_graphs(space: Space, archs: Archs) -> tuple[Graphs, Ints]:
    """Return the graphs of architectures, one for each functional class.

    The graphs of a space with a list of its architectures are all made at the first call and kept.

    Args:
        space: their space.
        archs: ``n`` architectures, or their indices in the space.

    Returns:
        Graphs, and which of them each architecture has, ``(n,)``. They are those of the whole space if it has a list,
        otherwise those of ``archs``.

    Raises:
        InvalidArchError: an architecture of another space.
    """
    indices = as_indices(space, archs)
    if isinstance(space, ListedSpace):
        graphs, row = _whole(space)
        return graphs, row[indices]
    representatives = [space.canonical(space.arch(index)) for index in indices.tolist()]
    different = sorted(set(representatives))
    position = {arch: number for number, arch in enumerate(different)}
    rows = np.array([position[arch] for arch in representatives], dtype=np.int64)
    return _joined([functional_dag(space, arch) for arch in different], _op_names(space)), rows


@once_per_space
def _whole(space: Space) -> tuple[Graphs, Ints]:
    """Return the graphs of all classes, and the class of every index of the index range (−1: no architecture)."""
    assert isinstance(space, ListedSpace)
    canonical = space.canonical_indices
    different, place = np.unique(canonical[space.indices], return_inverse=True)
    row = np.full(len(canonical), -1, dtype=np.int64)
    row[space.indices] = place
    dags = [functional_dag(space, space.arch(index)) for index in different.tolist()]
    return _joined(dags, _op_names(space)), row


@once_per_space
def _op_names(space: Space) -> tuple[str, ...]:
    dags = (functional_dag(space, space.canonical(arch)) for arch in examples(space))
    return ("input", "output", *sorted({op for dag in dags for op in dag.ops}))


def _joined(dags: Sequence[Dag], op_names: tuple[str, ...]) -> Graphs:
    number = {op: position for position, op in enumerate(op_names)}
    ops = [(INPUT, *(number[op] for op in dag.ops), OUTPUT) for dag in dags]
    edges = [
        [
            (link.source + 1, target, link.pools, link.times)  # the input is −1 there, and 0 here
            for target, links in enumerate((*dag.links, dag.output), start=1)
            for link in links
        ]
        for dag in dags
    ]
    vertex_starts = np.cumsum([0, *map(len, ops)])
    edge_starts = np.cumsum([0, *map(len, edges)])
    columns = np.array([edge for own in edges for edge in own], dtype=np.int64).reshape(-1, 4)
    shift = np.repeat(vertex_starts[:-1], np.diff(edge_starts))
    kinds, kinds_of_edges = np.unique(columns[:, 2:], axis=0, return_inverse=True)
    return Graphs(
        op_names=op_names,
        ops=np.array([op for own in ops for op in own], dtype=np.int64),
        vertex_starts=vertex_starts,
        sources=columns[:, 0] + shift,
        targets=columns[:, 1] + shift,
        kinds=kinds,
        kinds_of_edges=kinds_of_edges.reshape(-1),
        edge_starts=edge_starts,
    )


def _runs(starts: Ints, rows: Ints) -> tuple[Ints, Ints]:
    """Return the positions of the runs ``rows`` of what lies between ``starts``, and where each begins among them."""
    lengths = starts[rows + 1] - starts[rows]
    new = np.concatenate([[0], np.cumsum(lengths)])
    return np.arange(new[-1]) + np.repeat(starts[rows] - new[:-1], lengths), new
