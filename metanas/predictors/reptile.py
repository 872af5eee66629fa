"""A graph network whose initial weights are such that a few steps on a few examples of a new task suffice.

Nichol, Achiam and Schulman, "On First-Order Meta-Learning Algorithms", arXiv:1803.02999 (2018), algorithm 2 (Reptile,
batched): draw tasks, take a few steps of Adam without momentum (as in its experiments) on minibatches of each from the
common weights φ, and move φ towards the mean of where they ended, by a step that falls to 0 linearly. A task is a
source: its examples are architectures and their normal scores there. Adapting to a target is the same few steps on its
examples.

Differences: the loss ranks pairs besides the squared error; tasks of a batch share the drawn architectures (not their
values), which lets them be computed as one; several copies adapt, each without a part of the examples, and their mean
answers. What they say of examples that they did not see, drawn to what sources say of each other, gives the noise.

The initial weights are a property of the sources: drawn from a fixed seed and meta-trained once in a process. The
network is in :mod:`metanas.predictors._task_network`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike

from metanas.errors import InvalidValueError
from metanas.extras import require
from metanas.predictors._sources import Aligned, Floats, prior_weights, read_sources
from metanas.predictors._tabular import check_at_least
from metanas.predictors._targets import Targets
from metanas.predictors._task_network import (
    Batch,
    Ints,
    Weights,
    all_classes,
    all_features,
    draw,
    features_of,
    loss_of,
    one_thread,
)
from metanas.predictors.base import Archs, Prediction, as_indices, check_examples, check_fitted
from metanas.spaces import Space, listed, load_space

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = require("torch", "predictors", "The predictor 'reptile'")
    Tensor = torch.Tensor

_TASKS = 4  # of a meta-batch
_BATCH = 24  # architectures of an inner step
_INNER_STEPS = 6
_INNER_RATE = 3e-3
_OUTER_RATE = 1.0
_LEAVE_OUT = 0.15  # share of the examples that a copy does not see
_VARIANCE = 0.3  # of a value about a prediction, before any example was predicted
_EXAMPLES = 5.0  # examples that this counts for


class _Initial(NamedTuple):
    batch: Batch
    representatives: Ints
    weights: Weights  # the first axis 1


class _Fitted(NamedTuple):
    weights: Weights
    noise: float
    targets: Targets


class Reptile:
    """The predictor; see the module."""

    name = "reptile"

    def __init__(
        self,
        space: Space,
        rng: np.random.Generator,
        *,
        scores: Floats | None = None,
        sources: Floats | None = None,
        weights: Sequence[float] | Floats | None = None,
        rounds: int = 150,
        steps: float = 3.0,
        copies: int = 4,
        smooth: bool = True,
    ) -> None:
        """Take the sources and meta-train.

        Args:
            space: space of the architectures, with a list of them.
            rng: draws what copies leave out.
            scores: further sources, as zero-cost scores, ``(index range, k)``, greater is better.
            sources: accuracies on other tasks by index, ``(index range, k)``; NaN = not measured.
            weights: how often each source is drawn as a task, scores last; None: by agreement.
            rounds: steps of the common weights.
            steps: times the square root of the number of examples: steps of adapting to a target.
            copies: that adapt.
            smooth: take the noise out of the sources.

        Raises:
            InvalidValueError: no source, or sources or weights that cannot be used; see
                :func:`metanas.predictors._sources.read_sources`.
        """
        for what, value in (("rounds", rounds), ("copies", copies)):
            check_at_least(what, value, 1)
        if not steps > 0:
            msg = f"steps > 0 must hold, but got steps={steps}."
            raise InvalidValueError(msg)
        columns = [np.asarray(part, dtype=np.float64) for part in (sources, scores) if part is not None]
        self._space, found = read_sources(space, np.column_stack(columns) if columns else None, smooth=smooth)
        if not found:
            msg = f"The predictor {self.name!r} learns from sources and needs one at least, but got none."
            raise InvalidValueError(msg)
        self._seed = int(rng.integers(2**31))
        self._steps, self._copies = steps, copies
        z = np.column_stack([source.z for source in found])
        share = prior_weights(weights, found)
        self._initial = _meta_train(self._space.name, z.tobytes(), tuple(share.tolist()), rounds)
        self._fitted: _Fitted | None = None

    def prior(self, archs: Archs) -> Floats:
        """Return what the initial weights say, ``(n,)``. The zero-shot ranking."""
        rows = self._rows(as_indices(self._space, archs))
        return np.asarray(_answers(self._initial.weights, self._initial.batch, rows)[0])

    def fit(self, archs: Archs, y: ArrayLike) -> Self:
        """Learn from examples; see :meth:`metanas.predictors.base.Predictor.fit`. Two are enough."""
        indices, values = check_examples(self._space, archs, y)
        targets = Aligned(values, self.prior(indices))
        z, rows = targets.forward(values), self._rows(indices)
        rng = np.random.default_rng(self._seed)
        n = len(z)
        kept = max(2, n - math.floor(_LEAVE_OUT * n))
        seen = np.stack([rng.permutation(n)[:kept] for _ in range(self._copies)])
        with one_thread():
            weights = _stepped(self._initial.weights, self._copies)
            optimizer = _optimizer(weights)
            batch = self._initial.batch.take(rows)
            at = torch.from_numpy(seen)
            goal = torch.from_numpy(z.astype(np.float32))[at][..., None]
            places = at[..., None]
            for _ in range(max(1, round(self._steps * math.sqrt(n)))):
                _step(weights, optimizer, batch, goal, places)
        frozen = {name: tensor.detach() for name, tensor in weights.items()}
        left_out = ~(np.arange(n) == seen[:, :, None]).any(axis=1)
        errors = ((_answers(frozen, self._initial.batch, rows) - z) ** 2)[left_out]
        noise = (float(errors.sum()) + _EXAMPLES * _VARIANCE) / (len(errors) + _EXAMPLES)
        self._fitted = _Fitted(frozen, noise, targets)
        return self

    def predict(self, archs: Archs) -> Prediction:
        """Predict; see :meth:`metanas.predictors.base.Predictor.predict`."""
        check_fitted(self._fitted, self.name)
        assert self._fitted is not None
        weights, noise, targets = self._fitted
        asked, back = np.unique(self._rows(as_indices(self._space, archs)), return_inverse=True)
        if not len(asked):
            return Prediction(np.empty(0), np.empty(0))
        answers = _answers(weights, self._initial.batch, asked)
        center, width = targets.back(answers.mean(axis=0), np.sqrt(answers.var(axis=0) + noise))
        assert width is not None
        return Prediction(center[back], width[back])

    def _rows(self, indices: Ints) -> Ints:
        return np.asarray(np.searchsorted(self._initial.representatives, self._space.canonical_indices[indices]))


@lru_cache(maxsize=4)
def _meta_train(space_name: str, content: bytes, share: tuple[float, ...], rounds: int) -> _Initial:
    space = listed(load_space(space_name))
    batch, representatives, sizes = all_classes(space)
    z = torch.from_numpy(np.frombuffer(content, dtype=np.float64).reshape(-1, len(share))[representatives].astype("f4"))
    often = np.bincount(space.canonical_indices[space.indices], minlength=len(space.canonical_indices))
    drawn_by = np.sqrt(often[representatives])  # between each function once and as often as it is written
    drawn_by /= drawn_by.sum()
    rng = np.random.default_rng(0)
    with one_thread():
        generator = torch.Generator().manual_seed(0)
        common = draw(sizes, 1, generator)
        common |= {
            "last": torch.randn(1, sizes.width, 1, generator=generator) / math.sqrt(sizes.width),
            "level": torch.zeros(1, 1, 1),
        }
        for number in range(rounds):
            tasks = torch.from_numpy(rng.choice(len(share), size=_TASKS, p=share))
            weights = _stepped(common, _TASKS)
            optimizer = _optimizer(weights)
            for _ in range(_INNER_STEPS):
                size = min(_BATCH, len(representatives))
                rows = rng.choice(len(representatives), size=size, replace=False, p=drawn_by)
                goal = z[torch.from_numpy(rows)][:, tasks].T[..., None]  # (tasks, n, 1)
                _step(weights, optimizer, batch.take(rows), goal, None)
            rate = _OUTER_RATE * (1 - number / rounds)
            common = {
                name: tensor + rate * (weights[name].detach().mean(dim=0, keepdim=True) - tensor)
                for name, tensor in common.items()
            }
    return _Initial(batch, representatives, common)


def _stepped(weights: Weights, copies: int) -> dict[str, Tensor]:
    """Return copies of weights that can be stepped."""
    return {
        name: tensor.expand(copies, *tensor.shape[1:]).clone().requires_grad_(True) for name, tensor in weights.items()
    }


def _optimizer(weights: Weights) -> torch.optim.Optimizer:
    return torch.optim.Adam(weights.values(), lr=_INNER_RATE, betas=(0.0, 0.999))


def _step(
    weights: Weights, optimizer: torch.optim.Optimizer, batch: Batch, goal: Tensor, places: Tensor | None
) -> None:
    """Take one step towards ``goal``, ``(copies, m, 1)``, at the ``places`` of the batch that each copy sees."""
    with torch.enable_grad():
        out = features_of(weights, batch) @ weights["last"] + weights["level"]
        optimizer.zero_grad()
        loss_of(out if places is None else out.gather(1, places), goal).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def _answers(weights: Weights, batch: Batch, rows: Ints) -> Floats:
    """Return what copies say of classes, ``(copies, n)``."""
    with one_thread():
        read = all_features(weights, batch, rows)
    last, level = (weights[name].numpy().astype(np.float64) for name in ("last", "level"))
    answers: Floats = (read @ last + level)[..., 0]
    return answers


build = Reptile
