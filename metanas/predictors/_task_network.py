"""A small graph network as a plain function of its weights, many sets of weights at once.

Predictors that carry weights from task to task copy, average and step them; as a mapping of tensors with a first axis
of members they are plain data. Vertices of the pruned functional graph send along and against the edges, an operation
gates what it takes in (Ning et al., "A Generic Graph-Based Neural Architecture Encoding Scheme for Predictor-Based
NAS", ECCV 2020, and "TA-GATES", NeurIPS 2022), pooled and plain edges have weights of their own, and the
features of the function join where the graph is read. Differences from both papers: graphs are dense matrices (a cell
has a handful of vertices), all vertices send at once, and what is read is a vector, not a number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metanas.encodings.graphs import class_graphs
from metanas.extras import require
from metanas.predictors._inputs import Inputs
from metanas.predictors._relevance import standardize
from metanas.spaces import ListedSpace

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = require("torch", "predictors", "A neural predictor")
    Tensor = torch.Tensor

Ints = NDArray[np.int64]
Weights = Mapping[str, Tensor]

_LAYERS = 2
_TYPICAL = 4.0  # vertices of a graph; keeps the sum over them of the size of one
_FAR = 5.0  # standard deviations; features are cut off there
_AT_ONCE = 1024  # architectures


class Batch(NamedTuple):
    """What the network sees of ``n`` architectures of at most ``v`` vertices, as matrices.

    Attributes:
        ops: operation of each vertex, ``(n, v)``.
        there: 1 where there is a vertex, ``(n, v, 1)``.
        edges: plain and pooled edges, how often each is added, from row to column, ``(2, n, v, v)``.
        features: standardized, ``(n, d)``.
    """

    ops: Tensor
    there: Tensor
    edges: Tensor
    features: Tensor

    def take(self, rows: Ints) -> Batch:
        """Return the architectures of ``rows``."""
        at = torch.from_numpy(rows)
        return Batch(self.ops[at], self.there[at], self.edges[:, at], self.features[at])


class Sizes(NamedTuple):
    """What the shapes of the weights depend on: operations, features, width of a state."""

    ops: int
    features: int
    width: int


def all_classes(space: ListedSpace) -> tuple[Batch, Ints, Sizes]:
    """Return the functional classes of a space: inputs, their representatives ``(n,)``, and sizes (width 32)."""
    representatives = np.unique(space.canonical_indices[space.indices])
    graphs, rows = class_graphs(space, representatives)
    dense = graphs.take(rows).dense()
    inputs = Inputs(space, ("functional",), None)
    features = np.clip(standardize(space, inputs)(inputs(representatives)), -_FAR, _FAR)
    pooled = dense.pools > 0
    edges = np.stack([np.where(pooled, 0, dense.counts), np.where(pooled, dense.counts, 0)])
    batch = Batch(
        torch.from_numpy(np.maximum(dense.ops, 0)),
        torch.from_numpy((dense.ops >= 0)[..., None].astype(np.float32)),
        torch.from_numpy(edges.astype(np.float32)),
        torch.from_numpy(features.astype(np.float32)),
    )
    return batch, representatives, Sizes(len(graphs.op_names), features.shape[1], 32)


def draw(sizes: Sizes, members: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Return random weights that keep the variance, the first axis ``members``."""
    width = sizes.width

    def normal(rows: int, columns: int, scale: float = 1.0) -> Tensor:
        return torch.randn(members, rows, columns, generator=generator) * scale / math.sqrt(rows)

    weights = {"names": torch.randn(members, sizes.ops, width, generator=generator)}
    for layer in range(_LAYERS):
        weights[f"own{layer}"] = normal(width, width)
        weights[f"gate{layer}"] = normal(width, width)
        for edge in ("along", "pooled along", "against", "pooled against"):
            weights[f"{edge}{layer}"] = normal(width, width, 0.7)
    weights["beside"] = normal(sizes.features, width)
    weights["inner"] = normal(3 * width, width)
    weights["offset"] = torch.zeros(members, 1, width)
    return weights


def features_of(weights: Weights, batch: Batch) -> Tensor:
    """Return what the network reads off architectures, ``(members, n, width)``."""
    functional = torch.nn.functional
    members, width = len(weights["names"]), weights["names"].shape[-1]
    n, v = batch.ops.shape
    flat = batch.ops.reshape(-1)
    h = weights["names"][:, flat].reshape(members, n, v, width) * batch.there
    for layer in range(_LAYERS):
        gates = torch.sigmoid(weights["names"] @ weights[f"gate{layer}"])[:, flat].reshape(members, n, v, width)
        states = h.reshape(members, n * v, width)

        def sent(edge: str, by: Tensor, states: Tensor = states, layer: int = layer) -> Tensor:
            return by @ (states @ weights[f"{edge}{layer}"]).reshape(members, n, v, width)

        plain, pooled = batch.edges
        flow = sent("along", plain.mT) + sent("pooled along", pooled.mT)
        flow = flow + sent("against", plain) + sent("pooled against", pooled)
        own = (states @ weights[f"own{layer}"]).reshape(members, n, v, width)
        new = functional.layer_norm(own + flow * gates, (width,))
        h = (h + functional.silu(new)) * batch.there
    beside = functional.silu(batch.features @ weights["beside"])
    read = torch.cat([h[:, :, -1], h.sum(dim=2) / _TYPICAL, beside], dim=-1)
    return functional.silu(read @ weights["inner"] + weights["offset"])


def all_features(weights: Weights, batch: Batch, rows: Ints) -> NDArray[np.float64]:
    """Return what the network reads off the architectures of ``rows``, ``(members, n, width)``, without gradients."""
    with torch.no_grad():
        parts = [
            features_of(weights, batch.take(some))
            for some in np.array_split(rows, range(_AT_ONCE, len(rows), _AT_ONCE))
        ]
    return torch.cat(parts, dim=1).numpy().astype(np.float64)


def loss_of(out: Tensor, z: Tensor) -> Tensor:
    """Return the sum over members and tasks of a squared error and of a pairwise logistic loss.

    Args:
        out: what members say, ``(members, n, tasks)``.
        z: targets, ``(n, tasks)`` or ``(members, n, tasks)``.
    """
    z = z.expand(out.shape)
    ahead = (z[:, :, None] > z[:, None]).float()  # the pairs (row, column) to be ranked
    wrong = torch.nn.functional.softplus(out[:, None] - out[:, :, None])
    ranked = (ahead * wrong).sum(dim=(1, 2)) / ahead.sum(dim=(1, 2)).clamp(min=1)
    return (ranked + 0.3 * ((out - z) ** 2).mean(dim=1)).sum()


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread, and on as many as before afterwards: sums depend on how they are divided."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
