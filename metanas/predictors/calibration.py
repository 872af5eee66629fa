"""How far a prediction's uncertainty can be trusted: coverage of intervals, CRPS, rank value.

Gneiting and Raftery, "Strictly Proper Scoring Rules, Prediction, and Estimation", JASA 2007, for the continuous ranked
probability score of a normal distribution (section 4.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metanas.errors import InvalidValueError
from metanas.extras import require
from metanas.predictors.base import Prediction

LEVELS = (0.5, 0.8, 0.95)


@dataclass(frozen=True)
class Reliability:
    """What was measured of predictions whose values are known.

    Attributes:
        coverage: share of the values inside the central normal interval of each level in ``LEVELS``.
        crps: mean continuous ranked probability score, in the values' unit; smaller is better. For a prediction
            without uncertainty it is the mean absolute error.
        rank: Spearman correlation of the standard deviation and the absolute error; NaN where all stds are equal.
        rmse: root of the mean squared error, in the values' unit.
    """

    coverage: dict[float, float]
    crps: float
    rank: float
    rmse: float


def reliability(prediction: Prediction, y: ArrayLike) -> Reliability:
    """Compare predictions with the values.

    Args:
        prediction: mean and standard deviation, ``(n,)`` each.
        y: the values, ``(n,)``.

    Raises:
        InvalidValueError: other shapes, no standard deviation, or one that is not positive.
    """
    values = np.asarray(y, dtype=np.float64)
    mean, std = prediction
    if std is None:
        msg = "Reliability is that of a standard deviation, and this prediction has none. Wrap it in 'calibrated'."
        raise InvalidValueError(msg)
    if not (values.shape == mean.shape == std.shape) or not len(values):
        msg = f"Predictions and values must be as many, at least one, but got {mean.shape} and {values.shape}."
        raise InvalidValueError(msg)
    if not (std > 0).all():
        msg = f"A standard deviation must be positive, but the least is {std.min()}."
        raise InvalidValueError(msg)
    errors = values - mean
    return Reliability(
        {level: float((np.abs(errors) <= half_width(level) * std).mean()) for level in LEVELS},
        float(normal_crps(errors / std).dot(std) / len(std)),
        _spearman(std, np.abs(errors)),
        float(np.sqrt((errors**2).mean())),
    )


def half_width(level: float) -> float:
    """Return half of the central interval of the standard normal distribution that has the chance ``level``."""
    return NormalDist().inv_cdf((1 + level) / 2)


def normal_crps(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the score of the standard normal distribution at each value, ``(n,)``."""
    special = require("scipy.special", "predictors", "The continuous ranked probability score")
    density = np.exp(-(errors**2) / 2) / np.sqrt(2 * np.pi)
    score: NDArray[np.float64] = errors * (2 * special.ndtr(errors) - 1) + 2 * density - 1 / np.sqrt(np.pi)
    return score


def _spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(require("scipy.stats", "predictors", "Rank correlation").spearmanr(a, b).statistic)
