"""Sources combined by weights that are not negative: what explains the examples of a new task counts more.

Breiman, "Stacked Regressions", Machine Learning 1996, with sources in the place of models: each source is a
predictor of the target, its column without gaps and noise (:mod:`metanas.predictors._sources`), which has seen no value
of the target, so that no folds are needed. Wistuba, Schilling and Schmidt-Thieme ("Scalable Gaussian process-based
transfer surrogates for hyperparameter optimization", Machine Learning 2018) combine source models for a new task, too,
by how well these rank its examples.

Difference from Breiman's: the weights are drawn to prior ones (equal, or what descriptions of the tasks suggest) as by
a few examples more, so that without examples the prior answers and with many the examples do.

All the predictor can say lies between the sources; what is new on a target is beyond it. The standard deviation is that
of the examples about the combination, drawn to that of each source about the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike

from metanas.errors import InvalidValueError
from metanas.extras import require
from metanas.predictors._sources import Aligned, Floats, prior_weights, read_sources
from metanas.predictors._tabular import check_at_least
from metanas.predictors._targets import Targets
from metanas.predictors.base import Archs, Prediction, as_indices, check_examples, check_fitted
from metanas.spaces import Space

_VARIANCE = 0.3  # about the combination, where a single source cannot say
_EXAMPLES = 5.0  # examples that the sources' own variance counts for


class _Fitted(NamedTuple):
    weights: Floats
    level: float
    std: float
    targets: Targets


class StackedSources:
    """The predictor; see the module."""

    name = "stacked_sources"

    def __init__(
        self,
        space: Space,
        rng: np.random.Generator,
        *,
        scores: Floats | None = None,
        sources: Floats | None = None,
        weights: Sequence[float] | Floats | None = None,
        pull: float = 10.0,
        smooth: bool = True,
    ) -> None:
        """Take the sources.

        Args:
            space: space of the architectures, with a list of them.
            rng: not needed, nothing here is drawn.
            scores: further sources, as zero-cost scores, ``(index range, k)``, greater is better.
            sources: accuracies on other tasks by index, ``(index range, k)``; NaN = not measured.
            weights: prior weight of each source, scores last; None: by agreement.
            pull: examples that the prior weights count for.
            smooth: take the noise out of the sources.

        Raises:
            InvalidValueError: no source, or sources or weights that cannot be used; see
                :func:`metanas.predictors._sources.read_sources`.
        """
        check_at_least("pull", pull, 0)
        columns = [np.asarray(part, dtype=np.float64) for part in (sources, scores) if part is not None]
        self._space, found = read_sources(space, np.column_stack(columns) if columns else None, smooth=smooth)
        if not found:
            msg = f"The predictor {self.name!r} combines sources and needs one at least, but got none."
            raise InvalidValueError(msg)
        self._z = np.column_stack([source.z for source in found])
        self._prior = prior_weights(weights, found)
        self._pull = pull
        self._fitted: _Fitted | None = None

    @property
    def weights(self) -> Floats:
        """The weights of the sources, ``(k,)``: those of the fit, before it the prior ones."""
        return self._prior if self._fitted is None else self._fitted.weights

    def prior(self, archs: Archs) -> Floats:
        """Return the combination by the prior weights, ``(n,)``. The zero-shot ranking."""
        return np.asarray(self._z[as_indices(self._space, archs)] @ self._prior)

    def fit(self, archs: Archs, y: ArrayLike) -> Self:
        """Learn from examples; see :meth:`metanas.predictors.base.Predictor.fit`. Two are enough."""
        nnls = require("scipy.optimize", "predictors", "The predictor 'stacked_sources'").nnls
        indices, values = check_examples(self._space, archs, y)
        x = self._z[indices]
        targets = Aligned(values, x @ self._prior)
        z = targets.forward(values)
        level, center = float(z.mean()), x.mean(axis=0)
        pull = np.sqrt(self._pull) * np.eye(x.shape[1])
        weights, _ = nnls(np.concatenate([x - center, pull]), np.concatenate([z - level, pull @ self._prior]))
        if not weights.any():  # examples that contradict every source
            weights = 1e-3 * self._prior
        left = z - level - (x - center) @ weights
        variance = (float(left @ left) + _EXAMPLES * self._variance()) / (len(z) + _EXAMPLES)
        self._fitted = _Fitted(weights, level - float(center @ weights), float(np.sqrt(variance)), targets)
        return self

    def predict(self, archs: Archs) -> Prediction:
        """Predict; see :meth:`metanas.predictors.base.Predictor.predict`."""
        check_fitted(self._fitted, self.name)
        assert self._fitted is not None
        weights, level, std, targets = self._fitted
        mean = self._z[as_indices(self._space, archs)] @ weights + level
        center, width = targets.back(mean, np.full(len(mean), std))
        return Prediction(center, width)

    def _variance(self) -> float:
        """Return the mean square of each source about the mean of the others."""
        k = self._z.shape[1]
        if k < 2:
            return _VARIANCE
        z = self._z[self._space.indices]
        others = (z.sum(axis=1, keepdims=True) - z) / (k - 1)
        return float(((z - others) ** 2).mean())


build = StackedSources
