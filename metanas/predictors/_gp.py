"""Gaussian process regression with a given kernel matrix: marginal likelihood and prediction.

Rasmussen and Williams, "Gaussian Processes for Machine Learning", MIT Press 2006, algorithm 2.1 and section 5.4.1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from metanas.extras import require
from metanas.predictors._tabular import Floats

_JITTER = 1e-8


class Posterior(NamedTuple):
    """What prediction needs: Cholesky factor of the kernel with noise ``(n, n)``, weights ``(n,)``, noise variance."""

    factor: Floats
    weights: Floats
    noise: float


def posterior(kernel: Floats, noise: float, z: Floats) -> tuple[Posterior, float]:
    """Return the posterior for targets of mean 0, and the logarithm of their marginal likelihood (eq. 5.8).

    Args:
        kernel: of the examples, ``(n, n)``.
        noise: variance of the targets about the function.
        z: targets, ``(n,)``.

    Raises:
        numpy.linalg.LinAlgError: the kernel is not positive definite.
    """
    linalg = require("scipy.linalg", "predictors", "A Gaussian process")
    factor = linalg.cholesky(kernel + (noise + _JITTER) * np.eye(len(z)), lower=True, check_finite=False)
    weights = linalg.cho_solve((factor, True), z, check_finite=False)
    likelihood = -0.5 * z @ weights - np.log(np.diag(factor)).sum() - 0.5 * len(z) * np.log(2 * np.pi)
    return Posterior(factor, weights, noise), float(likelihood)


def gradient_matrix(own: Posterior) -> Floats:
    """Return ``α α' − K⁻¹``, ``(n, n)``.

    Half the sum of its products with a derivative of the kernel is the derivative of the logarithm of the marginal
    likelihood (eq. 5.9).
    """
    linalg = require("scipy.linalg", "predictors", "A Gaussian process")
    inverse, _ = linalg.lapack.dpotri(own.factor, lower=1)  # its lower triangle, zeros above
    matrix: Floats = np.multiply.outer(own.weights, own.weights)
    matrix -= inverse
    matrix -= np.tril(inverse, -1).T
    return matrix


def predicted(own: Posterior, cross: Floats, prior: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of noisy values (eq. 2.25 and 2.26).

    Args:
        own: the posterior.
        cross: kernel between rows and examples, ``(m, n)``.
        prior: kernel of each row with itself, ``(m,)``.
    """
    linalg = require("scipy.linalg", "predictors", "A Gaussian process")
    solved = linalg.solve_triangular(own.factor, cross.T, lower=True, check_finite=False)
    variance = np.maximum(prior - (solved**2).sum(axis=0), 0) + own.noise
    return cross @ own.weights, np.sqrt(variance)
