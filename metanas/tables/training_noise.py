"""The noise of whole trainings: what one training gives of every metric at every epoch, where only means are known.

:mod:`metanas.tables.noise_model` is about one number. The numbers of one training belong together: what is unlucky at
the second epoch is still below its mean at the third, and its loss is too high as well. A training is therefore drawn
as a whole: the deviations of one real training of the table, each divided by the standard deviation where it was and
multiplied by the one where it goes. Nothing is assumed of their shape or of their correlation.

Yan, White, Savani and Hutter, "NAS-Bench-x11 and the Power of Learning Curves", NeurIPS 2021, section 3, have one
training of most architectures, and model the noise by what a smoothed curve leaves over (their Σ-model). Difference:
here it is what other seeds of the same architecture gave.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from metanas.errors import NotMeasuredError
from metanas.tables.noise_model import NoiseModel
from metanas.tables.table import Table, mean_over_seeds

Floats = NDArray[np.float64]

_FEWEST = 30  # whole trainings to draw from


@dataclass(frozen=True)
class TrainingNoise:
    """Deviations of real trainings, in standard deviations, and how large a standard deviation is where.

    Attributes:
        models: of each metric, one for each epoch.
        deviations: of each metric, ``(n_trainings, n_epochs)``; a row is the same training in all of them.
        ranges: least and greatest value that a metric may have.
    """

    models: Mapping[str, tuple[NoiseModel, ...]]
    deviations: Mapping[str, Floats]
    ranges: Mapping[str, tuple[float, float]]

    @classmethod
    def of(cls, table: Table, metrics: Sequence[str], epochs: Sequence[int] = ()) -> Self:
        """Learn from the seeds of a table.

        Args:
            table: measured values.
            metrics: those that a training gives; each must have seeds.
            epochs: epochs of the table after which it gives them; all if empty. A metric without epochs has its one
                value at all of them.

        Raises:
            UnknownNameError: the table has no such metric.
            NotMeasuredError: a metric without seeds, or too few architectures that were trained twice.
        """
        values = {name: by_seed(table, name, epochs) for name in metrics}
        for name, trained in values.items():
            if trained is None:
                msg = f"{name} of table {table.name} is one value for each architecture; noise needs several seeds."
                raise NotMeasuredError(msg)
        known = {name: trained for name, trained in values.items() if trained is not None}
        models = {name: tuple(NoiseModel.fit(part) for part in np.moveaxis(v, 2, 0)) for name, v in known.items()}
        deviations = {name: _standardized(trained, models[name]) for name, trained in known.items()}
        whole = np.logical_and.reduce([np.isfinite(rows).all(axis=1) for rows in deviations.values()])
        if whole.sum() < _FEWEST:
            msg = f"Table {table.name} has {whole.sum()} whole trainings with other seeds beside, fewer than {_FEWEST}."
            raise NotMeasuredError(msg)
        return cls(
            models, {name: rows[whole] for name, rows in deviations.items()}, {n: value_range(table, n) for n in known}
        )

    def __len__(self) -> int:
        """Return how many trainings there are to draw from."""
        return len(next(iter(self.deviations.values())))

    def outcome(self, means: Mapping[str, Floats], trainings: NDArray[np.integer]) -> dict[str, Floats]:
        """Return what trainings give that deviate from these means as real ones did from theirs.

        Args:
            means: of some of the metrics, ``(n, n_epochs)`` each.
            trainings: which real training each of them deviates like, ``(n,)``, below ``len(self)``.

        Returns:
            Values, ``(n, n_epochs)`` for each metric, within what the metric may be.
        """
        found = {}
        for name, mean in means.items():
            scale = np.column_stack([model.deviation(at) for model, at in zip(self.models[name], mean.T, strict=True)])
            found[name] = np.clip(mean + scale * self.deviations[name][trainings], *self.ranges[name])
        return found

    def draw(self, means: Mapping[str, Floats], rng: np.random.Generator) -> dict[str, Floats]:
        """Draw one training for each row of the means; see :meth:`outcome`."""
        n = len(next(iter(means.values())))
        return self.outcome(means, rng.integers(len(self), size=n))


def by_seed(table: Table, metric: str, epochs: Sequence[int] = ()) -> Floats | None:
    """Return the values of a metric by seed, ``(n, n_seeds, n_epochs)``, NaN = not measured; None without seeds.

    Args:
        table: the table.
        metric: one of its metrics.
        epochs: which; all if empty. A metric without epochs is of the finished training: NaN at every epoch but the
            last of the table.

    Raises:
        UnknownNameError: there is no such metric.
    """
    values = table.values(metric).astype(np.float64)
    axes = table.metrics[metric].axes
    if "seed" not in axes:
        return None
    known = table.epochs or (1,)
    wanted = tuple(epochs) or known
    if "epoch" in axes:
        return values[:, :, [known.index(epoch) for epoch in wanted]]
    spread = np.full((*values.shape, len(wanted)), np.nan)
    if known[-1] in wanted:
        spread[:, :, wanted.index(known[-1])] = values
    return spread


def value_range(table: Table, metric: str) -> tuple[float, float]:
    """Return the least and the greatest value that a metric may have."""
    entry = table.metrics[metric]
    free = entry.direction == "none" or entry.split == "proxy"
    return (-np.inf if free else 0.0), (100.0 if entry.unit == "percent" else np.inf)


def _standardized(values: Floats, models: Sequence[NoiseModel]) -> Floats:
    """Return the deviation of each training from its architecture's mean, ``(n * n_seeds, n_epochs)``.

    In standard deviations of one training; the mean holds the training itself, which the factor makes up for.
    """
    found = np.empty_like(values)
    for at, model in enumerate(models):
        trained = values[:, :, at]
        count = (~np.isnan(trained)).sum(axis=1)
        mean = mean_over_seeds(trained)
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = model.deviation(mean) * np.sqrt(1 - 1 / count)
            found[:, :, at] = (trained - mean[:, None]) / scale[:, None]
    return found.reshape(-1, len(models))
