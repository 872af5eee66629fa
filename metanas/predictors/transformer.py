"""A small transformer on the vertices of the pruned functional graph, its attention biased by the paths between them.

Biases that depend on how two vertices of a graph lie to each other are those of Graphormer (Ying, Cai, Luo et al., "Do
Transformers Really Perform Bad for Graph Representation?", NeurIPS 2021, section 3.1.2, eq. 6), its encoding of degrees
section 3.1.1, eq. 5. For architectures: PINAT (Lu, Hu, Wang et al., "PINAT: A Permutation INvariance Augmented
Transformer for NAS Predictor", AAAI 2023), which needs no numbering of the vertices either, and NAR-Former (Yi et al.,
"NAR-Former: Neural Architecture Representation Learning towards Holistic Attributes Prediction", CVPR 2023), which
trains with a ranking loss.

Differences: a bias is a linear map of features of the pair in both directions (edge, pooling, shortest path, logarithm
of the number of paths, whether one is the other's ancestor), one map for each layer and head; the encoding of a vertex
is of its paths from the input and to the output as well as of its degrees; the graph is read at the output and as the
sum over its vertices, with an encoding of the whole function beside it, as in ``gnn.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metanas.encodings.graphs import Graphs
from metanas.errors import InvalidValueError
from metanas.extras import require
from metanas.predictors._neural import NeuralPredictor
from metanas.predictors._neural_layers import Batch, Head, Linear, Network, Sizes, normal
from metanas.predictors._neural_training import Training
from metanas.predictors._tabular import check_at_least
from metanas.spaces import Space

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
else:
    torch = require("torch", "predictors", "The predictor 'transformer'")
    Tensor, nn = torch.Tensor, torch.nn

_TYPICAL = 4.0  # vertices of a graph; keeps the sum over them of the size of one
_PAIR_FEATURES = 10
_VERTEX_FEATURES = 4

Array = NDArray[np.float32]


def build(
    space: Space,
    rng: np.random.Generator,
    *,
    scores: NDArray[np.float64] | None = None,
    encodings: Sequence[str] = ("functional",),
    members: int = 4,
    layers: int = 2,
    width: int = 32,
    heads: int = 4,
    **training: Any,
) -> NeuralPredictor:
    """Make the predictor.

    Args:
        space: space of the architectures.
        rng: source of the weights, the order of the examples and the folds.
        scores: further inputs.
        encodings: vectors that join the graph where it is read; none for the graph alone.
        members: networks of the ensemble.
        layers: of attention, each followed by a layer on every vertex.
        width: of a vertex's state, a multiple of ``heads``.
        heads: of attention.
        training: settings of :class:`~metanas.predictors._neural_training.Training`.
    """
    check_at_least("members", members, 1)
    check_at_least("layers", layers, 0)
    check_at_least("heads", heads, 1)
    check_at_least("width", width, 1)
    if width % heads:
        msg = f"width must be a multiple of heads, but got width={width} and heads={heads}."
        raise InvalidValueError(msg)

    def make(sizes: Sizes, generator: torch.Generator) -> Network:
        return _Network(sizes, generator, layers=layers, width=width, heads=heads)

    return NeuralPredictor(
        "transformer",
        make,
        space,
        rng,
        scores=scores,
        encodings=encodings,
        members=members,
        training=Training(**training),
    )


class _Structure(NamedTuple):
    """Padded graphs as the transformer reads them; see the module.

    Attributes:
        ops: operation of each vertex, −1 where there is none, ``(n, v)``.
        vertices: features of vertices, ``(n, v, 4)``.
        pairs: features of pairs, ``(n, v, v, 10)``: of the row's vertex, which attends, and the column's.
    """

    ops: NDArray[np.int64]
    vertices: Array
    pairs: Array

    def take(self, rows: NDArray[np.int64]) -> _Structure:
        """Return the graphs of ``rows``, in that order."""
        return _Structure(self.ops[rows], self.vertices[rows], self.pairs[rows])


def _structure(graphs: Graphs) -> _Structure:
    """Return how the vertices of graphs lie to each other."""
    ops, counts, pools = graphs.dense()
    width = ops.shape[1]
    # In topological order the counts are strictly upper triangular: (I − A)⁻¹ = I + A + A² + … counts all paths.
    paths = np.rint(np.linalg.inv(np.eye(width) - counts))
    distance = np.zeros(counts.shape)
    walks, linked = np.broadcast_to(np.eye(width), counts.shape), counts > 0
    for length in range(1, width):
        walks = walks @ linked
        distance[(walks > 0) & (distance == 0)] = length
    ancestor = (paths > 0) & ~np.eye(width, dtype=bool)
    one_way = [np.log2(1 + counts), pools, distance, np.log2(1 + paths) * ancestor, ancestor]
    both = np.stack([*one_way, *(feature.swapaxes(1, 2) for feature in one_way)], axis=-1)
    ends = np.stack([counts.sum(axis=1), counts.sum(axis=2), paths[:, 0], paths[:, :, -1]], axis=-1)
    return _Structure(ops, np.log2(1 + ends).astype(np.float32), both.astype(np.float32))


class _Layer(nn.Module):
    """Attention and a layer on every vertex, both after a normalization and beside the state itself."""

    def __init__(self, sizes: Sizes, generator: torch.Generator, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.asked = Linear(sizes, width, 3 * width, generator)
        self.bias = Linear(sizes, _PAIR_FEATURES, heads, generator)
        self.joined = Linear(sizes, width, width, generator)
        self.inner = Linear(sizes, width, 2 * width, generator)
        self.outer = Linear(sizes, 2 * width, width, generator)

    def forward(self, h: Tensor, pairs: Tensor, missing: Tensor) -> Tensor:
        """Update the states.

        Args:
            h: states, ``(members, n, v, width)``.
            pairs: features of pairs, ``(members, n · v · v, 10)``.
            missing: where there is no vertex, ``(n, v)``.
        """
        members, n, v, width = h.shape
        flat = nn.functional.layer_norm(h, (width,)).view(members, n * v, width)
        asked = self.asked(flat).view(members, n, v, 3, self.heads, width // self.heads)
        query, key, value = asked.permute(3, 0, 1, 4, 2, 5)  # (members, n, heads, v, width / heads) each
        bias = self.bias(pairs).view(members, n, v, v, self.heads).permute(0, 1, 4, 2, 3)
        fit = query @ key.transpose(-1, -2) / math.sqrt(width // self.heads) + bias  # Graphormer eq. 6
        fit = fit.masked_fill(missing[:, None, None], -math.inf)
        mixed = (torch.softmax(fit, dim=-1) @ value).transpose(2, 3).reshape(members, n * v, width)
        h = h + self.joined(mixed).view_as(h)
        flat = nn.functional.layer_norm(h, (width,)).view(members, n * v, width)
        out: Tensor = h + self.outer(nn.functional.silu(self.inner(flat))).view_as(h)
        return out


class _Network(Network):
    def __init__(self, sizes: Sizes, generator: torch.Generator, *, layers: int, width: int, heads: int) -> None:
        super().__init__()
        self.names = normal(generator, sizes.members, sizes.ops, width, std=1.0)
        self.ends = Linear(sizes, _VERTEX_FEATURES, width, generator)
        self.layers = nn.ModuleList(_Layer(sizes, generator, width, heads) for _ in range(layers))
        self.head = Head(sizes, 2 * width, width, generator)

    def prepare(self, graphs: Graphs) -> _Structure:
        """See how the vertices lie to each other."""
        return _structure(graphs)

    def forward(self, batch: Batch) -> Tensor:
        """Return one number for each architecture and member, ``(members, n)``."""
        laid = batch.graphs
        (n, v), members = laid.ops.shape, len(self.names)
        missing = torch.from_numpy(laid.ops < 0)
        names = self.names.index_select(1, torch.from_numpy(np.maximum(laid.ops, 0).reshape(-1)))
        ends = torch.from_numpy(laid.vertices).view(1, n * v, -1).expand(members, -1, -1)
        h = (names + self.ends(ends)).view(members, n, v, -1)  # Graphormer eq. 5
        pairs = torch.from_numpy(laid.pairs).view(1, n * v * v, -1).expand(members, -1, -1)
        for layer in self.layers:
            h = layer(h, pairs, missing)
        h = nn.functional.layer_norm(h, h.shape[-1:])
        whole = h.masked_fill(missing[:, :, None], 0).sum(dim=2) / _TYPICAL
        out: Tensor = self.head(torch.cat([h[:, :, -1], whole], dim=-1), batch.inputs)
        return out
