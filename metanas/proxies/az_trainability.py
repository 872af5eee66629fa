"""AZ-NAS's trainability: how close to 1 the spectral norms of the steps' Jacobians are.

Lee and Ham, CVPR 2024 (arXiv:2403.19232); see :mod:`metanas.proxies.blockwise`. Not defined (NaN) for a
network with a step that is the identity.
"""

from __future__ import annotations

from torch import nn

from metanas.proxies.base import Floats
from metanas.proxies.block import Batch, Block
from metanas.proxies.blockwise import fused_spectral_norms, spectral_norms

NEEDS = "nothing"
_EPSILON = 1e-6  # as in the authors' code, so that a step that nothing passes is finite


def score(network: nn.Module, batch: Batch) -> float:
    """Return s_T, the mean over steps of −σ − 1/σ + 2 with their spectral norms σ; 0 is the best."""
    norms = spectral_norms(network, batch)
    return sum(2.0 - norm - 1.0 / (norm + _EPSILON) for norm in norms) / len(norms)


def score_many(block: Block) -> Floats:
    """Return the score of each network, ``(n,)``, from one pass of all."""
    norms = fused_spectral_norms(block)
    found: Floats = (2.0 - norms - 1.0 / (norms + _EPSILON)).mean(1)
    return found
