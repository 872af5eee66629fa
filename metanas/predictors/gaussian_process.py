"""Gaussian process on vectors: a Matérn kernel with a length scale for each group of inputs, and a linear one.

Rasmussen and Williams, "Gaussian Processes for Machine Learning", MIT Press 2006: the Matérn kernel with ν = 5/2
(eq. 4.17) of a distance with automatic relevance determination (eq. 5.1), here one scale for all inputs of a group
(counts, terms, paths, shares, …, scores); hyperparameters by the marginal likelihood (section 5.4.1). Differences: they
have wide normal priors on their logarithms, so that a few examples do not run away with them, and with many examples
they are found on a drawn part, all being used to predict.

Inputs are the logarithms of 1 + counts, standardized by architectures of the space that no fit chooses, so that what is
constant among the examples still tells others apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from metanas.predictors._gp import posterior, predicted
from metanas.predictors._inputs import Inputs
from metanas.predictors._relevance import Standard, group_distances, linear_kernel, matern, standardize, tune
from metanas.predictors._tabular import Floats, Matrix, Model, TabularPredictor, check_at_least
from metanas.predictors._targets import Scale
from metanas.spaces import Space

_AT_ONCE = 2000  # rows


def build(
    space: Space,
    rng: np.random.Generator,
    *,
    scores: NDArray[np.float64] | None = None,
    encodings: Sequence[str] = ("functional",),
    tuned_on: int = 400,
    scale: Scale = "normal",
) -> TabularPredictor:
    """Make the predictor.

    Args:
        space: space of the architectures.
        rng: draws the part of the examples that hyperparameters are found on.
        scores: further inputs.
        encodings: names of encodings.
        tuned_on: most examples that hyperparameters are found on.
        scale: of the targets.
    """
    check_at_least("tuned_on", tuned_on, 3)
    standard = standardize(space, Inputs(space, encodings, scores))

    def learn(x: Matrix, z: Floats, rng: np.random.Generator) -> Model:
        return _learn(standard, standard(x), z, rng.permutation(len(z))[:tuned_on])

    return TabularPredictor("gaussian_process", learn, space, rng, scores=scores, encodings=encodings, scale=scale)


def _learn(standard: Standard, x: Floats, z: Floats, part: NDArray[np.int64]) -> Model:
    middle = float(z.mean())
    target = z - middle
    logs = tune(group_distances(x[part], x[part], standard.groups), linear_kernel(x[part], x[part]), target[part])
    relevance, (amplitude, linear, noise) = np.exp(logs[:-3]), np.exp(logs[-3:])

    def kernel(a: Floats, b: Floats) -> Floats:
        distance = np.tensordot(relevance, group_distances(a, b, standard.groups), axes=1)
        both: Floats = amplitude * matern(distance) + linear * linear_kernel(a, b)
        return both

    own, _ = posterior(kernel(x, x), float(noise), target)

    def model(rows: Matrix) -> tuple[Floats, Floats]:
        means, stds = [], []
        for some in np.array_split(rows, range(_AT_ONCE, len(rows), _AT_ONCE)):
            at = standard(some)
            mean, std = predicted(own, kernel(at, x), amplitude + linear * (at**2).mean(axis=1))
            means.append(mean + middle)
            stds.append(std)
        return np.concatenate(means), np.concatenate(stds)

    return model
