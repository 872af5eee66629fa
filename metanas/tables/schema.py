"""What a table may hold: metrics with split, unit, direction and axes.

What their values may be is checked in :mod:`metanas.tables.lint`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from metanas.errors import InvalidValueError, UnknownNameError

SCHEMA_VERSION = 1
ROWS_BY_CANONICAL = "canonical"  # rows are found by the canonical architecture, not by an array over all indices
ANSWERS_AS_WRITTEN = "as-written"  # rows answer for their own architecture alone, not for its functional class
Direction = Literal["maximize", "minimize", "none"]
Axis = Literal["arch", "seed", "epoch"]

RESULTS = ("training", "validation", "test")  # the splits whose rows a trained network was evaluated on
SPLITS = (*RESULTS, "cost", "latency", "energy", "proxy")
AXES: tuple[Axis, ...] = get_args(Axis)
EVERY_AXIS = AXES
_KNOWN: dict[str, tuple[str, Direction]] = {
    "accuracy": ("percent", "maximize"),
    "cross_entropy": ("nats", "minimize"),
    "seconds": ("s", "minimize"),
    "parameters": ("1", "minimize"),
    "macs": ("1", "minimize"),
    "model_bytes": ("B", "minimize"),
    "peak_activation_bytes": ("B", "minimize"),
}
BY_DEVICE: dict[str, tuple[str, Direction]] = {"latency": ("ms", "minimize"), "energy": ("mJ", "minimize")}
QUARTILES = (".low", ".high")  # endings of metrics beside a measured latency: its quartiles, …
TIMED = ".timed"  # … and the median as it was timed, the machine's changes of pace not taken out
BESIDE = (*QUARTILES, TIMED)
_UNTRAINED = ("latency", "energy", "proxy")  # known without training, so that they have no epochs
_NAME = re.compile(r"[a-z]+/[a-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class Metric:
    """A measured quantity.

    Attributes:
        name: split and quantity, as in ``"validation/accuracy"``; ``"latency/pixel3"`` and ``"energy/pixel3"`` on a
            device; ``"proxy/nwot"`` for a score that needs no training.
        unit: ``"percent"``, ``"nats"``, ``"s"``, ``"ms"``, ``"mJ"``, ``"B"`` (bytes), or ``"1"`` for a count or
            score.
        direction: what is better: ``"maximize"``, ``"minimize"`` or ``"none"``.
        axes: what the value depends on, a part of ``("arch", "seed", "epoch")`` in this order, starting with ``arch``.
    """

    name: str
    unit: str
    direction: Direction
    axes: tuple[Axis, ...] = EVERY_AXIS

    def __post_init__(self) -> None:
        """Check every field."""
        if not _NAME.fullmatch(self.name):
            msg = f"A metric is named split/quantity, as in 'validation/accuracy'; got {self.name!r}."
            raise InvalidValueError(msg)
        if self.split not in SPLITS:
            raise UnknownNameError("split", self.split, SPLITS)
        if self.direction not in get_args(Direction):
            raise UnknownNameError("direction", self.direction, get_args(Direction))
        if self.axes[:1] != ("arch",) or tuple(axis for axis in AXES if axis in self.axes) != self.axes:
            msg = f"The axes of {self.name!r} must be 'arch' and then any of 'seed', 'epoch' in order; got {self.axes}."
            raise InvalidValueError(msg)
        if self.split in _UNTRAINED and "epoch" in self.axes:
            msg = f"{self.name!r} is known without training and has no epochs; got the axes {self.axes}."
            raise InvalidValueError(msg)
        fixed = unit_and_direction(self.name)
        if fixed is not None and (self.unit, self.direction) != fixed:
            unit, direction = fixed
            msg = f"{self.name!r} is stored in {unit} ({direction}), not in {self.unit} ({self.direction}); convert it."
            raise InvalidValueError(msg)

    @property
    def split(self) -> str:
        """Whose rows it was measured on: training, validation or test; ``cost`` for what the training took.

        ``latency``, ``energy`` and ``proxy`` are of the untrained architecture.
        """
        return self.name.partition("/")[0]

    @property
    def quantity(self) -> str:
        """The name without the split."""
        return self.name.partition("/")[2]


def unit_and_direction(name: str) -> tuple[str, Direction] | None:
    """Return the unit and direction that the metric of that name always has, or None if it may choose."""
    split, _, quantity = name.partition("/")
    if split == "proxy":
        return None
    return BY_DEVICE.get(split) or _KNOWN.get(quantity)


def metric(name: str, axes: Sequence[Axis] | None = None) -> Metric:
    """Return the metric called ``name`` with the unit and direction that its quantity always has.

    Args:
        name: split and quantity.
        axes: what it depends on; all axes if None (the architecture alone for latency and energy).

    Raises:
        UnknownNameError: the quantity is none of the usual ones; make a :class:`Metric` with unit and direction.
    """
    split, _, quantity = name.partition("/")
    fixed = unit_and_direction(name)
    if fixed is None:
        raise UnknownNameError("quantity", quantity, _KNOWN)
    usual: Sequence[Axis] = ("arch",) if split in _UNTRAINED else EVERY_AXIS
    return Metric(name, *fixed, tuple(usual if axes is None else axes))
