"""GraSP: how much the norm of the gradient changes when connections are removed.

Wang, Zhang, Grosse, "Picking Winning Tickets Before Training by Preserving Gradient Flow", ICLR 2020
(arXiv:2002.07376): S(−θ) = −θ ⊙ H g, with the gradient g and the Hessian H of the loss. The score of a network is the
sum of S (Abdelfattah et al. 2021, arXiv:2101.08134, and its code) over the weights of convolutions and linear layers.
Both derivatives are of the same batch; temperature 1 (the paper divides the logits by 200).

H g is the exact derivative of ½ |g|² by backpropagation through the gradient, network by network.
"""

from __future__ import annotations

import torch
from torch import nn

from metanas.proxies.block import Batch
from metanas.proxies.gradients import loss_gradients

NEEDS = "labels"


def score(network: nn.Module, batch: Batch) -> float:
    """Return −Σ θ H g."""
    pairs = loss_gradients(network, batch, create_graph=True)
    weights = [weight for weight, _ in pairs]
    half_square = 0.5 * torch.stack([grad.square().sum() for _, grad in pairs]).sum()
    products = torch.autograd.grad(half_square, weights, allow_unused=True, materialize_grads=True)
    total = 0.0
    for weight, product in zip(weights, products, strict=True):
        total -= float((weight.detach().double() * product.double()).sum())
    return total
