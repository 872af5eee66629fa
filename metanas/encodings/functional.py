"""Functional: numbers that describe what an architecture computes, equal for functionally equal architectures.

They are read off the canonical form of the function (:class:`~metanas.spaces.Cell`): live operations and the terms that
each adds up. Where a space has no such form they are read off the pruned graph of the class's representative. What is
dead in the architecture as written does not count.

Groups of columns, by the beginning of their names:

* ``n[...]``: how many live vertices of an operation; ``n:...``: all of them, terms, and weights and multiplications in
  units of a 1x1 convolution.
* ``term[source,pools,target]``: how often a kind of term is added.
* ``path[word]``: in how many ways a value takes the path that reads so, pools spelt out.
* ``share[word]``: the path's share of the output if every sum weighs all that it adds evenly.
* ``min:...``, ``max:...``, ``mean:...``, ``expected:...``, ``sum:...``: the least, the greatest, the mean, the mean
  weighted by shares and the sum over all paths of their length in operations, of the operations of one kind, of pools
  and of the receptive field's width.
* ``shape:...``: depth, in and out degrees, whether the input is added to the output as it is, how
  many paths there are and how even their shares, and the like.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metanas.arch import Arch
from metanas.encodings.base import examples, longest_path, once_per_space
from metanas.encodings.dag import INPUT, POOL, Dag, Link, Word, functional_dag, short_words
from metanas.spaces import Space

BY_CLASS = True

_MOST_WORDS = 400
_KERNEL = re.compile(r"(\d)x\1")
_STATISTICS = ("min", "max", "mean", "expected", "sum")
_NUMBERS = ("vertices", "terms", "weights", "multiplications")
_SHAPE = (
    *("empty", "depth", "input_out", "output_in", "output_terms", "max_in", "max_out", "residual", "pooled", "paths"),
    "even",
)

_Paths = dict[Word, tuple[int, float]]  # number of ways, share


class _Layout(NamedTuple):
    ops: tuple[str, ...]
    attributes: tuple[str, ...]  # of a path: its length, its operations of each kind, pools, receptive field
    words: dict[Word, int]
    terms: dict[tuple[str, int, str], int]


@once_per_space
def _layout(space: Space) -> _Layout:
    dags = [functional_dag(space, space.canonical(arch)) for arch in examples(space)]
    ops = tuple(sorted({op for dag in dags for op in dag.ops}))
    pooled = any(link.pools for dag in dags for links in (*dag.links, dag.output) for link in links)
    letters = (*ops, POOL) if pooled else ops
    longest = longest_path(space)
    words = short_words(letters, longest, _MOST_WORDS)
    pools = range(longest + 1 if pooled else 1)
    terms = itertools.product(("input", *ops), pools, (*ops, "output"))
    possible = [(a, p, b) for a, p, b in terms if (a != "input") + p + (b != "output") <= longest]
    return _Layout(
        ops,
        ("length", *letters, "field"),
        {word: column for column, word in enumerate(words)},
        {term: column for column, term in enumerate(possible)},
    )


@once_per_space
def columns(space: Space) -> tuple[str, ...]:
    """Return the name of each column; see the module."""
    layout = _layout(space)
    words = [">".join(word) for word in layout.words]
    return (
        *(f"n[{op}]" for op in layout.ops),
        *(f"n:{number}" for number in _NUMBERS),
        *(f"term[{source},{pools},{target}]" for source, pools, target in layout.terms),
        *(f"path[{word}]" for word in words),
        *(f"share[{word}]" for word in words),
        *(f"{statistic}:{what}" for statistic in _STATISTICS for what in layout.attributes),
        *(f"shape:{what}" for what in _SHAPE),
    )


def rows(space: Space, archs: Sequence[Arch]) -> NDArray[np.float32]:
    """Return the vectors of architectures, ``(n, d)``."""
    layout = _layout(space)
    matrix = np.zeros((len(archs), len(columns(space))), dtype=np.float32)
    if not len(archs):
        return matrix
    dags = [functional_dag(space, space.canonical(arch)) for arch in archs]
    paths = [_paths(dag) for dag in dags]
    counts = np.array([_counts(dag, layout) for dag in dags])
    shapes = np.array([_shape(dag, own) for dag, own in zip(dags, paths, strict=True)])
    np.concatenate([counts, *_path_groups(paths, layout), shapes], axis=1, out=matrix)
    return matrix


def _paths(dag: Dag) -> _Paths:
    """Return what the paths from the input to the output read, in how many ways each, and its share of the output."""
    reached: list[_Paths] = []

    def added(links: Sequence[Link], last: Word) -> _Paths:
        total = sum(link.times for link in links)
        paths: _Paths = {}
        for source, pools, count in links:
            ending = (POOL,) * pools + last
            for word, (ways, share) in ({(): (1, 1.0)} if source == INPUT else reached[source]).items():
                before = paths.get(word + ending, (0, 0.0))
                paths[word + ending] = (before[0] + ways * count, before[1] + share * count / total)
        return paths

    for op, links in zip(dag.ops, dag.links, strict=True):
        reached.append(added(links, (op,)))
    return added(dag.output, ())


def _counts(dag: Dag, layout: _Layout) -> list[float]:
    """Return the groups ``n`` and ``term``."""
    terms = [0] * len(layout.terms)
    pools = 0
    for target, links in (*zip(dag.ops, dag.links, strict=True), ("output", dag.output)):
        for source, times, count in links:
            terms[layout.terms["input" if source == INPUT else dag.ops[source], times, target]] += count
            pools += times
    weights = sum(_weights(op) for op in dag.ops)
    numbers = (len(dag.ops), sum(terms), weights, weights + pools / 8)
    return [*(dag.ops.count(op) for op in layout.ops), *numbers, *terms]


def _path_groups(paths: Sequence[_Paths], layout: _Layout) -> list[NDArray[np.float64]]:
    """Return the groups ``path`` and ``share``, and the statistics over paths; zeros where there is no path."""
    entries = [(row, word, *pair) for row, own in enumerate(paths) for word, pair in own.items()]
    ways_and_shares = np.zeros((2, len(paths), len(layout.words)))
    statistics = np.zeros((len(_STATISTICS), len(paths), len(layout.attributes)))
    if entries:
        numbers, words, ways, shares = zip(*entries, strict=True)
        row, weights = np.array(numbers), np.array([ways, shares])
        column = np.array([layout.words.get(word, -1) for word in words])
        ways_and_shares[:, row[column >= 0], column[column >= 0]] = weights[:, column >= 0]
        values = np.array([_attributes(word, layout.attributes[1:-1]) for word in words])
        there, starts = np.unique(row, return_index=True)
        total, shared = (np.add.reduceat(weight[:, None] * values, starts) for weight in weights)
        least, most = (extreme.reduceat(values, starts) for extreme in (np.minimum, np.maximum))
        mean = total / np.add.reduceat(weights[0], starts)[:, None]
        statistics[:, there] = np.stack([least, most, mean, shared, total])
    return [*ways_and_shares, *statistics]


@cache
def _attributes(word: Word, letters: tuple[str, ...]) -> tuple[float, ...]:
    length = sum(letter != POOL for letter in word)
    return (length, *(word.count(letter) for letter in letters), 1 + sum(_kernel(letter) - 1 for letter in word))


def _shape(dag: Dag, paths: _Paths) -> list[float]:
    """Return the numbers that ``_SHAPE`` names."""
    depth = [0]  # of the input, which is before all others as its number, -1, is
    out = [0] * (len(dag.ops) + 1)
    into = []
    for links in (*dag.links, dag.output):
        depth.append(1 + max([depth[link.source + 1] for link in links], default=0))
        into.append(sum([link.times for link in links]))
        for link in links:
            out[link.source + 1] += link.times
    return [
        not dag.output,
        depth[-1] - 1,
        out[0],
        into[-1],
        len(dag.output),
        max(into),
        max(out),
        sum(link.times for link in dag.output if link.source == INPUT and not link.pools),
        bool(paths) and all(POOL in word for word in paths),
        sum(ways for ways, _ in paths.values()),
        -sum(share * math.log(share) for _, share in paths.values()),
    ]


@cache
def _kernel(op: str) -> int:
    """Return the width of what an operation looks at, read off its name: 3 for a 3x3 one, 1 for others."""
    found = _KERNEL.search(op)
    return 3 if op == POOL else int(found[1]) if found else 1


@cache
def _weights(op: str) -> int:
    return _kernel(op) ** 2 if "conv" in op else 0
