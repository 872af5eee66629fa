"""Several small feed-forward networks, trained at once, in NumPy.

Every array has an axis of members; each member has weights of its own and sees the same examples in every step, so
that members differ by their first weights alone. For a few hundred examples this is faster than a framework.

Examples are columns. All weights lie in one vector, so that a step of Adam is a few operations; an offset is a weight
of an input that is always 1.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metanas.strategies._surrogate import Floats

_Array = NDArray[np.float32]

_BETAS = (0.9, 0.99)
_EPSILON = 1e-8
_AT_ONCE = 512  # examples


class _Buffers(NamedTuple):
    """Room for what a pass over ``n`` examples computes.

    Attributes:
        inputs: of each layer, the last row 1: ``(width + 1, n)``, then ``(members, width + 1, n)``.
        sums: what each layer makes of it, ``(members, width, n)``; on the way back, the gradient by it.
    """

    inputs: list[_Array]
    sums: list[_Array]


class Networks:
    """An ensemble of networks with ReLU between the layers and one output; Adam."""

    def __init__(self, members: int, widths: tuple[int, ...], rng: np.random.Generator) -> None:
        """Draw the weights (He et al. 2015, eq. 10); offsets are 0.

        Args:
            members: how many networks.
            widths: of the input and of each hidden layer.
            rng: source of the weights and of the batches.
        """
        self._members = members
        self._rng = rng
        self._shapes = [(members, out, fan_in + 1) for fan_in, out in itertools.pairwise((*widths, 1))]
        self._flat = np.zeros(sum(map(np.prod, self._shapes)), dtype=np.float32)
        self._weights = self._layers(self._flat)
        for weight in self._weights:
            fan_in = weight.shape[2] - 1
            drawn = rng.standard_normal((members, fan_in, weight.shape[1])) * np.sqrt(2.0 / max(fan_in, 1))
            weight[:, :, :-1] = drawn.transpose(0, 2, 1)
        self._mean, self._square = np.zeros((2, len(self._flat)), dtype=np.float32)
        self._step = 0

    def fit(
        self,
        x: NDArray[np.floating],
        z: Floats,
        weights: Floats,
        *,
        steps: int,
        rate: float,
        power: int,
        batch: int | None = None,
    ) -> None:
        """Go on training.

        Args:
            x: inputs, ``(n, d)``.
            z: targets, ``(n,)``.
            weights: of the examples in the loss, ``(n,)``.
            steps: of Adam (Kingma and Ba 2015, algorithm 1; beta_2 = 0.99); the rate falls to 0 linearly over them.
            rate: of learning, at first.
            power: 1: absolute errors; 2: squared errors.
            batch: most examples of a step, the same for all members; all examples if None.
        """
        number = math.ceil(len(z) / batch) if batch else 1
        size = len(z) // number  # of one size, so a few examples may be left out of an epoch, others each time
        inputs, targets, importance = _with_ones(x), z.astype(np.float32), weights.astype(np.float32)
        buffers = self._buffers(size)
        gradient = np.empty_like(self._flat)
        gradients = self._layers(gradient)
        for step in range(steps):
            part = step % number
            if part == 0:
                order = self._rng.permutation(len(z)) if number > 1 else np.arange(size)
            rows = order[part * size : (part + 1) * size]
            np.take(inputs, rows, axis=1, out=buffers.inputs[0])
            error = self._forward(buffers) - targets[rows]
            share = importance[rows] / importance[rows].sum()
            self._backward(buffers, share * (np.sign(error) if power == 1 else 2 * error), gradients)
            self._descend(gradient, rate * (1 - step / steps))

    def predict(self, x: NDArray[np.floating]) -> Floats:
        """Return what each member says, ``(members, n)``."""
        inputs, said = _with_ones(x), np.empty((self._members, len(x)))
        for start in range(0, len(x), _AT_ONCE):  # what is between the layers stays in the cache
            part = inputs[:, start : start + _AT_ONCE]
            buffers = self._buffers(part.shape[1])
            buffers.inputs[0][:] = part
            said[:, start : start + _AT_ONCE] = self._forward(buffers)
        return said

    def _layers(self, flat: _Array) -> list[_Array]:
        """Return the part of every layer, ``(members, fan out, fan in + 1)``, views of one vector."""
        ends = np.cumsum([int(np.prod(shape)) for shape in self._shapes])
        parts = np.split(flat, ends[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, self._shapes, strict=True)]

    def _buffers(self, n: int) -> _Buffers:
        members, dtype = self._members, self._flat.dtype
        first = np.ones((self._shapes[0][2], n), dtype=dtype)
        hidden = [np.ones((members, out + 1, n), dtype=dtype) for _, out, _ in self._shapes[:-1]]
        sums = [np.empty((members, out, n), dtype=dtype) for _, out, _ in self._shapes]
        return _Buffers([first, *hidden], sums)

    def _forward(self, buffers: _Buffers) -> _Array:
        """Return what each member says, ``(members, n)``."""
        first, n = self._weights[0], buffers.inputs[0].shape[1]
        np.matmul(first.reshape(-1, first.shape[2]), buffers.inputs[0], out=buffers.sums[0].reshape(-1, n))
        for layer in range(1, len(self._weights)):
            own = buffers.inputs[layer]
            np.maximum(buffers.sums[layer - 1], 0, out=own[:, :-1])
            np.matmul(self._weights[layer], own, out=buffers.sums[layer])
        return buffers.sums[-1][:, 0]

    def _backward(self, buffers: _Buffers, slope: _Array, gradients: list[_Array]) -> None:
        """Fill in the gradient of a loss with the derivative ``slope`` by what each member says, ``(members, n)``."""
        back = slope[:, None]
        for layer in range(len(gradients) - 1, 0, -1):
            own, below = buffers.inputs[layer], buffers.sums[layer - 1]
            np.matmul(back, own.transpose(0, 2, 1), out=gradients[layer])
            np.matmul(self._weights[layer][:, :, :-1].transpose(0, 2, 1), back, out=below)
            below *= own[:, :-1] > 0
            back = below
        first, n = gradients[0], back.shape[2]
        np.matmul(back.reshape(-1, n), buffers.inputs[0].T, out=first.reshape(-1, first.shape[2]))

    def _descend(self, gradient: _Array, rate: float) -> None:
        """Take a step; ``gradient`` is overwritten. Moments are kept without the factors 1 - beta."""
        self._step += 1
        first, second = ((1 - beta**self._step) / (1 - beta) for beta in _BETAS)
        self._mean *= _BETAS[0]
        self._mean += gradient
        gradient *= gradient
        self._square *= _BETAS[1]
        self._square += gradient
        np.sqrt(self._square, out=gradient)
        gradient += _EPSILON * np.sqrt(second)
        np.divide(self._mean, gradient, out=gradient)
        gradient *= rate * np.sqrt(second) / first
        self._flat -= gradient


def _with_ones(x: NDArray[np.floating]) -> _Array:
    """Return examples as columns, with a last row of ones, ``(d + 1, n)``."""
    columns = np.ones((x.shape[1] + 1, len(x)), dtype=np.float32)
    columns[:-1] = x.T
    return columns
