"""A table and its surrogate as one: every architecture of the space has an answer, and every answer says what it is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidValueError, NotMeasuredError, UnknownNameError
from metanas.predictors import Prediction
from metanas.spaces import ListedSpace, Space
from metanas.surrogates.fitting import Model
from metanas.tables import Metric, Table
from metanas.tables.table import ArchLike
from metanas.tables.training_noise import TrainingNoise, value_range

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Archs = Sequence[ArchLike] | NDArray[np.integer]

ACCURACY = "validation/accuracy"


class Estimate(NamedTuple):
    """What is known of ``n`` architectures, in the unit of the metric.

    Attributes:
        value: the mean over the measured seeds where there are any, else the predicted mean, ``(n,)``; of curves
            ``(n, n_epochs)``.
        std: standard deviation of what a table's entry would be about a predicted value; about a measured one, the
            standard error of the mean over its seeds, NaN where the table has none. Same shape.
        measured: whether the value was measured. Same shape.
    """

    value: Floats
    std: Floats
    measured: Bools


class SurrogateTable:
    """Answers for the whole space: by measurement where there is one, by prediction elsewhere.

    :meth:`query` and :meth:`curves` mark which is which; :meth:`predict` gives the prediction alone, of measured
    architectures too; :meth:`draw` and :meth:`draw_trainings` give what one training might have given. Where the space
    has a list of its architectures, it has the columns of a complete :class:`~metanas.tables.Table`, and is searched
    like one (:class:`~metanas.oracles.TableOracle`).

    Attributes:
        source: the table, which knows nothing of predictions.
        path: of the table.
        name: of the table.
        task: of the table.
        space_name: of the table.
        seeds: of the table.
        epochs: of the table.
        metrics: those that the surrogate answers, by name.
        sha256: hash of both files.
        archs: index of the architecture of each row: the table's rows, then one for each functional class that these
            do not answer for, ``(n,)``.
        row_of_index: row that answers each index of the space; None if the space has no list.
    """

    def __init__(self, table: Table, models: Mapping[str, Model], surrogate_sha256: str) -> None:
        """Join a table and what was learned from it; see :func:`metanas.surrogates.load_table`."""
        self.source, self._models = table, dict(models)
        self.name, self.task, self.space_name = table.name, table.task, table.space_name
        self.seeds, self.epochs = table.seeds, table.epochs
        self.metrics: dict[str, Metric] = {name: table.metrics[name] for name in models}
        self.surrogate_sha256, self.path = surrogate_sha256, table.path
        self.archs, self.row_of_index = _rows(table, self.space)
        self._noises: dict[tuple[str, ...], TrainingNoise] = {}

    @property
    def space(self) -> Space:
        """The search space."""
        return self.source.space

    @cached_property
    def sha256(self) -> str:
        """Hash of the table's file and the surrogate's."""
        return hashlib.sha256(f"{self.source.sha256} {self.surrogate_sha256}".encode()).hexdigest()

    def __len__(self) -> int:
        """Return the number of rows, measured and predicted."""
        return len(self.archs)

    def __repr__(self) -> str:
        """Show name and size."""
        return f"<surrogate of {self.name}: {len(self.source):,} architectures measured, all answered>"

    def measured(self, archs: Archs, metric: str = ACCURACY, *, epoch: int | None = None) -> Bools:
        """Return which architectures were measured, ``(n,)``; arguments as of :meth:`query`."""
        self._model(metric)
        return np.isfinite(self.source.query(self._indices(archs), metric, epoch=epoch, missing="nan"))

    def query(self, archs: Archs, metric: str = ACCURACY, *, epoch: int | None = None) -> Estimate:
        """Return what is known of a metric, ``(n,)``.

        Args:
            archs: ``n`` architectures: strings, :class:`~metanas.arch.Arch` or indices.
            metric: one of :attr:`metrics`.
            epoch: after that many epochs; the last ones if None.

        Raises:
            UnknownNameError: the surrogate has no such metric or epoch.
            InvalidArchError: an architecture of another space.
        """
        indices = self._indices(archs)
        at = self._position(metric, epoch)
        measured = self.source.query(indices, metric, epoch=epoch, missing="nan")
        there = np.isfinite(measured)
        value, std = measured.copy(), np.full(len(indices), np.nan)
        value[~there], std[~there] = (part[:, at] for part in self._predict(indices[~there], metric))
        std[there] = self._standard_error(indices[there], measured[there], metric, at)
        return Estimate(value, std, there)

    def curves(self, archs: Archs, metric: str = ACCURACY) -> Estimate:
        """Return what is known at every epoch of :meth:`epochs_of`, ``(n, n_epochs)``; see :meth:`query`."""
        indices = self._indices(archs)
        parts = [self.query(indices, metric, epoch=epoch) for epoch in self._model(metric).epochs or (None,)]
        return Estimate(*(np.column_stack(column) for column in zip(*parts, strict=True)))

    def epochs_of(self, metric: str) -> tuple[int, ...]:
        """Return the epochs at which a metric was measured, and is predicted; empty for one without epochs."""
        return self._model(metric).epochs

    def predict(self, archs: Archs, metric: str = ACCURACY, *, epoch: int | None = None) -> Prediction:
        """Return the prediction alone, ``(n,)``, also of what was measured: there it has seen the value."""
        at = self._position(metric, epoch)
        mean, std = self._predict(self._indices(archs), metric)
        return Prediction(mean[:, at], std[:, at])

    def draw(
        self, archs: Archs, rng: np.random.Generator, metric: str = ACCURACY, *, epoch: int | None = None
    ) -> Floats:
        """Draw what one training of each architecture might give, ``(n,)``; see :meth:`draw_trainings`."""
        at = self._position(metric, epoch)
        return self.draw_trainings(archs, rng, (metric,))[metric][:, at]

    def draw_trainings(
        self, archs: Archs, rng: np.random.Generator, metrics: Sequence[str] = (ACCURACY,)
    ) -> dict[str, Floats]:
        """Draw one training of each architecture: whole curves of some metrics.

        The mean is what :meth:`query` answers, measured or predicted; the deviation is that of a real training, scaled
        to its place (:class:`~metanas.tables.training_noise.TrainingNoise`). How unsure the prediction is does not
        enter: that is not noise of a training.

        Args:
            archs: ``n`` architectures.
            rng: source of the draws.
            metrics: with the same epochs.

        Returns:
            ``(n, n_epochs)`` for each metric.

        Raises:
            NotMeasuredError: the table has no several seeds to know noise from.
            InvalidValueError: metrics with different epochs.
        """
        epochs = {self.epochs_of(name) for name in metrics}
        if len(epochs) != 1:
            msg = f"Metrics of one training must have the same epochs, but {', '.join(metrics)} have {sorted(epochs)}."
            raise InvalidValueError(msg)
        noise = self._noise(tuple(metrics))
        return noise.draw({name: self.curves(archs, name).value for name in metrics}, rng)

    def column(self, metric: str, *, epoch: int | None = None, seed: int | None = None) -> Floats:
        """Return one value a row, measured or predicted, ``(n_rows,)``; see :meth:`rows_measured`.

        Raises:
            NotMeasuredError: a seed was asked for, or the space has no list.
        """
        if seed is not None or self.row_of_index is None:
            msg = f"The surrogate of {self.name} predicts means over seeds, and columns of listed spaces only."
            raise NotMeasuredError(msg)
        return self.query(self.archs, metric, epoch=epoch).value

    def rows_measured(self, metric: str, *, epoch: int | None = None) -> Bools:
        """Return which values of :meth:`column` were measured, ``(n_rows,)``."""
        return self.measured(self.archs, metric, epoch=epoch)

    def _indices(self, archs: Archs) -> NDArray[np.int64]:
        if isinstance(archs, np.ndarray) and np.issubdtype(archs.dtype, np.integer) and archs.ndim == 1:
            return archs.astype(np.int64)
        if isinstance(archs, (str, int)) or not isinstance(archs, Sequence):
            msg = f"Architectures are given as a sequence, one too: [{archs!r}]."
            raise InvalidValueError(msg)
        space = self.space
        return np.array([a if isinstance(a, (int, np.integer)) else _index(space, a) for a in archs], dtype=np.int64)

    def _model(self, metric: str) -> Model:
        if metric not in self._models:
            kind = f"metric of the surrogate of {self.name}"
            raise UnknownNameError(kind, metric, self._models)
        return self._models[metric]

    def _position(self, metric: str, epoch: int | None) -> int:
        epochs = self._model(metric).epochs
        if epoch is None:
            return max(len(epochs) - 1, 0)
        if epoch not in epochs:
            kind = f"epoch of {metric} of the surrogate of {self.name}"
            raise UnknownNameError(kind, epoch, epochs)
        return epochs.index(epoch)

    def _predict(self, indices: NDArray[np.int64], metric: str) -> tuple[Floats, Floats]:
        model = self._model(metric)
        mean, std = model.predict(indices)
        assert std is not None
        low, high = value_range(self.source, metric)
        if self.metrics[metric].split not in ("training", "validation", "test"):
            low, high = model.measured_range  # a cost is not predicted beyond what was measured
        return np.clip(mean, low, high), std

    def _standard_error(self, indices: NDArray[np.int64], values: Floats, metric: str, at: int) -> Floats:
        try:
            noise = self._noise((metric,)).models[metric][at]
        except NotMeasuredError:
            return np.full(len(values), np.nan)
        epochs = self._model(metric).epochs
        trained = self.source.values(metric)[self.source.rows(indices)]
        of_epoch = trained[..., self.epochs.index(epochs[at])] if epochs else trained
        error: Floats = noise.deviation(values) / np.sqrt((~np.isnan(of_epoch)).sum(axis=1))
        return error

    def _noise(self, metrics: tuple[str, ...]) -> TrainingNoise:
        found = self._noises.get(metrics)
        if found is None:
            epochs = self.epochs_of(metrics[0]) or self.epochs[-1:]
            found = self._noises[metrics] = TrainingNoise.of(self.source, metrics, epochs)
        return found


def _index(space: Space, arch: Any) -> int:
    return space.index(space.parse(arch) if isinstance(arch, str) else arch)


def _rows(table: Table, space: Space) -> tuple[NDArray[np.int64], NDArray[np.int32] | None]:
    """Return the index of each row, and the row that answers each index."""
    archs = table.archs.astype(np.int64)
    if table.row_of_index is None or not isinstance(space, ListedSpace):
        return archs, None
    rows = table.row_of_index.astype(np.int32)
    bare = space.indices[rows[space.indices] < 0]
    classes = np.unique(space.canonical_indices[bare])
    rows[bare] = len(archs) + np.searchsorted(classes, space.canonical_indices[bare])
    return np.concatenate([archs, classes]), rows
