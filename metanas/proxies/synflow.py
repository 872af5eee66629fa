"""SynFlow: the flow through a network of absolute weights, in the log domain.

Tanaka et al., "Pruning neural networks without any data by iteratively conserving synaptic flow", NeurIPS 2020
(arXiv:2006.05467): R = 1ᵀ (Π_l |θ_l|) 1 is the sum of the outputs for an input of ones when every weight is
replaced by its absolute value, S(θ) = ∂R/∂θ ⊙ θ. The score of a network is log Σ S over the weights of convolutions and
linear layers (the sum: Abdelfattah et al. 2021, arXiv:2101.08134), without batch normalization and biases.

R grows like a product over layers and leaves any floating-point range in a deep network. Everything is positive and
homogeneous, so between the steps of a network (:class:`~metanas.proxies.base.SteppedNetwork`) the values are divided by
their largest, and the logarithms of the divisors are added up: nothing overflows, and nothing is lost. −∞, a network
without any path to the output, is NaN.

For many architectures no gradient is needed: by Euler's theorem Σ S is the derivative of R by a factor that all weights
share, so that every value v carries its derivative d through one forward pass; a layer θ maps (v, d) to (θv, θd + θv).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from metanas.nets.plain import halve, pool
from metanas.proxies.base import Floats, norm_layers, stepped, weight_layers
from metanas.proxies.block import Batch, Block
from metanas.spaces import Cell, Term

NEEDS = "nothing"


def score(network: nn.Module, batch: Batch) -> float:
    """Return log Σ |θ ∂R/∂θ| by backpropagation."""
    network = network.double()
    _without_norms(network)
    weights = []
    for layer in weight_layers(network):
        layer.weight.data.abs_()
        if layer.bias is not None:
            layer.bias.data.zero_()
        weights.append(layer.weight)
    exponent = 0.0
    x = torch.ones_like(batch.x[:1], dtype=torch.float64)
    chain = stepped(network)
    for step in chain.steps():
        x = step(x)
        largest = float(x.detach().max())
        if largest <= 0.0:
            return math.nan
        x = x / largest
        exponent += math.log(largest)
    features = chain.final(x)
    last = weight_layers(network)[-1]
    flow = last(features.flatten(2).mean(-1)).sum()
    grads = torch.autograd.grad(flow, weights, allow_unused=True, materialize_grads=True)
    total = sum(float((weight.detach() * grad).sum()) for weight, grad in zip(weights, grads, strict=True))
    return math.log(total) + exponent if total > 0.0 else math.nan


def score_many(block: Block) -> Floats:
    """Return the score of each network, ``(n,)``, from one forward pass of all."""
    skeleton = block.skeleton
    flow = _Flow(len(block))
    ones = torch.ones(len(block), 1, *skeleton.input_shape, dtype=torch.float64)
    values = flow.rescaled(_layer(torch.cat([ones, torch.zeros_like(ones)], 1), _weights(block, "stem.conv")))
    for number in range(skeleton.stages):
        if number:
            values = _halved(values)
            values = flow.rescaled(_layer(values, _weights(block, f"stage{number}.reduction.conv")))
        for copy in range(skeleton.cells):
            values = flow.rescaled(_cells(block, f"stage{number}.cell{copy}", values))
    pooled = values.flatten(3).mean(-1)
    outputs = _layer(pooled.unsqueeze(-1), _weights(block, "head.linear").unsqueeze(-1))
    total = outputs[:, 1].flatten(1).sum(1)
    return np.where(flow.alive & (total > 0).numpy(), (total.clamp_min(1e-300).log() + flow.exponent).numpy(), np.nan)


class _Flow:
    """The logarithms of what the values of each network were divided by."""

    def __init__(self, n: int) -> None:
        self.exponent = torch.zeros(n, dtype=torch.float64)
        self.alive = np.ones(n, dtype=bool)

    def rescaled(self, values: Tensor) -> Tensor:
        """Divide ``(n, 2, …)`` by the largest value of each network."""
        largest = values[:, 0].flatten(1).amax(1)
        self.alive &= (largest > 0).numpy()
        largest = torch.where(largest > 0, largest, 1.0)
        self.exponent += largest.log()
        return values / largest.view(-1, *[1] * (values.dim() - 1))


def _cells(block: Block, prefix: str, entering: Tensor) -> Tensor:
    """Map the values at the cells' inputs, ``(n, 2, channels, *spatial)``, to those at their outputs."""
    values: list[list[Tensor]] = [[own] for own in entering]  # of each network: the input, then the atoms
    for position in range(max(len(cell.atoms) for cell in block.cells)):
        for op in sorted({cell.atoms[position].op for cell in block.cells if len(cell.atoms) > position}):
            rows = [row for row, cell in enumerate(block.cells) if _op(cell, position) == op]
            inputs = torch.stack([_sum(block.cells[row].atoms[position].terms, values[row]) for row in rows])
            outputs = _layer(inputs, _weights(block, f"{prefix}.atom{position}.conv", rows))
            for row, output in zip(rows, outputs, strict=True):
                values[row].append(output)
    return torch.stack([_sum(cell.output, own) for cell, own in zip(block.cells, values, strict=True)])


def _layer(values: Tensor, weights: Tensor) -> Tensor:
    """Map values and derivatives ``(m, 2, inputs, *spatial)`` by weights ``(m, outputs, inputs, *kernel)`` each."""
    m, outputs, _, *kernel = weights.shape
    convolve = functional.conv1d if len(kernel) == 1 else functional.conv2d
    together = values.transpose(0, 1).flatten(1, 2)
    mapped: Tensor = convolve(together, weights.flatten(0, 1), padding=kernel[0] // 2, groups=m)
    mapped = mapped.reshape(2, m, outputs, *mapped.shape[2:]).transpose(0, 1).contiguous()
    mapped[:, 1] += mapped[:, 0]
    return mapped


def _halved(values: Tensor) -> Tensor:
    smaller = halve(values.flatten(0, 1))
    return smaller.view(*values.shape[:2], *smaller.shape[1:])


def _weights(block: Block, name: str, rows: Sequence[int] | None = None) -> Tensor:
    chosen = range(len(block)) if rows is None else rows
    return torch.from_numpy(np.abs(np.stack([block.weights[row][name] for row in chosen]), dtype=np.float64))


def _op(cell: Cell, position: int) -> str | None:
    return cell.atoms[position].op if position < len(cell.atoms) else None


def _sum(terms: Sequence[Term], values: Sequence[Tensor]) -> Tensor:
    total = torch.zeros_like(values[0])
    for term in terms:
        value = values[term.source + 1]
        for _ in range(term.pools):
            value = pool(value)
        total = total + term.count * value
    return total


def _without_norms(network: nn.Module) -> None:
    norms = set(norm_layers(network))
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if child in norms:
                setattr(parent, name, nn.Identity())
