"""What a table may hold: metrics with split, unit, direction and axes, and the invariants of their values.

The invariants are what was found broken in published tables: a test column that is a copy of the validation column,
a seed that answers with another seed's numbers, times that are the same for every seed, −1 or infinity in place of
"not measured", parameters that change with training.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidValueError, UnknownNameError

SCHEMA_VERSION = 1
ROWS_BY_CANONICAL = "canonical"  # rows are found by the canonical architecture, not by an array over all indices
Direction = Literal["maximize", "minimize", "none"]
Axis = Literal["arch", "seed", "epoch"]

SPLITS = ("training", "validation", "test", "cost", "latency", "energy", "proxy")
AXES: tuple[Axis, ...] = get_args(Axis)
EVERY_AXIS = AXES
_KNOWN: dict[str, tuple[str, Direction]] = {
    "accuracy": ("percent", "maximize"),
    "cross_entropy": ("nats", "minimize"),
    "seconds": ("s", "minimize"),
    "parameters": ("1", "minimize"),
    "macs": ("1", "minimize"),
}
_BY_DEVICE: dict[str, tuple[str, Direction]] = {"latency": ("ms", "minimize"), "energy": ("mJ", "minimize")}
_UNTRAINED = ("latency", "energy", "proxy")  # known without training, so that they have no epochs
_NAME = re.compile(r"[a-z]+/[a-z0-9_.-]+")
_ENOUGH = 8  # pairs of values from which on two columns that agree everywhere are a copy and not a coincidence

_CURVE = 3  # epochs from which on a learning curve is no single number


@dataclass(frozen=True, slots=True)
class Metric:
    """A measured quantity.

    Attributes:
        name: split and quantity, as in ``"validation/accuracy"``; ``"latency/pixel3"`` and ``"energy/pixel3"`` on a
            device; ``"proxy/nwot"`` for a score that needs no training.
        unit: ``"percent"``, ``"nats"``, ``"s"``, ``"ms"``, ``"mJ"``, or ``"1"`` for a count or score.
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
    return _BY_DEVICE.get(split) or _KNOWN.get(quantity)


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


Columns = Mapping[str, tuple[Metric, NDArray[np.floating]]]


def check_columns(columns: Columns, n_archs: int, seeds: Sequence[int], epochs: Sequence[int]) -> None:
    """Check shapes and invariants of all columns of a table.

    Args:
        columns: metric and values, ``(n_archs, [n_seeds], [n_epochs])``, by name; NaN = not measured.
        n_archs: number of rows.
        seeds: seeds of the seed axis.
        epochs: epochs of the epoch axis.

    Raises:
        InvalidValueError: what is wrong, and in which column and row.
    """
    sizes = {"arch": n_archs, "seed": len(seeds), "epoch": len(epochs)}
    for name, (entry, values) in columns.items():
        if entry.name != name:
            msg = f"The column {name!r} must hold the metric of that name, but got {entry.name!r}."
            raise InvalidValueError(msg)
        shape = tuple(sizes[axis] for axis in entry.axes)
        if values.shape != shape:
            msg = f"{name!r} with the axes {', '.join(entry.axes)} must have the shape {shape}, but got {values.shape}."
            raise InvalidValueError(msg)
        _check_range(entry, values)
        if name == "cost/seconds":
            _check_clock(entry, values)
        if entry.quantity in ("parameters", "macs") and entry.axes != ("arch",):
            msg = f"{name!r} depends on the architecture alone, but got the axes {entry.axes}."
            raise InvalidValueError(msg)
        if "seed" in entry.axes:
            _check_seeds(entry, values, seeds)
    _check_splits(columns)


def _check_range(entry: Metric, values: NDArray[np.floating]) -> None:
    low, high = 0.0, 100.0 if entry.unit == "percent" else np.inf
    if unit_and_direction(entry.name) is None and entry.unit != "percent":
        low = -np.inf
    with np.errstate(invalid="ignore"):
        wrong = np.isinf(values) | (values < low) | (values > high)
        if entry.split in _BY_DEVICE:
            wrong |= values == 0  # nothing runs in no time; on a device that cannot run it, it was not measured
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        msg = (
            f"{entry.name!r} ({entry.unit}) must be finite and within [{low:g}, {high:g}], with NaN where nothing was "
            f"measured, but got {values[place]!r} in row {place[0]} (of {int(wrong.sum())} such values)."
        )
        raise InvalidValueError(msg)


def _check_clock(entry: Metric, values: NDArray[np.floating]) -> None:
    """Seconds are cumulative: they grow with every epoch."""
    if "epoch" not in entry.axes or values.shape[-1] < 2:
        return
    with np.errstate(invalid="ignore"):
        wrong = np.diff(values, axis=-1) <= 0
    if wrong.any():
        row = np.argwhere(wrong)[0][0]
        msg = f"'cost/seconds' is cumulative and must grow with every epoch; it does not in row {row}."
        raise InvalidValueError(msg)


def _check_seeds(entry: Metric, values: NDArray[np.floating], seeds: Sequence[int]) -> None:
    """No seed may answer with the numbers of another."""
    for first, second in itertools.combinations(range(len(seeds)), 2):
        if _is_copy(values[:, first], values[:, second], constant=entry.split == "cost"):
            msg = (
                f"{entry.name!r} has the same values for seed {seeds[first]} and seed {seeds[second]}. Give each seed "
                f"its own measurements (NaN where it was not run), or leave out the axis 'seed'."
            )
            raise InvalidValueError(msg)
    if "epoch" in entry.axes and values.shape[-1] >= _CURVE:
        for number, seed in enumerate(seeds):
            _check_not_filled_in(entry, values, number, seed)


def _check_not_filled_in(entry: Metric, values: NDArray[np.floating], number: int, seed: int) -> None:
    """No seed may hold the mean of the others. Along a whole learning curve that is no coincidence."""
    others = np.delete(values, number, axis=1).astype(np.float64)
    if others.shape[1] < 2:
        return
    spread = (others != others[:, :1]).any(axis=(1, 2))  # where all seeds agree, so does their mean
    filled = spread & np.isclose(values[:, number], others.mean(axis=1), rtol=1e-6, atol=0).all(axis=1)
    if filled.sum() >= _ENOUGH:
        msg = (
            f"{entry.name!r} of seed {seed} is the mean of the other seeds in {int(filled.sum())} rows (first in row "
            f"{int(filled.argmax())}). What was not run is NaN."
        )
        raise InvalidValueError(msg)


def _check_splits(columns: Columns) -> None:
    """No split may answer with the numbers of another."""
    for (first, (a, x)), (second, (b, y)) in itertools.combinations(columns.items(), 2):
        same = a.quantity == b.quantity and a.axes == b.axes and "cost" not in (a.split, b.split)
        if same and _is_copy(x, y, constant=False):
            msg = f"{first!r} and {second!r} have the same values everywhere: one split must not stand for another."
            raise InvalidValueError(msg)


def _is_copy(first: NDArray[np.floating], second: NDArray[np.floating], *, constant: bool) -> bool:
    """Whether two arrays agree wherever both are measured, in enough places; constant ones only if ``constant``."""
    both = ~np.isnan(first) & ~np.isnan(second)
    x, y = first[both], second[both]
    if x.size < _ENOUGH or not np.array_equal(x, y):
        return False
    return constant or bool((x != x[0]).any())
