"""Fits a surrogate to a table: for each metric, curves, their coefficients, and what was predicted out of fold."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidValueError, NotMeasuredError, UnknownNameError
from metanas.predictors import Prediction
from metanas.spaces import ListedSpace, Space
from metanas.surrogates.coefficients import Forest, Kept, classes_of
from metanas.surrogates.counted import Counted, count
from metanas.surrogates.curves import Directions, Scores
from metanas.surrogates.growing import MEMBERS, Fit, fit_stack, fit_trees
from metanas.tables import Table

Floats = NDArray[np.float64]

LEAST = 50  # architectures with all epochs of a metric


@dataclass(frozen=True)
class MetricModel:
    """What predicts one metric.

    Attributes:
        epochs: after which it was measured; empty for a metric without epochs.
        rows: rows of the table that it was fitted on, ``(n,)``.
        values: what it was fitted on, ``(n, n_epochs)``.
        directions: of the curves.
        coefficients: what predicts them.
        held_out: what is said of each example at each epoch by what had not seen it, ``(n, n_epochs)``; None of a
            model that was read.
        weights: of the members, for each direction.
    """

    epochs: tuple[int, ...]
    rows: NDArray[np.int64]
    values: Floats
    directions: Directions
    coefficients: Kept | Forest
    held_out: Prediction | None = None
    weights: tuple[dict[str, float], ...] = ()

    @cached_property
    def scores(self) -> Scores:
        """The way from values to scores and back."""
        return Scores(self.values)

    @property
    def measured_range(self) -> tuple[float, float]:
        """Least and greatest value that it was fitted on."""
        return float(self.values.min()), float(self.values.max())

    def predict(self, indices: NDArray[np.int64]) -> Prediction:
        """Return mean and standard deviation of the metric at each epoch, ``(n, n_epochs)`` each, in its unit."""
        return Prediction(*self.scores.expected(*self.directions.curves(*self.coefficients(indices))))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what is stored."""
        return {"vectors": self.directions.vectors, "rest": self.directions.rest, **self.coefficients.arrays()}


Model = MetricModel | Counted


@dataclass(frozen=True)
class Fitted:
    """A surrogate as it was fitted.

    Attributes:
        table: the table.
        models: by metric.
        seed: of the fit.
        members: of the stack; ``("xgboost",)`` in a space without a list.
        cpu_seconds: that the fit took.
    """

    table: Table
    models: Mapping[str, Model]
    seed: int
    members: tuple[str, ...]
    cpu_seconds: float = field(compare=False)


def fit(
    table: Table,
    *,
    seed: int = 0,
    metrics: Sequence[str] = (),
    members: Sequence[str] = MEMBERS,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    report: Callable[[str], None] | None = None,
) -> Fitted:
    """Fit a surrogate.

    Every metric is learned from itself alone: of validation values nothing goes into the test values, nor back.
    Parameters and multiply-accumulates are counted where the table's protocol says what its networks are.

    Args:
        table: what was measured.
        seed: of everything that is drawn; the same gives the same surrogate.
        metrics: which; all if empty.
        members: of the stack.
        settings: of members, by name.
        report: is told the name of each metric when it begins.

    Raises:
        UnknownNameError: no such metric or member.
        NotMeasuredError: fewer than 50 architectures have all epochs of a metric.
        InvalidValueError: members of a space without a list, which takes trees alone.
        MetanasError: a member's package is not installed.
    """
    for name in metrics:
        if name not in table.metrics:
            kind = f"metric of table {table.name}"
            raise UnknownNameError(kind, name, table.metrics)
    space = table.space
    fit_one = _fit_of(space, members, settings or {})
    before = time.process_time()
    models: dict[str, Model] = {}
    for number, name in enumerate(table.metrics):
        if not metrics or name in metrics:
            if report:
                report(name)
            rng = np.random.default_rng([seed, number])
            models[name] = count(table, name, *examples(table, name)[1:]) or _fit_metric(table, name, rng, fit_one)
    used = tuple(members) if isinstance(space, ListedSpace) else ("xgboost",)
    return Fitted(table, models, seed, used, time.process_time() - before)


