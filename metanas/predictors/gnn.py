"""A network on the pruned functional graph with gated messages along and against the edges, as an ensemble.

The gates are those of GATES (Ning, Zheng, Zhao, Wang and Yang, "A Generic Graph-Based Neural Architecture Encoding
Scheme for Predictor-Based NAS", ECCV 2020, section 3.2): information flows along the edges, and an operation is a soft
gate on what flows through it. Messages against the edges too are those of TA-GATES (Ning, Zhou, Zhao et al.,
"TA-GATES: An Encoding Scheme for Neural Network Architectures", NeurIPS 2022), where they stand for the backward pass
of training. Both rank pairs of architectures, as does BRP-NAS (Dudziak et al., "BRP-NAS: Prediction-based NAS using
GCNs", NeurIPS 2020).

Differences: all vertices send at once and as often as there are layers, each with weights of its own and a residual
connection, instead of once in topological order; embeddings of operations are not updated between passes; an edge has
a gate of its own, from how often its value is pooled and added, because average pooling is no vertex here; the graph
is read at the output and as the sum over its vertices; vectors that describe the whole function (an encoding) join it
there; the pairwise loss is logistic and accompanied by a squared error. See ``_neural.py`` for the training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metanas.extras import require
from metanas.predictors._neural import NeuralPredictor
from metanas.predictors._neural_layers import Batch, Head, Linear, Sizes, normal
from metanas.predictors._neural_training import Training
from metanas.predictors._tabular import check_at_least
from metanas.spaces import Space

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
    from torch_geometric.nn import MessagePassing
else:
    torch = require("torch", "predictors", "The predictor 'gnn'")
    MessagePassing = require("torch_geometric.nn", "predictors", "The predictor 'gnn'").MessagePassing
    Tensor, nn = torch.Tensor, torch.nn

_EDGE_FEATURES = 3
_TYPICAL = 4.0  # vertices of a graph; keeps the sum over them of the size of one


def build(
    space: Space,
    rng: np.random.Generator,
    *,
    scores: NDArray[np.float64] | None = None,
    encodings: Sequence[str] = ("functional",),
    members: int = 6,
    layers: int = 2,
    width: int = 32,
    backward: bool = True,
    gates: bool = True,
    **training: Any,
) -> NeuralPredictor:
    """Make the predictor.

    Args:
        space: space of the architectures.
        rng: source of the weights, the order of the examples and the folds.
        scores: further inputs.
        encodings: vectors that join the graph where it is read; none for the graph alone.
        members: networks of the ensemble.
        layers: rounds of messages.
        width: of a vertex's state.
        backward: messages against the edges too.
        gates: operations gate what flows through them.
        training: settings of :class:`~metanas.predictors._neural_training.Training`.
    """
    check_at_least("members", members, 1)
    check_at_least("layers", layers, 0)
    check_at_least("width", width, 1)

    def make(sizes: Sizes, generator: torch.Generator) -> nn.Module:
        return _Network(sizes, generator, layers=layers, width=width, backward=backward, gates=gates)

    return NeuralPredictor(
        "gnn", make, space, rng, scores=scores, encodings=encodings, members=members, training=Training(**training)
    )


class _Messages(MessagePassing):  # type: ignore[misc]
    """Sums what edges bring; each edge has a gate."""

    def __init__(self) -> None:
        super().__init__(aggr="sum", node_dim=1)

    def forward(self, x: Tensor, edges: Tensor, gate: Tensor) -> Tensor:
        """Pass states ``(members, vertices, width)`` along edges ``(2, n_edges)``; gates as states, one an edge."""
        out: Tensor = self.propagate(edges, x=x, gate=gate)
        return out

    def message(self, x_j: Tensor, gate: Tensor) -> Tensor:
        return x_j * gate

    def aggregate(self, inputs: Tensor, index: Tensor, dim_size: int) -> Tensor:
        # The same sum as the base class's, which expands the index to the states' shape: five times slower here.
        return inputs.new_zeros(inputs.shape[0], dim_size, inputs.shape[2]).index_add_(1, index, inputs)


class _Layer(nn.Module):
    """One round of messages."""

    def __init__(self, sizes: Sizes, generator: torch.Generator, width: int, *, backward: bool, gates: bool) -> None:
        super().__init__()
        self.own = Linear(sizes, width, width, generator)
        self.along = Linear(sizes, width, width, generator)
        self.against = Linear(sizes, width, width, generator) if backward else None
        self.gate = Linear(sizes, width, width, generator) if gates else None
        self.messages = _Messages()

    def forward(self, h: Tensor, names: Tensor, ops: Tensor, edges: Tensor, gate: Tensor) -> Tensor:
        """Update the states.

        Args:
            h: states, ``(members, vertices, width)``.
            names: embedding of each operation, ``(members, ops, width)``.
            ops: operation of each vertex, ``(vertices,)``.
            edges: source and target of each edge, ``(2, n_edges)``.
            gate: gate of each edge, ``(members, n_edges, width)``.
        """
        flow = self.messages(self.along(h), edges, gate)
        if self.against is not None:
            flow = flow + self.messages(self.against(h), edges.flip(0), gate)
        if self.gate is not None:
            flow = flow * torch.sigmoid(self.gate(names)).index_select(1, ops)
        new = nn.functional.layer_norm(self.own(h) + flow, h.shape[-1:])
        return h + nn.functional.silu(new)


class _Network(nn.Module):
    def __init__(
        self, sizes: Sizes, generator: torch.Generator, *, layers: int, width: int, backward: bool, gates: bool
    ) -> None:
        super().__init__()
        self.names = normal(generator, sizes.members, sizes.ops, width, std=1.0)
        self.edge_gate = Linear(sizes, _EDGE_FEATURES, width, generator)
        self.layers = nn.ModuleList(
            _Layer(sizes, generator, width, backward=backward, gates=gates) for _ in range(layers)
        )
        self.head = Head(sizes, 2 * width, width, generator)

    def forward(self, batch: Batch) -> Tensor:
        """Return one number for each architecture and member, ``(members, n)``."""
        graphs = batch.graphs
        ops, vertex_graphs = torch.from_numpy(graphs.ops), torch.from_numpy(graphs.graph_of_vertex)
        edges = torch.from_numpy(np.stack([graphs.sources, graphs.targets]))
        pools, counts = torch.from_numpy(graphs.pools).float(), torch.from_numpy(graphs.counts).float()
        features = torch.stack([torch.log2(counts), pools, (pools > 0).float()], dim=-1)
        members = len(self.names)
        gate = torch.sigmoid(1 + self.edge_gate(features.expand(members, -1, -1))) * counts[:, None]
        h = self.names.index_select(1, ops)
        for layer in self.layers:
            h = layer(h, self.names, ops, edges, gate)
        whole = h.new_zeros(members, len(graphs), h.shape[-1]).index_add_(1, vertex_graphs, h) / _TYPICAL
        read = torch.cat([h.index_select(1, torch.from_numpy(graphs.outputs)), whole], dim=-1)
        out: Tensor = self.head(read, batch.inputs)
        return out
