"""The number of parameters: the baseline that every other score has to beat."""

from __future__ import annotations

import numpy as np
from torch import nn

from metanas.nets.skeleton import cost
from metanas.proxies.base import Floats
from metanas.proxies.block import Batch, Block

NEEDS = "architecture"


def score(network: nn.Module, batch: Batch) -> float:
    """Return the number of parameters."""
    return sum(weight.numel() for weight in network.parameters())


def score_many(block: Block) -> Floats:
    """Return the number of parameters of each network, ``(n,)``, by the formula; nothing is built."""
    return np.array([cost(cell, block.skeleton)[0] for cell in block.cells], dtype=np.float64)
