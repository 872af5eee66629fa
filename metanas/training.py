"""Training by a protocol: many architectures at once, or one alone (the reference).

Needs torch, the extra ``[train]``.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from metanas.arch import Arch
from metanas.augmentation import Resize, augmented
from metanas.errors import MetanasError
from metanas.nets.fused import FusedNetwork
from metanas.nets.plain import PlainNetwork
from metanas.nets.skeleton import Skeleton, cost
from metanas.nets.weights import initial_weights
from metanas.protocol import Protocol, Training
from metanas.spaces import load_space
from metanas.tasks import Task

Curves = dict[str, NDArray[np.floating]]
EVALUATED = ("validation", "test")


def train_block(archs: Sequence[Arch], task: Task, protocol: Protocol, seed: int) -> Curves:
    """Train architectures at once, each from its own initial weights on the same batches.

    Args:
        archs: architectures of one space.
        task: the task, at its native resolution.
        protocol: how to train.
        seed: decides initial weights, order of examples and shifts, alike for all architectures.

    Returns:
        Arrays ``(len(archs), epochs)``: ``<split>/accuracy`` (percent) and ``<split>/cross_entropy`` (nats) for
        ``training`` (the mean over the epoch's batches as they were trained on), ``validation`` and ``test`` (after the
        epoch), and ``cost/seconds``: CPU seconds of training (evaluation not counted) since the start, measured for the
        block and shared out by the architectures' multiply-accumulates. Where a loss is no longer finite (a diverged
        training), accuracy and cross-entropy are NaN, and the other architectures go on undisturbed.
    """
    data = _Data(task, protocol)
    cells = [load_space(arch.space).cell(arch) for arch in archs]
    weights = [initial_weights(cell, data.skeleton, seed) for cell in cells]
    batch = protocol.training.batch
    network = FusedNetwork(cells, data.skeleton, weights, batch)
    network.refresh()
    pairs = network.parameters()
    parameters = [torch.nn.Parameter(weight) for weight, _ in pairs]
    for parameter, (_, grad) in zip(parameters, pairs, strict=True):
        parameter.grad = grad
    descent = _Descent(parameters, protocol.training, data.steps)
    average = _Average([weight for weight, _ in pairs] + network.statistics(), protocol.training.averaging)
    share = np.array([cost(cell, data.skeleton)[1] for cell in cells], dtype=np.float64)
    share /= share.sum()
    curves = _empty(len(archs), protocol.epochs)
    smoothing = protocol.training.label_smoothing
    seconds = 0.0
    for epoch, batches in enumerate(data.epochs(seed)):
        start = time.process_time()
        losses, hits, count = torch.zeros(len(archs), dtype=torch.float64), torch.zeros(len(archs)), 0
        for x, y in batches:
            logits = network.forward(x, training=True)
            losses_now, hits_now, log_probabilities = _score(logits, y)
            losses += losses_now
            hits += hits_now
            count += len(y)
            network.backward(_loss_gradient(log_probabilities, y, smoothing))
            descent.step()
            network.refresh()
            average.update()
        seconds += time.process_time() - start
        curves["cost/seconds"][:, epoch] = seconds * share
        _record(curves, "training", epoch, losses, hits, count)
        with average.applied():
            network.refresh()
            for split in EVALUATED:
                _record(curves, split, epoch, *_evaluate(network, *data.rows(split), batch))
        network.refresh()
    return curves


def train_alone(arch: Arch, task: Task, protocol: Protocol, seed: int) -> Curves:
    """Train one architecture as an ordinary PyTorch network; the same numbers as :func:`train_block` but for rounding.

    Returns:
        As :func:`train_block`, arrays ``(1, epochs)``. Weight averaging is not supported here.
    """
    if protocol.training.averaging:
        msg = "train_alone evaluates the last weights: training.averaging must be 0."
        raise MetanasError(msg)
    data = _Data(task, protocol)
    cell = load_space(arch.space).cell(arch)
    network = PlainNetwork(cell, data.skeleton)
    network.load(initial_weights(cell, data.skeleton, seed))
    descent = _Descent(list(network.parameters()), protocol.training, data.steps)
    curves = _empty(1, protocol.epochs)
    seconds = 0.0
    for epoch, batches in enumerate(data.epochs(seed)):
        start = time.process_time()
        network.train()
        losses, hits, count = torch.zeros(1, dtype=torch.float64), torch.zeros(1), 0
        for x, y in batches:
            logits = network(x)
            descent.zero_grad()
            loss = functional.cross_entropy(logits, y, label_smoothing=protocol.training.label_smoothing)
            loss.backward()  # type: ignore[no-untyped-call]
            descent.step()
            with torch.no_grad():
                losses_now, hits_now, _ = _score(logits.t().unsqueeze(0), y)
            losses, hits, count = losses + losses_now, hits + hits_now, count + len(y)
        seconds += time.process_time() - start
        curves["cost/seconds"][:, epoch] = seconds
        _record(curves, "training", epoch, losses, hits, count)
        network.eval()
        with torch.no_grad():
            for split in EVALUATED:
                x, y = data.rows(split)
                losses, hits, _ = _score(network(x).t().unsqueeze(0), y)
                _record(curves, split, epoch, losses, hits, len(y))
    return curves


class _Data:
    """A task's arrays as the protocol wants them."""

    def __init__(self, task: Task, protocol: Protocol) -> None:
        self.skeleton: Skeleton = protocol.skeleton(task.shape, task.n_classes)
        self.training = protocol.training
        rows = task.split["training"]
        if len(rows) < self.training.batch:
            msg = f"A batch of {self.training.batch} needs as many training examples; {task.name} has {len(rows)}."
            raise MetanasError(msg)
        self._train = (torch.from_numpy(task.x[rows]), torch.from_numpy(task.y[rows]))
        self._resize = Resize(task, protocol.network.resolution) if len(task.shape) == 3 else None
        most = self.training.evaluated
        self._split = {split: np.random.default_rng(0).permutation(task.split[split])[:most] for split in EVALUATED}
        self._task = task
        self._batches = self.training.examples // self.training.batch
        self.steps = self._batches * self.training.epochs

    def rows(self, split: str) -> tuple[Tensor, Tensor]:
        rows = self._split[split]
        return self._entering(torch.from_numpy(self._task.x[rows])), torch.from_numpy(self._task.y[rows])

    def epochs(self, seed: int) -> Iterator[Iterator[tuple[Tensor, Tensor]]]:
        """Yield the batches of every epoch; the passes over the training rows go on from epoch to epoch."""
        rng = np.random.default_rng([seed, 1])
        rows = self._passes(rng)
        for _ in range(self.training.epochs):
            yield self._epoch(rows, rng)

    def _passes(self, rng: np.random.Generator) -> Iterator[Tensor]:
        """Yield batches of row numbers, pass after pass; a batch that a pass cannot fill is left out."""
        n, batch = len(self._train[1]), self.training.batch
        while True:
            order = torch.from_numpy(rng.permutation(n))
            for start in range(0, n - batch + 1, batch):
                yield order[start : start + batch]

    def _epoch(self, passes: Iterator[Tensor], rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        x, y = self._train
        for rows in itertools.islice(passes, self._batches):
            yield self._entering(augmented(x[rows], self.training.augmentation, rng)), y[rows]

    def _entering(self, x: Tensor) -> Tensor:
        return x if self._resize is None else self._resize(x)


class _Descent:
    """Stochastic gradient descent with the protocol's schedule."""

    def __init__(self, parameters: list[torch.nn.Parameter], training: Training, steps: int) -> None:
        self._sgd = torch.optim.SGD(
            parameters,
            lr=training.learning_rate,
            momentum=training.momentum,
            weight_decay=training.weight_decay,
            nesterov=training.momentum > 0,
        )
        self._training = training
        self._steps = steps
        self._done = 0
        self.zero_grad = self._sgd.zero_grad

    def step(self) -> None:
        self._done += 1
        warm = max(1.0, self._training.warmup * self._steps)
        if self._done < warm:
            factor = self._done / warm
        else:
            factor = 0.5 * (1.0 + math.cos(math.pi * (self._done - warm) / max(1.0, self._steps - warm + 1.0)))
        self._sgd.param_groups[0]["lr"] = self._training.learning_rate * factor
        self._sgd.step()


class _Average:
    """Exponential average of weights and statistics; within :meth:`applied` it takes their place."""

    def __init__(self, tensors: list[Tensor], decay: float) -> None:
        self._tensors = tensors
        self._decay = decay
        self._averages = [tensor.clone() for tensor in tensors] if decay else []
        self._done = 0

    def update(self) -> None:
        if self._averages:
            self._done += 1
            decay = min(self._decay, self._done / (self._done + 9))
            torch._foreach_lerp_(self._averages, self._tensors, 1.0 - decay)

    def applied(self) -> _Average:
        return self

    def __enter__(self) -> None:
        self._swap()

    def __exit__(self, *_: object) -> None:
        self._swap()

    def _swap(self) -> None:
        for tensor, average in zip(self._tensors, self._averages, strict=bool(self._averages)):
            kept = tensor.clone()
            tensor.copy_(average)
            average.copy_(kept)


def _score(logits: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the summed cross-entropy ``(n,)``, the hits ``(n,)`` and the log-probabilities ``(n, classes, batch)``."""
    log_probabilities = torch.log_softmax(logits, 1)
    own = log_probabilities.gather(1, y.expand(len(logits), 1, -1))
    hits = (logits.argmax(1) == y).sum(-1)
    return -own.sum((1, 2), dtype=torch.float64), hits, log_probabilities


def _loss_gradient(log_probabilities: Tensor, y: Tensor, smoothing: float) -> Tensor:
    """Return the gradient of each network's mean loss by its logits."""
    classes = log_probabilities.shape[1]
    target = torch.full((classes, len(y)), smoothing / classes)
    target[y, torch.arange(len(y))] += 1.0 - smoothing
    return log_probabilities.exp_().sub_(target).div_(len(y))


def _evaluate(network: FusedNetwork, x: Tensor, y: Tensor, batch: int) -> tuple[Tensor, Tensor, int]:
    losses, hits = torch.zeros(network.n, dtype=torch.float64), torch.zeros(network.n)
    for start in range(0, len(y), batch):
        part = x[start : start + batch]
        missing = batch - len(part)
        if missing:  # the network takes whole batches only
            part = torch.cat([part, part.new_zeros(missing, *part.shape[1:])])
        logits = network.forward(part, training=False)[:, :, : batch - missing]
        losses_now, hits_now, _ = _score(logits, y[start : start + batch])
        losses += losses_now
        hits += hits_now
    return losses, hits, len(y)


def _empty(n: int, epochs: int) -> Curves:
    names = [f"{split}/{value}" for split in ("training", *EVALUATED) for value in ("accuracy", "cross_entropy")]
    curves: Curves = {name: np.full((n, epochs), np.nan, dtype=np.float32) for name in names}
    curves["cost/seconds"] = np.full((n, epochs), np.nan)
    return curves


def _record(curves: Curves, split: str, epoch: int, losses: Tensor, hits: Tensor, count: int) -> None:
    diverged = ~torch.isfinite(losses)
    curves[f"{split}/cross_entropy"][:, epoch] = (losses / count).masked_fill(diverged, math.nan).numpy()
    curves[f"{split}/accuracy"][:, epoch] = (100.0 * hits.double() / count).masked_fill(diverged, math.nan).numpy()
