"""Gradients that several scores are made of: of the loss by the weights, of the output by the inputs."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from metanas.proxies.base import weight_layers
from metanas.proxies.block import Batch, Block

Pair = tuple[Tensor, Tensor]  # weights and their gradient, of one layer


def loss_gradients(network: nn.Module, batch: Batch, *, create_graph: bool = False) -> list[Pair]:
    """Return weights and gradient of every convolution and linear layer; the loss is the mean cross-entropy.

    The gradient is zero where a layer does not reach the output.
    """
    weights = [layer.weight for layer in weight_layers(network)]
    loss = functional.cross_entropy(network(batch.x), batch.y)
    grads = torch.autograd.grad(loss, weights, create_graph=create_graph, allow_unused=True, materialize_grads=True)
    return list(zip(weights, grads, strict=True))


def fused_loss_gradients(block: Block, batch: Batch) -> Iterable[list[Pair]]:
    """Yield what :func:`loss_gradients` returns, for each network of a block, from one pass of all."""
    network = block.fused(len(batch.x))
    probabilities = network.forward(batch.x, training=True).softmax(1)
    target = functional.one_hot(batch.y, probabilities.shape[1]).T
    network.backward((probabilities - target) / len(batch.y))
    for number in range(len(block)):
        yield list(network.layers(number).values())


def input_gradients(network: nn.Module, x: Tensor) -> tuple[Tensor, int]:
    """Return the gradients of the sum of the outputs by each example, ``(n, features)``, and the number of classes."""
    x = x.clone().requires_grad_()
    outputs = network(x)
    (grad,) = torch.autograd.grad(outputs.sum(), x)
    return grad.flatten(1), outputs.shape[1]


def fused_input_gradients(block: Block) -> Tensor:
    """Return the gradients of the sum of the outputs by each example, for each network, ``(networks, n, features)``."""
    network = block.fused(len(block.batch.x))
    network.backward(torch.ones_like(network.forward(block.batch.x, training=True)))
    return network.input_gradient().flatten(2)
