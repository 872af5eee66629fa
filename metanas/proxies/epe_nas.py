"""EPE-NAS: how a network's Jacobian correlates within and between classes.

Lopes, Alirezazadeh, Alexandre, "EPE-NAS: Efficient Performance Estimation Without Training for Neural Architecture
Search", ICANN 2021 (arXiv:2102.08099): the Jacobian as in :mod:`metanas.proxies.jacov`, its rows divided by class; Σ_c
is the correlation matrix of the rows of class c, E_c = Σ_ij log(|(Σ_c)_ij| + k), k = 1e-5, divided by the number of its
rows (as in the authors' code) if there are more than τ = 100 classes; the score is Σ_c |E_c| up to τ classes, and else
Σ_{i<j} |E_i − E_j| divided by the number of classes seen.

The authors' code counts each pair (i, j) twice, which changes no ranking; it is counted once here. Beyond 100 classes
that code leaves out a class with a single example, whose E_c is nearly 0 here. Not defined (NaN) where a row of the
Jacobian is constant.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from torch import Tensor, nn

from metanas.proxies.base import Floats
from metanas.proxies.block import Batch, Block
from metanas.proxies.gradients import fused_input_gradients, input_gradients
from metanas.proxies.jacov import correlations

NEEDS = "labels"
_K = 1e-5
_TAU = 100


def score(network: nn.Module, batch: Batch) -> float:
    """Return the score from the network's Jacobian."""
    jacobian, classes = input_gradients(network, batch.x)
    return _from_jacobian(jacobian, batch.y, classes)


def score_many(block: Block) -> Floats:
    """Return the score of each network, ``(n,)``, from one pass of all."""
    classes = block.skeleton.n_classes
    return np.array([_from_jacobian(own, block.batch.y, classes) for own in fused_input_gradients(block)])


def _from_jacobian(jacobian: Tensor, y: Tensor, classes: int) -> float:
    if correlations(jacobian) is None:
        return math.nan
    evaluations = []
    for number in sorted(set(y.tolist())):
        matrix = correlations(jacobian[y == number])
        assert matrix is not None, "rows that are not constant beside all others are not constant beside a few"
        value = float((matrix.abs() + _K).log().sum())
        evaluations.append(value / len(matrix) if classes > _TAU else value)
    if classes <= _TAU:
        return sum(map(abs, evaluations))
    return sum(abs(a - b) for a, b in itertools.combinations(evaluations, 2)) / len(evaluations)
