"""Adjacency: the matrix of the graph's live part and the operations of its vertices, in the order as written.

White, Neiswanger, Nolen and Savani, "A Study on Encodings for Neural Architecture Search", NeurIPS 2020
(arXiv:2007.04965), section 3.1, the one-hot adjacency encoding. Differences: vertices that pass nothing on and vertices
off every path from the input to the output have neither edges nor an operation here, so that the encoding of a space
with fixed edges, as ``nb201``, says something of the structure; and the order of the vertices is that of the space, not
a drawn one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from metanas.arch import Arch
from metanas.encodings.base import examples, once_per_space
from metanas.encodings.dag import live_vertices
from metanas.spaces import Space

BY_CLASS = False

_Edge = tuple[int, int]


@once_per_space
def _layout(space: Space) -> tuple[dict[_Edge, int], dict[tuple[int, str], int]]:
    """Return the column of each edge, and of each pair of a vertex and its operation."""
    edges: set[_Edge] = set()
    ops: set[tuple[int, str]] = set()
    for arch in examples(space):
        graph = space.graph(arch)
        edges.update(graph.edges)
        ops.update((vertex, op) for vertex, op in enumerate(graph.ops) if 0 < vertex < len(graph.ops) - 1)
    edge_columns = {edge: column for column, edge in enumerate(sorted(edges))}
    return edge_columns, {op: column for column, op in enumerate(sorted(ops), start=len(edges))}


def columns(space: Space) -> tuple[str, ...]:
    """Return ``"source->target"`` or ``"vertex=operation"`` for each column."""
    edges, ops = _layout(space)
    return (*(f"{source}->{target}" for source, target in edges), *(f"{vertex}={op}" for vertex, op in ops))


def rows(space: Space, archs: Sequence[Arch]) -> NDArray[np.float32]:
    """Return the vectors of architectures, ``(n, d)``, 0 or 1."""
    edges, ops = _layout(space)
    matrix = np.zeros((len(archs), len(edges) + len(ops)), dtype=np.float32)
    for row, arch in zip(matrix, archs, strict=True):
        graph = space.graph(arch)
        live = live_vertices(graph)
        row[[edges[edge] for edge in graph.edges if edge[0] in live and edge[1] in live]] = 1
        row[[ops[vertex, graph.ops[vertex]] for vertex in live if 0 < vertex < len(graph.ops) - 1]] = 1
    return matrix
