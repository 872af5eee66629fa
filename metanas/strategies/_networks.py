"""Several small feed-forward networks, trained at once, in NumPy.

Every array has an axis of members; each member has weights of its own and sees all examples in every step, so that
members differ by their first weights alone. For a few hundred examples this is faster than a framework.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metanas.strategies._surrogate import Floats

_Array = NDArray[np.float32]

_BETAS = (0.9, 0.99)
_EPSILON = 1e-8


class _Pass(NamedTuple):
    inputs: list[_Array]  # of each layer, (members, n, width)
    out: _Array  # (members, n)


class Networks:
    """An ensemble of networks with ReLU between the layers and one output; Adam on all examples at once."""

    def __init__(self, members: int, widths: tuple[int, ...], rng: np.random.Generator) -> None:
        """Draw the weights (He et al. 2015, eq. 10); offsets are 0.

        Args:
            members: how many networks.
            widths: of the input and of each hidden layer.
            rng: source of the weights.
        """
        sizes = (*widths, 1)
        self._members = members
        self._weights: list[_Array] = []
        for fan_in, fan_out in itertools.pairwise(sizes):
            drawn = rng.standard_normal((members, fan_in, fan_out)) * np.sqrt(2.0 / max(fan_in, 1))
            self._weights += [drawn.astype(np.float32), np.zeros((members, 1, fan_out), dtype=np.float32)]
        self._moments = [(np.zeros_like(w), np.zeros_like(w)) for w in self._weights]
        self._step = 0

    def fit(self, x: NDArray[np.floating], z: Floats, weights: Floats, *, steps: int, rate: float, power: int) -> None:
        """Go on training.

        Args:
            x: inputs, ``(n, d)``.
            z: targets, ``(n,)``.
            weights: of the examples in the loss, ``(n,)``.
            steps: of Adam (Kingma and Ba 2015, algorithm 1; beta_2 = 0.99); the rate falls to 0 linearly over them.
            rate: of learning, at first.
            power: 1: absolute errors; 2: squared errors.
        """
        inputs = np.broadcast_to(x.astype(np.float32), (self._members, *x.shape))
        target, share = z.astype(np.float32), (weights / weights.sum()).astype(np.float32)
        for step in range(steps):
            forward = self._forward(inputs)
            error = forward.out - target
            slope = share * (np.sign(error) if power == 1 else 2 * error)
            self._descend(self._gradients(forward, slope.astype(np.float32)), rate * (1 - step / steps))

    def predict(self, x: NDArray[np.floating]) -> Floats:
        """Return what each member says, ``(members, n)``."""
        inputs = np.broadcast_to(x.astype(np.float32), (self._members, *x.shape))
        return self._forward(inputs).out.astype(np.float64)

    def _forward(self, h: _Array) -> _Pass:
        inputs = [h]
        for weight, offset in zip(self._weights[0:-2:2], self._weights[1:-2:2], strict=True):
            h = np.maximum(h @ weight + offset, 0)
            inputs.append(h)
        return _Pass(inputs, (h @ self._weights[-2] + self._weights[-1])[..., 0])

    def _gradients(self, forward: _Pass, slope: _Array) -> list[_Array]:
        gradients: list[_Array] = []
        back = slope[..., None]
        for layer in range(len(forward.inputs) - 1, -1, -1):
            own = forward.inputs[layer]
            gradients += [back.sum(axis=1, keepdims=True), own.transpose(0, 2, 1) @ back]
            if layer:
                back = (back @ self._weights[2 * layer].transpose(0, 2, 1)) * (own > 0)
        return gradients[::-1]

    def _descend(self, gradients: list[_Array], rate: float) -> None:
        self._step += 1
        first, second = (1 - beta**self._step for beta in _BETAS)
        for weight, gradient, (mean, square) in zip(self._weights, gradients, self._moments, strict=True):
            mean += (1 - _BETAS[0]) * (gradient - mean)
            square += (1 - _BETAS[1]) * (gradient**2 - square)
            weight -= rate * (mean / first) / (np.sqrt(square / second) + _EPSILON)
