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
from typing import TYPE_CHECKING, Any, NamedTuple

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
    """Sums what edges bring; each edge has a gate.

    The graphs of all members are one large graph: torch adds rows faster along the first axis than along the second.
    """

    def __init__(self) -> None:
        super().__init__(aggr="sum")

    def forward(self, sent: Tensor, edges: Tensor, gate: Tensor, vertices: int) -> Tensor:
        """Return the sum of what each vertex is sent, ``(vertices, width)``.

        Args:
            sent: rows among which the messages are, ``(n_rows, width)``.
            edges: row that each edge carries, and the vertex that it reaches, ``(2, n_edges)``.
            gate: of each edge, ``(n_edges, width)``.
            vertices: how many there are.
        """
        out: Tensor = self.propagate(edges, x=(sent, None), gate=gate, size=(len(sent), vertices))
        return out

    def message(self, x_j: Tensor, gate: Tensor) -> Tensor:
        return x_j * gate

    def aggregate(self, inputs: Tensor, index: Tensor, dim_size: int) -> Tensor:
        return inputs.new_zeros(dim_size, inputs.shape[1]).index_add_(0, index, inputs)


class _Laid(NamedTuple):
    """Graphs, and what the kinds of their edges are like.

    Attributes:
        graphs: the graphs.
        features: of the kinds, ``(members, n_kinds, 3)``.
        counts: how often a value is added, ``(n_kinds, 1)``.
    """

    graphs: Graphs
    features: Tensor
    counts: Tensor

    def take(self, rows: NDArray[np.int64]) -> _Laid:
        """Return the graphs of ``rows``, in that order."""
        return _Laid(self.graphs.take(rows), self.features, self.counts)


class _Layer(nn.Module):
    """One round of messages."""

    def __init__(self, sizes: Sizes, generator: torch.Generator, width: int, *, backward: bool) -> None:
        super().__init__()
        own = Linear(sizes, width, width, generator)
        self.linear = Linear.side_by_side(own, Linear(sizes, width, 2 * width if backward else width, generator))
        self.messages = _Messages()

    def forward(self, h: Tensor, edges: Tensor, gate: Tensor, op_gate: Tensor | None) -> Tensor:
        """Update the states.

        Args:
            h: states, ``(members, vertices, width)``.
            edges: row that each edge carries and vertex that it reaches, ``(2, members * n_edges)``. A vertex has three
                rows: what it keeps, what it sends along the edges and what it sends against them; or the first two.
            gate: gate of each edge, ``(members * n_edges, width)``.
            op_gate: gate of each vertex by its operation, as the states; None: all are open.
        """
        members, vertices, width = h.shape
        rows = self.linear(h)
        flow = self.messages(rows.view(-1, width), edges, gate, members * vertices).view_as(h)
        kept = rows[..., :width]
        new = kept + flow if op_gate is None else torch.addcmul(kept, flow, op_gate)
        return h + nn.functional.silu(nn.functional.layer_norm(new, (width,)))


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

    def prepare(self, graphs: Graphs) -> _Laid:
        """Describe the kinds of edges."""
        pools, counts = torch.from_numpy(graphs.kinds).float().unbind(dim=1)
        features = torch.stack([torch.log2(counts), pools, (pools > 0).float()], dim=-1)
        return _Laid(graphs, features.expand(len(self.names), -1, -1), counts[:, None])

    def forward(self, batch: Batch) -> Tensor:
        """Return one number for each architecture and member, ``(members, n)``."""
        laid: _Laid = batch.graphs
        graphs = laid.graphs
        members, width = len(self.names), self.names.shape[-1]
        of_op: Tensor = self.names  # embedding and, behind it, the gates of all layers
        if self.op_gates is not None:
            of_op = torch.cat([of_op, torch.sigmoid(self.op_gates(of_op))], dim=-1)
        of_vertex = _rows(of_op, graphs.ops)
        h, *op_gates = of_vertex.tensor_split(of_op.shape[-1] // width, dim=-1)
        edges, gate = self._edges(laid)
        for number, layer in enumerate(self.layers):
            h = layer(h, edges, gate, op_gates[number] if op_gates else None)
        graph_of_vertex = _in_all(graphs.graph_of_vertex, members, len(graphs))
        whole = h.new_zeros(members * len(graphs), width).index_add_(0, graph_of_vertex, h.reshape(-1, width))
        read = torch.cat([_rows(h, graphs.outputs), whole.view(members, -1, width) / _TYPICAL], dim=-1)
        out: Tensor = self.head(read, batch.inputs)
        return out

    def _edges(self, laid: _Laid) -> tuple[Tensor, Tensor]:
        """Return rows and vertices of edges, and their gates; see :class:`_Layer`."""
        graphs = laid.graphs
        sources, targets, kind = graphs.sources, graphs.targets, graphs.kinds_of_edges
        members, vertices, rows = len(self.names), len(graphs.ops), 3 if self.backward else 2
        sent, reached = rows * sources + 1, targets
        if self.backward:
            sent, reached = np.concatenate([sent, 3 * targets + 2]), np.concatenate([targets, sources])
            kind = np.concatenate([kind, kind])
        edges = torch.stack([_in_all(sent, members, rows * vertices), _in_all(reached, members, vertices)])
        of_kind = torch.sigmoid(1 + self.edge_gate(laid.features)) * laid.counts
        return edges, _rows(of_kind, kind).flatten(0, 1)


def _in_all(rows: NDArray[np.int64], members: int, n: int) -> Tensor:
    """Return where rows of ``n`` are among those of all members one after another, ``(members * n_rows,)``."""
    if members > 1:
        rows = (rows + n * np.arange(members)[:, None]).reshape(-1)
    return torch.from_numpy(rows)


def _rows(x: Tensor, rows: NDArray[np.int64]) -> Tensor:
    """Return rows of ``(members, n, width)``, ``(members, n_rows, width)``."""
    members, n, width = x.shape
    return x.reshape(-1, width).index_select(0, _in_all(rows, members, n)).view(members, -1, width)
