"""NAS-Bench-Graph's space: counts, classes, the written form, laws of moves."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metanas.arch import Arch
from metanas.errors import InvalidArchError, InvalidValueError
from metanas.spaces import ListedSpace, load_space
from metanas.spaces.nbgraph import NODES, OPS, SIZE, SKIP, TREES

WHOLE, PROTEINS = load_space("nbgraph"), load_space("nbgraph-proteins")
SPACES = [WHOLE, PROTEINS]
every_space = pytest.mark.parametrize("space", SPACES, ids=[space.name for space in SPACES])
generators = st.integers(0, 2**32).map(np.random.default_rng)


@st.composite
def placed(draw: st.DrawFn, count: int = 1) -> tuple[ListedSpace, list[Arch]]:
    """A space and some of its architectures."""
    space = draw(st.sampled_from(SPACES))
    chosen = st.integers(0, len(space) - 1)
    return space, [space.arch(int(space.indices[draw(chosen)])) for _ in range(count)]


def test_sizes_and_the_published_numbers_of_classes() -> None:
    assert (len(WHOLE), len(PROTEINS)) == (9 * (9**4 - 1), 9 * (5**4 - 1))
    assert len(np.unique(WHOLE.canonical_indices[WHOLE.indices])) == 26_206
    assert len(np.unique(PROTEINS.canonical_indices[PROTEINS.indices])) == 2_021
    assert isinstance(WHOLE, ListedSpace)


def test_the_trees_are_all_rooted_trees_of_four_nodes() -> None:
    def shape(sources: tuple[int, ...], node: int = 0) -> tuple[object, ...]:
        return tuple(sorted((shape(sources, n) for n, s in enumerate(sources, start=1) if s == node), key=repr))

    every = {shape(sources) for sources in itertools.product(range(1), range(2), range(3), range(4))}
    assert len({shape(tree) for tree in TREES}) == len(TREES) == len(every) == 9


@given(placed())
def test_canonical_is_idempotent_and_the_listed_one(case) -> None:
    space, [arch] = case
    representative = space.canonical(arch)
    assert space.canonical(representative) == representative
    assert space.canonical_indices[space.index(arch)] == space.index(representative)
    assert sorted(representative.code[1:]) == sorted(arch.code[1:])


@given(placed(), st.permutations(range(1, NODES + 1)))
def test_the_order_of_nodes_does_not_matter(case, order) -> None:
    space, [arch] = case
    sources = TREES[arch.code[0]]
    order = sorted(order, key=lambda node: depth(sources, node))  # any order in which sources come first
    new = {0: 0, **{node: number for number, node in enumerate(order, start=1)}}
    other = space.from_sources([new[sources[node - 1]] for node in order], [arch.code[node] for node in order])
    assert space.canonical(other) == space.canonical(arch)
    text = "|".join(f"{OPS[arch.code[node]]}({new[sources[node - 1]]})" for node in order)
    assert space.canonical(space.parse(text)) == space.canonical(arch)


def depth(sources: tuple[int, ...], node: int) -> int:
    return 0 if node == 0 else 1 + depth(sources, sources[node - 1])


def test_what_a_skip_does() -> None:
    def same(first: str, second: str) -> bool:
        return WHOLE.canonical(WHOLE.parse(first)) == WHOLE.canonical(WHOLE.parse(second))

    assert same("gcn(0)|skip(1)|gat(2)|gin(3)", "skip(0)|gcn(1)|gat(2)|gin(3)")  # in a chain
    assert same("gcn(0)|gat(1)|gin(2)|skip(3)", "skip(0)|gcn(1)|gat(2)|gin(3)")  # at the end of a chain
    assert same("skip(0)|gcn(0)|gat(2)|gin(3)", "skip(0)|gcn(1)|gat(2)|gin(3)")  # the bare input is left out
    assert not same("gcn(0)|skip(1)|gat(1)|gin(3)", "skip(0)|gcn(1)|gat(2)|gin(3)")  # joins gcn to the output
    assert not same("gcn(0)|gat(1)|gin(2)|fc(3)", "gat(0)|gcn(1)|gin(2)|fc(3)")
    assert same("gcn(0)|gat(0)|gin(1)|fc(2)", "gat(0)|gcn(0)|fc(1)|gin(2)")  # two chains in either order


@given(placed())
def test_written_form_and_index_round_trip(case) -> None:
    space, [arch] = case
    assert space.parse(space.format(arch)) == arch
    assert space.arch(space.index(arch)) == arch
    assert space.index(arch) in space.indices


@given(placed())
def test_neighbours_are_complete_and_symmetric(case) -> None:
    space, [arch] = case
    neighbours = space.neighbours(arch)
    skips = arch.code[1:].count(SKIP)
    whole = len(TREES) - 1 + NODES * (len(space.allowed) - 1)
    assert len(neighbours) == len(set(neighbours)) == whole - (skips == NODES - 1)  # never four skips
    for neighbour in neighbours:
        space.check(neighbour)
        assert sum(a != b for a, b in zip(arch.code, neighbour.code, strict=True)) == 1
        assert arch in space.neighbours(neighbour)


@given(placed(count=2), generators)
def test_moves_stay_in_the_space(case, rng) -> None:
    space, [first, second] = case
    assert space.mutate(first, rng) in space.neighbours(first)
    assert space.check(space.sample(rng))
    child = space.check(space.crossover(first, second, rng))
    assert all(entry in pair for entry, *pair in zip(child.code, first.code, second.code, strict=True))


@every_space
def test_sampling_is_uniform(space: ListedSpace) -> None:
    rng = np.random.default_rng(0)
    drawn = np.array([space.sample(rng).code for _ in range(4_000)])
    trees = np.bincount(drawn[:, 0], minlength=len(TREES)) / len(drawn)
    assert np.abs(trees - 1 / len(TREES)).max() < 0.03
    share = np.array([(drawn[:, 1:] == op).mean() for op in space.allowed])
    assert np.abs(share - 1 / len(share)).max() < 0.02


@given(placed())
def test_graph_leads_from_every_node_to_the_output(case) -> None:
    space, [arch] = case
    graph = space.graph(arch)
    assert graph.ops == ("input", *(OPS[op] for op in arch.code[1:]), "output")
    adjacency = graph.adjacency()
    assert not np.tril(adjacency).any()
    assert adjacency[:-1].any(axis=1).all()
    assert (adjacency[:, 1:-1].sum(axis=0) == 1).all()  # one source each


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "4 nodes written"),
        ("gcn(0)|gcn(1)|gcn(2)", "4 nodes written"),
        ("gcn(0)|gcn(1)|gcn(2)|gcn3", "4 nodes written"),
        ("gcn(0)|gcn(1)|gcn(2)|lstm(3)", "Unknown operation 'lstm'.*gat, gcn,"),
        ("gcn(0)|gcn(2)|gcn(2)|gcn(3)", "source of node 2"),
        ("skip(0)|skip(0)|skip(0)|skip(0)", "4 skips"),
    ],
)
def test_a_malformed_text_is_explained(text: str, complaint: str) -> None:
    with pytest.raises(InvalidArchError, match=complaint):
        WHOLE.parse(text)


def test_the_sub_space_says_what_it_allows() -> None:
    with pytest.raises(InvalidArchError, match=r"'gat'.*'nbgraph-proteins' allows: gcn, sage, arma, fc, skip\."):
        PROTEINS.parse("gat(0)|gcn(1)|gcn(2)|gcn(3)")
    with pytest.raises(InvalidArchError, match="1=gcn, 4=sage"):
        PROTEINS.index(WHOLE.parse("gat(0)|gcn(1)|gcn(2)|gcn(3)"))
    arch = PROTEINS.parse("sage(0)|gcn(1)|gcn(2)|gcn(3)")
    assert PROTEINS.index(arch) == WHOLE.index(arch)


@every_space
def test_what_is_no_architecture_is_refused(space: ListedSpace) -> None:
    with pytest.raises(InvalidArchError, match=rf"0 <= index < {SIZE} must hold"):
        space.arch(SIZE)
    with pytest.raises(InvalidArchError, match="takes architectures of 'nbgraph', but got one of 'nb201'"):
        space.check(Arch("nb201", (0,) * 5))
    with pytest.raises(InvalidArchError, match=r"must be a metanas\.Arch"):
        space.check("gcn(0)")  # type: ignore[arg-type]
    for code in [(), (9, 1, 1, 1, 1), (0, 1, 1, 1), (0, 1, 1, 1, 9)]:
        with pytest.raises(InvalidArchError, match="has a tree, 0 to 8"):
            space.check(Arch("nbgraph", code))
    with pytest.raises(InvalidValueError, match="does not train"):
        space.cell(space.arch(int(space.indices[0])))
