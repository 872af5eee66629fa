"""The cell spaces: written form, indices, moves, counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metanas.arch import Arch
from metanas.errors import InvalidArchError, UnknownNameError
from metanas.spaces import Space, load_space, space_names
from metanas.spaces.nb201 import EDGES, OPS, codes, compute_tables

SPACES = [load_space(name) for name in ("nb201", "nb201-conv")]
IDS = [space.name for space in SPACES]
every_space = pytest.mark.parametrize("space", SPACES, ids=IDS)


@st.composite
def placed(draw: st.DrawFn, count: int = 1) -> tuple[Space, list[Arch]]:
    """A space and some of its architectures."""
    space = draw(st.sampled_from(SPACES))
    chosen = st.integers(0, len(space) - 1)
    return space, [space.arch(int(space.indices[draw(chosen)])) for _ in range(count)]


def test_the_spaces_are_found_by_name() -> None:
    assert space_names() == ("nb101", "nb201", "nb201-conv", "nbgraph", "nbgraph-proteins")
    assert [load_space(name).name for name in space_names()] == list(space_names())


def test_an_unknown_space_names_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean 'nb201'.*nb201-conv"):
        load_space("nb2001")


def test_sizes_and_numbers_of_classes() -> None:
    whole, conv = load_space("nb201"), load_space("nb201-conv")
    assert (len(whole), len(conv)) == (15_625, 4_096)
    assert len(np.unique(whole.canonical_indices)) == 5_044
    assert len(np.unique(conv.canonical_indices[conv.indices])) == 1_011


def test_order_is_that_of_the_published_table(published_tables) -> None:
    published = np.load(published_tables / "nb201.npz", allow_pickle=False)
    assert tuple(published["op_names"]) == OPS
    assert tuple(published["edge_names"]) == tuple(f"{target}<-{source}" for target, source in EDGES)
    np.testing.assert_array_equal(codes(), published["ops"])


def test_published_cells_have_their_published_strings() -> None:
    # NATS-Bench's cell 0, and NAS-Bench-201's best on cifar10
    strings = {
        0: "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|",
        6111: "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|",
    }
    space = load_space("nb201")
    assert {index: space.format(space.arch(index)) for index in strings} == strings


def test_shipped_tables_are_the_computed_ones() -> None:
    from importlib import resources

    with resources.files("metanas.spaces").joinpath("nb201.npz").open("rb") as file:
        shipped = dict(np.load(file, allow_pickle=False))
    computed = compute_tables()
    assert shipped.keys() == computed.keys()
    for name, array in computed.items():
        np.testing.assert_array_equal(shipped[name], array, err_msg=name)


@given(placed())
def test_what_a_compiler_leaves_computes_the_same(case) -> None:
    space, [arch] = case
    index = space.index(arch)
    for left in (space.without_dead_code, space.without_zeros):
        assert left[left[index]] == left[index]
        assert space.cell(space.arch(int(left[index]))) == space.cell(arch)
        assert all(op in (0, own) for op, own in zip(space.arch(int(left[index])).code, arch.code, strict=True))


def test_dead_code_is_not_executed_but_zeros_may_be() -> None:
    space = SPACES[0]

    def left(text: str, what: np.ndarray) -> str:
        return space.format(space.arch(int(what[space.index(space.parse(text))])))

    text = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"
    fed_by_nothing = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"
    assert left(text, space.without_dead_code) == fed_by_nothing
    assert left(text, space.without_zeros) == "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
    assert (SPACES[1].without_zeros[np.setdiff1d(space.indices, SPACES[1].indices)] == -1).all()


@given(placed())
def test_written_form_round_trip(case) -> None:
    space, [arch] = case
    assert space.parse(space.format(arch)) == arch


@given(placed())
def test_index_round_trip(case) -> None:
    space, [arch] = case
    assert space.arch(space.index(arch)) == arch
    assert space.index(arch) in space.indices


def test_a_sub_space_keeps_strings_and_indices() -> None:
    whole, conv = load_space("nb201"), load_space("nb201-conv")
    for index in conv.indices[::97].tolist():
        assert conv.arch(index) == whole.arch(index)
        assert conv.format(conv.arch(index)) == whole.format(whole.arch(index))


@given(placed())
def test_neighbours_are_complete_and_symmetric(case) -> None:
    space, [arch] = case
    neighbours = space.neighbours(arch)
    assert len(neighbours) == len(set(neighbours)) == {"nb201": 24, "nb201-conv": 18}[space.name]
    for neighbour in neighbours:
        space.check(neighbour)
        assert sum(a != b for a, b in zip(arch.code, neighbour.code, strict=True)) == 1
        assert arch in space.neighbours(neighbour)


@given(placed(), st.integers(0, 2**32))
def test_a_mutant_is_a_neighbour(case, seed) -> None:
    space, [arch] = case
    assert space.mutate(arch, np.random.default_rng(seed)) in space.neighbours(arch)


@every_space
def test_mutation_and_sampling_are_uniform(space: Space) -> None:
    rng = np.random.default_rng(0)
    arch = space.sample(rng)
    neighbours = space.neighbours(arch)
    counts = np.zeros(len(neighbours))
    for _ in range(100 * len(neighbours)):
        counts[neighbours.index(space.mutate(arch, rng))] += 1
    assert ((counts - 100) ** 2 / 100).sum() < 60  # chi-square, 17 or 23 degrees of freedom: p < 1e-4
    drawn = np.array([space.sample(rng).code for _ in range(2_000)])
    share = np.stack([(drawn == op).mean(axis=0) for op in np.unique(codes()[space.indices])])
    assert np.abs(share - 1 / len(share)).max() < 0.05
    assert np.isin(drawn, codes()[space.indices]).all()


@given(placed(count=2), st.integers(0, 2**32))
def test_a_child_takes_each_edge_from_a_parent(case, seed) -> None:
    space, [first, second] = case
    child = space.check(space.crossover(first, second, np.random.default_rng(seed)))
    assert all(edge in pair for edge, *pair in zip(child.code, first.code, second.code, strict=True))


def test_crossover_uses_both_parents() -> None:
    space, rng = load_space("nb201"), np.random.default_rng(0)
    zeros, ones = Arch("nb201", (0,) * 6), Arch("nb201", (1,) * 6)
    share = np.mean([space.crossover(zeros, ones, rng).code for _ in range(2_000)], axis=0)
    assert np.abs(share - 0.5).max() < 0.05


@every_space
def test_same_seed_same_draws(space: Space) -> None:
    def draws(seed: int) -> list[Arch]:
        rng = np.random.default_rng(seed)
        first, second = space.sample(rng), space.sample(rng)
        return [first, second, space.mutate(first, rng), space.crossover(first, second, rng)]

    assert draws(3) == draws(3) != draws(4)


@given(placed())
def test_graph_has_every_edge_as_a_vertex(case) -> None:
    space, [arch] = case
    graph = space.graph(arch)
    assert graph.ops == ("input", *(OPS[op] for op in arch.code), "output")
    adjacency = graph.adjacency()
    assert adjacency.shape == (8, 8)
    assert adjacency.sum() == len(graph.edges)
    assert not np.tril(adjacency).any()  # topological order
    # as many paths from input to output as the cell has: 3<-0, 3<-1<-0, 3<-2<-0, 3<-2<-1<-0
    paths = np.linalg.inv(np.eye(8) - adjacency)[0, 7]
    assert paths == pytest.approx(4)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("|none~0|+|none~0|none~1|", r"three nodes joined by '\+'.*got 2"),
        ("", r"three nodes.*got 1"),
        ("|none~0|+|none~0|+|none~0|none~1|none~2|", "Node 2 of a cell has 2 edges"),
        ("none~0+|none~0|none~1|+|none~0|none~1|none~2|", "Node 1 of a cell has 1 edges"),
        ("|none~0|+|none~0|none~0|+|none~0|none~1|none~2|", "'op~1'; got 'none~0'"),
        ("|none|+|none~0|none~1|+|none~0|none~1|none~2|", "'op~0'; got 'none'"),
        ("|conv~0|+|none~0|none~1|+|none~0|none~1|none~2|", r"Unknown operation 'conv'.*none, skip_connect,"),
    ],
)
def test_a_malformed_string_is_explained(text: str, complaint: str) -> None:
    with pytest.raises(InvalidArchError, match=complaint):
        load_space("nb201").parse(text)


def test_the_sub_space_refuses_pooling_and_says_what_it_allows() -> None:
    text = "|avg_pool_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    allowed = r"'avg_pool_3x3'.*'nb201-conv' allows: none, skip_connect, nor_conv_1x1, nor_conv_3x3\."
    with pytest.raises(InvalidArchError, match=allowed):
        load_space("nb201-conv").parse(text)
    with pytest.raises(InvalidArchError, match="0=none, 1=skip_connect"):
        load_space("nb201-conv").index(load_space("nb201").parse(text))


@pytest.mark.parametrize("index", [-1, 15_625])
def test_an_index_outside_the_range_is_refused(index: int) -> None:
    with pytest.raises(InvalidArchError, match=rf"0 <= index < 15625 must hold.*index={index}"):
        load_space("nb201").arch(index)


@every_space
def test_architectures_of_another_space_are_refused(space: Space) -> None:
    with pytest.raises(InvalidArchError, match="takes architectures of 'nb201', but got one of 'nb101'"):
        space.format(Arch("nb101", (0,) * 6))
    with pytest.raises(InvalidArchError, match=r"must be a metanas.Arch, but got str"):
        space.index("|none~0|")  # type: ignore[arg-type]
    for code in [(0,) * 5, (0,) * 7, (5, 0, 0, 0, 0, 0), (-1, 0, 0, 0, 0, 0)]:
        with pytest.raises(InvalidArchError, match="6 operations among 0=none"):
            space.neighbours(Arch("nb201", code))
