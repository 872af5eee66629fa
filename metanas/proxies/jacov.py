"""Jacob_cov: how differently a network responds around different examples, by its Jacobian.

Mellor et al., "Neural Architecture Search without Training", first version (arXiv:2006.04647v1): the rows of
J are the gradients of the (summed) outputs by each example of a batch, Σ_J is the correlation matrix of the rows,
σ_1 … σ_N its eigenvalues, and the score is −Σ_i [log(σ_i + k) + 1 / (σ_i + k)] with k = 1e-5.

Correlations and eigenvalues are in double precision, of a symmetric matrix, negative rounding errors set to 0. Not
defined (NaN) where a row of J is constant, as for a network whose output does not depend on the input.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from metanas.proxies.base import Floats
from metanas.proxies.block import Batch, Block
from metanas.proxies.gradients import fused_input_gradients, input_gradients

NEEDS = "inputs"
_K = 1e-5


def score(network: nn.Module, batch: Batch) -> float:
    """Return the score from the network's Jacobian."""
    return _from_jacobian(input_gradients(network, batch.x)[0])


def score_many(block: Block) -> Floats:
    """Return the score of each network, ``(n,)``, from one pass of all."""
    return np.array([_from_jacobian(jacobian) for jacobian in fused_input_gradients(block)])


def correlations(rows: Tensor) -> Tensor | None:
    """Return the correlation matrix of rows ``(n, features)`` in double precision; None where a row is constant.

    A row counts as constant where its deviation is below 1e-12 of the largest row's, which is rounding.
    """
    centred = rows.double() - rows.double().mean(1, keepdim=True)
    norms = centred.norm(dim=1, keepdim=True)
    if not bool((norms > 1e-12 * norms.max()).all()):
        return None
    unit = centred / norms
    matrix: Tensor = unit @ unit.T
    return matrix


def _from_jacobian(jacobian: Tensor) -> float:
    matrix = correlations(jacobian)
    if matrix is None:
        return math.nan
    eigenvalues = torch.linalg.eigvalsh(matrix).clamp_min(0.0) + _K
    return -float((eigenvalues.log() + 1.0 / eigenvalues).sum())
