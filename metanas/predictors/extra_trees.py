"""Extremely randomized trees: Geurts, Ernst and Wehenkel, "Extremely Randomized Trees", Machine Learning 2006.

Each tree is grown on all examples; a split takes the best of one drawn threshold for each drawn input (section 2.1).
The standard deviation is the law of total variance over the trees (Hutter, Xu, Hoos and Leyton-Brown, "Algorithm
Runtime Prediction", Artificial Intelligence 2014, section 4.3.2): the variance of their answers plus the mean of the
variances within their leaves, with a floor as there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from metanas.extras import require
from metanas.predictors._forest import forest_model
from metanas.predictors._tabular import Floats, Matrix, Model, TabularPredictor, check_at_least
from metanas.predictors._targets import Scale
from metanas.spaces import Space


def build(
    space: Space,
    rng: np.random.Generator,
    *,
    scores: NDArray[np.float64] | None = None,
    encodings: Sequence[str] = ("functional",),
    trees: int = 300,
    inputs: float = 0.5,
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
    check_at_least("trees", trees, 1)
    check_at_least("leaf", leaf, 1)
    ensemble = require("sklearn.ensemble", "predictors", "The predictor 'extra_trees'")

    def learn(x: Matrix, z: Floats, rng: np.random.Generator) -> Model:
        forest = ensemble.ExtraTreesRegressor(
            trees, max_features=inputs, min_samples_leaf=leaf, random_state=int(rng.integers(2**31)), n_jobs=1
        )
        return forest_model(forest.fit(x, z), z)

    return TabularPredictor("extra_trees", learn, space, rng, scores=scores, encodings=encodings, scale=scale)
