"""Architectures as torch networks: one at a time (the reference), or many as one fused network.

``skeleton`` says what surrounds the cells, ``weights`` draws initial weights, ``plain`` is the readable reference and
``fused`` trains many architectures at once. These build the *pruned* cell, ``space.cell(arch)``, so that
architectures of one functional class are one and the same network. ``nb201_standard`` is the network of the published
NAS-Bench-201 tables, built from the cell as it is written; ``standard_cost`` says what it costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metanas.nets import skeleton
from metanas.spaces import load_space

if TYPE_CHECKING:
    from metanas.arch import Arch
    from metanas.protocol import Protocol

__all__ = ["cost"]


def cost(arch: Arch, shape: tuple[int, ...], n_classes: int, protocol: Protocol) -> tuple[int, int]:
    """Return parameters and multiply-accumulates of the network that ``protocol`` trains (nothing is built).

    Args:
        arch: the architecture.
        shape: of the task's examples, ``(C, H, W)`` or ``(C, L)``.
        n_classes: number of classes.
        protocol: fixes the skeleton and the resolution.
    """
    return skeleton.cost(load_space(arch.space).cell(arch), protocol.skeleton(shape, n_classes))
