"""Content of a table that measured some of the classes of a space: quality and pace by the architectures' paths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from metanas.encodings import encode
from metanas.spaces import load_space
from metanas.tables import Table, metric, write_table

SPACE = load_space("nb201-conv")
CLASSES = np.unique(SPACE.canonical_indices[SPACE.indices])
EPOCHS = (1, 2, 4)
NOISE = 1.5
N = 200


def truth(indices: np.ndarray) -> np.ndarray:
    """Return the true mean accuracy of architectures, ``(n, n_epochs)``: how good, and how late, by their paths."""
    x = encode(SPACE, indices, "functional").astype(np.float64)
    x = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-6)
    rng = np.random.default_rng(7)
    good, late = (np.tanh(x @ rng.normal(size=x.shape[1]) / np.sqrt(x.shape[1])) for _ in range(2))
    return np.column_stack([60 + 10 * good - (8 - 2 * late) / epoch for epoch in EPOCHS])


TRUTH = truth(CLASSES)


def content(seed: int = 0, n: int = N, **change: Any) -> dict[str, Any]:
    """Return arguments of ``write_table``: ``n`` of the 1,011 classes, three trainings each."""
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(len(CLASSES))[:n])
    training = rng.normal(0, NOISE, (n, 3, 1))
    accuracy = TRUTH[chosen][:, None] + training + rng.normal(0, 0.3, (n, 3, len(EPOCHS)))
    test = TRUTH[chosen][:, None] - 1 + rng.normal(0, NOISE, (n, 3, len(EPOCHS)))
    seconds = np.cumsum(rng.uniform(1, 1.1, (n, 3, len(EPOCHS))), axis=2)
    return {
        "name": "made/sample-v1",
        "space": "nb201-conv",
        "task": "made",
        "arch_index": CLASSES[chosen],
        "seeds": (0, 1, 2),
        "epochs": EPOCHS,
        "metrics": {
            "validation/accuracy": (metric("validation/accuracy"), accuracy),
            "test/accuracy": (metric("test/accuracy"), test),
            "cost/seconds": (metric("cost/seconds"), seconds),
        },
        "protocol": "",
        "provenance": {},
    } | change


def file_of(path: Path, **change: Any) -> Table:
    write_table(path, **content(**change))
    return Table.open(path)
