"""Ridge regression with the penalty that has the least leave-one-out error.

Hoerl and Kennard, "Ridge Regression: Biased Estimation for Nonorthogonal Problems", Technometrics 1970. The error has a
closed form from one singular value decomposition (Golub, Heath and Wahba, "Generalized Cross-Validation as a Method for
Choosing a Good Ridge Parameter", Technometrics 1979), so that all penalties together cost little more than
one. The standard deviation is that of the Bayesian linear model with this penalty: noise and what the examples leave
open of the weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidValueError
from metanas.predictors._tabular import Floats, Matrix, Model, TabularPredictor
from metanas.predictors._targets import Scale
from metanas.spaces import Space

PENALTIES = tuple(10.0**power for power in np.arange(-3, 6.1, 0.5))


def build(
    space: Space,
    rng: np.random.Generator,
    *,
    scores: NDArray[np.float64] | None = None,
    encodings: Sequence[str] = ("functional",),
    penalties: Sequence[float] = PENALTIES,
    scale: Scale = "normal",
) -> TabularPredictor:
    """Make the predictor.

    Args:
        space: space of the architectures.
        rng: not needed, nothing here is drawn.
        scores: further inputs.
        encodings: names of encodings.
        penalties: to choose from, positive, on standardized inputs.
        scale: of the targets.
    """
    if not penalties or min(penalties) <= 0:
        msg = f"Penalties must be positive, and one is needed, but got {list(penalties)}."
        raise InvalidValueError(msg)
    grid = np.array(sorted(penalties), dtype=np.float64)

    def learn(x: Matrix, z: Floats, rng: np.random.Generator) -> Model:
        return learn_ridge(x.astype(np.float64), z, grid)

    return TabularPredictor("ridge", learn, space, rng, scores=scores, encodings=encodings, scale=scale)


def learn_ridge(x: Floats, z: Floats, penalties: Floats) -> Model:
    """Return the model of vectors ``(n, d)`` and targets ``(n,)`` with the best of the penalties."""
    center, spread, middle = x.mean(axis=0), x.std(axis=0), z.mean()
    use = spread > 1e-9
    center, spread = center[use], spread[use]
    u, s, vt = np.linalg.svd((x[:, use] - center) / spread, full_matrices=False)
    projected = u.T @ (z - middle)
    shrunk = s**2 / (s**2 + penalties[:, None])  # (penalties, rank)
    left = (z - middle) - (shrunk * projected) @ u.T
    leverage = 1 / len(z) + shrunk @ (u**2).T
    errors = ((left / np.maximum(1 - leverage, 1e-6)) ** 2).mean(axis=1)
    best = int(np.argmin(errors))
    noise, penalty = errors[best], penalties[best]
    weights = vt.T @ (s / (s**2 + penalty) * projected)
    # Posterior covariance of the weights, noise / penalty * (1 - V diag(s² / (s² + penalty)) V'), applied to vectors.
    kept = np.sqrt(s**2 / (s**2 + penalty))[:, None] * vt

    def model(rows: Matrix) -> tuple[Floats, Floats]:
        standard = (rows[:, use] - center) / spread
        open_ = (standard**2).sum(axis=1) - ((standard @ kept.T) ** 2).sum(axis=1)
        return middle + standard @ weights, np.sqrt(noise * (1 + np.maximum(open_, 0) / penalty))

    return model
