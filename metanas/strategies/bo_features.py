"""Bayesian optimization with a Gaussian process on an encoding: expected improvement, Thompson sampling or a bound.

Jones, Schonlau and Welch, "Efficient Global Optimization of Expensive Black-Box Functions", Journal of Global
Optimization 1998, sections 4.1 and 4.2 (expected improvement, eq. 15); Snoek, Larochelle and Adams, "Practical Bayesian
Optimization of Machine Learning Algorithms", NeurIPS 2012 (arXiv:1206.2944), section 3 (Matérn 5/2); Russo, Van Roy et
al., "A Tutorial on Thompson Sampling", 2018 (arXiv:1707.02038).

Differences: there is no continuous inner optimization, the candidates are the whole of a small space, by functional
class, else a pool of children of the best and random architectures; one length scale for all inputs, found with the
noise on a grid by the marginal likelihood, not sampled; Thompson sampling draws each candidate's value independently,
not a function. A run of 300 trainings in ``nb201`` takes a quarter of a second.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metanas.problem import Problem, Requirements
from metanas.strategies._bayesian import BayesianSearch
from metanas.strategies._surrogate import Acquisition
from metanas.strategies._vectors import VectorKernel
from metanas.strategies.base import Unique

FAMILY = "Bayesian optimization"
REQUIRES = Requirements(packages=("scipy",))


def build(
    problem: Problem,
    rng: np.random.Generator,
    encodings: Sequence[str] = ("functional",),
    acquisition: Acquisition = "ei",
    initial: int = 10,
    batch: int = 1,
    pool: int = 200,
    beta: float = 1.0,
    unique: Unique = "code",
) -> BayesianSearch:
    """Make the strategy.

    Args:
        problem: what is searched.
        rng: source of all randomness.
        encodings: names of encodings, or one name; equal functions are compared by their representatives.
        acquisition: ``"ei"``, ``"ts"``, ``"ucb"`` or ``"mean"``.
        initial: random architectures at the beginning.
        batch: results are taken in after so many asks.
        pool: candidates where the space is not searched whole.
        beta: standard deviations of ``"ucb"``.
        unique: what is not trained twice, the same ``"code"`` or the same function (``"canonical"``).

    Raises:
        InvalidValueError: a number out of range.
        UnknownNameError: there is no such encoding or acquisition function.
    """
    return BayesianSearch(
        problem,
        rng,
        VectorKernel(problem.space, encodings),
        acquisition=acquisition,
        initial=initial,
        batch=batch,
        pool=pool,
        beta=beta,
        unique=unique,
    )
