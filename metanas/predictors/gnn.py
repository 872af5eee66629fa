"""A network on the pruned functional graph with gated messages along and against the edges, as an ensemble.

The gates are those of GATES (Ning, Zheng, Zhao, Wang and Yang, "A Generic Graph-Based Neural Architecture Encoding
Scheme for Predictor-Based NAS", ECCV 2020): information flows along the edges, and an operation is a soft
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

from metanas.encodings.graphs import Graphs
from metanas.extras import require
from metanas.predictors._neural import NeuralPredictor
from metanas.predictors._neural_layers import Batch, Head, Linear, Network, Sizes, normal
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

    def make(sizes: Sizes, generator: torch.Generator) -> Network:
        return _Network(sizes, generator, layers=layers, width=width, backward=backward, gates=gates)

    return NeuralPredictor(
        "gnn", make, space, rng, scores=scores, encodings=encodings, members=members, training=Training(**training)
    )


class _Messages(MessagePassing):  # type: ignore[misc]
    """Sums what edges bring; each edge has a gate."""

    def __init__(self) -> None:
        super().__init__(aggr="sum", node_dim=1)

    def forward(self, sent: Tensor, edges: Tensor, gate: Tensor, vertices: int) -> Tensor:
        """Return the sum of what each vertex is sent, ``(members, vertices, width)``.

        Args:
            sent: messages, ``(members, n_messages, width)``.
            edges: message that each edge carries, and the vertex that it reaches, ``(2, n_edges)``.
            gate: of each edge, ``(members, n_edges, width)``.
            vertices: how many there are.
        """
        out: Tensor = self.propagate(edges, x=(sent, None), gate=gate, size=(sent.shape[1], vertices))
        return out

    def message(self, x_j: Tensor, gate: Tensor) -> Tensor:
        return x_j * gate

    def aggregate(self, inputs: Tensor, index: Tensor, dim_size: int) -> Tensor:
        # The same sum as the base class's, which expands the index to the states' shape: five times slower here.
        return inputs.new_zeros(inputs.shape[0], dim_size, inputs.shape[2]).index_add_(1, index, inputs)


class _Layer(nn.Module):
    """One round of messages."""

    def __init__(self, sizes: Sizes, generator: torch.Generator, width: int, *, backward: bool) -> None:
        super().__init__()
        self.own = Linear(sizes, width, width, generator)
        self.sent = Linear(sizes, width, 2 * width if backward else width, generator)
        self.messages = _Messages()

    def forward(self, h: Tensor, edges: Tensor, gate: Tensor, op_gate: Tensor | None) -> Tensor:
        """Update the states.

        Args:
            h: states, ``(members, vertices, width)``.
            edges: message that each edge carries, and the vertex that it reaches, ``(2, n_edges)``. A vertex sends two,
                the one along the edges before the one against them; or one, along the edges.
            gate: gate of each edge, ``(members, n_edges, width)``.
            op_gate: gate of each vertex by its operation, as the states; None: all are open.
        """
        members, vertices, width = h.shape
        flow = self.messages(self.sent(h).view(members, -1, width), edges, gate, vertices)
        if op_gate is not None:
            flow = flow * op_gate
        new = nn.functional.layer_norm(self.own(h) + flow, (width,))
        return h + nn.functional.silu(new)


class _Network(Network):
    def __init__(
        self, sizes: Sizes, generator: torch.Generator, *, layers: int, width: int, backward: bool, gates: bool
    ) -> None:
        super().__init__()
        self.names = normal(generator, sizes.members, sizes.ops, width, std=1.0)
        self.edge_gate = Linear(sizes, _EDGE_FEATURES, width, generator)
        self.op_gates = Linear(sizes, width, layers * width, generator) if gates and layers else None
        self.layers = nn.ModuleList(_Layer(sizes, generator, width, backward=backward) for _ in range(layers))
        self.head = Head(sizes, 2 * width, width, generator)
        self.backward = backward

    def prepare(self, graphs: Graphs) -> Graphs:
        """Leave graphs as they are."""
        return graphs

    def forward(self, batch: Batch) -> Tensor:
        """Return one number for each architecture and member, ``(members, n)``."""
        graphs: Graphs = batch.graphs
        members, width = len(self.names), self.names.shape[-1]
        of_op: Tensor = self.names  # embedding and, behind it, the gates of all layers
        if self.op_gates is not None:
            of_op = torch.cat([of_op, torch.sigmoid(self.op_gates(of_op))], dim=-1)
        of_vertex = of_op.index_select(1, torch.from_numpy(graphs.ops))
        h, *op_gates = of_vertex.tensor_split(of_op.shape[-1] // width, dim=-1)
        edges, gate = self._edges(graphs)
        for number, layer in enumerate(self.layers):
            h = layer(h, edges, gate, op_gates[number] if op_gates else None)
        whole = h.new_zeros(members, len(graphs), width)
        whole = whole.index_add_(1, torch.from_numpy(graphs.graph_of_vertex), h) / _TYPICAL
        read = torch.cat([h.index_select(1, torch.from_numpy(graphs.outputs)), whole], dim=-1)
        out: Tensor = self.head(read, batch.inputs)
        return out

    def _edges(self, graphs: Graphs) -> tuple[Tensor, Tensor]:
        """Return messages and vertices of edges, and their gates; see :class:`_Layer`."""
        sources, targets = graphs.sources, graphs.targets
        base = int(graphs.counts.max(initial=0)) + 1
        kinds, kind = np.unique(graphs.pools * base + graphs.counts, return_inverse=True)
        if self.backward:
            kind = np.concatenate([kind, kind])
            edges = np.stack([np.append(2 * sources, 2 * targets + 1), np.append(targets, sources)])
        else:
            edges = np.stack([sources, targets])
        pools, counts = (torch.from_numpy(part).float() for part in np.divmod(kinds, base))
        features = torch.stack([torch.log2(counts), pools, (pools > 0).float()], dim=-1)
        of_kind = torch.sigmoid(1 + self.edge_gate(features.expand(len(self.names), -1, -1))) * counts[:, None]
        return torch.from_numpy(edges), of_kind.index_select(1, torch.from_numpy(kind))
