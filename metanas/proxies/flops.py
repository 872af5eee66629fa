"""Multiply-accumulates of one example, called FLOPs by the benchmarks of zero-cost scores.

Convolutions and linear layers count, each output position with its full kernel; the rest does not.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from metanas.nets.skeleton import cost
from metanas.proxies.base import Floats, weight_layers
from metanas.proxies.block import Batch, Block

NEEDS = "architecture"


def score(network: nn.Module, batch: Batch) -> float:
    """Return the number of multiply-accumulates, counted while one example passes through."""
    total = 0

    def count(layer: nn.Module, _: object, out: Tensor) -> None:
        nonlocal total
        weight = layer.weight
        assert isinstance(weight, Tensor)
        total += weight[0].numel() * out.numel()

    for layer in weight_layers(network):
        layer.register_forward_hook(count)
    with torch.no_grad():
        network.eval()(torch.zeros_like(batch.x[:1]))
    return total


def score_many(block: Block) -> Floats:
    """Return the multiply-accumulates of each network, ``(n,)``, by the formula; nothing is built."""
    return np.array([cost(cell, block.skeleton)[1] for cell in block.cells], dtype=np.float64)