FitOne = Callable[[NDArray[np.int64], Floats, np.random.Generator], Fit]


def _fit_of(space: Space, members: Sequence[str], settings: Mapping[str, Mapping[str, Any]]) -> FitOne:
    if isinstance(space, ListedSpace):
        asked = classes_of(space)
        return lambda indices, y, rng: fit_stack(space, indices, y, asked, rng, members=members, settings=settings)
    if tuple(members) != MEMBERS or settings:
        msg = f"Space {space.name!r} has no list, and only boosted trees are kept for it; leave members out."
        raise InvalidValueError(msg)
    return lambda indices, y, rng: fit_trees(space, indices, y, rng)


def _fit_metric(table: Table, name: str, rng: np.random.Generator, fit_one: FitOne) -> MetricModel:
    epochs, rows, values = examples(table, name)
    indices = table.archs[rows].astype(np.int64)
    scores = Scores(values)
    directions = Directions.of(scores.forward(values))
    wanted = directions.coefficients(scores.forward(values))
    fits = [fit_one(indices, column, rng) for column in wanted.T]
    useless = np.array([_useless(one.held_out.mean, column) for one, column in zip(fits, wanted.T, strict=True)], bool)
    directions = directions.without(useless, wanted)
    kept = [one for one, out in zip(fits, useless, strict=True) if not out]
    mean, std = _side_by_side([one.held_out for one in kept], len(rows))
    held_out = Prediction(*scores.expected(*directions.curves(mean, std)))
    weights = tuple(one.weights for one in kept)
    return MetricModel(epochs, rows, values, directions, _coefficients(table.space, kept), held_out, weights)


def examples(table: Table, name: str) -> tuple[tuple[int, ...], NDArray[np.int64], Floats]:
    """Return the epochs at which a metric was measured, and the rows that have all of them with their values.

    Returns:
        Epochs, empty for a metric without them; rows ``(n,)``; values ``(n, n_epochs)``, the mean over seeds.

    Raises:
        NotMeasuredError: fewer than 50 rows.
    """
    if "epoch" in table.metrics[name].axes:
        columns = {epoch: table.column(name, epoch=epoch) for epoch in table.epochs}
        columns = {epoch: column for epoch, column in columns.items() if np.isfinite(column).any()}
        epochs, values = tuple(columns), np.column_stack([*columns.values(), np.empty((len(table), 0))])
    else:
        epochs, values = (), table.column(name)[:, None]
    rows = np.flatnonzero(np.isfinite(values).all(axis=1) & bool(values.shape[1]))
    if len(rows) < LEAST:
        msg = f"{name} of table {table.name} is whole for {len(rows)} architectures; a surrogate needs {LEAST}."
        raise NotMeasuredError(msg)
    return epochs, rows, values[rows]


def _useless(held_out: Floats, y: Floats) -> bool:
    """Return whether the mean would have been a better prediction: nothing but noise in this direction."""
    return bool(((held_out - y) ** 2).mean() >= y.var())


def _side_by_side(predictions: Sequence[Prediction], n: int) -> tuple[Floats, Floats]:
    mean = np.column_stack([np.empty((n, 0)), *(one.mean for one in predictions)])
    return mean, np.column_stack([np.empty((n, 0)), *(one.std for one in predictions if one.std is not None)])


def _coefficients(space: Space, fits: Sequence[Fit]) -> Kept | Forest:
    if isinstance(space, ListedSpace):
        mean, std = _side_by_side([one.answers for one in fits if one.answers is not None], len(classes_of(space)))
        return Kept(space, mean.astype(np.float32), std.astype(np.float32))
    return Forest(space, [one.grown for one in fits if one.grown is not None])
