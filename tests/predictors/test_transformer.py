"""What holds for the transformer alone; what it shares with the other neural predictor is in test_gnn.py."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from metanas.encodings.graphs import class_graphs
from metanas.errors import InvalidValueError
from metanas.predictors import make_predictor
from metanas.predictors.transformer import _structure
from metanas.spaces import load_space

NB201 = load_space("nb201")


def test_the_structure_by_hand() -> None:
    """Input -> conv -> conv -> output and a shortcut: distances, paths and ancestors of all pairs."""
    text = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
    graphs, rows = class_graphs(NB201, [NB201.parse(text)])
    ops, vertices, pairs = _structure(graphs.take(rows))
    assert [graphs.op_names[op] for op in ops[0].tolist()] == ["input", "nor_conv_3x3", "nor_conv_3x3", "output"]
    counts, pools, distance, paths, ancestor = np.moveaxis(pairs[0, :, :, :5], -1, 0)
    np.testing.assert_array_equal(counts, [[0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]])
    np.testing.assert_array_equal(pools, [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]])
    np.testing.assert_array_equal(distance, [[0, 1, 2, 1], [0, 0, 1, 2], [0, 0, 0, 1], [0, 0, 0, 0]])
    np.testing.assert_array_equal(ancestor, np.triu(np.ones((4, 4)), 1))
    np.testing.assert_allclose(paths, np.log2(1 + np.array([[0, 1, 1, 2], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]])))
    np.testing.assert_array_equal(pairs[0, :, :, 5:], pairs[0, :, :, :5].swapaxes(0, 1))
    np.testing.assert_allclose(
        vertices[0], np.log2(1 + np.array([[0, 2, 1, 2], [1, 1, 1, 1], [1, 1, 1, 1], [2, 0, 2, 1]]))
    )


def test_distances_are_the_shortest_paths() -> None:
    """Against Floyd and Warshall's algorithm, on every class of a tenth of the space."""
    graphs, rows = class_graphs(NB201, np.arange(0, 15625, 10))
    taken = graphs.take(np.unique(rows))
    counts = taken.dense().counts
    expected = np.where(counts > 0, 1.0, np.inf)
    for middle, first, last in itertools.product(range(counts.shape[1]), repeat=3):
        around = expected[:, first, middle] + expected[:, middle, last]
        expected[:, first, last] = np.minimum(expected[:, first, last], around)
    np.testing.assert_array_equal(_structure(taken).pairs[..., 2], np.where(np.isinf(expected), 0, expected))


@pytest.mark.parametrize(
    ("settings", "text"),
    [({"width": 30}, "multiple of heads"), ({"heads": 0}, "heads >= 1"), ({"layers": -1}, "layers")],
)
def test_settings_are_checked(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidValueError, match=text):
        make_predictor("transformer", NB201, np.random.default_rng(0), **settings)


def test_it_learns_from_the_graph_alone() -> None:
    """The number of 3x3 convolutions, of 100 examples, without an encoding beside the graph."""
    space, rng = load_space("nb201-conv"), np.random.default_rng(0)
    archs = list(dict.fromkeys(space.sample(rng) for _ in range(300)))
    y = np.array([sum(atom.op == "nor_conv_3x3" for atom in space.cell(arch).atoms) for arch in archs], dtype=float)
    predictor = make_predictor("transformer", space, rng, encodings=(), members=2, width=16, steps=8)
    mean = predictor.fit(archs[:100], y[:100]).predict(archs[100:]).mean
    assert np.corrcoef(mean, y[100:])[0, 1] > 0.9
