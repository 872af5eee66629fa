"""From shards to a table: whatever is finished goes in, the rest is NaN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidFileError, NotMeasuredError
from metanas.tables.schema import Axis, Metric, metric
from metanas.tables.shards import Key, Plan, Shard, finished
from metanas.tables.write import write_table


def default_path(plan: Plan, work: Path) -> Path:
    """Return where a table is assembled unless another file is named."""
    return work / f"{plan.name.rpartition('/')[2]}.h5"


def assemble(plan: Plan, work: Path, path: Path, seeds: Sequence[int] | None = None) -> str:
    """Write the table of the shards in a work folder; the same shards give the same bytes.

    Args:
        plan: what the table is made of.
        work: the folder of its shards.
        path: the file to write.
        seeds: only these; all that have a shard if None.

    Returns:
        The SHA-256 of the file.

    Raises:
        NotMeasuredError: there is no shard.
        InvalidFileError: a shard is damaged, belongs to something else or contradicts another.
    """
    shards = {key: shard for key, shard in finished(plan, work).items() if seeds is None or key.seed in seeds}
    if not shards:
        msg = f"{work} holds no finished block of table {plan.name}; build some first."
        raise NotMeasuredError(msg)
    seeds = sorted({key.seed for key in shards} | set(seeds or ()))
    return write_table(
        path,
        name=plan.name,
        space=plan.space,
        task=str(next(iter(shards.values())).facts["task"]),
        arch_index=np.array(plan.everything),
        seeds=seeds,
        epochs=range(1, plan.protocol.epochs + 1),
        metrics=_columns(plan, shards, seeds),
        protocol=plan.protocol.text,
        provenance=_provenance(plan, shards, seeds),
    )


def _columns(
    plan: Plan, shards: Mapping[Key, Shard], seeds: Sequence[int]
) -> dict[str, tuple[Metric, NDArray[np.floating]]]:
    n = len(plan.everything)
    columns: dict[str, tuple[Metric, NDArray[np.floating]]] = {}
    for key, shard in shards.items():
        rows = np.searchsorted(plan.everything, shard.indices)
        for name, values in shard.values.items():
            if name not in columns:
                per_training = values.ndim == 2
                shape = (n, len(seeds), plan.protocol.epochs) if per_training else (n,)
                axes: tuple[Axis, ...] = ("arch", "seed", "epoch") if per_training else ("arch",)
                columns[name] = (metric(name, axes), np.full(shape, np.nan, dtype=values.dtype))
            whole = columns[name][1]
            if whole.ndim == 3:
                whole[rows, seeds.index(key.seed)] = values
                continue
            known = ~np.isnan(whole[rows])
            if not np.array_equal(whole[rows][known], values[known]):
                msg = f"{name!r} depends on the architecture alone, but block {key.block} differs between seeds."
                raise InvalidFileError(msg)
            whole[rows] = values
    return columns


def _provenance(plan: Plan, shards: Mapping[Key, Shard], seeds: Sequence[int]) -> dict[str, Any]:
    facts = [shard.facts for shard in shards.values()]
    trainings = sum(len(shard.indices) for shard in shards.values())
    seconds = sum(float(fact["core_seconds"]) for fact in facts)
    packages = sorted({package for fact in facts for package in fact["versions"]})
    diverged: dict[str, list[int]] = {}
    for fact in facts:
        for name, indices in fact["diverged"].items():
            diverged.setdefault(f"{name} seed {fact['seed']}", []).extend(indices)
    return {
        "method": "trained by metanas build",
        "task_sha256": plan.task_sha256,
        "versions": {
            package: sorted({fact["versions"].get(package, "none") for fact in facts}) for package in packages
        },
        "cpu": sorted({fact["cpu"] for fact in facts}),
        "torch_threads": 1,
        "dates": sorted({fact["date"] for fact in facts}),
        "trainings": trainings,
        "trainings_missing": len(plan.everything) * len(seeds) - trainings,
        "core_seconds": round(seconds, 1),
        "core_seconds_per_training": round(seconds / trainings, 4),
        "diverged": diverged,
    }
