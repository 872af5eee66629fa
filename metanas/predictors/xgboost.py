"""Gradient-boosted trees: Chen and Guestrin, "XGBoost: A Scalable Tree Boosting System", KDD 2016, squared error.

The mean of several members, each of which holds out a fifth of the examples; see
:func:`~metanas.predictors._boosting.boosting` for the standard deviation.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from metanas.predictors._boosting import boosting
from metanas.predictors._tabular import Learn, TabularPredictor, check_at_least
from metanas.predictors._targets import Scale
from metanas.spaces import Space


def build(
    space: Space,
    rng: np.random.Generator,
    *,
    scores: NDArray[np.float64] | None = None,
    encodings: Sequence[str] = ("functional",),
    members: int = 5,
    rounds: int = 300,
    depth: int = 5,
    rate: float = 0.05,
    inputs: float = 0.3,
    scale: Scale = "normal",
) -> TabularPredictor:
    """Make the predictor.

    Args:
        space: space of the architectures.
        rng: source of the members' draws.
        scores: further inputs.
        encodings: names of encodings.
        members: how many are averaged.
        rounds: trees of a member.
        depth: of a tree.
        rate: by which a tree's answer is shrunk.
        inputs: share of the inputs that a tree sees.
        scale: of the targets.
    """
    for name, value in {"members": members, "rounds": rounds, "depth": depth}.items():
        check_at_least(name, value, 1)
    learn = learner(members=members, rounds=rounds, depth=depth, rate=rate, inputs=inputs)
    return TabularPredictor("xgboost", learn, space, rng, scores=scores, encodings=encodings, scale=scale, least=5)


def learner(*, members: int, rounds: int, depth: int, rate: float, inputs: float) -> Learn:
    """Return what fits the members; see :func:`build`. The model that it gives is a ``BoostedTrees``."""
    settings = {
        **{"objective": "reg:squarederror", "eta": rate, "max_depth": depth, "subsample": 0.8},
        **{"colsample_bytree": inputs, "min_child_weight": 2, "tree_method": "exact", "base_score": 0.0},
    }
    return boosting("xgboost", settings, rounds=rounds, members=members, aligned=False)
