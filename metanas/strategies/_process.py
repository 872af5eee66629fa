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

import math
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import NamedTuple, Protocol

import numpy as np

from metanas.extras import require
from metanas.strategies._surrogate import Floats, Ints

_LEAST = 1e-10  # variance
_ROOM = 16  # further examples
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
    """Settings of a process: of the kernel, its amplitude, and the ratio of the noise's variance to that."""

    setting: float
    amplitude: float
    ratio: float

    @property
    def noise(self) -> float:
        """Variance of the noise."""
        return self.amplitude * self.ratio


def choose(kernel: Kernel, x: Ints, z: Floats, noises: Sequence[tuple[float, float]]) -> Choice:
    """Return the settings with the greatest posterior density.

    Args:
        kernel: the kernel.
        x: examples, ``(n,)``.
        z: their targets, of mean 0 and a variance about 1, ``(n,)``.
        noises: ratios of noise to amplitude, each with the logarithm of its prior density.
    """
    best, found = -np.inf, Choice(kernel.settings[0][0], 1.0, noises[0][0])
    for setting, prior in kernel.settings:
        matrix = kernel.between(setting, x, x)
        for ratio, prior_of_ratio in noises:
            fit, square = _fit(matrix, ratio, z)
            if fit + prior + prior_of_ratio > best:
                best, found = fit + prior + prior_of_ratio, Choice(setting, square / (len(z) + _DEGREES), ratio)
    return found


def _fit(matrix: Floats, ratio: float, z: Floats) -> tuple[float, float]:
    """Return the logarithm of the marginal likelihood up to a constant, and the square that the amplitude comes of."""
    factor = matrix.T.copy(order="F")
    diagonal = np.arange(len(z))
    factor[diagonal, diagonal] += ratio
    factor, failed = require("scipy.linalg.lapack", "predictors", "A Gaussian process").dpotrf(
        factor, lower=1, clean=0, overwrite_a=1
    )
    if failed:
        msg = f"The kernel of {len(z)} examples, with the noise {ratio}, is not positive definite."
        raise np.linalg.LinAlgError(msg)
    white = _blas().dtrsv(factor, z, lower=1)
    square = _DEGREES + float(white @ white)
    return float(-np.log(factor[diagonal, diagonal]).sum() - 0.5 * (len(z) + _DEGREES) * np.log(square)), square


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
        self.noise = noise
        self._rows = rows
        self._n = n = len(examples)
        cross = rows(examples)
        self._factor, self._white = _room(n, len(prior))
        self._factor[:n, :n] = np.linalg.cholesky(cross[:, examples] + (noise + _LEAST) * np.eye(n))
        self._white[:n] = cross
        whitened = (
            _blas()
            .dtrsm(  # transposed: what BLAS takes and gives has columns one after the other
                1.0, self._factor[:n, :n], self._white[:n].T, side=1, lower=1, trans_a=1, overwrite_b=1
            )
            .T
        )
        if not np.shares_memory(whitened, self._white):
            self._white[:n] = whitened
        self._variance = prior - np.einsum("ij,ij->j", self._white[:n], self._white[:n])

    def add(self, place: int) -> None:
        """Condition on one more example: the last row of the Cholesky factor, and of what it whitens."""
        n = self._n
        if n == len(self._factor):
            factor, white = self._factor, self._white
            self._factor, self._white = _room(n, white.shape[1])
            self._factor[:n, :n], self._white[:n] = factor, white
        own = self._rows(np.array([place]))[0]
        before = self._white[:n, place].copy()
        last = math.sqrt(max(own[place] + self.noise - float(before @ before), _LEAST))
        self._factor[n, :n], self._factor[n, n] = before, last
        row = self._white[n]
        np.subtract(own, before @ self._white[:n], out=row)
        row /= last
        self._variance -= row**2
        self._n = n + 1

    def predict(self, z: Floats) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of a further noisy value at each place, ``(m,)`` each.

        Args:
            z: targets of the examples, ``(n,)``, NaN where none was told yet.
        """
        known = np.isfinite(z)
        count = int(known.sum())
        if known[:count].all():  # a leading part, if not all
            targets = np.zeros(len(self._factor))
            targets[:count] = z[:count]
            weights, white = _blas().dtrsv(self._factor, targets, lower=1)[:count], self._white[:count]
        else:
            told = known.nonzero()[0]
            weights, white = _blas().dtrsv(self._factor[np.ix_(told, told)], z[told], lower=1), self._white[told]
        return weights @ white, np.sqrt(np.maximum(self._variance, 0) + self.noise)


def _room(n: int, places: int) -> tuple[Floats, Floats]:
    """Return where a factor, one of itself so far and as BLAS likes it, and what it whitens may grow beyond ``n``."""
    size = n + max(_ROOM, n // 4)
    return np.eye(size).T, np.empty((size, places))


def _blas() -> ModuleType:
    return require("scipy.linalg.blas", "predictors", "A Gaussian process")
