"""A Gaussian process on a few examples whose level and scale are free, for a given kernel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metanas.extras import require

Floats = NDArray[np.float64]

_JITTER = 1e-6


class Solution(NamedTuple):
    """What is kept of ``n`` examples."""

    noise: float
    factor: tuple[Floats, bool]  # Cholesky's, of the examples' kernel and the noise
    ones: Floats  # (n,)
    level: float
    weights: Floats  # (n,)
    scale: float


def solve(own: Floats, y: Floats, noise: float) -> tuple[Solution, float]:
    """Fit to examples (Rasmussen and Williams, eq. 2.40 to 2.45).

    Args:
        own: kernel of the examples, ``(n, n)``.
        y: values of the examples, ``(n,)``.
        noise: variance of the values about the function.

    Returns:
        The solution, and the logarithm of the marginal likelihood up to a constant.
    """
    linalg = require("scipy.linalg", "predictors", "A Gaussian process")
    factor = linalg.cho_factor(own + (noise + _JITTER) * np.eye(len(y)), lower=True)
    ones = linalg.cho_solve(factor, np.ones(len(y)))
    level = float(ones @ y / ones.sum())
    weights = linalg.cho_solve(factor, y - level)
    scale = float((y - level) @ weights) / max(len(y) - 1, 1)
    likelihood = -0.5 * ((len(y) - 1) * np.log(scale) + np.log(ones.sum())) - np.log(np.diag(factor[0])).sum()
    return Solution(noise, factor, ones, level, weights, scale), float(likelihood)


def answer(solution: Solution, cross: Floats, alone: Floats) -> tuple[Floats, Floats]:
    """Return mean and variance of new values, each ``(m,)``.

    Args:
        solution: of the examples.
        cross: kernel between new architectures and examples, ``(m, n)``.
        alone: kernel of each new architecture with itself, ``(m,)``.
    """
    linalg = require("scipy.linalg", "predictors", "A Gaussian process")
    noise, factor, ones, level, weights, scale = solution
    solved = linalg.cho_solve(factor, cross.T)
    variance = alone - (cross.T * solved).sum(axis=0) + (1.0 - cross @ ones) ** 2 / ones.sum() + noise
    return level + cross @ weights, scale * np.maximum(variance, noise)
