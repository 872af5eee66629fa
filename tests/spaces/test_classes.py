"""Functional classes: laws of the canonical form, and a second computation that shares nothing with it."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from metanas.arch import Arch
from metanas.spaces import load_space
from metanas.spaces.nb201 import CONV_1X1, CONV_3X3, EDGES, NONE, POOL, SKIP, codes

WHOLE, CONV = load_space("nb201"), load_space("nb201-conv")
indices = st.integers(0, len(WHOLE) - 1)


@given(indices)
def test_canonical_is_idempotent_and_keeps_the_function(index: int) -> None:
    arch = WHOLE.arch(index)
    representative = WHOLE.canonical(arch)
    assert WHOLE.canonical(representative) == representative
    assert WHOLE.cell(representative) == WHOLE.cell(arch)


def test_classes_are_the_cells_with_one_function() -> None:
    cells = {}
    for index in range(len(WHOLE)):
        cells.setdefault(WHOLE.cell(WHOLE.arch(index)), set()).add(int(WHOLE.canonical_indices[index]))
    assert len(cells) == 5_044
    assert all(len(representatives) == 1 for representatives in cells.values())
    assert len(set().union(*cells.values())) == 5_044


def test_the_sub_space_has_its_own_representatives() -> None:
    inside = np.isin(np.arange(len(WHOLE)), CONV.indices)
    np.testing.assert_array_equal(CONV.canonical_indices[inside], WHOLE.canonical_indices[inside])
    assert np.isin(CONV.canonical_indices[inside], CONV.indices).all()
    assert (CONV.canonical_indices[~inside] == -1).all()


def test_a_representative_has_the_most_none_edges_of_its_class() -> None:
    nothing = (codes() == NONE).sum(axis=1)
    assert (nothing[WHOLE.canonical_indices] >= nothing).all()


def test_known_pairs() -> None:
    def same(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
        return WHOLE.canonical(Arch("nb201", first)) == WHOLE.canonical(Arch("nb201", second))

    # edges: 1<-0 2<-0 2<-1 3<-0 3<-1 3<-2
    assert same((3, 0, 0, 0, 1, 0), (0, 0, 0, 3, 0, 0))  # a skip behind a convolution adds nothing
    assert same((4, 0, 0, 0, 4, 0), (0, 4, 0, 0, 0, 4))  # pooled twice, by way of node 1 or of node 2
    assert same((1, 0, 4, 4, 0, 1), (0, 1, 0, 4, 0, 4))  # pooling distributes: 2 pool(x), however it is come by
    assert same((3, 0, 0, 0, 0, 0), (0, 0, 0, 0, 0, 0))  # a convolution that reaches nothing is dead
    assert same((0, 0, 3, 1, 2, 0), (0, 0, 0, 1, 0, 0))  # a convolution of nothing is nothing
    assert not same((3, 0, 1, 0, 1, 1), (3, 3, 0, 0, 1, 1))  # twice the same convolution is not two convolutions
    assert not same((2, 0, 0, 0, 3, 0), (3, 0, 0, 0, 2, 0))  # order counts
    assert not same((1, 0, 0, 1, 1, 0), (0, 0, 0, 1, 0, 0))  # 2 x is not x


def _fingerprints() -> NDArray[np.float64]:
    """Describe every cell by what it computes with random functions, in any assignment to its convolutions.

    An edge is taken literally: a random function of a vector (one for each convolution) that keeps 0 at 0, one random
    matrix for all pooling, the vector itself, or nothing. A convolution is live if another function in its place
    changes the output. A cell is described by the numbers of its live convolutions and by sums, over all ways to give
    the first functions of each kind to them, of powers of the output: two cells agree if the one is the other with
    its free functions renamed.
    """
    rng = np.random.default_rng(0)
    width, spare = 5, len(EDGES)
    x = rng.normal(size=width)
    pooling = rng.normal(size=(width, width)) / width**0.5
    inner, outer = rng.normal(size=(2, 2, spare + 1, width, width))  # kind, function

    def apply(kind: int, function: NDArray[np.int64], value: NDArray[np.float64]) -> NDArray[np.float64]:
        bent = np.tanh(np.einsum("nij,nj->ni", inner[kind, function], value))
        return np.einsum("nij,nj->ni", outer[kind, function], bent + 0.5 * bent**2) / width**0.5

    def evaluate(code: tuple[int, ...], functions: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the output (n, width) for n assignments of a function to each edge, (n, 6)."""
        nodes = [np.tile(x, (len(functions), 1)), *np.zeros((3, len(functions), width))]
        for edge, ((target, source), op) in enumerate(zip(EDGES, code, strict=True)):
            if op == SKIP:
                nodes[target] = nodes[target] + nodes[source]
            elif op == POOL:
                nodes[target] = nodes[target] + nodes[source] @ pooling
            elif op != NONE:
                nodes[target] = nodes[target] + apply(op - CONV_1X1, functions[:, edge], nodes[source])
        return nodes[3]

    described = []
    for code in map(tuple, codes().tolist()):
        trials = np.tile(np.arange(len(EDGES)), (len(EDGES) + 1, 1))
        np.fill_diagonal(trials[1:], spare)
        outputs = evaluate(code, trials)
        changed = np.abs(outputs[1:] - outputs[0]).max(axis=1) > 1e-9
        live = [[edge for edge in range(6) if changed[edge] and code[edge] == op] for op in (CONV_1X1, CONV_3X3)]
        assignments = []
        for orders in itertools.product(*(itertools.permutations(range(len(edges))) for edges in live)):
            assignment = np.zeros(len(EDGES), dtype=np.int64)
            for edges, order in zip(live, orders, strict=True):
                assignment[edges] = order
            assignments.append(assignment)
        outputs = evaluate(code, np.array(assignments))
        sums = [np.mean(power) for power in (outputs @ x, np.tanh(outputs[:, 0]) ** 3, np.sin(outputs).prod(axis=1))]
        described.append([*map(len, live), *sums])
    return np.array(described)


def test_a_second_computation_gives_the_same_classes() -> None:
    fingerprints = np.round(_fingerprints(), 9)
    fingerprints[fingerprints == 0] = 0.0  # no -0
    number = np.unique(fingerprints, axis=0, return_inverse=True)[1].reshape(-1)
    assert len(np.unique(number)) == 5_044
    pairs = np.unique(np.stack([number, WHOLE.canonical_indices]), axis=1)
    assert pairs.shape[1] == 5_044  # one to one
    assert len(np.unique(number[CONV.indices])) == 1_011


def test_published_classes_are_wrong_both_ways(published_tables) -> None:
    ids = np.load(published_tables / "nb201.npz", allow_pickle=False)["unique_id"].astype(np.int64)
    pairs = np.unique(np.stack([ids, WHOLE.canonical_indices]), axis=1)
    assert len(np.unique(ids)) == 6_466
    assert (np.unique(pairs[0], return_counts=True)[1] > 1).sum() == 430  # mix networks with different weights
    assert (np.unique(pairs[1], return_counts=True)[1] > 1).sum() == 792  # join several published ones
