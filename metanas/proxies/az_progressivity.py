"""AZ-NAS's progressivity: the least growth of expressivity from one step to the next.

Lee and Ham, CVPR 2024 (arXiv:2403.19232), section 3.1; see :mod:`metanas.proxies.blockwise`.
"""

from __future__ import annotations

import itertools

from torch import nn

from metanas.proxies.base import Batch
from metanas.proxies.blockwise import entropies

NEEDS = "nothing"


def score(network: nn.Module, batch: Batch) -> float:
    """Return s_P = min_l (s_l − s_{l−1}) of the entropies s_l after each step."""
    return min(after - before for before, after in itertools.pairwise(entropies(network, batch)))
