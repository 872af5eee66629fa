"""NASWOT: how many different linear regions the examples of a batch fall into.

Mellor et al., "Neural Architecture Search without Training", ICML 2021 (arXiv:2006.04647v3): c_i is the binary code of
example i, which of the N_A ReLUs are on; K_H[i, j] = N_A − d_H(c_i, c_j) with the Hamming distance d_H; the score is
log |K_H|.

K_H counts agreements, exactly: in whole numbers. Not defined (NaN) where K_H is singular, which it is when the rank of
the codes is below the number of examples; the determinant is then 0.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from metanas.proxies.base import Floats, recorded_relus
from metanas.proxies.block import Batch, Block

NEEDS = "inputs"


def score(network: nn.Module, batch: Batch) -> float:
    """Return log |K_H| over all ReLUs of the network."""
    with torch.no_grad(), recorded_relus() as outputs:
        network(batch.x)
    kernel = torch.zeros(len(batch.x), len(batch.x), dtype=torch.float64)
    for output in outputs:
        kernel += _agreements((output > 0).flatten(1).T.unsqueeze(0))[0]
    return _log_determinant(kernel)


def score_many(block: Block) -> Floats:
    """Return the score of each network, ``(n,)``, from one forward pass of all."""
    examples = len(block.batch.x)
    network = block.fused(examples)
    network.forward(block.batch.x, training=True)
    kernels = torch.zeros(len(block), examples, examples, dtype=torch.float64)
    for owners, outputs in network.activations():
        kernels.index_add_(0, torch.tensor(owners), _agreements(outputs > 0))
    return np.array([_log_determinant(kernel) for kernel in kernels])


def _agreements(codes: Tensor) -> Tensor:
    """Count, for codes ``(m, units, n)``, in how many units each two examples agree, ``(m, n, n)``."""
    on = codes.float()  # counts are whole and below 2**24: exact
    signs = 2.0 * on - 1.0
    return 0.5 * (signs.transpose(1, 2) @ signs + codes.shape[1]).double()


def _log_determinant(kernel: Tensor) -> float:
    eigenvalues = torch.linalg.eigvalsh(kernel)
    rounding = eigenvalues[-1].item() * len(kernel) * torch.finfo(torch.float64).eps
    return float(eigenvalues.log().sum()) if eigenvalues[0].item() > rounding else math.nan
