"""A Gaussian process at fixed places that grows by one example at a time, and the choice of its few settings.

Rasmussen and Williams, "Gaussian Processes for Machine Learning", MIT Press 2006, section 2.2 (eq. 2.25, 2.26), kept in
whitened form: with K + σ²I = L L', the rows of L⁻¹ K(examples, places). A further example adds one row, which costs
as many multiplications as there are examples and places; the variance at all places falls by its square. Settings are
taken from a grid by their marginal likelihood (section 5.4.1), the amplitude integrated out.

Examples that were asked for and not told yet count in the variance and leave the mean as it is: that is to believe in
what the process says of them ("kriging believer": Ginsbourger, Le Riche and Carraro, "Kriging Is Well-Suited to
Parallelize Optimization", 2010), at the time when they were asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from metanas.extras import require
from metanas.strategies._surrogate import Floats, Ints

_LEAST = 1e-10  # variance
_DEGREES = 4.0  # of the prior of the amplitude: as many examples of variance 1


class Kernel(Protocol):
    """A kernel with variance about 1, in some settings of equal standing."""

    @property
    def settings(self) -> Sequence[tuple[float, float]]:
        """A number for each setting, and the logarithm of its prior density."""

    def between(self, setting: float, some: Ints, others: Ints) -> Floats:
        """Return the kernel between architectures, ``(len(some), len(others))``."""

    def own(self, setting: float, some: Ints) -> Floats:
        """Return the kernel of each with itself, ``(len(some),)``."""


class Choice(NamedTuple):
    """Settings of a process: of the kernel, its amplitude, and the variance of the noise."""

    setting: float
    amplitude: float
    noise: float


def choose(kernel: Kernel, x: Ints, z: Floats, noises: Sequence[tuple[float, float]]) -> Choice:
    """Return the settings with the greatest posterior density.

    Args:
        kernel: the kernel.
        x: examples, ``(n,)``.
        z: their targets, of mean 0 and a variance about 1, ``(n,)``.
        noises: ratios of noise to amplitude, each with the logarithm of its prior density.
    """
    linalg = require("scipy.linalg", "predictors", "A Gaussian process")
    best, found = -np.inf, Choice(kernel.settings[0][0], 1.0, noises[0][0])
    for setting, prior in kernel.settings:
        matrix = kernel.between(setting, x, x)
        for noise, prior_of_noise in noises:
            factor = np.linalg.cholesky(matrix + noise * np.eye(len(z)))
            white = linalg.solve_triangular(factor, z, lower=True, check_finite=False)
            square = _DEGREES + float(white @ white)
            density = -np.log(np.diag(factor)).sum() - 0.5 * (len(z) + _DEGREES) * np.log(square)
            if density + prior + prior_of_noise > best:
                amplitude = square / (len(z) + _DEGREES)
                best, found = density + prior + prior_of_noise, Choice(setting, amplitude, amplitude * noise)
    return found


def grid(center: float, spread: float, steps: int, factor: float) -> tuple[tuple[float, float], ...]:
    """Return a geometric grid about ``center``, and a log-normal prior on it whose logarithm has std ``spread``."""
    exponents = np.arange(-steps, steps + 1) * np.log(factor)
    return tuple((center * float(np.exp(e)), -0.5 * (float(e) / spread) ** 2) for e in exponents)


class Process:
    """The posterior at fixed places.

    Attributes:
        noise: variance of an example about the function.
    """

    def __init__(self, rows: Callable[[Ints], Floats], prior: Floats, noise: float, examples: Ints) -> None:
        """Condition on examples.

        Args:
            rows: the kernel between some places and all, ``(k,) -> (k, m)``.
            prior: variance at each place, ``(m,)``.
            noise: variance of an example about the function.
            examples: their places, ``(n,)``.
        """
        linalg = require("scipy.linalg", "predictors", "A Gaussian process")
        self.noise = noise
        self._rows = rows
        self._n = n = len(examples)
        cross = rows(examples)
        self._factor = np.zeros((2 * n, 2 * n))
        self._white = np.empty((2 * n, len(prior)))
        self._factor[:n, :n] = np.linalg.cholesky(cross[:, examples] + (noise + _LEAST) * np.eye(n))
        self._white[:n] = linalg.solve_triangular(self._factor[:n, :n], cross, lower=True, check_finite=False)
        self._variance = prior - (self._white[:n] ** 2).sum(axis=0)

    def add(self, place: int) -> None:
        """Condition on one more example: the last row of the Cholesky factor, and of what it whitens."""
        n = self._n
        if n == len(self._factor):
            factor, white = self._factor, self._white
            self._factor, self._white = np.zeros((2 * n, 2 * n)), np.empty((2 * n, white.shape[1]))
            self._factor[:n, :n], self._white[:n] = factor, white
        own = self._rows(np.array([place]))[0]
        before = self._white[:n, place].copy()
        last = np.sqrt(max(own[place] + self.noise - float(before @ before), _LEAST))
        self._factor[n, :n], self._factor[n, n] = before, last
        self._white[n] = (own - before @ self._white[:n]) / last
        self._variance -= self._white[n] ** 2
        self._n = n + 1

    def predict(self, z: Floats) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of a further noisy value at each place, ``(m,)`` each.

        Args:
            z: targets of the examples, ``(n,)``, NaN where none was told yet.
        """
        linalg = require("scipy.linalg", "predictors", "A Gaussian process")
        factor, white = self._factor[: self._n, : self._n], self._white[: self._n]
        known = np.isfinite(z)
        if not known.all():
            factor, white, z = factor[np.ix_(known, known)], white[known], z[known]
        weights = linalg.solve_triangular(factor, z, lower=True, check_finite=False)
        return weights @ white, np.sqrt(np.maximum(self._variance, 0) + self.noise)
