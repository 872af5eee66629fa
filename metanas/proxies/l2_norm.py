"""The sum of the Euclidean norms of the initial weights, layer by layer.

Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS", ICLR 2021 (arXiv:2101.08134), from whose code the score
comes. With weights of variance 1 / (3 fan_in) (PyTorch's law, and :mod:`metanas.nets.weights`), the norm of a layer is
about √(outputs / 3), whatever its kernel: the score counts layers.
"""

from __future__ import annotations

import numpy as np
from torch import nn

from metanas.proxies.base import Floats, weight_layers
from metanas.proxies.block import Batch, Block

NEEDS = "nothing"


def score(network: nn.Module, batch: Batch) -> float:
    """Return the sum of the norms of all convolutions and linear layers."""
    return sum(float(layer.weight.detach().double().norm()) for layer in weight_layers(network))


def score_many(block: Block) -> Floats:
    """Return the score of each network, ``(n,)``, from its weights; nothing is built."""
    return np.array(
        [
            sum(float(np.sqrt(np.square(weight, dtype=np.float64).sum())) for weight in weights.values())
            for weights in block.weights
        ]
    )
