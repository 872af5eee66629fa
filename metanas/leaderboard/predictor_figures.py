"""How good predictions are: rank correlations, also among the best; regret of the predicted best; coverage."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metanas.extras import require
from metanas.leaderboard.predictor_board import PredictorBoard
from metanas.leaderboard.predictor_target import Target

Floats = NDArray[np.float64]

TOP = 0.1  # share of the scored architectures that counts as the best
LEVEL = 0.8  # of the interval whose coverage is stated
_HALF_WIDTH = 1.2815515655446004  # of that interval, in standard deviations of a normal distribution


class Figures(NamedTuple):
    """What predictions of one target come to.

    Attributes:
        tau: Kendall's tau-b of prediction and value over all that is scored; 0 if predictions do not differ.
        top_tau: the same among the best tenth by value (all that equal the last of them, too).
        spearman: Spearman's correlation over all that is scored.
        regret: how much worse than the best of what is scored the predicted best is, in the reported metric's unit.
        coverage: share of values inside the central 80 % normal interval; NaN without a standard deviation.
    """

    tau: float
    top_tau: float
    spearman: float
    regret: float
    coverage: float


def figures(
    board: PredictorBoard, target: Target, examples: NDArray[np.int64], mean: Floats, std: Floats | None
) -> Figures:
    """Score predictions.

    Args:
        board: says what is scored.
        target: knows the values.
        examples: indices that were learned from, ``(n,)``.
        mean: predictions for every candidate of the target, ``(m,)``.
        std: their standard deviations, or None.
    """
    scored = np.ones(len(target.candidates), dtype=np.bool_)
    if board.scored == "others":
        scored[target.places(examples)] = False
    truth, answer, report = target.label[scored], mean[scored], target.report[scored]
    sign = -1.0 if target.label_direction == "minimize" else 1.0
    best = sign * truth >= np.sort(sign * truth)[-max(2, round(TOP * len(truth)))]
    chosen = report[int(np.argmax(sign * answer))]
    regret = chosen - report.min() if target.report_direction == "minimize" else report.max() - chosen
    covered = math.nan
    if std is not None:
        covered = float((np.abs(truth - answer) <= _HALF_WIDTH * std[scored]).mean())
    stats = require("scipy.stats", "stats", "Rank correlation")
    return Figures(
        _correlation(stats.kendalltau, answer, truth),
        _correlation(stats.kendalltau, answer[best], truth[best]),
        _correlation(stats.spearmanr, answer, truth),
        float(regret),
        covered,
    )


def _correlation(function: object, a: Floats, b: Floats) -> float:
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(function(a, b).statistic)  # type: ignore[operator]
