"""What AZ-NAS looks at: the features after each step of a network, and how gradients pass each step.

Lee and Ham, "AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search", CVPR 2024 (arXiv:2403.19232).
Weights are Kaiming normal (fan-in), inputs standard normal, norms use the batch, as in the authors' code. The steps
("primary blocks") are the stem, every cell and every reduction.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from metanas.nets.fused import FusedNetwork
from metanas.nets.skeleton import Stage
from metanas.proxies.base import INPUTS, SIGNS, WEIGHTS, Floats, gaussian_weights, stepped, weight_layers
from metanas.proxies.block import Batch, Block

_EPSILON = 1e-8  # within the logarithm, as in the authors' code


def entropies(network: nn.Module, batch: Batch) -> list[float]:
    """Return the expressivity of each step: the entropy of how variance spreads over the principal components.

    With the eigenvalues λ of the covariance of the channels, over positions and examples, and λ' = λ / Σ λ, it is
    −Σ λ' log λ' (the paper's s_l; at most log of the number of channels). 0 where nothing varies.
    """
    x = _prepare(network, batch)
    found = []
    with torch.no_grad():
        for step in stepped(network).steps():
            x = step(x)
            found.append(float(_entropy(_rows(x).T)))
    return found


def fused_entropies(block: Block) -> Floats:
    """Return what :func:`entropies` returns for each network, ``(n, steps)``, from one forward pass of all."""
    network = _prepare_fused(block)
    found = [
        _entropy(_channels(values, size).flatten(2))
        for values, size in zip(network.step_outputs(), _sizes(block), strict=True)
    ]
    return torch.stack(found, 1).numpy().astype(np.float64)


def spectral_norms(network: nn.Module, batch: Batch) -> list[float]:
    """Return, for each step after the first, the spectral norm of its Jacobian, estimated by one random gradient.

    With a gradient g of signs ±1 at the output of step l, the Jacobian is estimated by E[g_in g_outᵀ] over positions
    and examples, g_in the gradient at the step's input (the paper's Hutchinson-like estimate). Where the step halves
    the positions, those that are merged count as channels of the input. NaN for a step that passes g on unchanged, an
    identity (the authors' code gives −∞ to the network then).
    """
    chain = stepped(network)
    first, *others = chain.steps()
    with torch.no_grad():
        x = first(_prepare(network, batch))
    generator = batch.generator(SIGNS)
    found = []
    for step in others:
        entering = x.detach().requires_grad_()
        x = step(entering)
        signs = _signs(tuple(x.shape), generator)
        (grad,) = torch.autograd.grad(x, entering, signs, materialize_grads=True)
        if grad.shape == signs.shape and torch.equal(grad, signs):
            found.append(math.nan)
            continue
        rows = _rows(signs).double()
        product = _rows(_merged(grad, x.shape[2:])).double().T @ rows / len(rows)
        found.append(float(torch.linalg.matrix_norm(product, 2)))
    return found


def fused_spectral_norms(block: Block) -> Floats:
    """Return what :func:`spectral_norms` returns for each network, ``(n, steps - 1)``, from one pass of all."""
    network = _prepare_fused(block)
    examples, generator = len(block.batch.x), block.batch.generator(SIGNS)
    sizes = _sizes(block)
    signs = [_signs((examples, size.channels, *size.spatial), generator) for size in sizes[1:]]
    flat = [own.flatten(2).permute(2, 1, 0).flatten(0, 1) for own in signs]
    grads = network.step_gradients([own.expand(len(block), -1, -1) for own in flat])
    found = []
    for before, after, own, same, grad in zip(sizes, sizes[1:], signs, flat, grads, strict=False):
        rows = _rows(own).double()
        inner = _channels(grad, before)  # (n, channels, *spatial, batch)
        merged = torch.stack([_rows(_merged(one.movedim(-1, 0), torch.Size(after.spatial))) for one in inner])
        norms = torch.linalg.matrix_norm(merged.double().transpose(1, 2) @ rows / len(rows), 2)
        identity = (grad == same).flatten(1).all(1) if grad.shape[1:] == same.shape else torch.zeros(len(block)).bool()
        found.append(norms.masked_fill(identity, math.nan))
    return torch.stack(found, 1).numpy().astype(np.float64)


def _entropy(channels: Tensor) -> Tensor:
    """Map values ``(…, channels, samples)`` to the entropies of their principal components, ``(…)``."""
    values = channels.double()
    values = values - values.mean(-1, keepdim=True)
    spread = torch.linalg.eigvalsh(values @ values.transpose(-1, -2) / values.shape[-1]).clamp_min(0.0)
    total = spread.sum(-1, keepdim=True)
    share = spread / torch.where(total > 0, total, 1.0)
    entropy: Tensor = -(share * (share + _EPSILON).log()).sum(-1)
    return entropy


def _prepare(network: nn.Module, batch: Batch) -> Tensor:
    """Draw weights (into ``network``) and inputs."""
    generator = batch.generator(WEIGHTS)
    for layer in weight_layers(network):
        layer.weight.data.copy_(_kaiming(tuple(layer.weight.shape), generator))
        if layer.bias is not None:
            layer.bias.data.zero_()
    return _inputs(batch)


def _prepare_fused(block: Block) -> FusedNetwork:
    """Return the networks with their weights drawn, after a forward pass of the inputs."""
    weights = []
    for own in block.weights:
        generator = block.batch.generator(WEIGHTS)
        weights.append({name: _kaiming(own[name].shape, generator).numpy() for name in own})
    network = block.fused(len(block.batch.x), weights)
    network.forward(_inputs(block.batch), training=True)
    return network


def _kaiming(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return gaussian_weights(shape, math.sqrt(2.0 / math.prod(shape[1:])), generator)


def _inputs(batch: Batch) -> Tensor:
    return gaussian_weights(tuple(batch.x.shape), 1.0, batch.generator(INPUTS)).to(batch.x.dtype)


def _signs(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randint(0, 2, shape, generator=generator).to(torch.get_default_dtype()) * 2.0 - 1.0


def _sizes(block: Block) -> list[Stage]:
    """Return channels and positions of what each step gives: stem, cells, reductions."""
    skeleton = block.skeleton
    return [skeleton.stage(number) for number in range(skeleton.stages) for _ in range(skeleton.cells + 1)]


def _channels(values: Tensor, size: Stage) -> Tensor:
    """Map fused values ``(n, positions * channels, batch)`` to ``(n, channels, *spatial, batch)``."""
    return values.view(len(values), *size.spatial, size.channels, -1).movedim(-2, 1)


def _rows(x: Tensor) -> Tensor:
    """Map ``(batch, channels, *spatial)`` to ``(batch * positions, channels)``."""
    return x.flatten(2).transpose(1, 2).flatten(0, 1)


def _merged(x: Tensor, spatial: torch.Size) -> Tensor:
    """Make positions that are merged into one of ``spatial`` channels of it."""
    for axis, size in enumerate(spatial):
        factor = x.shape[2 + axis] // size
        if factor > 1:
            shape = (*x.shape[: 2 + axis], size, factor, *x.shape[3 + axis :])
            x = x.reshape(shape).movedim(3 + axis, 1).flatten(1, 2)
    return x
