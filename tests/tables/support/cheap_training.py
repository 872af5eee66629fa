"""A training that costs nothing and gives each architecture and seed its own numbers, for tests of the builder.

Worker processes import it by name, as they import real training code.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metanas.arch import Arch
from metanas.errors import MetanasError
from metanas.spaces import load_space
from metanas.tables.shards import representatives

TASK = "noto_scripts-v1"


@dataclass(frozen=True)
class CheapProtocol:
    text: str = "epochs = 3\nblock_size = 100\n"
    epochs: int = 3
    block_size: int = 100

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def train(archs: Sequence[Arch], task: Any, protocol: CheapProtocol, seed: int) -> dict[str, np.ndarray]:
    n_training = len(task.split["training"])
    values: dict[str, list[np.ndarray]] = {}
    for arch in archs:
        rng = np.random.default_rng([seed, n_training, *arch.code])
        for split in ("training", "validation", "test"):
            values.setdefault(f"{split}/accuracy", []).append(rng.uniform(10, 90, protocol.epochs))
            values.setdefault(f"{split}/cross_entropy", []).append(rng.uniform(0, 3, protocol.epochs))
        values.setdefault("cost/seconds", []).append(np.cumsum(rng.uniform(0.1, 0.2, protocol.epochs)))
    columns = {name: np.array(rows, dtype=np.float32) for name, rows in values.items()}
    columns["cost/parameters"] = np.array([1000.0 + sum(arch.code) for arch in archs])
    return columns


def train_slowly(archs: Sequence[Arch], task: Any, protocol: CheapProtocol, seed: int) -> dict[str, np.ndarray]:
    time.sleep(0.05)
    return train(archs, task, protocol, seed)


def train_and_die(archs: Sequence[Arch], task: Any, protocol: CheapProtocol, seed: int) -> dict[str, np.ndarray]:
    """End the worker process as the system does when memory is short; the first block is spared."""
    if archs[0].code == min(archs).code and seed == 0:
        return train(archs, task, protocol, seed)
    os._exit(9)


def train_but_one(archs: Sequence[Arch], task: Any, protocol: CheapProtocol, seed: int) -> dict[str, np.ndarray]:
    """Fail on the third block."""
    if load_space("nb201-conv").index(archs[0]) == representatives("nb201-conv")[2 * protocol.block_size]:
        msg = "It diverged."
        raise MetanasError(msg)
    return train(archs, task, protocol, seed)
