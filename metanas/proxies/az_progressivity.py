"""AZ-NAS's progressivity: the least growth of expressivity from one step to the next.

Lee and Ham, CVPR 2024 (arXiv:2403.19232); see :mod:`metanas.proxies.blockwise`.
"""

from __future__ import annotations

import itertools

import numpy as np
from torch import nn

from metanas.proxies.base import Floats
from metanas.proxies.block import Batch, Block
from metanas.proxies.blockwise import entropies, fused_entropies

NEEDS = "nothing"


def score(network: nn.Module, batch: Batch) -> float:
    """Return s_P = min_l (s_l − s_{l−1}) of the entropies s_l after each step."""
    return min(after - before for before, after in itertools.pairwise(entropies(network, batch)))


def score_many(block: Block) -> Floats:
    """Return the score of each network, ``(n,)``, from one pass of all."""
    found: Floats = np.diff(fused_entropies(block), axis=1).min(1)
    return found
