"""Random forest with the infinitesimal jackknife for its uncertainty.

Breiman, "Random Forests", Machine Learning 2001. Wager, Hastie and Efron, "Confidence Intervals for Random Forests: The
Jackknife and the Infinitesimal Jackknife", JMLR 2014: the variance of the forest's mean is the sum over examples of the
squared covariance, over trees, between how often a tree drew the example and what the tree answers (eq. 5), less its
Monte Carlo bias (eq. 7). To this, which is the variance of the mean, is added the noise of the values: the mean squared
out-of-bag error less the mean variance at the examples. Difference: where the correction leaves less than 0, it is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metanas.extras import require
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
    trees: int = 300,
    inputs: float = 0.33,
    leaf: int = 1,
    scale: Scale = "normal",
) -> TabularPredictor:
    """Make the predictor.

    Args:
        space: space of the architectures.
        rng: source of the trees' draws.
        scores: further inputs.
        encodings: names of encodings.
        trees: how many.
        inputs: share of the inputs that a split looks at.
        leaf: fewest examples in a leaf.
        scale: of the targets.
    """
    check_at_least("trees", trees, 2)
    check_at_least("leaf", leaf, 1)
    ensemble = require("sklearn.ensemble", "predictors", "The predictor 'random_forest'")

    def learn(x: Matrix, z: Floats, rng: np.random.Generator) -> Model:
        forest = ensemble.RandomForestRegressor(
            trees, max_features=inputs, min_samples_leaf=leaf, random_state=int(rng.integers(2**31)), n_jobs=1
        )
        return _jackknife_model(forest.fit(x, z), x, z)

    return TabularPredictor("random_forest", learn, space, rng, scores=scores, encodings=encodings, scale=scale)


def _jackknife_model(forest: Any, x: Matrix, z: Floats) -> Model:
    trees = [(tree.tree_, tree.tree_.value[:, 0, 0]) for tree in forest]
    drawn = np.array([np.bincount(sample, minlength=len(z)) for sample in forest.estimators_samples_], dtype=np.float64)
    centered = drawn - drawn.mean(axis=0)

    def answers(rows: Matrix) -> Floats:
        return np.array([values[tree.apply(rows)] for tree, values in trees])  # (trees, rows)

    def variance_of(own: Floats) -> Floats:
        deviations = own - own.mean(axis=0)
        covariances = centered.T @ deviations / len(trees)
        bias = len(z) / len(trees) ** 2 * (deviations**2).sum(axis=0)
        variance: Floats = np.maximum((covariances**2).sum(axis=0) - bias, 0)
        return variance

    at_examples = answers(x)
    out = drawn == 0
    seen = out.any(axis=0)
    out_of_bag = (at_examples * out).sum(axis=0)[seen] / out.sum(axis=0)[seen]
    error = float(((out_of_bag - z[seen]) ** 2).mean()) if seen.any() else float(z.var())
    noise = max(error - float(variance_of(at_examples).mean()), 0.1 * error)

    def model(rows: Matrix) -> tuple[Floats, Floats]:
        parts = np.array_split(rows, range(_AT_ONCE, len(rows), _AT_ONCE))
        own = [answers(part) for part in parts]
        variance = np.concatenate([variance_of(part) for part in own])
        return np.concatenate([part.mean(axis=0) for part in own]), np.sqrt(variance + noise)

    return model
