"""A Gaussian process for the accuracy on a new task, whose mean and kernel come from tables of other tasks.

On the scale of normal scores the value of an architecture is

    f = β m + Σ a₁ dᵢ + a₂ · features + (a smooth function of the features) + level

with m the weighted mean of the sources (:mod:`metanas.predictors._sources`), dᵢ their deviations from it, and the
features of the function that the architecture computes; independent normal priors on weights, a Matérn kernel for the
smooth function (Rasmussen and Williams, "Gaussian Processes for Machine Learning", MIT Press 2006, sections 2.1, 4.2.1,
4.2.4). Three things are transferred:

- the mean, so that without examples the ranking is the sources';
- the relevance of each group of features in the smooth function: the mean of what the sources' own values say;
- how far a task departs from the others: β, a₁, a₂ and the amplitude make every source most likely, predicted from
  all the others as if it were new (as in Bonilla, Chai and Williams, "Multi-task Gaussian Process Prediction", NeurIPS
  2007, whose free task covariance is replaced by that sum). A single source says nothing of it; then priors stand.

The noise of an example is what the sources' own processes find in their values, before they are smoothed: their
geometric mean. A target may depart further than the sources do from each other, and be noisier or less noisy (a mean of
several trainings): predictions for several factors of both are averaged by likelihood and prior.

Where :mod:`metanas.predictors.transfer_gp` models latencies, this has accuracies in mind: ranks instead of logarithms,
features of the pruned function instead of the cell as written, and a level and scale that examples cannot run away
with. Few examples say little of where they stand among all: their normal scores are averaged with the sources' values
in the same order, which is right for chosen ones, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metanas.errors import InvalidValueError
from metanas.extras import require
from metanas.predictors._inputs import Inputs
from metanas.predictors._relevance import START, group_distances, linear_kernel, matern, standardize
from metanas.predictors._sources import Aligned, Floats, Ints, Source, prior_weights, read_sources
from metanas.predictors._targets import Targets
from metanas.predictors.base import Archs, Prediction, as_indices, check_examples, check_fitted
from metanas.spaces import Space

PARTS = ("deviations", "linear", "smooth")
_PRIOR = np.log([0.02, 0.03, 0.25, 0.05])  # variances of the parts and of the noise, beside a mean from sources
_PRIOR_ALONE = np.log([1e-6, 0.3, 1.0, 0.05])  # without sources
for _constant in (_PRIOR, _PRIOR_ALONE):
    _constant.setflags(write=False)
_LEAST_NOISE = 0.02  # sources were smoothed and look as if they had none
_PRIOR_WEIGHT = 0.5  # of the squared distance to the prior, as of so many examples' likelihood
_SLOPE = 0.85  # β, where sources cannot say
_LEVEL = 0.1  # variance of the level
_TUNED_ON = 120  # architectures of each source
_DEPARTURES = np.array([0.3, 1.0, 3.0, 10.0])  # how much further than sources a target may depart from the mean
_NOISES = np.array([0.1, 0.3, 1.0, 3.0])
_STD = 2.0  # prior, of the logarithm of both
_POOL = 800  # candidates of a design


class _Inputs(NamedTuple):
    """What the kernels see of ``n`` architectures."""

    mean: Floats  # (n,)
    deviations: Floats  # (n, k), mean square 1 a row
    features: Floats  # (n, d)


class _Fitted(NamedTuple):
    seen: _Inputs
    solved: list[tuple[float, float, Floats, Floats]]  # belief, departure, Cholesky factor, weights
    noises: Floats
    targets: Targets


class TaskGP:
    """Sources, and the few examples of a target task."""

    name = "task_gp"

    def __init__(
        self,
        space: Space,
        rng: np.random.Generator,
        *,
        scores: Floats | None = None,
        sources: Floats | Sequence[Source] | None = None,
        weights: Sequence[float] | Floats | None = None,
        smooth: bool = True,
    ) -> None:
        """Take the sources.

        Args:
            space: space of the architectures, with a list of them.
            rng: draws the architectures that variances are found on, and candidates.
            scores: further features, as zero-cost scores, ``(index range, k)``.
            sources: accuracies on other tasks by index, ``(index range, k)``, NaN = not measured; or sources as
                :func:`metanas.predictors._sources.read_sources` returns them.
            weights: prior weight of each source, as descriptions of the tasks suggest; None: by agreement.
            smooth: take the noise out of the sources.

        Raises:
            InvalidValueError: sources or weights that cannot be used; see
                :func:`metanas.predictors._sources.read_sources`.
        """
        self._space, found = read_sources(space, sources, smooth=smooth)
        self._seed = int(rng.integers(2**31))
        columns = None if isinstance(sources, Sequence) else sources
        self._given: NDArray[np.bool_] | None = None  # which architectures every source has a value of
        if columns is not None and found:
            self._given = np.asarray(np.isfinite(columns).all(axis=1))
        self._weights = prior_weights(weights, found)
        self._z = np.column_stack([source.z for source in found]) if found else None
        self._inputs = Inputs(self._space, ("functional",), scores)
        self._standard = standardize(self._space, self._inputs)
        logs = np.full(len(self._standard.groups), START["relevance"])
        if found:
            own = np.mean([source.logs[:-3] for source in found], axis=0)
            logs[: len(own)] = own  # scores, if any, come last
        self._relevance = np.exp(logs)
        self._slope, self._logs = self._learn()
        if found:  # what was learned of the sources' noise is what smoothing left of it
            own_noise = float(np.mean([source.logs[-1] for source in found]))
            self._logs[-1] = max(own_noise, float(np.log(_LEAST_NOISE)))
        self._fitted: _Fitted | None = None

    @property
    def variances(self) -> dict[str, float]:
        """The slope β and the variances of the parts and of the noise, as learned from the sources."""
        values = [self._slope, *np.exp(self._logs).tolist()]
        return dict(zip(("slope", *PARTS, "noise"), values, strict=True))

    def propose(self, n: int, candidates: Ints | None = None) -> Ints:
        """Return the indices of ``n`` architectures to train on the new task, the most telling first.

        One after the other, the one that leaves the least total variance (A-optimal design).

        Args:
            n: how many.
            candidates: indices to choose from; all architectures that every source has a value of if None.

        Raises:
            InvalidValueError: fewer than 1, or more than there are candidates of different functions.
        """
        rng = np.random.default_rng(self._seed)
        space = self._space
        if candidates is None:
            candidates = space.indices if self._given is None else space.indices[self._given[space.indices]]
        drawn = rng.permutation(candidates)[:_POOL]
        _, first, often = np.unique(space.canonical_indices[drawn], return_index=True, return_counts=True)
        pool = drawn[first]
        if not 1 <= n <= len(pool):
            msg = f"1 <= n <= {len(pool)} must hold, but got n={n}."
            raise InvalidValueError(msg)
        inputs = self._of(pool)
        noise = float(np.exp(self._logs[-1]))
        left = np.tensordot(np.exp(self._logs[:-1]), self._parts(inputs, inputs), axes=1) + _LEVEL
        chosen: list[int] = []
        for _ in range(n):
            gain = often @ left**2 / (np.diag(left) + noise)  # of total variance, were it trained next
            gain[chosen] = -1
            best = int(gain.argmax())
            chosen.append(best)
            left = left - np.outer(left[:, best], left[best]) / (left[best, best] + noise)
        return np.asarray(pool[chosen])

    def prior(self, archs: Archs) -> Floats:
        """Return what the sources alone say, ``(n,)``: their weighted mean. The zero-shot ranking.

        Raises:
            InvalidValueError: there are no sources.
        """
        if self._z is None:
            msg = "Without sources and without examples there is nothing to rank by."
            raise InvalidValueError(msg)
        return np.asarray(self._z[as_indices(self._space, archs)] @ self._weights)

    def fit(self, archs: Archs, y: ArrayLike) -> Self:
        """Learn from examples of the target; see :meth:`metanas.predictors.base.Predictor.fit`. Two are enough."""
        linalg = require("scipy.linalg", "predictors", "A Gaussian process")
        indices, values = check_examples(self._space, archs, y)
        seen = self._of(indices)
        targets = Aligned(values, seen.mean) if self._z is not None else Targets(values, "normal")
        variances, noise = np.exp(self._logs[:-1]), np.exp(self._logs[-1])
        own = np.tensordot(variances, self._parts(seen, seen), axes=1)
        left = targets.forward(values) - self._slope * seen.mean
        solved = []
        for departure in _DEPARTURES if self._z is not None else (1.0,):
            for noisier in _NOISES:
                matrix = departure * own + _LEVEL + noisier * noise * np.eye(len(left))
                factor = linalg.cholesky(matrix, lower=True)
                weights = linalg.cho_solve((factor, True), left)
                belief = -0.5 * float(left @ weights) - float(np.log(np.diag(factor)).sum())
                belief -= 0.5 * float(np.log(departure) ** 2 + np.log(noisier) ** 2) / _STD**2
                solved.append((belief, float(departure), factor, weights))
        noises = np.tile(_NOISES * noise, len(solved) // len(_NOISES))
        self._fitted = _Fitted(seen, solved, noises, targets)
        return self

    def predict(self, archs: Archs) -> Prediction:
        """Predict; see :meth:`metanas.predictors.base.Predictor.predict`."""
        check_fitted(self._fitted, self.name)
        assert self._fitted is not None
        linalg = require("scipy.linalg", "predictors", "A Gaussian process")
        asked, back = np.unique(self._space.canonical_indices[as_indices(self._space, archs)], return_inverse=True)
        seen, solved, noises, targets = self._fitted
        if not len(asked):
            return Prediction(np.empty(0), np.empty(0))
        new = self._of(asked)
        variances = np.exp(self._logs[:-1])
        cross = np.tensordot(variances, self._parts(new, seen), axes=1)
        prior = variances @ [(new.deviations**2).sum(axis=1), (new.features**2).mean(axis=1), np.ones(len(asked))]
        means, squares = [], []
        for (_, departure, factor, weights), noise in zip(solved, noises, strict=True):
            across = departure * cross + _LEVEL
            mean = self._slope * new.mean + across @ weights
            taken = (linalg.solve_triangular(factor, across.T, lower=True) ** 2).sum(axis=0)
            means.append(mean)
            squares.append(np.maximum(departure * prior + _LEVEL - taken, 0) + noise + mean**2)
        beliefs = np.array([belief for belief, *_ in solved])
        share = np.exp(beliefs - beliefs.max())
        share /= share.sum()
        middle = share @ np.array(means)
        std = np.sqrt(np.maximum(share @ np.array(squares) - middle**2, 1e-12))
        center, width = targets.back(middle, std)
        assert width is not None
        return Prediction(center[back], width[back])

    def _of(self, indices: Ints, leave_out: int | None = None) -> _Inputs:
        """Return the inputs of architectures, one source left out if asked."""
        features = self._standard(self._inputs(indices))
        if self._z is None:
            return _Inputs(np.zeros(len(indices)), np.zeros((len(indices), 1)), features)
        kept = np.arange(len(self._weights)) != leave_out
        weights = self._weights[kept] + 1e-9  # a source of weight 0 may be all that is kept
        weights /= weights.sum()
        z, whole = self._z[indices][:, kept], self._z[self._space.indices][:, kept]
        spread = max(float((whole @ weights).std()), 1e-9)
        apart = (z - (z @ weights)[:, None]) * np.sqrt(weights)
        scale = np.sqrt((((whole - (whole @ weights)[:, None]) * np.sqrt(weights)) ** 2).sum(axis=1).mean())
        return _Inputs(z @ weights / spread, apart / max(float(scale), 1e-9) if kept.sum() > 1 else 0 * apart, features)

    def _parts(self, a: _Inputs, b: _Inputs) -> Floats:
        """Return the kernel of each part, ``(3, n, m)``."""
        distance = np.tensordot(self._relevance, group_distances(a.features, b.features, self._standard.groups), axes=1)
        return np.stack([a.deviations @ b.deviations.T, linear_kernel(a.features, b.features), matern(distance)])

    def _learn(self) -> tuple[float, Floats]:
        """Return the slope, and the variances' logarithms, that make every source most likely, given the others."""
        if self._z is None:
            return 0.0, _PRIOR_ALONE.copy()
        k = self._z.shape[1]
        if k < 2:
            return _SLOPE, _PRIOR.copy()
        minimize = require("scipy.optimize", "predictors", "A Gaussian process").minimize
        rng = np.random.default_rng(self._seed)
        n = min(_TUNED_ON, len(self._space.indices))
        rows = [rng.choice(self._space.indices, size=n, replace=False) for _ in range(k)]
        inputs = [self._of(rows[source], leave_out=source) for source in range(k)]
        targets = [self._z[rows[source], source] for source in range(k)]
        slopes = [float(own.mean @ z / (own.mean @ own.mean)) for own, z in zip(inputs, targets, strict=True)]
        slope = float(np.clip((sum(slopes) + _SLOPE) / (k + 1), 0, 1))
        parts = np.stack([self._parts(own, own) for own in inputs])  # (k, parts, n, n)
        y = np.stack([z - slope * own.mean for own, z in zip(inputs, targets, strict=True)])
        eye = np.eye(n)

        def loss(logs: Floats) -> tuple[float, Floats]:
            variances = np.exp(logs)
            covariance = np.tensordot(parts, variances[:-1], axes=(1, 0)) + _LEVEL + variances[-1] * eye
            inverse = np.linalg.inv(covariance)
            weights = np.einsum("kij,kj->ki", inverse, y)
            value = 0.5 * np.einsum("ki,ki->", y, weights) + 0.5 * np.linalg.slogdet(covariance)[1].sum()
            left = inverse - weights[:, :, None] * weights[:, None, :]
            gradient = np.append(np.einsum("kij,kpij->p", left, parts, optimize=True), np.einsum("kii->", left))
            off = logs - _PRIOR
            return value + _PRIOR_WEIGHT * float(off @ off), 0.5 * variances * gradient + 2 * _PRIOR_WEIGHT * off

        bounds = [(-10.0, 1.0)] * 3 + [(float(np.log(_LEAST_NOISE)), 1.0)]
        found = minimize(loss, _PRIOR, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 40})
        logs: NDArray[np.float64] = found.x
        return slope, logs


build = TaskGP
