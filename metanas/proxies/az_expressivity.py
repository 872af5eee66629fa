"""AZ-NAS's expressivity: how evenly features fill their space, summed over the steps of the network.

Lee and Ham, CVPR 2024 (arXiv:2403.19232); see :mod:`metanas.proxies.blockwise`.
"""

from __future__ import annotations

from torch import nn

from metanas.proxies.base import Floats
from metanas.proxies.block import Batch, Block
from metanas.proxies.blockwise import entropies, fused_entropies

NEEDS = "nothing"


def score(network: nn.Module, batch: Batch) -> float:
    """Return s_E = Σ_l s_l, the sum of the entropies after each step."""
    return sum(entropies(network, batch))


def score_many(block: Block) -> Floats:
    """Return the score of each network, ``(n,)``, from one pass of all."""
    found: Floats = fused_entropies(block).sum(1)
    return found
