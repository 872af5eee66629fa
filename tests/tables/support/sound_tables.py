"""Content of small tables that break no rule: values as the builder's trainings give, of real networks and rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from metanas.nets.skeleton import cost
from metanas.protocol import load_protocol
from metanas.spaces import load_space
from metanas.tables import metric
from metanas.tasks import load_task

Content = dict[str, Any]
TASK, PROTOCOL = "noto_scripts-v1", "small-v1"


def make_sound(n: int = 60, seeds: tuple[int, ...] = (0, 1, 2)) -> Content:
    """Return arguments of ``write_table``, as if ``n`` classes of ``nb201-conv`` had been trained by the builder."""
    rng = np.random.default_rng(0)
    task, protocol, space = load_task(TASK), load_protocol(PROTOCOL), load_space("nb201-conv")
    index = np.unique(space.canonical_indices[space.indices])[:n]
    training = protocol.training
    rows = {split: min(training.evaluated, len(task.split[split])) for split in ("validation", "test")}
    rows["training"] = training.examples // training.batch * training.batch
    shape = (n, len(seeds), protocol.epochs)
    quality = rng.normal(size=(n, 1, 1))
    learned = (8 + quality) * (1 - 0.7 ** np.arange(1, protocol.epochs + 1))
    metrics: dict[str, Any] = {}
    for split in ("training", "validation", "test"):
        percent = 20 + 2.5 * learned + rng.normal(0, 1, shape)
        hits = np.round(percent * rows[split] / 100)
        loss = 4 - percent / 15 + rng.normal(0, 0.02, shape)
        metrics[f"{split}/accuracy"] = (metric(f"{split}/accuracy"), (100 * hits / rows[split]).astype(np.float32))
        metrics[f"{split}/cross_entropy"] = (metric(f"{split}/cross_entropy"), loss.astype(np.float32))
    counts = np.array(
        [cost(space.cell(space.arch(int(i))), protocol.skeleton(task.shape, task.n_classes)) for i in index]
    )
    seconds = np.cumsum(rng.uniform(0.9, 1.1, shape), axis=-1) * counts[:, 1, None, None] / 50_000
    metrics["cost/seconds"] = (metric("cost/seconds"), seconds)
    for position, name in enumerate(("cost/parameters", "cost/macs")):
        metrics[name] = (metric(name, ("arch",)), counts[:, position])
    return {
        "name": "made/sound-v1",
        "space": "nb201-conv",
        "task": TASK,
        "arch_index": index,
        "seeds": seeds,
        "epochs": tuple(range(1, protocol.epochs + 1)),
        "metrics": metrics,
        "protocol": protocol.text,
        "provenance": {
            "method": "trained by metanas build",
            "task_sha256": task.sha256,
            "versions": {"metanas": ["0.1.0"]},
            "cpu": ["one"],
            "torch_threads": 1,
            "dates": ["2026-01-01"],
            "trainings": n * len(seeds),
            "trainings_missing": 0,
            "core_seconds": 1.5,
            "diverged": {},
        },
    }


def as_imported(content: Content) -> Content:
    """Return the same as if it came from elsewhere: nothing that this project's builder would state."""
    return content | {"protocol": "source = 'elsewhere'\n", "provenance": {"source": "elsewhere"}}
