"""Learning curves as a few numbers: normal scores at every epoch, then a singular value decomposition.

Yan, White, Savani and Hutter, "NAS-Bench-x11 and the Power of Learning Curves", NeurIPS 2021, section 3.1: a training
curve is the coefficients of the first right singular vectors of the matrix of all curves; a model predicts these
coefficients from the architecture; decompressing them gives the predicted curve, freed of noise. Differences: curves
are means over seeds; values become the normal scores of their ranks at their epoch first, so that a few diverged
trainings do not become the first direction, and a prediction cannot leave the range of accuracies; as many directions
as hold nearly all of the variance, at most the paper's six.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from metanas.predictors._targets import Targets

Floats = NDArray[np.float64]

MOST = 6  # directions, as in the paper
SHARE = 0.98  # of the variance that the directions hold


class Scores:
    """The way from values to normal scores and back, epoch by epoch."""

    def __init__(self, values: Floats) -> None:
        """Make it from the examples' values, ``(n, n_epochs)``, finite."""
        self._maps = [Targets(column, "normal" if np.ptp(column) > 0 else "plain") for column in values.T]

    def forward(self, values: Floats) -> Floats:
        """Return the scores of values, ``(n, n_epochs)``."""
        return np.column_stack([one.forward(column) for one, column in zip(self._maps, values.T, strict=True)])

    def expected(self, mean: Floats, std: Floats) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of the values whose scores are normal, ``(n, n_epochs)`` each."""
        parts = [one.expected(m, s) for one, m, s in zip(self._maps, mean.T, std.T, strict=True)]
        return np.column_stack([part[0] for part in parts]), np.column_stack([part[1] for part in parts])


class Directions(NamedTuple):
    """What curves are made of.

    Attributes:
        vectors: orthonormal, ``(k, n_epochs)``.
        rest: variance of the scores that no kept direction explains, ``(n_epochs,)``.
    """

    vectors: Floats
    rest: Floats

    @classmethod
    def of(cls, scores: Floats) -> Self:
        """Decompose scores, ``(n, n_epochs)``; the sign of a direction is such that its largest entry is positive."""
        _, sizes, vectors = np.linalg.svd(scores, full_matrices=False)
        held = np.cumsum(sizes**2)
        k = 0 if held[-1] == 0 else min(MOST, int(np.searchsorted(held / held[-1], SHARE)) + 1)
        kept = vectors[:k]
        largest = np.abs(kept).argmax(axis=1)
        kept = kept * np.sign(kept[np.arange(k), largest])[:, None]
        return cls(kept, np.asarray(((scores - scores @ kept.T @ kept) ** 2).mean(axis=0)))

    def coefficients(self, scores: Floats) -> Floats:
        """Return the coefficients of curves, ``(n, k)``."""
        found: Floats = scores @ self.vectors.T
        return found

    def without(self, useless: NDArray[np.bool_], coefficients: Floats) -> Self:
        """Leave directions out; their variance goes to the rest.

        Args:
            useless: which, ``(k,)``.
            coefficients: of the examples, ``(n, k)``.
        """
        dropped = (coefficients[:, useless] ** 2).mean(axis=0) @ self.vectors[useless] ** 2
        return type(self)(self.vectors[~useless], self.rest + dropped)

    def curves(self, mean: Floats, std: Floats) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of scores, ``(n, n_epochs)``, from those of coefficients, ``(n, k)``."""
        return mean @ self.vectors, np.sqrt(std**2 @ self.vectors**2 + self.rest)
