"""What a check finds, and the values that it looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

from metanas.tables.schema import Metric

_ROWS = 4096  # looked at together: learning curves of all architectures are large
Severity = Literal["error", "warning"]
Columns = Mapping[str, tuple[Metric, NDArray[np.floating]]]


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that a table breaks; where it does so in many places, the first of them and their number.

    Attributes:
        message: the rule, what breaks it, and where it helps the remedy.
        severity: ``"error"``: the table is wrong; ``"warning"``: it may be right, but someone should look.
        metric: which metric, if it is one alone.
        arch: index in the space of the architecture.
        seed: the training seed.
        epoch: after which epoch.
        value: the value there.
        count: in how many places.
        rule: name of the check.
    """

    message: str
    severity: Severity = "error"
    metric: str | None = None
    arch: int | None = None
    seed: int | None = None
    epoch: int | None = None
    value: float | None = None
    count: int = 1
    rule: str = ""

    @property
    def place(self) -> str:
        """Where it is, for people; empty if it is the table as a whole."""
        parts = (("architecture", self.arch), ("seed", self.seed), ("epoch", self.epoch))
        return ", ".join([self.metric or "", *(f"{key} {at}" for key, at in parts if at is not None)]).removeprefix(
            ", "
        )

    def __str__(self) -> str:
        """Join message and place."""
        return f"{self.message} ({self.place})" if self.place else self.message


class Place(TypedDict):
    """Where a value is, as arguments of :class:`Finding`."""

    metric: str
    arch: int
    seed: int | None
    epoch: int | None
    value: float | None


@dataclass(frozen=True)
class Content:
    """All values of a table.

    Attributes:
        archs: index in the space of each row, ``(n,)``.
        seeds: seeds of the seed axis, ``(S,)``.
        epochs: epochs of the epoch axis, ``(E,)``.
        columns: metric and values, ``(n, [S], [E])`` by the metric's axes, by name; NaN = not measured.
    """

    archs: NDArray[np.integer]
    seeds: Sequence[int]
    epochs: Sequence[int]
    columns: Columns

    def metrics(self, *axes: str) -> list[Metric]:
        """Return the metrics that have these axes among theirs."""
        return [entry for entry, _ in self.columns.values() if set(axes) <= set(entry.axes)]

    def cube(self, entry: Metric) -> NDArray[np.floating]:
        """Return the values of a metric as ``(n, S or 1, E or 1)``: 1 for an axis that it does not have."""
        values = self.columns[entry.name][1]
        if "seed" not in entry.axes:
            values = values[:, None]
        return values if "epoch" in entry.axes else values[..., None]

    def last(self, entry: Metric) -> NDArray[np.float64]:
        """Return one value an architecture, ``(n,)``: the mean over the measured seeds after the last epoch."""
        return seed_mean(self.cube(entry)[..., -1:])[:, 0]

    def place(self, entry: Metric, at: Sequence[Any]) -> Place:
        """Return where a value of :meth:`cube` is.

        Args:
            entry: the metric.
            at: row, and position on the axes of seeds and epochs.
        """
        row, seed, epoch = map(int, at)
        value = float(self.cube(entry)[row, seed, epoch])
        return {
            "metric": entry.name,
            "arch": int(self.archs[row]),
            "seed": int(self.seeds[seed]) if "seed" in entry.axes else None,
            "epoch": int(self.epochs[epoch]) if "epoch" in entry.axes else None,
            "value": value if np.isfinite(value) else None,
        }


ContentCheck = Callable[[Content], Iterator[Finding]]


def seed_mean(cube: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the mean over the measured seeds, ``(n, S, E) -> (n, E)``; NaN where none was."""
    means = np.empty((len(cube), *cube.shape[2:]))
    for start in range(0, len(cube), _ROWS):
        values = cube[start : start + _ROWS].astype(np.float64)
        count = (~np.isnan(values)).sum(axis=1)
        with np.errstate(invalid="ignore"):  # infinities of both signs
            mean = np.nansum(values, axis=1) / np.maximum(count, 1)
        means[start : start + _ROWS] = np.where(count > 0, mean, np.nan)
    return means


def first(where: NDArray[np.bool_]) -> tuple[int, ...]:
    """Return the first position that is true."""
    return tuple(int(i) for i in np.unravel_index(int(where.argmax()), where.shape))
