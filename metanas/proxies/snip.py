"""SNIP: how much the loss changes when connections are removed.

Lee, Ajanthan, Torr, "SNIP: Single-shot Network Pruning based on Connection Sensitivity", ICLR 2019 (arXiv:1810.02340):
the derivative of the loss by the connection c_j at c = 1 is g_j = θ_j ∂L/∂θ_j, the sensitivity is |g_j| (there
normalised by the sum). The score of a network is the sum of |g_j| before that normalisation, over the weights of
convolutions and linear layers (Abdelfattah et al. 2021, arXiv:2101.08134, and its code).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from torch import nn

from metanas.proxies.base import Floats
from metanas.proxies.block import Batch, Block
from metanas.proxies.gradients import Pair, fused_loss_gradients, loss_gradients

NEEDS = "labels"


def score(network: nn.Module, batch: Batch) -> float:
    """Return the sum of the connection sensitivities."""
    return _sum(loss_gradients(network, batch))


def score_many(block: Block) -> Floats:
    """Return the score of each network, ``(n,)``, from one pass of all."""
    return np.array([_sum(pairs) for pairs in fused_loss_gradients(block, block.batch)])


def _sum(pairs: Iterable[Pair]) -> float:
    return sum(float((weight.detach().double() * grad.double()).abs().sum()) for weight, grad in pairs)
