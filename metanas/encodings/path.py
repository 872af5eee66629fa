"""Path encoding: a column for each sequence of operations, 1 where a path from the input to the output reads so.

White, Neiswanger and Savani, "BANANAS: Bayesian Optimization with Neural Architectures for Neural Architecture
Search", AAAI 2021 (arXiv:1910.11858). As there, the longest sequences, which are the most and the least
frequent, are left out where there are too many. Difference: a path through an operation that passes nothing on is no
path.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from metanas.arch import Arch
from metanas.encodings.base import ZERO, examples, longest_path, once_per_space
from metanas.encodings.dag import Word, live_vertices, short_words
from metanas.spaces import Graph, Space

BY_CLASS = False

_MOST_COLUMNS = 1000


@once_per_space
def _columns(space: Space) -> dict[Word, int]:
    graphs = [space.graph(arch) for arch in examples(space)]
    ops = sorted({op for graph in graphs for op in graph.ops[1:-1] if op != ZERO})
    words = short_words(ops, longest_path(space), _MOST_COLUMNS)
    return {word: column for column, word in enumerate(words)}


def columns(space: Space) -> tuple[str, ...]:
    """Return ``"input>operation>…>output"`` for each column."""
    return tuple(">".join(("input", *word, "output")) for word in _columns(space))


def rows(space: Space, archs: Sequence[Arch]) -> NDArray[np.float32]:
    """Return the vectors of architectures, ``(n, d)``, 0 or 1."""
    place = _columns(space)
    matrix = np.zeros((len(archs), len(place)), dtype=np.float32)
    for row, arch in zip(matrix, archs, strict=True):
        row[[place[word] for word in _words(space.graph(arch)) if word in place]] = 1
    return matrix


def _words(graph: Graph) -> set[Word]:
    """Return what the paths from the input to the output read."""
    live, last = live_vertices(graph), len(graph.ops) - 1
    words: dict[int, set[Word]] = {0: {()}}
    for vertex, edges in itertools.groupby(sorted(graph.edges, key=lambda edge: edge[1]), key=lambda edge: edge[1]):
        own = () if vertex == last else (graph.ops[vertex],)
        if vertex in live:
            words[vertex] = {(*word, *own) for source, _ in edges if source in live for word in words[source]}
    return words.get(last, set())
