"""Fisher: how much the loss changes when channels are removed.

Theis et al., "Faster gaze prediction with dense networks and Fisher pruning", 2018 (arXiv:1801.05787): the increase of
the loss when channel k of a feature map a is removed is about Δ_k = 1/(2N) Σ_n g_nk², with g_nk = −Σ_ij a_nkij
∂L_n/∂a_nkij over positions, L_n the loss of example n (the section on Fisher pruning there; Turner et al. 2020,
"BlockSwap", arXiv:1906.04113, sections 3.3 and 4, for whole networks). As the score of a network: the outputs of every
convolution and of the linear layer, each channel counted as often as it has weights (Abdelfattah et al. 2021,
arXiv:2101.08134, and its code).

Difference from that code: it takes the gradient of the mean loss instead of L_n, which divides every score by N² and
changes no ranking.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from metanas.proxies.base import Floats, weight_layers
from metanas.proxies.block import Batch, Block

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


def score_many(block: Block) -> Floats:
    """Return the score of each network, ``(n,)``, from one pass of all."""
    x, y = block.batch.x, block.batch.y
    network = block.fused(len(x))
    logits = network.forward(x, training=True)
    grad = logits.softmax(1) - functional.one_hot(y, logits.shape[1]).T
    outputs = [values.clone() for _, values, _, _ in network.conv_outputs()]  # the backward pass spoils them
    network.backward(grad)
    # The linear layer: each output has as many weights as there are features.
    found = block.skeleton.features * 0.5 * (logits * grad).double().square().mean(2).sum(1)
    for (owners, _, grads, weights), values in zip(network.conv_outputs(), outputs, strict=True):
        channels = weights.shape[1]
        per_position = values.mul_(grads).view(len(owners), -1, channels, len(x))
        per_channel = 0.5 * per_position.sum(1, dtype=torch.float64).square().mean(2).sum(1)
        found.index_add_(0, torch.tensor(owners), weights[0, 0].numel() * per_channel)
    return found.numpy()
