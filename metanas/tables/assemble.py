"""From shards to a table: whatever is finished goes in, the rest is NaN. An earlier table can lend its seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidFileError, InvalidValueError, NotMeasuredError
from metanas.tables.schema import Axis, Metric, metric
from metanas.tables.shards import Key, Plan, Shard, finished
from metanas.tables.table import Table
from metanas.tables.write import write_table

_METHOD = "trained by metanas build"


def default_path(plan: Plan, work: Path) -> Path:
    """Return where a table is assembled unless another file is named."""
    return work / f"{plan.name.rpartition('/')[2]}.h5"


def assemble(
    plan: Plan, work: Path, path: Path, seeds: Sequence[int] | None = None, earlier: Table | None = None
) -> str:
    """Write the table of the shards in a work folder; the same shards give the same bytes.

    Args:
        plan: what the table is made of.
        work: the folder of its shards.
        path: the file to write.
        seeds: of the shards only these; all that have a shard if None.
        earlier: a table of the same plan, whose seeds are taken over; see :func:`check_extends`.

    Returns:
        The SHA-256 of the file.

    Raises:
        NotMeasuredError: there is no shard.
        InvalidFileError: a shard is damaged, belongs to something else or contradicts another, or the earlier table.
        InvalidValueError: the earlier table is not of this plan.
    """
    known: tuple[int, ...] = ()
    if earlier is not None:
        check_extends(plan, earlier)
        known = earlier.seeds
    wanted = None if seeds is None else {*seeds} - {*known}
    shards = {
        key: shard
        for key, shard in finished(plan, work).items()
        if key.seed not in known and (wanted is None or key.seed in wanted)
    }
    if not shards:
        lacks = f" that {earlier.name} lacks" if earlier is not None else ""
        msg = f"{work} holds no finished block of table {plan.name}{lacks}; build some first."
        raise NotMeasuredError(msg)
    every = sorted({*known, *(key.seed for key in shards), *(wanted or ())})
    return write_table(
        path,
        name=plan.name,
        space=plan.space,
        task=str(next(iter(shards.values())).facts["task"]),
        arch_index=np.array(plan.everything),
        seeds=every,
        epochs=range(1, plan.protocol.epochs + 1),
        metrics=_columns(plan, shards, every, earlier),
        protocol=plan.protocol.text,
        provenance=_provenance(plan, shards, every, earlier),
    )


def check_extends(plan: Plan, earlier: Table) -> None:
    """Check that a table was built by the same plan, so that seeds can be added to it.

    Raises:
        InvalidValueError: it was not built by metanas, or from another space, task, protocol or set of architectures,
            or is not complete.
    """
    built = earlier.provenance.get("method") == _METHOD
    expected = {
        "space": (earlier.space_name, plan.space),
        "task": (earlier.provenance.get("task_sha256"), plan.task_sha256),
        "protocol": (earlier.protocol_sha256, plan.protocol.sha256),
        "set of architectures": (tuple(earlier.archs.tolist()), plan.everything),
    }
    differing = [what for what, (found, wanted) in expected.items() if found != wanted]
    if not built or differing:
        why = f"is of another {', '.join(differing)} than {plan.name}" if differing else f"was not {_METHOD}"
        msg = f"Only a table of the same plan can be extended by seeds, but {earlier.name} {why}."
        raise InvalidValueError(msg)
    if missing := earlier.provenance["trainings_missing"]:
        msg = f"Only a complete table can be extended, but {earlier.name} lacks {missing:,} trainings of its seeds."
        raise InvalidValueError(msg)


def _columns(
    plan: Plan, shards: Mapping[Key, Shard], seeds: Sequence[int], earlier: Table | None
) -> dict[str, tuple[Metric, NDArray[np.floating]]]:
    n = len(plan.everything)
    columns: dict[str, tuple[Metric, NDArray[np.floating]]] = {}

    def column(name: str, like: NDArray[np.floating], *, per_training: bool) -> NDArray[np.floating]:
        if name not in columns:
            shape = (n, len(seeds), plan.protocol.epochs) if per_training else (n,)
            axes: tuple[Axis, ...] = ("arch", "seed", "epoch") if per_training else ("arch",)
            columns[name] = (metric(name, axes), np.full(shape, np.nan, dtype=like.dtype))
        return columns[name][1]

    if earlier is not None:
        places = [seeds.index(seed) for seed in earlier.seeds]
        for name in earlier.metrics:
            values = earlier.values(name)
            column(name, values, per_training=values.ndim == 3)[(slice(None), places)[: values.ndim]] = values
    for key, shard in shards.items():
        rows = np.searchsorted(plan.everything, shard.indices)
        for name, values in shard.values.items():
            whole = column(name, values, per_training=values.ndim == 2)
            if whole.ndim == 3:
                whole[rows, seeds.index(key.seed)] = values
                continue
            known = ~np.isnan(whole[rows])
            if not np.array_equal(whole[rows][known], values[known]):
                msg = f"{name!r} depends on the architecture alone, but block {key.block} differs between seeds."
                raise InvalidFileError(msg)
            whole[rows] = values
    return columns


def _provenance(plan: Plan, shards: Mapping[Key, Shard], seeds: Sequence[int], earlier: Table | None) -> dict[str, Any]:
    facts = [shard.facts for shard in shards.values()]
    before = earlier.provenance if earlier is not None else {}
    trainings = sum(len(shard.indices) for shard in shards.values()) + before.get("trainings", 0)
    seconds = sum(float(fact["core_seconds"]) for fact in facts) + before.get("core_seconds", 0.0)
    packages = sorted({package for fact in facts for package in fact["versions"]} | {*before.get("versions", {})})
    diverged: dict[str, list[int]] = {name: [*indices] for name, indices in before.get("diverged", {}).items()}
    for fact in facts:
        for name, indices in fact["diverged"].items():
            diverged.setdefault(f"{name} seed {fact['seed']}", []).extend(indices)
    return {
        "method": _METHOD,
        "task_sha256": plan.task_sha256,
        "versions": {
            package: sorted(
                {fact["versions"].get(package, "none") for fact in facts}
                | {*before.get("versions", {}).get(package, ["none"] if before else [])}
            )
            for package in packages
        },
        "cpu": sorted({fact["cpu"] for fact in facts} | {*before.get("cpu", [])}),
        "torch_threads": 1,
        "dates": sorted({fact["date"] for fact in facts} | {*before.get("dates", [])}),
        "trainings": trainings,
        "trainings_missing": len(plan.everything) * len(seeds) - trainings,
        "core_seconds": round(seconds, 1),
        "core_seconds_per_training": round(seconds / trainings, 4),
        "diverged": diverged,
    }
