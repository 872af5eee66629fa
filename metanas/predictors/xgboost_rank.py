"""Gradient-boosted trees that learn the order of pairs: XGBoost's ``rank:pairwise``.

Burges, "From RankNet to LambdaRank to LambdaMART: An Overview", MSR-TR-2010-82, section 2: a pair costs the logarithm
of 1 + exp(−difference of the scores). All examples are one query; pairs are drawn for every example anew in each round.
A score is brought back to the values' unit by a line through held-out examples and the monotone map of the targets.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from metanas.predictors._boosting import boosting
from metanas.predictors._tabular import TabularPredictor, check_at_least
from metanas.predictors._targets import Scale
from metanas.spaces import Space


def build(
    space: Space,
    rng: np.random.Generator,
    *,
    scores: NDArray[np.float64] | None = None,
    encodings: Sequence[str] = ("functional",),
    members: int = 5,
    rounds: int = 200,
    depth: int = 5,
    rate: float = 0.1,
    inputs: float = 0.3,
    pairs: int = 8,
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
        pairs: drawn for each example and round.
        scale: of the targets; matters for the way back only.
    """
    for name, value in {"members": members, "rounds": rounds, "depth": depth, "pairs": pairs}.items():
        check_at_least(name, value, 1)
    settings = {
        **{"objective": "rank:pairwise", "eta": rate, "max_depth": depth, "colsample_bytree": inputs},
        **{"lambdarank_pair_method": "mean", "lambdarank_num_pair_per_sample": pairs, "tree_method": "exact"},
        **{"lambdarank_normalization": False, "lambdarank_score_normalization": False},
    }
    learn = boosting("xgboost_rank", settings, rounds=rounds, members=members, aligned=True)
    return TabularPredictor("xgboost_rank", learn, space, rng, scores=scores, encodings=encodings, scale=scale, least=5)
