"""Training of several networks at once: folds, batches, loss and a fixed schedule."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidValueError
from metanas.extras import require
from metanas.predictors._neural_layers import Batch, Network
from metanas.predictors._tabular import check_at_least
from metanas.predictors._targets import Scale

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
else:
    torch = require("torch", "predictors", "A neural predictor")
    Tensor, nn = torch.Tensor, torch.nn

_WARM_UP = 20  # steps


@dataclass(frozen=True)
class Training:
    """How the networks are trained.

    Attributes:
        steps: times the square root of the number of different functions among the examples: steps of training.
        batch: most examples of a step.
        rate: greatest learning rate.
        decay: of the weights, decoupled (AdamW).
        rank: weight of the pairwise logistic loss.
        error: weight of the squared error.
        leave_out: share of the examples that a member does not see, 0 to 0.5; 0: no folds, and a standard deviation
            that is the members' alone.
        scale: of the targets.
    """

    steps: float = 16.0
    batch: int = 64
    rate: float = 5e-3
    decay: float = 1e-2
    rank: float = 1.0
    error: float = 0.3
    leave_out: float = 0.05
    scale: Scale = "normal"

    def __post_init__(self) -> None:
        """Check the settings; raise ``InvalidValueError``."""
        check_at_least("batch", self.batch, 2)
        for name in ("steps", "rate"):
            if not getattr(self, name) > 0:
                msg = f"{name} > 0 must hold, but got {name}={getattr(self, name)}."
                raise InvalidValueError(msg)
        for name in ("decay", "rank", "error"):
            check_at_least(name, getattr(self, name), 0)
        if not 0 <= self.leave_out <= 0.5:
            msg = f"0 <= leave_out <= 0.5 must hold, but got leave_out={self.leave_out}."
            raise InvalidValueError(msg)
        if not self.rank + self.error > 0:
            msg = "rank + error > 0 must hold: there is nothing to learn without a loss."
            raise InvalidValueError(msg)


class Examples(NamedTuple):
    """Examples by function.

    Attributes:
        batch: their ``k`` graphs and vectors.
        z: their mean targets, ``(k,)``.
        counts: how many examples each stands for, ``(k,)``.
        left_out: which of them each member does not see, ``(members, k)``.
    """

    batch: Batch
    z: Tensor
    counts: Tensor
    left_out: Tensor


def folds(members: int, k: int, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which of ``k`` examples each member leaves out, ``(members, k)``."""
    order = rng.permutation(k)
    if share == 0 or members == 1:
        return np.zeros((members, k), dtype=bool)
    number = min(k, round(1 / share))
    left_out: NDArray[np.bool_] = order % number == np.arange(members)[:, None] % number
    return left_out


def train(network: Network, examples: Examples, training: Training, rng: np.random.Generator) -> None:
    """Train all members and freeze them; the rate rises over the first steps and then falls to 0 as a cosine."""
    k = len(examples.z)
    steps = max(_WARM_UP, round(training.steps * math.sqrt(k)))
    weights = _in_one(network)
    optimizer = torch.optim.AdamW(
        [weights], lr=training.rate, betas=(0.9, 0.98), weight_decay=training.decay, fused=True
    )
    seen = examples.counts * ~examples.left_out
    batches = _batches(k, training.batch, rng)
    with torch.enable_grad():
        for step in range(steps):
            cosine = (1 + math.cos(math.pi * step / steps)) / 2
            optimizer.param_groups[0]["lr"] = training.rate * min(1, (step + 1) / _WARM_UP) * cosine
            rows = next(batches)
            at = torch.from_numpy(rows)
            assert weights.grad is not None
            weights.grad.zero_()
            out = network(examples.batch.take(rows))
            _loss(out, examples.z[at], seen[:, at], training).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    network.requires_grad_(False)


def _in_one(network: Network) -> Tensor:
    """Move all weights into one vector, which a step of the optimizer changes at once, and their gradients too."""
    parameters = list(network.parameters())
    together = torch.cat([weight.detach().reshape(-1) for weight in parameters])
    together.grad = torch.zeros_like(together)
    sizes = [weight.numel() for weight in parameters]
    ends = np.cumsum(sizes).tolist()
    for weight, end, size in zip(parameters, ends, sizes, strict=True):
        there = slice(end - size, end)
        weight.data, weight.grad = together[there].view_as(weight), together.grad[there].view_as(weight)
    return together


def _batches(k: int, largest: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Divide ``k`` examples evenly, anew in every epoch."""
    while True:
        yield from np.array_split(rng.permutation(k), math.ceil(k / largest))


def _loss(out: Tensor, z: Tensor, weights: Tensor, training: Training) -> Tensor:
    """Return the sum over members of the weighted mean losses.

    Args:
        out: what members say, ``(members, n)``.
        z: targets, ``(n,)``.
        weights: of the examples, 0 for those left out, ``(members, n)``.
        training: weights of the losses.
    """
    losses = []  # what does not depend on ``out`` is not followed by the gradient
    if training.error:
        share = weights * (training.error / weights.sum(dim=1, keepdim=True).clamp(min=1))
        losses.append(((out - z).square() * share).sum())
    if training.rank:
        pairs = weights[:, :, None] * weights[:, None] * (z[:, None] > z)  # those (row, column) to be ranked
        share = pairs * (training.rank / pairs.sum(dim=(1, 2), keepdim=True).clamp(min=1))
        losses.append((nn.functional.softplus(out[:, None] - out[:, :, None]) * share).sum())
    return torch.stack(losses).sum() if len(losses) > 1 else losses[0]
