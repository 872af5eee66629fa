from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metanas.arch import Arch
from metanas.encodings import encode, encoding_columns
from metanas.encodings.graphs import INPUT, OUTPUT, Graphs, class_graphs
from metanas.errors import InvalidArchError
from metanas.spaces import load_space

NB201 = load_space("nb201")
SPACES = ["nb201", "nb201-conv", "nb101", "nbgraph-proteins"]

OneGraph = tuple[tuple[str, ...], list[tuple[int, int, int, int]]]


def one(graphs: Graphs, row: int) -> OneGraph:
    """Return a graph as operations and edges (source, target, pools, count), numbered from its first vertex."""
    first, end = graphs.vertex_starts[row : row + 2].tolist()
    edges = slice(*graphs.edge_starts[row : row + 2].tolist())
    columns = (graphs.sources[edges] - first, graphs.targets[edges] - first, graphs.pools[edges], graphs.counts[edges])
    ops = tuple(graphs.op_names[op] for op in graphs.ops[first:end].tolist())
    return ops, list(zip(*(column.tolist() for column in columns), strict=True))


def graph_of(text: str, space: str = "nb201") -> OneGraph:
    loaded = load_space(space)
    graphs, rows = class_graphs(loaded, [loaded.parse(text)])
    return one(graphs, int(rows[0]))


def test_a_cell_by_hand() -> None:
    """Two skips of the input and one pooled conv: an edge counts twice, another is pooled once."""
    text = "|nor_conv_3x3~0|+|skip_connect~0|avg_pool_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"
    assert graph_of(text) == (("input", "nor_conv_3x3", "output"), [(0, 1, 0, 1), (0, 2, 0, 2), (1, 2, 1, 1)])


def test_a_cell_that_passes_nothing_on_has_no_edge() -> None:
    assert graph_of("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|") == (("input", "output"), [])


def test_dead_vertices_are_dropped() -> None:
    text = "maxpool3x3(0)|conv3x3-bn-relu(0)|conv1x1-bn-relu(1)|output(2)"
    assert graph_of(text, "nb101") == (("input", "conv3x3-bn-relu", "output"), [(0, 1, 0, 1), (1, 2, 0, 1)])


@pytest.mark.parametrize("name", SPACES)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_every_vertex_is_alive_and_the_order_is_topological(name: str, seed: int) -> None:
    space = load_space(name)
    rng = np.random.default_rng(seed)
    graphs, rows = class_graphs(space, [space.sample(rng)])
    ops, edges = one(graphs, int(rows[0]))
    assert (ops[0], ops[-1]) == ("input", "output")
    assert not {"input", "output"} & set(ops[1:-1])
    assert all(source < target for source, target, _, _ in edges)
    if edges:
        assert {source for source, *_ in edges} == set(range(len(ops) - 1))  # all that is there is used
        assert {target for _, target, *_ in edges} == set(range(1, len(ops)))  # and gets something


@pytest.mark.parametrize("name", SPACES)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_functionally_equal_architectures_have_equal_graphs(name: str, seed: int) -> None:
    space = load_space(name)
    arch = space.sample(np.random.default_rng(seed))
    first, row = class_graphs(space, [arch])
    second, other = class_graphs(space, [space.canonical(arch)])
    assert one(first, int(row[0])) == one(second, int(other[0]))


def test_other_functions_have_other_graphs() -> None:
    graphs, rows = class_graphs(NB201, np.arange(15625))
    assert len(graphs) == 5044
    assert len({str(one(graphs, row)) for row in range(5044)}) == 5044
    assert (rows[np.arange(15625)] == rows[NB201.canonical_indices]).all()  # type: ignore[attr-defined]


def test_the_graphs_of_a_listed_space_are_made_once() -> None:
    assert class_graphs(NB201, np.array([3]))[0] is class_graphs(NB201, [NB201.arch(7)])[0]


def test_taking_graphs() -> None:
    graphs, rows = class_graphs(NB201, np.array([11, 284, 11, 6111]))
    taken = graphs.take(rows)
    assert [one(taken, number) for number in range(4)] == [one(graphs, row) for row in rows.tolist()]
    assert one(taken, 0) == one(taken, 2)
    assert (taken.ops[taken.outputs] == OUTPUT).all()
    assert (taken.ops[taken.vertex_starts[:-1]] == INPUT).all()
    assert Counter(taken.graph_of_vertex.tolist()) == Counter(dict(enumerate(np.diff(taken.vertex_starts).tolist())))


def test_dense_matrices_count_the_paths_that_the_encoding_counts() -> None:
    """(I − A)⁻¹ of the counts has in its corner the number of all paths, which an encoding computes on its own."""
    indices = np.arange(0, 15625, 25)
    graphs, rows = class_graphs(NB201, indices)
    dense = graphs.take(rows).dense()
    assert dense.ops.shape == dense.counts.shape[:2]
    assert ((dense.counts == 0) <= (dense.pools == 0)).all()
    width = dense.ops.shape[1]
    paths = np.linalg.inv(np.eye(width) - dense.counts)[:, 0, -1]
    column = encoding_columns(NB201, "functional").index("shape:paths")
    np.testing.assert_allclose(paths, encode(NB201, indices, "functional")[:, column], atol=1e-9)


def test_architectures_of_another_space_are_refused() -> None:
    with pytest.raises(InvalidArchError):
        class_graphs(NB201, [Arch("nb101", (0,))])
    with pytest.raises(InvalidArchError, match="15625"):
        class_graphs(NB201, np.array([15625]))
