"""ZiCo: the inverse coefficient of variation of gradients.

Li et al., "ZiCo: Zero-shot NAS via Inverse Coefficient of Variation on Gradients", ICLR 2023 (arXiv:2301.11300),
section 3.4, equation 15: Σ_l log Σ_ω E[|∇_ω L(X_i, y_i)|] / √Var[|∇_ω L(X_i, y_i)|], ω over the weights of
layer l, layers being convolutions and linear layers, mean and variance over batches i. As in the paper there are N = 2
batches: here the two halves of the batch.

As in the authors' code, weights whose gradients are 0 in all batches (dead ones) and layers without any other weight
count nothing. Differences from that code: it takes the deviation of ∇, not of |∇|, leaves out whatever deviates by
exactly 0, and adds up the gradients of the batches instead of clearing them in between. Difference from both: with two
batches of gradients a and b, √Var[|∇|] = ||a| − |b|| / 2 may be nothing but rounding, and a single weight would then
rule the score; the deviation is taken to be at least 1e-3 of the mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from metanas.proxies.base import Floats
from metanas.proxies.block import Batch, Block
from metanas.proxies.gradients import fused_loss_gradients, loss_gradients

NEEDS = "labels"
_LEAST = 1e-3  # deviation, as a part of the mean


def score(network: nn.Module, batch: Batch) -> float:
    """Return the score from the gradients of two halves of the batch."""
    grads = [[grad for _, grad in loss_gradients(network, half)] for half in batch.halves()]
    return _score(zip(*grads, strict=True))


def score_many(block: Block) -> Floats:
    """Return the score of each network, ``(n,)``, from one pass of all for each half."""
    halves = [
        [[grad.clone() for _, grad in pairs] for pairs in fused_loss_gradients(block, half)]
        for half in block.batch.halves()
    ]
    return np.array([_score(zip(*grads, strict=True)) for grads in zip(*halves, strict=True)])


def _score(layers: Iterable[Sequence[Tensor]]) -> float:
    total, counted = 0.0, False
    for grads in layers:
        sizes = torch.stack(list(grads)).double().abs()
        mean, deviation = sizes.mean(0), sizes.std(0, correction=0)
        alive = mean > 0
        if bool(alive.any()):
            total += math.log(float((mean / deviation.maximum(_LEAST * mean))[alive].sum()))
            counted = True
    return total if counted else math.nan
