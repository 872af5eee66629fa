"""What goes into the table of one run of NATS-Bench: collected cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metanas.tables.import_store import Content
from metanas.tables.nats_cell import Run, Training
from metanas.tables.schema import EVERY_AXIS, Axis, Direction, Metric

LATENCY = "latency/gpu"  # of a batch of 256 images; the paper's measurement

TRAINED_ON = {
    "cifar10-valid": (
        "25,000 of cifar10's 50,000 training images; validation: the other 25,000; test: its 10,000 test images"
    ),
    "cifar10": "cifar10's 50,000 training images; test: its 10,000 test images; there is no validation",
    "cifar100": "cifar100's 50,000 training images; validation and test: each one half of its 10,000 test images",
    "ImageNet16-120": "its 151,700 training images; validation and test: each one half of its 6,000 validation images",
}

Columns = dict[str, tuple[Metric, NDArray[Any]]]


@dataclass
class RunColumns:
    """What goes into the table of a run; arrays by seed, ``(n_cells, …)``, grow as seeds and metrics appear."""

    run: Run
    n_cells: int
    curves: dict[str, dict[int, NDArray[np.float32]]] = field(default_factory=dict)
    scalars: dict[str, dict[int, NDArray[np.float64]]] = field(default_factory=dict)
    clocks: dict[tuple[int, int], NDArray[np.float64]] = field(default_factory=dict)  # row, seed: of uneven epochs
    infinite: int = 0

    def add(self, row: int, seed: int, training: Training) -> None:
        """Take in one training."""
        for name, values in training.curves.items():
            finite = ~np.isinf(values)
            self.infinite += int((~finite).sum())
            self.curve(name, seed)[row] = np.where(finite, values, np.nan)
        scalars = {
            **training.evaluation_seconds,
            "cost/parameters": training.parameters,
            "cost/macs": training.macs,
            LATENCY: training.latency * 1e3,
        }
        if len(training.epoch_seconds) == 1:
            scalars["cost/seconds"] = float(training.epoch_seconds[0])
        elif len(training.epoch_seconds):
            self.clocks[row, seed] = np.cumsum(training.epoch_seconds)
        for name, value in scalars.items():
            self.scalar(name, seed)[row] = value

    def curve(self, name: str, seed: int) -> NDArray[np.float32]:
        """Return the array of a metric by epoch, ``(n_cells, n_epochs)``; a new one is all NaN."""
        by_seed = self.curves.setdefault(name, {})
        if seed not in by_seed:
            by_seed[seed] = np.full((self.n_cells, self.run.epochs), np.nan, dtype=np.float32)
        return by_seed[seed]

    def scalar(self, name: str, seed: int) -> NDArray[np.float64]:
        """Return the array of what has no epochs, ``(n_cells,)``; a new one is all NaN."""
        by_seed = self.scalars.setdefault(name, {})
        if seed not in by_seed:
            by_seed[seed] = np.full(self.n_cells, np.nan)
        return by_seed[seed]

    def content(self, indices: NDArray[np.int64]) -> tuple[Content, list[str]]:
        """Return what the table holds, and what was noticed; lets go of the values.

        Args:
            indices: of the cells, by row.
        """
        seeds = sorted({seed for by_seed in self.curves.values() for seed in by_seed})
        notes: list[str] = []
        columns: Columns = {}
        empty = np.full((self.n_cells, self.run.epochs), np.nan, dtype=np.float32)
        for column in sorted(self.curves):
            by_seed = self.curves.pop(column)
            values = np.stack([by_seed.get(seed, empty) for seed in seeds], axis=1)
            columns[column] = (_metric(column, EVERY_AXIS), values)
        for column in sorted(self.scalars.keys() - {"cost/seconds"}):
            self._add_scalar(columns, column, seeds, indices, notes)
        self._add_clock(columns, seeds, notes)
        if self.infinite:
            notes.append(f"{self.infinite:,} values are infinite and taken as not measured.")
        return Content(indices, tuple(seeds), tuple(range(1, self.run.epochs + 1)), columns), notes

    def _by_seed(self, column: str, seeds: Sequence[int]) -> NDArray[np.float64]:
        """Return a scalar by cell and seed, ``(n_cells, n_seeds)``."""
        known, empty = self.scalars.get(column, {}), np.full(self.n_cells, np.nan)
        return np.stack([known.get(seed, empty) for seed in seeds], axis=1)

    def _add_scalar(
        self, columns: Columns, column: str, seeds: Sequence[int], indices: NDArray[np.int64], notes: list[str]
    ) -> None:
        """Add what has no epochs; it has an axis of seeds only if they differ, which parameters and MACs cannot."""
        values = self._by_seed(column, seeds)
        by_arch, disagree = _agreed(values)
        if np.isnan(values).all():
            return
        if disagree.any() and column in ("cost/parameters", "cost/macs"):
            cells = ", ".join(map(str, indices[disagree].tolist()))
            notes.append(f"{column} is not taken where the trainings of a cell disagree about it: cells {cells}.")
        elif disagree.any():
            columns[column] = (_metric(column, ("arch", "seed")), values)
            return
        columns[column] = (_metric(column, ("arch",)), by_arch)

    def _add_clock(self, columns: Columns, seeds: Sequence[int], notes: list[str]) -> None:
        """Add ``cost/seconds``, cumulative, with an axis of seeds only if they differ."""
        if "cost/seconds" not in self.scalars and not self.clocks:
            return
        each = self._by_seed("cost/seconds", seeds)
        by_arch, disagree = _agreed(each)
        if not disagree.any() and not self.clocks:
            # added up epoch by epoch, as the official reader does
            total = np.cumsum(np.repeat(by_arch[:, None], self.run.epochs, axis=1), axis=1)
            columns["cost/seconds"] = (_metric("cost/seconds", ("arch", "epoch")), total)
            notes.append(
                "Seconds are the same for every epoch and seed of a cell: derived, not measured in each training."
            )
            return
        total = np.cumsum(np.repeat(each[:, :, None], self.run.epochs, axis=2), axis=2)
        for (row, seed), clock in self.clocks.items():
            total[row, seeds.index(seed)] = clock
        columns["cost/seconds"] = (_metric("cost/seconds", EVERY_AXIS), total)


def _agreed(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return what the seeds agree on by row, NaN where they do not or none knows, and where they disagree."""
    low, high = np.fmin.reduce(values, axis=1), np.fmax.reduce(values, axis=1)
    disagree = low < high
    return np.where(disagree, np.nan, low), disagree


def _metric(name: str, axes: tuple[Axis, ...]) -> Metric:
    kinds: dict[str, tuple[str, Direction]] = {
        "accuracy": ("percent", "maximize"),
        "entropy": ("nats", "minimize"),
        "seconds": ("s", "minimize"),
        "parameters": ("1", "minimize"),
        "macs": ("1", "minimize"),
        "gpu": ("ms", "minimize"),
    }
    unit, direction = kinds[name.replace("/", "_").rpartition("_")[2]]
    return Metric(name, unit, direction, axes)


def protocol(run: Run) -> str:
    """Return in words what was trained on what."""
    return (
        f"Trained for {run.epochs} epochs on {TRAINED_ON[run.dataset]}. Metrics with valtest in their names are of "
        "validation and test rows together."
    )
