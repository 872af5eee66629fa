"""Zen-score: how much the features change with the input, batch normalization undone.

Lin et al., "Zen-NAS: A Zero-Shot NAS for High-Performance Image Recognition", ICCV 2021 (arXiv:2102.01063), section 4.2
and algorithm 1: weights and inputs x, ε are standard normal, Δ = E |f(x) − f(x + αε)| with f the features before global
pooling and α = 0.01, and the score is log Δ + Σ_i log √(Σ_j σ²_ij / m_i), σ²_ij the variance of channel j over the
batch before normalization i, over its m_i channels.

As in the authors' code, |·| is the sum of absolute differences of an example, averaged over the batch (in the paper it
is the Frobenius norm). Differences from the paper: its networks are plain chains, "residual links" being removed; here
the sums of a cell are part of the function, and so are all its normalizations; a normalization whose input does not
vary (a dead operation) is left out. Differences from the authors' code: σ² is the variance in the pass of x itself
instead of the running variance after two passes (.81 + .19 σ²); the score is that of one draw, not the mean of 32.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from metanas.proxies.base import INPUTS, WEIGHTS, Floats, gaussian_weights, norm_layers, stepped, weight_layers
from metanas.proxies.block import Batch, Block

NEEDS = "nothing"
ALPHA = 0.01
_STILL = 1e-10  # a variance that is rounding


def score(network: nn.Module, batch: Batch) -> float:
    """Return the score for one draw of weights and inputs."""
    return _score(*change_and_variances(network, batch))


def change_and_variances(network: nn.Module, batch: Batch) -> tuple[Tensor, list[Tensor]]:
    """Return Δ, and σ² before each normalization, ``(channels,)``, for one draw of weights (into ``network``)."""
    x, moved = inputs(batch)
    generator = batch.generator(WEIGHTS)
    for layer in weight_layers(network):
        layer.weight.data.copy_(gaussian_weights(tuple(layer.weight.shape), 1.0, generator))
    variances: list[Tensor] = []

    def keep(_: nn.Module, entering: tuple[Tensor]) -> None:
        variances.append(entering[0].transpose(0, 1).flatten(1).double().var(1, correction=0))

    hooks = [norm.register_forward_pre_hook(keep) for norm in norm_layers(network)]
    with torch.no_grad():
        features = _features(network, x)
        for hook in hooks:
            hook.remove()
        change = _features(network, moved) - features
    return change.flatten(1).double().abs().sum(1).mean(), variances


def score_many(block: Block) -> Floats:
    """Return the score of each network, ``(n,)``, from two forward passes of all.

    A layer's weights depend on the seed and on its place among the layers of its network, as one by one.
    """
    x, moved = inputs(block.batch)
    weights = []
    for own in block.weights:
        generator = block.batch.generator(WEIGHTS)
        weights.append({name: gaussian_weights(own[name].shape, 1.0, generator).numpy() for name in own})
    network = block.fused(len(x), weights)
    network.forward(x, training=True)
    features = network.final().clone()
    variances = [network.batch_variances(number) for number in range(len(block))]
    network.forward(moved, training=True)
    change = (network.final() - features).double().abs().sum(1).mean(1)
    return np.array([_score(own, found) for own, found in zip(change, variances, strict=True)])


def inputs(batch: Batch) -> tuple[Tensor, Tensor]:
    """Draw x and x + αε in the shape of the batch."""
    generator = batch.generator(INPUTS)
    shape = tuple(batch.x.shape)
    x, noise = (gaussian_weights(shape, 1.0, generator) for _ in range(2))
    return x, x + ALPHA * noise


def _features(network: nn.Module, x: Tensor) -> Tensor:
    chain = stepped(network)
    for step in chain.steps():
        x = step(x)
    return chain.final(x)


def _score(change: Tensor, variances: Iterable[Tensor]) -> float:
    if not float(change) > 0.0:
        return math.nan
    means = [float(variance.double().mean()) for variance in variances]
    return math.log(float(change)) + sum(0.5 * math.log(mean) for mean in means if mean > _STILL)
