"""Curves of known shape, averaged by how well they explain what was seen.

Domhan, Springenberg and Hutter, "Speeding up Automatic Hyperparameter Optimization of Deep Neural Networks by
Extrapolation of Learning Curves", IJCAI 2015: families of saturating curves and a Bayesian average of them.
Families here, after theirs and Viering and Loog, "The Shape of Learning Curves: a Review", TPAMI 2023:

* ``pow``: c + a x^(−α); ``exp``: c + a exp(−α x / final epoch); ``log``: c + a log(x), which does not saturate.

Differences: no Monte Carlo. Each family is linear in c and a once α is fixed, so that with a normal prior on them,
found from whole curves of other trainings, posterior and evidence have closed forms for each α of a grid; the answer
is the average over families and grid, weighted by the evidence of the curve's values (empirical Bayes). The final
value is learned as one more value of the curve, so that what the finals have beyond the shape goes into its noise.
The noise differs between epochs; trainings far from all others are left out of the priors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metanas.errors import InvalidValueError, UnknownNameError
from metanas.predictors.base import Prediction, check_fitted
from metanas.predictors.curves.base import Floats, check_curves, check_epochs, check_partial

FAMILIES = ("exp", "log", "pow")

_POWERS = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0)
_RATES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)


_LEAST_NOISE = 1e-6  # of the variance of all values
_FAR = 8.0  # median absolute deviations


class _Shape(NamedTuple):
    """One family with one α: its basis at all epochs ``(n_epochs, 2)``, the prior of (c, a), variances of the noise."""

    basis: Floats
    mean: Floats
    covariance: Floats
    noise: Floats
    final_offset: float
    final_noise: float


class Parametric:
    """The predictor; see the module."""

    def __init__(self, epochs: Sequence[int], families: Sequence[str]) -> None:
        """Make a predictor that has learned nothing; arguments as in :func:`build`."""
        self._epochs = check_epochs(epochs)
        self._bases = [basis for family in families for basis in _bases(family, self._epochs)]
        self._shapes: list[_Shape] | None = None

    def fit(self, curves: ArrayLike, finals: ArrayLike) -> Self:
        """Find the priors; see :meth:`metanas.predictors.curves.base.CurvePredictor.fit`."""
        values, targets = check_curves(curves, finals, self._epochs)
        self._shapes = [_prior(basis, values, targets) for basis in self._bases]
        return self

    def predict(self, partial: ArrayLike) -> Prediction:
        """Predict; see :meth:`metanas.predictors.curves.base.CurvePredictor.predict`."""
        check_fitted(self._shapes, "parametric")
        assert self._shapes is not None
        seen = check_partial(partial, self._epochs)
        means, variances, evidence = (
            np.array(part) for part in zip(*(_posterior(shape, seen) for shape in self._shapes), strict=True)
        )
        weights = np.exp(evidence - evidence.max(axis=0))
        weights /= weights.sum(axis=0)
        mean = (weights * means).sum(axis=0)
        return Prediction(mean, np.sqrt((weights * (variances + (means - mean) ** 2)).sum(axis=0)))


def build(epochs: Sequence[int], *, families: Sequence[str] = FAMILIES) -> Parametric:
    """Make the predictor.

    Args:
        epochs: after which curves have values.
        families: of curves, among ``FAMILIES``.

    Raises:
        InvalidValueError: no family.
        UnknownNameError: there is no such family.
    """
    if not families:
        msg = f"At least one family of curves is needed; there is {', '.join(FAMILIES)}."
        raise InvalidValueError(msg)
    return Parametric(epochs, families)


def _bases(family: str, epochs: Floats) -> list[Floats]:
    """Return the basis of a family at the epochs for each α, ``(n_epochs, 2)``."""
    if family == "pow":
        parts = [epochs**-power for power in _POWERS]
    elif family == "exp":
        parts = [np.exp(-rate * epochs / epochs[-1]) for rate in _RATES]
    elif family == "log":
        parts = [np.log(epochs)]
    else:
        raise UnknownNameError("family of curves", family, FAMILIES)
    return [np.column_stack([np.ones(len(epochs)), part]) for part in parts]


def _prior(basis: Floats, curves: Floats, finals: Floats) -> _Shape:
    """Fit every whole curve by least squares and take the moments of what is found, but for the outlying ones."""
    found = curves @ np.linalg.pinv(basis).T  # (n, 2)
    left = curves - found @ basis.T
    beyond = finals - found @ basis[-1]
    kept = _typical(np.column_stack([found, left, beyond]))
    scale = float(curves[kept].var()) or 1.0
    freedom = len(basis) / max(len(basis) - 2, 1)
    noise = np.maximum(freedom * (left[kept] ** 2).mean(axis=0), _LEAST_NOISE * scale)
    covariance = np.cov(found[kept].T) + _LEAST_NOISE * scale * np.eye(2)
    final_noise = max(float(beyond[kept].var()), _LEAST_NOISE * scale)
    return _Shape(basis, found[kept].mean(axis=0), covariance, noise, float(beyond[kept].mean()), final_noise)


def _typical(rows: Floats) -> NDArray[np.bool_]:
    """Return which rows are not far out in any column: some trainings diverge and have no shape."""
    middle = np.median(rows, axis=0)
    off = np.abs(rows - middle)
    typical: NDArray[np.bool_] = (off <= _FAR * np.maximum(np.median(off, axis=0), 1e-12)).all(axis=1)
    return typical if typical.sum() >= len(rows) / 2 else np.ones(len(rows), dtype=bool)


def _posterior(shape: _Shape, seen: Floats) -> tuple[Floats, Floats, Floats]:
    """Return mean and variance of final values, and the logarithm of the evidence of what was seen, ``(m,)`` each."""
    length = seen.shape[1]
    basis, final = shape.basis[:length], shape.basis[-1]
    total = basis @ shape.covariance @ basis.T + np.diag(shape.noise[:length])
    inverse = np.linalg.inv(total)
    gain = shape.covariance @ basis.T @ inverse
    off = seen - basis @ shape.mean
    mean = (shape.mean + off @ gain.T) @ final + shape.final_offset
    variance = final @ (shape.covariance - gain @ basis @ shape.covariance) @ final + shape.final_noise
    evidence = -0.5 * (((off @ inverse) * off).sum(axis=1) + np.linalg.slogdet(total)[1])
    return mean, np.full(len(seen), variance), evidence
