"""How well the mean over a few seeds ranks what the mean over ever more seeds would be: the truth.

The truth is not known, but its distribution is: what, with the noise of real trainings added, looks like the means
that were measured. From it made-up tables are drawn in which the truth is known. No choice of the better half by noisy
means is needed, which makes tau between seeds too low, and an agreement of two noisy means is not mistaken for that of
one of them with the truth.

Needs scipy (extra ``[stats]``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from metanas.tables.noise import best, kendall
from metanas.tables.noise_model import NoiseModel
from metanas.tables.schema import Direction

_GRID = 300  # values that a truth may have
_STEPS = 60  # of expectation-maximization; many more would leave a few spikes
_DRAWS = 20  # made-up tables


@dataclass(frozen=True)
class Truth:
    """The distribution of the architectures' true values, and the noise of a training about each; greater is better.

    Attributes:
        grid: values, ascending, ``(m,)``, evenly spaced.
        weights: how often each occurs, ``(m,)``.
        noise: of a training.
        n: architectures.
    """

    grid: NDArray[np.float64]
    weights: NDArray[np.float64]
    noise: NoiseModel
    n: int

    @classmethod
    def fit(cls, values: NDArray[np.floating], direction: Direction) -> Self:
        """Learn from trainings.

        The maximum-likelihood distribution on a grid (Laird, "Nonparametric Maximum Likelihood Estimation of a Mixing
        Distribution", JASA 73, 1978) by expectation-maximization, begun at the smoothed means and stopped early,
        which keeps it smooth. A mean of ``k`` trainings is taken to be normal about its truth.

        Args:
            values: ``(n, n_seeds)``, NaN = not measured; architectures without all seeds are left out.
            direction: what is better.

        Raises:
            NotMeasuredError: fewer than 30 architectures have two trainings.
        """
        sign = -1.0 if direction == "minimize" else 1.0
        whole = sign * np.asarray(values, dtype=np.float64)
        whole = whole[~np.isnan(whole).any(axis=1)]
        noise = NoiseModel.fit(whole)
        mean, root = whole.mean(axis=1), math.sqrt(whole.shape[1])
        margin = float(noise.deviation(mean).max()) / root
        grid = np.linspace(mean.min() - margin, mean.max() + margin, _GRID)
        error = np.maximum(noise.deviation(grid) / root, grid[1] - grid[0])
        likelihood = np.exp(-0.5 * ((mean[:, None] - grid) / error) ** 2) / error
        weights = likelihood.mean(axis=0) / likelihood.mean(axis=0).sum()
        for _ in range(_STEPS):
            weights = weights * (likelihood / (likelihood @ weights)[:, None]).mean(axis=0)
        return cls(grid, weights / weights.sum(), noise, len(whole))

    def draw(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return true values of as many made-up architectures as there are real ones, ``(n,)``."""
        step = self.grid[1] - self.grid[0]
        return rng.choice(self.grid, self.n, p=self.weights) + rng.uniform(-step / 2, step / 2, self.n)

    def trainings(self, truth: NDArray[np.float64], n_seeds: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return trainings of architectures with these true values, ``(n, n_seeds)``."""
        return self.noise.draw(np.repeat(truth[:, None], n_seeds, axis=1), rng)

    def tau(self, n_seeds: int, rng: np.random.Generator, share: float = 1.0) -> float:
        """Return Kendall's tau-b to expect between means of ``n_seeds`` and the truth among the truly best.

        Args:
            n_seeds: trainings of each architecture.
            rng: source of the made-up tables.
            share: share of architectures, chosen by the truth; 1 for all.
        """
        taus = []
        for _ in range(_DRAWS):
            truth = self.draw(rng)
            chosen = truth[best(truth, share, "maximize")]
            taus.append(kendall(self.trainings(chosen, n_seeds, rng).mean(axis=1), chosen))
        return float(np.mean(taus))
