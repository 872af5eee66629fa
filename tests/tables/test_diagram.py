"""What is drawn of a cell is the cell: the drawing, evaluated, gives the same function."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from metanas.arch import Arch
from metanas.spaces import Cell, Graph, load_space
from metanas.spaces.nb201 import OPS, _least_form
from metanas.tables.plots.cells import HEIGHT, WIDTH, arrange
from metanas.tables.plots.diagram import Diagram, Edge, diagram, of_cell, of_graph, spoken

LINEAR = re.compile(r"(?:(\d) × )?(skip|pool(?:, (\d) times)?)")


def evaluate(shown: Diagram) -> Cell:
    """Return the function that a drawing says."""
    named = {spoken(op): number for number, op in enumerate(OPS)}
    atoms: list[tuple[int, dict[tuple[int, int], int]]] = []
    values: list[Counter[tuple[int, int]]] = [Counter({(0, -1): 1})]
    for target in range(1, len(shown.nodes)):
        value: Counter[tuple[int, int]] = Counter()
        for edge in (edge for edge in shown.edges if edge.target == target):
            for label in edge.labels:
                match = LINEAR.fullmatch(label)
                if match is None:
                    atoms.append((named[label], dict(values[edge.source])))
                    value[0, len(atoms) - 1] += 1
                    continue
                pools = 0 if match[2] == "skip" else int(match[3] or 1)
                for (before, source), count in values[edge.source].items():
                    value[before + pools, source] += count * int(match[1] or 1)
        values.append(value)
    return _least_form(atoms, dict(values[-1]))


@pytest.mark.parametrize("part", range(4))
def test_every_class_is_drawn_as_it_is(part: int) -> None:
    space = load_space("nb201")
    for index in np.unique(space.canonical_indices)[part::16]:
        cell = space.cell(space.arch(int(index)))
        shown = of_cell(cell)
        assert evaluate(shown) == cell
        drawn = Counter(label for edge in shown.edges for label in edge.labels if not LINEAR.fullmatch(label))
        assert drawn == Counter(spoken(atom.op) for atom in cell.atoms)
        assert (shown.nodes[0], shown.nodes[-1]) == ("in", "out")
        assert len(shown.nodes) <= 5


def test_a_plain_cell() -> None:
    space = load_space("nb201")
    text = "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|none~0|avg_pool_3x3~1|nor_conv_3x3~2|"
    shown = of_cell(space.cell(space.parse(text)))
    assert shown.nodes == ("in", "1", "2", "out")
    assert shown.edges == (
        Edge(0, 1, ("conv 3×3",)),
        Edge(0, 2, ("conv 1×1",)),
        Edge(1, 2, ("skip",)),
        Edge(1, 3, ("pool",)),
        Edge(2, 3, ("conv 3×3",)),
    )


def test_what_is_dead_is_not_drawn() -> None:
    space = load_space("nb201")
    text = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|none~2|"
    assert of_cell(space.cell(space.parse(text))) == Diagram(("in", "out"), (Edge(0, 1, ("skip",)),))
    nothing = space.cell(Arch("nb201", (0,) * 6))
    assert of_cell(nothing) == Diagram(("in", "out"), ())


def test_a_graph_is_drawn_without_what_is_dead() -> None:
    ops = ("input", "conv3x3", "dead_end", "never_reached", "alone", "max_pool", "output")
    shown = of_graph(Graph(ops, ((0, 1), (0, 6), (1, 2), (1, 5), (3, 5), (5, 6))))
    assert shown.nodes == ("input", "conv3×3", "max pool", "output")
    assert shown.edges == (Edge(0, 1, ()), Edge(0, 3, ()), Edge(1, 2, ()), Edge(2, 3, ()))
    assert of_graph(Graph(("input", "output"), ())) == Diagram(("input", "output"), ())


def test_a_space_without_cells_is_drawn_as_a_graph() -> None:
    space = load_space("nb101")
    rng = np.random.default_rng(0)
    for _ in range(20):
        shown = diagram(space, space.sample(rng))
        assert shown.nodes[0] == "input"
        layout = arrange(shown)
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for path in layout.paths for x, y in path.points)


def test_nothing_is_drawn_outside_and_no_two_labels_on_each_other() -> None:
    space = load_space("nb201-conv")
    for index in np.unique(space.canonical_indices[space.indices])[::20]:
        layout = arrange(of_cell(space.cell(space.arch(int(index)))))
        points = [*layout.nodes, *(point for path in layout.paths for point in path.points)]
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
        middles = [path.middle for path in layout.paths]
        for number, (x, y) in enumerate(middles):
            assert all(abs(x - a) >= 50 or abs(y - b) >= 14 for a, b in middles[:number])
