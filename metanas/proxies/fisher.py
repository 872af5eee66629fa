"""Fisher: how much the loss changes when channels are removed.

Theis et al., "Faster gaze prediction with dense networks and Fisher pruning", 2018 (arXiv:1801.05787): the increase of
the loss when channel k of a feature map a is removed is about Δ_k = 1/(2N) Σ_n g_nk², with
g_nk = −Σ_ij a_nkij ∂L_n/∂a_nkij over positions, L_n the loss of example n (the section on Fisher pruning there; Turner
et al. 2020, "BlockSwap", arXiv:1906.04113, section 3, for whole networks). As the score of a network: the outputs of
every convolution and of the linear layer, each channel counted as often as it has weights (Abdelfattah et al. 2021,
arXiv:2101.08134, section 3.2, equation 2, and its code).

Difference from that code: it takes the gradient of the mean loss instead of L_n, which divides every score by N² and
changes no ranking.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from metanas.proxies.base import Batch, weight_layers

NEEDS = "labels"


def score(network: nn.Module, batch: Batch) -> float:
    """Return Σ Δ_k over channels k, weighted by their numbers of weights."""
    maps: list[Tensor] = []
    sizes: list[int] = []

    def keep(layer: nn.Module, _: object, out: Tensor) -> None:
        weight = layer.weight
        assert isinstance(weight, Tensor)
        maps.append(out)
        sizes.append(weight[0].numel())

    for layer in weight_layers(network):
        layer.register_forward_hook(keep)
    loss = functional.cross_entropy(network(batch.x), batch.y, reduction="sum")
    grads = torch.autograd.grad(loss, maps, allow_unused=True, materialize_grads=True)
    total = 0.0
    for values, grad, size in zip(maps, grads, sizes, strict=True):
        per_position = (values.detach().double() * grad.double()).reshape(*values.shape[:2], -1)
        total += size * float(0.5 * per_position.sum(-1).square().mean(0).sum())
    return total
