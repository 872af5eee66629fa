"""Plain: the first-order change of the loss when all weights shrink, Σ θ ∂L/∂θ.

Mozer and Smolensky, "Skeletonization", NIPS 1988, whose relevance of a unit is −∂L/∂α at α = 1; as the score of a
network Σ_j θ_j ∂L/∂θ_j, signs kept (Abdelfattah et al. 2021, arXiv:2101.08134, and its code).

The loss does not change when the weights of a convolution before a batch normalization are scaled, so that their
terms cancel (but for rounding and the ε of the normalization): in a network of such convolutions the linear layer alone
makes the score. Sums are in double precision.
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
    """Return the sum of weights times gradients."""
    return _sum(loss_gradients(network, batch))


def score_many(block: Block) -> Floats:
    """Return the score of each network, ``(n,)``, from one pass of all."""
    return np.array([_sum(pairs) for pairs in fused_loss_gradients(block, block.batch)])


def _sum(pairs: Iterable[Pair]) -> float:
    return sum(float((weight.detach().double() * grad.double()).sum()) for weight, grad in pairs)
