"""Graphs as architectures, in every space that can be built from them."""

from __future__ import annotations

import pytest

from metanas.errors import InvalidArchError
from metanas.spaces import Space, WiredSpace, load_space

NAMES = ("nb201", "nb201-conv", "nb101", "nbgraph", "nbgraph-proteins")


def wired(name: str) -> WiredSpace:
    space = load_space(name)
    assert isinstance(space, WiredSpace)
    return space


def shape(space: Space, text: str) -> str:
    return space.format(space.canonical(space.parse(text)))


@pytest.mark.parametrize("name", NAMES)
def test_ops_are_those_of_the_space(name: str) -> None:
    space = wired(name)
    labels = space.vertex_ops if len(space.vertex_ops) > 1 else space.edge_ops
    expected = {"nb201": 4, "nb201-conv": 3, "nb101": 3, "nbgraph": 8, "nbgraph-proteins": 4}
    assert len(set(labels)) == expected[name]
    assert min(len(space.vertex_ops), len(space.edge_ops)) == 1


def test_a_graph_of_nb201() -> None:
    space = wired("nb201")
    assert space.format(space.from_wiring((), {(0, 1): 3})) == (
        "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"
    )
    assert space.format(space.from_wiring((0,), {(0, 1): 1, (1, 2): 2})) == (
        "|skip_connect~0|+|none~0|none~1|+|none~0|nor_conv_1x1~1|none~2|"
    )
    whole = {(0, 1): 1, (0, 2): 2, (1, 2): 3, (0, 3): 4, (1, 3): 3, (2, 3): 2}
    assert space.from_wiring((0, 0), whole).code == (1, 2, 3, 4, 3, 2)
    with pytest.raises(InvalidArchError, match=r"at most 2 vertices between input and output; got 3"):
        space.from_wiring((0, 0, 0), {(0, 4): 1})
    with pytest.raises(InvalidArchError, match="operations among"):
        wired("nb201-conv").from_wiring((), {(0, 1): 4})


def test_a_graph_of_nb101() -> None:
    space = wired("nb101")
    assert space.format(space.from_wiring((), {(0, 1): 0})) == "output(0)"
    made = space.from_wiring((2, 0), {(0, 1): 0, (1, 2): 0, (0, 3): 0, (2, 3): 0})
    assert space.format(made) == "maxpool3x3(0)|conv3x3-bn-relu(1)|output(0,2)"
    assert space.canonical(made) == space.canonical(space.parse("maxpool3x3(0)|conv3x3-bn-relu(1)|output(0,2)"))
    with pytest.raises(InvalidArchError, match="at most 9 edges"):
        space.from_wiring((0,) * 3, {(source, target): 0 for target in range(1, 5) for source in range(target)})
    with pytest.raises(InvalidArchError, match="at most 5 vertices"):
        space.from_wiring((0,) * 6, {(0, 7): 0})


@pytest.mark.parametrize(
    ("vertices", "edges", "expected"),
    [
        ((1,), [(0, 1), (1, 2)], "skip(0)|skip(1)|skip(2)|gcn(3)"),
        ((1, 2), [(0, 1), (1, 2), (2, 3)], "skip(0)|skip(1)|gcn(2)|gin(3)"),
        ((1, 2), [(0, 1), (0, 2), (1, 3), (2, 3)], "skip(0)|skip(1)|gcn(2)|gin(2)"),
        ((1, 2), [(0, 1), (1, 2), (1, 3), (2, 3)], "skip(0)|gcn(1)|gin(2)|skip(2)"),  # gcn joins the output too
        ((1, 2, 3), [(0, 1), (1, 2), (1, 3), (2, 4), (3, 4)], "skip(0)|gcn(1)|gin(2)|cheb(2)"),
        ((1, 2, 3, 4), [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)], "gcn(0)|gin(1)|cheb(2)|sage(3)"),
        ((1, 2, 3), [(0, 1), (1, 2), (2, 3), (3, 4), (0, 4)], "skip(0)|gcn(0)|gin(2)|cheb(3)"),  # the bare input too
    ],
)
def test_a_graph_of_nbgraph(vertices: tuple[int, ...], edges: list[tuple[int, int]], expected: str) -> None:
    space = wired("nbgraph")
    made = space.from_wiring(vertices, dict.fromkeys(edges, 0))
    assert space.format(space.canonical(made)) == shape(space, expected)


@pytest.mark.parametrize(
    ("vertices", "edges", "expected"),
    [
        ((), [(0, 1)], "skip"),  # nothing but the input
        ((1, 2), [(0, 1), (0, 2), (1, 2), (2, 3)], "one source"),
        ((1, 2), [(0, 1), (0, 2), (2, 3)], "leads to the output"),
        ((1, 2), [(0, 1), (2, 3)], "one source"),
        ((1,) * 4, [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (1, 5)], "at most 4 vertices .* got 5"),
    ],
)
def test_a_graph_that_nbgraph_has_not_is_refused(
    vertices: tuple[int, ...], edges: list[tuple[int, int]], expected: str
) -> None:
    with pytest.raises(InvalidArchError, match=expected):
        wired("nbgraph").from_wiring(vertices, dict.fromkeys(edges, 0))
