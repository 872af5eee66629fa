"""What AZ-NAS looks at: the features after each step of a network, and how gradients pass each step.

Lee and Ham, "AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search", CVPR 2024 (arXiv:2403.19232),
section 3.1. Weights are Kaiming normal (fan-in), inputs standard normal, norms use the batch, as in the authors' code.
The steps ("primary blocks") are the stem, every cell and every reduction.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from metanas.proxies.base import Batch, gaussian_weights, stepped, weight_layers

_EPSILON = 1e-8  # within the logarithm, as in the authors' code


def entropies(network: nn.Module, batch: Batch) -> list[float]:
    """Return the expressivity of each step: the entropy of how variance spreads over the principal components.

    With the eigenvalues λ of the covariance of the channels, over positions and examples, and λ' = λ / Σ λ, it is
    −Σ λ' log λ' (the paper's s_l; at most log of the number of channels). 0 where nothing varies.
    """
    generator = batch.generator()
    x = _prepare(network, batch, generator)
    found = []
    with torch.no_grad():
        for step in stepped(network).steps():
            x = step(x)
            rows = _rows(x).double()
            rows = rows - rows.mean(0)
            spread = torch.linalg.eigvalsh(rows.T @ rows / len(rows)).clamp_min(0.0)
            share = spread / spread.sum() if float(spread.sum()) > 0.0 else spread
            found.append(-float((share * (share + _EPSILON).log()).sum()))
    return found


def spectral_norms(network: nn.Module, batch: Batch) -> list[float]:
    """Return, for each step after the first, the spectral norm of its Jacobian, estimated by one random gradient.

    With a gradient g of signs ±1 at the output of step l, the Jacobian is estimated by E[g_in g_outᵀ] over positions
    and examples, g_in the gradient at the step's input (the paper's Hutchinson-like estimate). Where the step halves
    the positions, those that are merged count as channels of the input. NaN for a step that passes g on unchanged, an
    identity (the authors' code gives −∞ to the network then).
    """
    generator = batch.generator()
    chain = stepped(network)
    first, *others = chain.steps()
    with torch.no_grad():
        x = first(_prepare(network, batch, generator))
    found = []
    for step in others:
        entering = x.detach().requires_grad_()
        x = step(entering)
        signs = torch.randint(0, 2, tuple(x.shape), generator=generator).to(x.dtype) * 2.0 - 1.0
        (grad,) = torch.autograd.grad(x, entering, signs, materialize_grads=True)
        if grad.shape == signs.shape and torch.equal(grad, signs):
            found.append(math.nan)
            continue
        rows = _rows(signs).double()
        product = _rows(_merged(grad, x.shape[2:])).double().T @ rows / len(rows)
        found.append(float(torch.linalg.matrix_norm(product, 2)))
    return found


def _prepare(network: nn.Module, batch: Batch, generator: torch.Generator) -> Tensor:
    """Draw weights (into ``network``) and inputs."""
    for layer in weight_layers(network):
        shape = tuple(layer.weight.shape)
        layer.weight.data.copy_(gaussian_weights(shape, math.sqrt(2.0 / layer.weight[0].numel()), generator))
        if layer.bias is not None:
            layer.bias.data.zero_()
    return gaussian_weights(tuple(batch.x.shape), 1.0, generator).to(batch.x.dtype)


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
