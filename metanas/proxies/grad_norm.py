"""The sum of the Euclidean norms of the loss's gradients, layer by layer.

Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS", ICLR 2021 (arXiv:2101.08134): the gradients of a single
minibatch. As in their code: norms of the weights of each convolution and linear layer, biases and normalizations left
out.
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
    """Return the sum of the gradients' norms."""
    return _sum(loss_gradients(network, batch))


def score_many(block: Block) -> Floats:
    """Return the score of each network, ``(n,)``, from one pass of all."""
    return np.array([_sum(pairs) for pairs in fused_loss_gradients(block, block.batch)])


def _sum(pairs: Iterable[Pair]) -> float:
    return sum(float(grad.double().norm()) for _, grad in pairs)
