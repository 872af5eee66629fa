"""Members of boosted trees, each fitted on a part of the examples and checked on the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metanas.extras import require
from metanas.predictors._tabular import Floats, Learn, Matrix, Model

_HELD_OUT = 0.2  # of the examples, by each member


class BoostedTrees:
    """Fitted members; the model of vectors ``(n, d)``.

    Attributes:
        members: boosters of XGBoost.
        slope: makes targets of a member's margin.
        offset: the same.
        noise: mean squared error on what the members held out.
    """

    def __init__(self, members: Sequence[Any], slope: float, offset: float, noise: float) -> None:
        """Take what was fitted."""
        self.members, self.slope, self.offset, self.noise = tuple(members), slope, offset, noise

    def __call__(self, rows: Matrix) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of the targets, ``(n,)`` each."""
        margins = [booster.inplace_predict(rows, predict_type="margin") for booster in self.members]
        return combined(np.array(margins, np.float64), self.slope, self.offset, self.noise)


def combined(margins: Floats, slope: float, offset: float, noise: float) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of targets, ``(n,)`` each, from the members' margins, ``(members, n)``."""
    answers = slope * margins + offset
    return answers.mean(axis=0), np.sqrt(answers.var(axis=0) + noise)


def boosting(name: str, settings: Mapping[str, Any], *, rounds: int, members: int, aligned: bool) -> Learn:
    """Return what fits members of boosted trees and takes their mean.

    The variance is that between the members plus the mean squared error on what each held out.

    Args:
        name: of the predictor.
        settings: of XGBoost.
        rounds: trees of a member.
        members: how many.
        aligned: the answers are scores of a ranking and mean nothing by themselves. The line through the held-out
            examples' scores and targets, its slope positive, makes targets of them.
    """
    xgboost = require("xgboost", "predictors", f"The predictor {name!r}")

    def learn(x: Matrix, z: Floats, rng: np.random.Generator) -> Model:
        held_out = max(1, round(_HELD_OUT * len(z)))
        fitted, scores, targets = [], [], []
        for _ in range(members):
            order = rng.permutation(len(z))
            out, kept = order[:held_out], order[held_out:]
            group = {"qid": np.zeros(len(kept), dtype=np.int32)} if aligned else {}
            data = xgboost.DMatrix(x[kept], z[kept], nthread=1, **group)
            seed = int(rng.integers(2**31))
            booster = xgboost.train({**settings, "seed": seed, "nthread": 1, "verbosity": 0}, data, rounds)
            fitted.append(booster)
            scores.append(booster.inplace_predict(x[out], predict_type="margin").astype(np.float64))
            targets.append(z[out])
        slope, offset = _line(np.concatenate(scores), np.concatenate(targets)) if aligned else (1.0, 0.0)
        errors = slope * np.concatenate(scores) + offset - np.concatenate(targets)
        noise = float((errors**2).mean())

        return BoostedTrees(fitted, slope, offset, noise)

    return learn


def _line(scores: Floats, targets: Floats) -> tuple[float, float]:
    """Return slope and offset of the least-squares line; where it does not ascend, one that has the targets' spread."""
    spread = float(scores.std()) or 1.0
    slope = float(((scores - scores.mean()) * (targets - targets.mean())).mean()) / spread**2
    if slope <= 0:
        slope = (float(targets.std()) or 1.0) / spread
    return slope, float(targets.mean() - slope * scores.mean())
