"""Which cells of NAS-Bench-201's space a sampled table holds: all without pooling, and some with it."""

from __future__ import annotations

import numpy as np

from metanas.errors import InvalidValueError
from metanas.tables.build import make_plan
from metanas.tables.shards import Plan, ProtocolLike, representatives
from metanas.tables.worker import task_of

WHOLE, PART = "nb201", "nb201-conv"


def pooled_classes() -> tuple[int, ...]:
    """Return the representatives of the 4,033 functional classes with pooling, in a fixed random order."""
    rest = np.setdiff1d(representatives(WHOLE), representatives(PART))
    return tuple(np.random.default_rng(0).permutation(rest).tolist())


def drawn_classes(pooled: int) -> tuple[int, ...]:
    """Return the first so many of :func:`pooled_classes`.

    Raises:
        InvalidValueError: there are not so many.
    """
    drawn = pooled_classes()
    if not 1 <= pooled <= len(drawn):
        msg = f"There are 1 to {len(drawn):,} classes with pooling to be drawn, but {pooled:,} are asked for."
        raise InvalidValueError(msg)
    return drawn[:pooled]


def sampled_plan(task: str, protocol: ProtocolLike, pooled: int, *, name: str | None = None) -> Plan:
    """Plan a table of all 1,011 classes without pooling and a fixed random sample of those with pooling.

    The first blocks are those of the table of ``nb201-conv`` on the same task, so that its work folder can be gone on
    with, and the first of a larger sample are those of a smaller one.

    Args:
        task: name of the task.
        protocol: the training protocol.
        pooled: how many classes with pooling.
        name: name of the table; by default ``nb201-sampled/`` (``nb201-full/`` of all classes) and the task.

    Raises:
        InvalidValueError: there are not so many.
    """
    drawn = drawn_classes(pooled)
    family = "nb201-full" if pooled == len(pooled_classes()) else "nb201-sampled"
    own = name or f"{family}/{task_of(task).name}"
    return make_plan(WHOLE, task, protocol, name=own, indices=representatives(PART), more=drawn)
