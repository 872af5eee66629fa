"""A kernel on vectors with a length scale for each group of inputs, and how its parameters are found.

Rasmussen and Williams, "Gaussian Processes for Machine Learning", MIT Press 2006: the Matérn kernel with ν = 5/2
(eq. 4.17) of a distance with automatic relevance determination (eq. 5.1), one relevance for all inputs of a group, and
a linear kernel; parameters by the marginal likelihood (section 5.4.1), with wide normal priors on their logarithms.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metanas.encodings.base import examples
from metanas.extras import require
from metanas.predictors._gp import gradient_matrix, posterior
from metanas.predictors._inputs import Inputs
from metanas.predictors._tabular import Floats, Matrix
from metanas.spaces import Space

_GROUP = re.compile(r"(\w+)[\[:]")
START = {"relevance": -1.0, "amplitude": 0.0, "linear": -1.0, "noise": -3.0}  # logarithms
_PRIOR_STD = 2.0
_LEAST_SPREAD = 0.1  # of an input: one that hardly ever differs must not decide
_ITERATIONS = 50


class Standard(NamedTuple):
    """How vectors are standardized, and which columns each group has."""

    n_logarithms: int
    center: Floats
    spread: Floats
    groups: tuple[NDArray[np.int64], ...]

    def __call__(self, x: Matrix) -> Floats:
        """Return standardized vectors, ``(n, d)``."""
        return (self.logarithms(x) - self.center) / self.spread

    def logarithms(self, x: Matrix) -> Floats:
        """Return vectors with the logarithms of 1 + counts, ``(n, d)``; scores stay as they are."""
        y = x.astype(np.float64)
        y[:, : self.n_logarithms] = np.log1p(y[:, : self.n_logarithms])
        return y


def standardize(space: Space, inputs: Inputs) -> Standard:
    """Return how vectors are standardized: by architectures of the space that no fit chooses."""
    names = [match[1] if (match := _GROUP.match(column)) else "" for column in inputs.columns]
    names += ["scores"] * inputs.n_scores
    groups = tuple(np.flatnonzero(np.array(names) == name) for name in dict.fromkeys(names))
    plain = Standard(len(inputs.columns), np.zeros(len(names)), np.ones(len(names)), groups)
    reference = plain.logarithms(inputs(np.array([space.index(arch) for arch in examples(space)])))
    return plain._replace(center=reference.mean(axis=0), spread=np.maximum(reference.std(axis=0), _LEAST_SPREAD))


def tune(distances: Floats, linear: Floats, z: Floats, begin: Floats | None = None) -> Floats:
    """Return the logarithms of relevances, amplitude, linear amplitude and noise with the greatest posterior density.

    Args:
        distances: squared, of each group, ``(groups, n, n)``.
        linear: kernel, ``(n, n)``.
        z: targets, ``(n,)``.
        begin: where to begin, as what this function found for fewer examples; None: in the middle of the priors.
    """
    minimize: Callable[..., object] = require("scipy.optimize", "predictors", "A Gaussian process").minimize
    start = np.array([START["relevance"]] * len(distances) + [START[name] for name in ("amplitude", "linear", "noise")])

    flat = distances.reshape(len(distances), -1)

    def loss(logs: Floats) -> tuple[float, Floats]:
        relevance, (amplitude, slope, noise) = np.exp(logs[:-3]), np.exp(logs[-3:])
        r = np.sqrt(5 * (relevance @ flat)).reshape(linear.shape)
        fall = amplitude * np.exp(-r)
        slopes = fall + fall * r
        curved, straight = slopes + fall * (r * r / 3), slope * linear
        try:
            own, likelihood = posterior(curved + straight, float(noise), z)
        except np.linalg.LinAlgError:
            return 1e10, np.zeros(len(logs))
        matrix = gradient_matrix(own)
        gradient = np.empty(len(logs))
        gradient[:-3] = -5 / 6 * relevance * (flat @ (matrix * slopes).ravel())  # by the distance
        gradient[-3:] = np.vdot(matrix, curved), np.vdot(matrix, straight), noise * np.trace(matrix)
        off = (logs - start) / _PRIOR_STD
        return -likelihood + 0.5 * float(off @ off), -0.5 * gradient + off / _PRIOR_STD

    first = start if begin is None else begin
    best = minimize(
        loss, first, jac=True, method="L-BFGS-B", bounds=[(-9, 5)] * len(start), options={"maxiter": _ITERATIONS}
    )
    logs: Floats = best.x  # type: ignore[attr-defined]
    return logs


def group_distances(a: Floats, b: Floats, groups: Sequence[NDArray[np.int64]]) -> Floats:
    """Return the mean squared difference over the inputs of each group, ``(groups, len(a), len(b))``."""
    squared = np.empty((len(groups), len(a), len(b)))
    for into, columns in zip(squared, groups, strict=True):
        left, right = a[:, columns], b[:, columns]
        into[:] = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1) - 2 * left @ right.T
        into /= len(columns)
    np.maximum(squared, 0, out=squared)
    return squared


def linear_kernel(a: Floats, b: Floats) -> Floats:
    kernel: Floats = a @ b.T / a.shape[1]
    return kernel


def matern(squared: Floats) -> Floats:
    """Return the kernel at squared distances."""
    r = np.sqrt(5 * squared)
    kernel: Floats = (1 + r + r**2 / 3) * np.exp(-r)
    return kernel
