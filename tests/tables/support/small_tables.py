"""Content of small tables with known values."""

from __future__ import annotations

from typing import Any

import numpy as np

from metanas.spaces import load_space
from metanas.tables import metric

Content = dict[str, Any]


def make_content(n: int = 50, seeds: tuple[int, ...] = (0, 1, 2), n_epochs: int = 4) -> Content:
    """Return arguments of ``write_table``: the first representatives of ``nb201-conv`` and random values."""
    rng = np.random.default_rng(0)
    space = load_space("nb201-conv")
    index = np.unique(space.canonical_indices[space.indices])[:n]
    shape = (n, len(seeds), n_epochs)
    metrics: dict[str, Any] = {}
    for split in ("training", "validation", "test"):
        metrics[f"{split}/accuracy"] = (metric(f"{split}/accuracy"), rng.uniform(5, 95, shape).astype(np.float32))
        metrics[f"{split}/cross_entropy"] = (
            metric(f"{split}/cross_entropy"),
            rng.uniform(0, 3, shape).astype(np.float32),
        )
    metrics["cost/seconds"] = (metric("cost/seconds"), np.cumsum(rng.uniform(0.1, 0.2, shape), axis=-1))
    metrics["cost/parameters"] = (metric("cost/parameters", ("arch",)), rng.integers(100, 1000, n))
    return {
        "name": "nb201/example-v1",
        "space": "nb201-conv",
        "task": "example-v1",
        "arch_index": index,
        "seeds": seeds,
        "epochs": range(1, n_epochs + 1),
        "metrics": metrics,
        "protocol": "epochs = 4\n",
        "provenance": {"cpu": ["one"], "core_seconds": 1.5},
    }
