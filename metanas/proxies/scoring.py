"""Scores of architectures on a task, for the networks that a protocol trains."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from metanas.arch import Arch
from metanas.augmentation import Resize
from metanas.errors import InvalidValueError
from metanas.protocol import Protocol
from metanas.proxies import load_proxy, proxy_names
from metanas.proxies.block import Batch, Block
from metanas.spaces import load_space
from metanas.tasks import Task

EXAMPLES = 64
_STREAM = 3  # of the seed's random numbers; the training takes others


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of architectures.

    Attributes:
        values: by the name of the score, ``(n,)``, larger promises more, NaN where it is not defined.
        seconds: CPU seconds of each score and architecture, ``(n,)``; a block's seconds are shared out evenly.
    """

    values: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    seconds: dict[str, NDArray[np.float64]] = field(default_factory=dict)


def scores(
    archs: Sequence[Arch],
    task: Task,
    protocol: Protocol,
    *,
    seed: int = 0,
    names: Sequence[str] | None = None,
    examples: int = EXAMPLES,
    report: Callable[[int], None] | None = None,
) -> Scores:
    """Score untrained architectures as the protocol would train them with that seed.

    Networks, initial weights and resolution are the protocol's; the examples are the first of the task's training rows
    in an order that depends on the seed. Architectures are scored in blocks of the protocol's size; a score does not
    depend on what is scored beside it but for rounding.

    Args:
        archs: architectures of one space.
        task: the task, at its native resolution.
        protocol: fixes the networks around the cells.
        seed: of initial weights, examples, and what a score draws itself.
        names: of the scores; all if None.
        examples: size of the batch that they look at.
        report: called with the number of architectures done, after each block.

    Raises:
        UnknownNameError: no such score.
        InvalidValueError: the task has fewer training rows than ``examples``.
    """
    chosen = [load_proxy(name) for name in (proxy_names() if names is None else names)]
    batch = scoring_batch(task, protocol, seed=seed, examples=examples)
    skeleton = protocol.skeleton(task.shape, task.n_classes)
    found = Scores(*({proxy.name: np.full(len(archs), np.nan) for proxy in chosen} for _ in range(2)))
    for start in range(0, len(archs), protocol.block_size):
        part = slice(start, start + protocol.block_size)
        cells = [load_space(arch.space).cell(arch) for arch in archs[part]]
        block = Block(cells, skeleton, batch, seed=seed)
        with _one_thread():
            for proxy in chosen:
                begin = time.process_time()
                found.values[proxy.name][part] = proxy.of_block(block)
                found.seconds[proxy.name][part] = (time.process_time() - begin) / len(cells)
        if report is not None:
            report(start + len(cells))
    return found


def scoring_batch(task: Task, protocol: Protocol, *, seed: int = 0, examples: int = EXAMPLES) -> Batch:
    """Return the batch that scores look at: training rows of the task as they enter the protocol's networks.

    Raises:
        InvalidValueError: the task has fewer training rows than ``examples``.
    """
    rows = task.split["training"]
    if not 2 <= examples <= len(rows):
        msg = f"2 <= examples <= {len(rows)} (training rows of {task.name}) must hold, but got examples={examples}."
        raise InvalidValueError(msg)
    chosen = np.random.default_rng([seed, _STREAM]).permutation(rows)[:examples]
    x = torch.from_numpy(task.x[chosen])
    if len(task.shape) == 3:
        x = Resize(task, protocol.network.resolution)(x)
    return Batch(x, torch.from_numpy(task.y[chosen]), seed)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute with one thread: the same sums in the same order on any machine, and seconds that mean something."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
