"""NAS-Bench-101's space: the published hash, pruning, the written form, laws of classes and moves."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from metanas.arch import Arch
from metanas.errors import InvalidArchError, InvalidValueError
from metanas.spaces import ListedSpace, Space, listed, load_space
from metanas.spaces.nb101 import EDGES, INNER, OPS, OUTPUT, SIZE, SPACE, VERTICES

generators = st.integers(0, 2**32).map(np.random.default_rng)


@st.composite
def codes(draw: st.DrawFn) -> tuple[int, ...]:
    """Codes of any kind, dense and sparse, mostly invalid."""
    edges = draw(st.lists(st.integers(0, 1), min_size=len(EDGES), max_size=len(EDGES)))
    return (*edges, *draw(st.lists(st.integers(0, len(OPS) - 1), min_size=INNER, max_size=INNER)))


@st.composite
def cells(draw: st.DrawFn) -> Arch:
    """Valid cells: a path from the input to the output, and some more edges."""
    path = [0, *sorted(draw(st.sets(st.integers(1, INNER)))), OUTPUT]
    more = draw(st.sets(st.sampled_from(EDGES), max_size=9))
    edges = {*itertools.pairwise(path), *more}
    ops = draw(st.lists(st.integers(0, len(OPS) - 1), min_size=INNER, max_size=INNER))
    code = (*(int(edge in edges) for edge in EDGES), *ops)
    assume(naive_pruned(code) is not None)
    return Arch("nb101", code)


def naive_pruned(code: tuple[int, ...]) -> tuple[np.ndarray, list[int]] | None:
    """Prune by powers of the adjacency matrix; None for an invalid cell. Shares nothing with the package."""
    matrix = np.zeros((VERTICES, VERTICES), dtype=np.int64)
    matrix[np.triu_indices(VERTICES, 1)] = code[: len(EDGES)]
    reaches = np.linalg.inv(np.eye(VERTICES) - matrix).round().astype(np.int64) > 0
    live = np.flatnonzero(reaches[0] & reaches[:, OUTPUT])
    if not reaches[0, OUTPUT] or matrix[np.ix_(live, live)].sum() > 9:
        return None
    labels = [-1, *code[len(EDGES) :], -2]
    return matrix[np.ix_(live, live)], [labels[vertex] for vertex in live]


def naive_isomorphic(first: Arch, second: Arch) -> bool:
    """Try every permutation of the vertices between input and output."""
    (a, x), (b, y) = naive_pruned(first.code), naive_pruned(second.code)
    if len(x) != len(y):
        return False
    orders = ([0, *inner, len(x) - 1] for inner in itertools.permutations(range(1, len(x) - 1)))
    return any([x[v] for v in order] == y and np.array_equal(a[np.ix_(order, order)], b) for order in orders)


def relabelled(arch: Arch, draw: st.DataObject) -> Arch:
    """Put the inner vertices into another topological order."""
    code = arch.code
    matrix = np.zeros((VERTICES, VERTICES), dtype=np.int64)
    matrix[np.triu_indices(VERTICES, 1)] = code[: len(EDGES)]
    order = [0]
    while len(order) < OUTPUT:
        ready = [v for v in range(1, OUTPUT) if v not in order and set(np.flatnonzero(matrix[:, v])) <= set(order)]
        order.append(draw.draw(st.sampled_from(ready)))
    order.append(OUTPUT)
    moved = matrix[np.ix_(order, order)]
    assert not np.tril(moved).any()
    return SPACE.from_matrix(moved, [code[len(EDGES) + vertex - 1] for vertex in order[1:-1]])


def test_it_is_a_space_without_a_list() -> None:
    assert isinstance(SPACE, Space)
    assert not isinstance(SPACE, ListedSpace)
    assert isinstance(load_space("nb201"), ListedSpace)
    assert load_space("nb101") is SPACE
    with pytest.raises(InvalidValueError, match="'nb101' has none"):
        listed(SPACE)


@given(codes())
def test_validity_is_that_of_the_pruned_cell(code: tuple[int, ...]) -> None:
    arch = Arch("nb101", code)
    if naive_pruned(code) is None:
        with pytest.raises(InvalidArchError, match=r"at most 9 edges|needs a path"):
            SPACE.check(arch)
    else:
        assert SPACE.check(arch) is arch


@given(cells())
def test_canonical_is_idempotent_pruned_and_the_same_graph(arch: Arch) -> None:
    representative = SPACE.canonical(arch)
    assert SPACE.canonical(representative) == representative
    assert naive_isomorphic(arch, representative)
    _, labels = naive_pruned(arch.code)
    assert SPACE.format(representative).count("|") == len(labels) - 2  # nothing dead is left to write


@given(cells(), st.data())
def test_canonical_and_hash_do_not_depend_on_the_order_of_vertices(arch: Arch, data: st.DataObject) -> None:
    other = relabelled(arch, data)
    assert SPACE.canonical(other) == SPACE.canonical(arch)
    assert SPACE.isomorphism_hash(other) == SPACE.isomorphism_hash(arch)


@given(cells(), generators)
def test_classes_are_those_of_isomorphism(arch: Arch, rng: np.random.Generator) -> None:
    for other in SPACE.neighbours(arch)[:: int(rng.integers(1, 6))]:
        same = naive_isomorphic(arch, other)
        assert (SPACE.canonical(arch) == SPACE.canonical(other)) == same
        assert (SPACE.isomorphism_hash(arch) == SPACE.isomorphism_hash(other)) == same


def test_cells_of_up_to_four_vertices_have_as_many_classes_as_there_are() -> None:
    """Counted by comparing each with each; the hash of the published files tells as many apart."""
    found: list[Arch] = []
    hashes = set()
    for n in (2, 3, 4):
        pairs = list(itertools.combinations(range(n), 2))
        for bits in itertools.product((0, 1), repeat=len(pairs)):
            matrix = np.zeros((n, n), dtype=np.int64)
            for (source, target), bit in zip(pairs, bits, strict=True):
                matrix[source, target] = bit
            if not (matrix[:-1].any(axis=1).all() and matrix[:, 1:].any(axis=0).all()):
                continue
            for ops in itertools.product(range(len(OPS)), repeat=n - 2):
                arch = SPACE.from_matrix(matrix, ops)
                hashes.add(SPACE.isomorphism_hash(arch))
                if not any(naive_isomorphic(arch, other) for other in found):
                    found.append(arch)
    assert len(found) == len(hashes) == len({SPACE.canonical(arch) for arch in found}) == 1 + 6 + 84


def test_cells_of_five_vertices_have_the_published_number_of_classes() -> None:
    """Of the 423,624 classes 1, 6, 84, 2,441, 62,010 and 359,082 have 2, 3, 4, 5, 6 and 7 vertices."""
    n = 5
    classes = set()
    for bits in itertools.product((0, 1), repeat=n * (n - 1) // 2):
        matrix = np.zeros((n, n), dtype=np.int64)
        matrix[np.triu_indices(n, 1)] = bits
        if bits.count(1) <= 9 and matrix[:-1].any(axis=1).all() and matrix[:, 1:].any(axis=0).all():
            for ops in itertools.product(range(len(OPS)), repeat=n - 2):
                classes.add(SPACE.canonical(SPACE.from_matrix(matrix, ops)))
    assert len(classes) == 2_441


@given(cells())
def test_written_form_round_trip(arch: Arch) -> None:
    assert SPACE.parse(SPACE.format(arch)) == arch


@given(cells())
def test_index_round_trip(arch: Arch) -> None:
    index = SPACE.index(arch)
    assert 0 <= index < SIZE <= 2**31  # a table stores it in 32 bits
    assert SPACE.arch(index) == arch


def test_index_order_is_that_of_codes() -> None:
    rng = np.random.default_rng(0)
    drawn = [SPACE.sample(rng) for _ in range(200)]
    assert sorted(drawn, key=SPACE.index) == sorted(drawn)


@given(cells())
def test_neighbours_are_complete_and_symmetric(arch: Arch) -> None:
    neighbours = SPACE.neighbours(arch)
    assert len(neighbours) == len(set(neighbours))
    for neighbour in neighbours:
        assert sum(a != b for a, b in zip(arch.code, neighbour.code, strict=True)) == 1
        assert arch in SPACE.neighbours(neighbour)
    flipped = [(*arch.code[:i], 1 - arch.code[i], *arch.code[i + 1 :]) for i in range(len(EDGES))]
    valid = sum(naive_pruned(code) is not None for code in flipped)
    assert len(neighbours) == valid + 2 * INNER


@given(cells(), cells(), generators)
def test_moves_stay_in_the_space(first: Arch, second: Arch, rng: np.random.Generator) -> None:
    assert naive_pruned(SPACE.mutate(first, rng).code) is not None
    assert naive_pruned(SPACE.sample(rng).code) is not None
    child = SPACE.crossover(first, second, rng)
    assert naive_pruned(child.code) is not None
    assert all(entry in pair for entry, *pair in zip(child.code, first.code, second.code, strict=True))


def test_a_mutation_changes_three_edges_and_one_operation_on_the_mean() -> None:
    # every change of this cell is valid as long as the direct edge stays, and its dead vertices are free
    arch = SPACE.parse("output(0)")
    rng = np.random.default_rng(0)
    children = np.array([SPACE.mutate(arch, rng).code for _ in range(4_000)])
    changed = (children != np.array(arch.code)).mean(axis=0)
    dead = [i for i, (source, _) in enumerate(EDGES) if source != 0]  # edges from the input decide about validity
    assert np.abs(changed[dead] - 1 / 7).max() < 0.03
    assert np.abs(changed[len(EDGES) :] - 1 / 5).max() < 0.03
    new = children[:, len(EDGES) :]
    assert np.abs((new == 1).mean() - (new == 2).mean()) < 0.02


def test_sampling_is_uniform_over_valid_codes() -> None:
    rng = np.random.default_rng(0)
    drawn = np.array([SPACE.sample(rng).code for _ in range(4_000)])
    every = rng.integers(0, 2, size=(8_000, len(EDGES)))
    ops = rng.integers(0, 3, size=(8_000, INNER))
    valid = every[[naive_pruned((*a, *b)) is not None for a, b in zip(every.tolist(), ops.tolist(), strict=True)]]
    assert np.abs(drawn[:, : len(EDGES)].mean(axis=0) - valid.mean(axis=0)).max() < 0.05
    share = np.stack([(drawn[:, len(EDGES) :] == op).mean(axis=0) for op in range(len(OPS))])
    assert np.abs(share - 1 / 3).max() < 0.03


def test_same_seed_same_draws() -> None:
    def draws(seed: int) -> list[Arch]:
        rng = np.random.default_rng(seed)
        first, second = SPACE.sample(rng), SPACE.sample(rng)
        return [first, second, SPACE.mutate(first, rng), SPACE.crossover(first, second, rng)]

    assert draws(3) == draws(3) != draws(4)


@given(cells())
def test_graph_is_the_cell_as_written(arch: Arch) -> None:
    graph = SPACE.graph(arch)
    assert graph.ops == ("input", *(OPS[op] for op in arch.code[len(EDGES) :]), "output")
    assert SPACE.from_matrix(graph.adjacency(), arch.code[len(EDGES) :]) == arch


def test_small_cells_are_short_texts() -> None:
    text = "conv1x1-bn-relu(0)|maxpool3x3(0,1)|output(0,2)"
    matrix = [[0, 1, 1, 1], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    arch = SPACE.from_matrix(matrix, (1, 2))
    assert SPACE.format(arch) == text
    assert SPACE.parse(f" {text}\n") == arch == SPACE.canonical(arch)
    assert SPACE.format(SPACE.from_matrix([[0, 1], [0, 0]], ())) == "output(0)"
    dead = SPACE.parse("conv3x3-bn-relu()|conv1x1-bn-relu(0)|maxpool3x3(1)|output(2)")
    assert SPACE.format(SPACE.canonical(dead)) == "conv1x1-bn-relu(0)|output(1)"


def test_ten_edges_are_allowed_if_one_is_pruned() -> None:
    nine = "conv3x3-bn-relu(0)|conv3x3-bn-relu(0,1)|conv3x3-bn-relu(0,1,2)|output(0,1,2)"
    with pytest.raises(InvalidArchError, match=r"at most 9 edges .* this one has 10"):
        SPACE.parse("conv3x3-bn-relu(0)|conv3x3-bn-relu(0,1)|conv3x3-bn-relu(0,1,2)|output(0,1,2,3)")
    assert SPACE.parse(nine)  # vertex 3 is dead, and its three edges with it


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", r"Vertex 1 is written operation\(sources\)"),
        ("conv3x3-bn-relu(0)", "Vertex 1 of 1 must be output"),
        ("|".join(["conv3x3-bn-relu(0)"] * 6 + ["output(1)"]), "at most 5 operations.*got 7"),
        ("conv5x5(0)|output(1)", "one of conv3x3-bn-relu, .* but got 'conv5x5'"),
        ("output(0)|output(1)", "Vertex 1 of 2 must be one of"),
        ("maxpool3x3(0)|output(2)", "come before it"),
        ("maxpool3x3(0)|output(1,0)", "ascend"),
        ("maxpool3x3(0)|output(0,0)", "ascend"),
        ("maxpool3x3(0|output(1)", "Vertex 1 is written"),
        ("maxpool3x3(0)|output()", "needs a path"),
        ("maxpool3x3()|output(1)", "needs a path"),
    ],
)
def test_a_malformed_text_is_explained(text: str, complaint: str) -> None:
    with pytest.raises(InvalidArchError, match=complaint):
        SPACE.parse(text)


@pytest.mark.parametrize(
    ("matrix", "ops"),
    [
        ([[0, 1], [1, 0]], ()),
        ([[0, 2], [0, 0]], ()),
        ([[0, 1, 0], [0, 0, 1]], (0,)),
        ([[0, 1], [0, 0]], (0,)),
        ([[0]], ()),
        (np.triu(np.ones((8, 8)), 1), (0,) * 6),
        ([[0, 1, 0], [0, 0, 1], [0, 0, 0]], (3,)),
    ],
)
def test_a_matrix_that_is_no_cell_is_refused(matrix: object, ops: tuple[int, ...]) -> None:
    with pytest.raises(InvalidArchError):
        SPACE.from_matrix(matrix, ops)


@pytest.mark.parametrize("index", [-1, SIZE])
def test_an_index_outside_the_range_is_refused(index: int) -> None:
    with pytest.raises(InvalidArchError, match=rf"0 <= index < {SIZE} must hold.*index={index}"):
        SPACE.arch(index)
    with pytest.raises(InvalidArchError, match="needs a path"):
        SPACE.arch(0)


def test_architectures_of_another_space_are_refused() -> None:
    with pytest.raises(InvalidArchError, match="takes architectures of 'nb101', but got one of 'nb201'"):
        SPACE.check(Arch("nb201", (0,) * 6))
    with pytest.raises(InvalidArchError, match=r"must be a metanas.Arch, but got str"):
        SPACE.check("output(0)")  # type: ignore[arg-type]
    for code in [(1,) * 25, (2, *(0,) * 25), (*(0,) * 25, 3)]:
        with pytest.raises(InvalidArchError, match="21 edges, 0 or 1, and 5 operations"):
            SPACE.check(Arch("nb101", code))


def test_no_network_is_made_of_it() -> None:
    with pytest.raises(InvalidValueError, match="metanas does not train them"):
        SPACE.cell(SPACE.parse("output(0)"))


def test_the_published_hashes_are_reproduced(published_tables: Path) -> None:
    with np.load(published_tables / "nb101_20k.npz", allow_pickle=False) as file:
        packed, ops, hashes = file["adjacency_upper"], file["ops"], file["hash"]
    bits = np.unpackbits(packed, axis=1)[:, : len(EDGES)]
    classes = set()
    for row, labels, digest in zip(bits, ops, hashes, strict=True):
        n = int((labels != -3).sum())
        matrix = np.zeros((VERTICES, VERTICES), dtype=np.int8)
        matrix[np.triu_indices(VERTICES, 1)] = row
        arch = SPACE.from_matrix(matrix[:n, :n], labels[1 : n - 1].tolist())
        assert SPACE.isomorphism_hash(arch) == digest.tobytes().hex()
        classes.add(SPACE.canonical(arch))
    assert len(classes) == 20_001
