"""How far a training falls from its architecture's mean: a model of the noise, learned from a table's real seeds.

A mean over seeds is a smoother world than the one that a search meets: there, one training is one draw. The model draws
such outcomes, also for an architecture whose mean is only predicted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metanas.errors import InvalidValueError, NotMeasuredError
from metanas.tables.table import Table

_FEWEST = 30  # architectures in a bin: the pooled deviation of 30 pairs has a standard error of 13 %
_MOST_BINS = 12


@dataclass(frozen=True)
class NoiseModel:
    """Standard deviation of one training about its architecture's mean, as a function of the mean, and its shape.

    Attributes:
        means: where the deviation is known, ascending, ``(k,)``, in the unit of the metric.
        deviations: standard deviation there, ``(k,)``; linear between, constant beyond.
        residuals: real deviations from the mean, each divided by the model's standard deviation, ascending, ``(m,)``.
    """

    means: NDArray[np.float64]
    deviations: NDArray[np.float64]
    residuals: NDArray[np.float64]

    @classmethod
    def fit(cls, values: ArrayLike) -> Self:
        """Learn from trainings.

        Architectures are ordered by their mean and cut into bins of equal size, at least 30 in each; within a bin the
        squared deviations are pooled over their degrees of freedom (trainings less architectures), so that seeds with
        gaps count for what they are.

        Args:
            values: ``(n, n_seeds)``, NaN = not measured.

        Raises:
            NotMeasuredError: fewer than 30 architectures have two trainings.
        """
        trained = np.asarray(values, dtype=np.float64)
        if trained.ndim != 2:
            msg = f"Values of trainings must be (architectures, seeds), but got the shape {trained.shape}."
            raise InvalidValueError(msg)
        trained = trained[(~np.isnan(trained)).sum(axis=1) >= 2]
        if len(trained) < _FEWEST:
            msg = f"Noise is learned from at least {_FEWEST} architectures trained twice, but there are {len(trained)}."
            raise NotMeasuredError(msg)
        trained = trained[np.argsort(np.nanmean(trained, axis=1), kind="stable")]
        count = (~np.isnan(trained)).sum(axis=1)
        mean = np.nanmean(trained, axis=1)
        off = trained - mean[:, None]
        bins = np.array_split(np.arange(len(trained)), min(_MOST_BINS, len(trained) // _FEWEST))
        knots = np.array([mean[rows].mean() for rows in bins])
        squares = [float(np.nansum(off[rows] ** 2)) / int((count[rows] - 1).sum()) for rows in bins]
        deviations = np.sqrt(np.array(squares))
        scale = np.interp(mean, knots, deviations)[:, None] * np.sqrt(1 - 1 / count)[:, None]  # own mean included
        with np.errstate(divide="ignore", invalid="ignore"):
            residuals = off / scale
        return cls(knots, deviations, np.sort(residuals[np.isfinite(residuals)]))

    @classmethod
    def of(cls, table: Table, metric: str = "validation/accuracy") -> Self:
        """Learn from the last epoch of a table's metric; see :meth:`fit`.

        Raises:
            UnknownNameError: the table has no such metric.
            NotMeasuredError: the metric has no seeds, or too few architectures have two.
        """
        values = table.values(metric)
        axes = table.metrics[metric].axes
        if "seed" not in axes:
            msg = f"{metric} of table {table.name} is one value for each architecture; noise needs several seeds."
            raise NotMeasuredError(msg)
        return cls.fit(values[..., -1] if "epoch" in axes else values)

    def deviation(self, mean: ArrayLike) -> NDArray[np.float64]:
        """Return the standard deviation of one training of architectures with these means, in the shape of ``mean``."""
        return np.asarray(np.interp(np.asarray(mean, dtype=np.float64), self.means, self.deviations))

    def draw(self, mean: ArrayLike, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw the outcome of one training for each mean: the mean, and a real deviation scaled to its place.

        Drawn from the residuals of real trainings, so that rare failures stay rare and one-sided as they are.
        """
        centre = np.asarray(mean, dtype=np.float64)
        shape = rng.choice(self.residuals, size=centre.shape)
        return np.asarray(centre + self.deviation(centre) * shape)
