"""A Gaussian process whose mean and kernel come from sources: other devices, or other tasks.

For a new device (or task) of which a handful of architectures was measured, given columns of other devices (or tasks)
over the space. The value of an architecture is modelled, on a standardized scale, as

    f = a₀ m + Σ a₁ᵢ pᵢ + a₂ · counts + a₃ · encoding + (two smooth functions, of the counts and of the encoding)

with m the mean of the standardized sources, pᵢ their principal components, and independent normal priors on all
weights, that is a Gaussian process with a sum of six kernels (Rasmussen and Williams, "Gaussian Processes for Machine
Learning", MIT Press 2006, sections 2.1, 4.2.4). What is transferred are not only the columns but how far a new one
departs from the others, and in which of the six ways: the variances aⱼ and the noise maximize the marginal likelihood
summed over the sources, each predicted from all the others as if it were new (type II maximum likelihood over tasks,
as in Bonilla, Chai and Williams, "Multi-task Gaussian Process Prediction", NeurIPS 2007, whose free task covariance is
replaced by that sum). Level and scale of the target are free, and so is, within a prior, how noisy it is: predictions
for a tenth to ten times the sources' noise are averaged by their likelihood.

A runtime need not execute what is written, and sources that do say nothing of that. So latencies are predicted under
each of three readings (:mod:`metanas.predictors._readings`), in which a cell costs what the sources say of the cell
*that is left*, and these are averaged, too, by their likelihood and by how many sources follow each (one more, for none
to be impossible). Under the two readings with a compiler, a cell that computes nothing is outside the scale of the
others (all of it may be folded into a constant), and examples of it say nothing of them.

Which architectures to measure is part of the method: :meth:`TransferGP.propose` takes, one after the other, the
architecture that leaves the least total variance (A-optimal design), which needs no value measured; of latencies never
one that computes nothing.

The problem and its measure are those of HELP (Lee, Lee, Chong and Hwang, "Hardware-adaptive Efficient Latency
Prediction for NAS via Meta-Learning", NeurIPS 2021), which meta-learns a neural network; this is linear algebra on a
few points.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metanas.encodings import encode, encoding_columns
from metanas.errors import InvalidValueError, NotMeasuredError
from metanas.extras import require
from metanas.predictors._free_level import Solution, answer, solve
from metanas.predictors._readings import Reading, as_written, computes_nothing, readings
from metanas.predictors.base import Archs, Prediction, as_indices, check_examples, check_fitted
from metanas.spaces import ListedSpace, Space

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PARTS = ("mean", "sources", "counts", "encoding", "smooth counts", "smooth encoding")
_START = np.log([0.3, 0.3, 0.1, 0.1, 0.05, 0.05, 0.02])  # variances of the parts, and of the noise
_PRIOR_WEIGHT = 0.02  # of the squared distance to the start, for each source: a weak pull
_COMPONENTS = 6
_TUNED_ON = 80  # architectures of each source
_REFERENCE = 2000  # architectures that standardize the inputs
_POOL = 800  # candidates of a design
_ENDS = 0.02  # of the order by the sources' mean, at either end: not proposed
_NOISIER = np.array([0.1, 0.3, 1.0, 3.0, 10.0])  # how much noisier than the sources a target may be
_NOISIER_STD = 1.5  # prior, of its logarithm
_LEVEL = 2.0  # variance of the unknown mean, far above that of the values
_NOTHING = 100.0  # variance, by the sources' measure, of what a compiler makes of cells that compute nothing
_NEGLIGIBLE = 1e-4  # weight of a model
_TAIL = 0.005  # of a source: single outliers of a measurement must not shape the components
_JITTER = 1e-6


class _Inputs(NamedTuple):
    """What the kernels see of ``n`` architectures; linear parts are scaled to a mean square of 1 a row."""

    mean: Floats  # (n, 1)
    sources: Floats  # (n, components)
    counts: Floats  # (n, values)
    encoding: Floats  # (n, d)

    def rows(self, where: Ints) -> _Inputs:
        return _Inputs(*(matrix[where] for matrix in self))


class _Fitted(NamedTuple):
    """One of the models that are averaged."""

    weight: float
    reading: Reading
    seen: _Inputs
    nothing: Floats  # (n,)
    solution: Solution


class TransferGP:
    """Sources, and the few examples of a target."""

    def __init__(
        self,
        space: Space,
        rng: np.random.Generator,
        *,
        scores: Floats | None = None,
        sources: Floats | None = None,
        log: bool = False,
        encoding: str = "onehot",
    ) -> None:
        """Take the sources.

        Args:
            space: space of the architectures, with a list of them.
            rng: draws the architectures that variances are found on, and candidates.
            scores: further inputs, used as if they were sources, ``(index range, k)``.
            sources: values of other devices or tasks by index, ``(index range, k)``; NaN = not measured. Columns may
                have any unit and direction, each.
            log: model the logarithms (of the sources, too), as fits latencies, which multiply from device to device,
                and consider that a compiler may drop what is not needed.
            encoding: name of an encoding. A device runs a cell as it is written: ``"onehot"``; for accuracies take
                ``"functional"``.

        Raises:
            InvalidValueError: sources of another shape or, with ``log``, not positive.
        """
        if not isinstance(space, ListedSpace):
            msg = f"Sources are columns over all architectures, and space {space.name!r} has no list of them."
            raise InvalidValueError(msg)
        self._space = space
        self._rng = rng
        self._log = log
        self._encoding = encoding
        columns = [np.asarray(part, dtype=np.float64) for part in (sources, scores) if part is not None]
        size = len(space.canonical_indices)
        for number, part in enumerate(columns):
            if part.ndim != 2 or len(part) != size:
                msg = f"Sources and scores of {space.name!r} must be ({size}, k), but got the shape {part.shape}."
                raise InvalidValueError(msg)
            columns[number] = _logarithms(part, "sources") if log and part is sources else part
        self._sources = np.concatenate(columns, axis=1) if columns else np.zeros((size, 0))
        measured = ~np.isnan(self._sources).any(axis=1)
        self._known = np.intersect1d(space.indices, np.flatnonzero(measured))
        if len(self._known) < 2:
            msg = f"Sources must share architectures of {space.name!r}, but only {len(self._known)} are in all of them."
            raise InvalidValueError(msg)
        self._reference = np.sort(rng.permutation(self._known)[:_REFERENCE])
        self._standard = _standardized(self._sources, self._reference)
        self._tuned: Floats | None = None
        self._fitted: list[_Fitted] | None = None

    @property
    def variances(self) -> dict[str, float]:
        """The variance of each part and of the noise, on the standardized scale, as learned from the sources."""
        return dict(zip((*PARTS, "noise"), np.exp(self._logs()).tolist(), strict=True))

    def propose(self, n: int) -> Ints:
        """Return the indices of ``n`` architectures to measure on the new device, the most telling first.

        Raises:
            InvalidValueError: fewer than 1, or more than there are candidates.
        """
        candidates = np.sort(self._rng.permutation(self._middle())[:_POOL])
        if self._log:
            candidates = candidates[~computes_nothing(self._space, candidates)]
        if not 1 <= n <= len(candidates):
            msg = f"1 <= n <= {len(candidates)} must hold, but got n={n}."
            raise InvalidValueError(msg)
        inputs = self._inputs(candidates)
        left = self._kernel(inputs, inputs) + _LEVEL
        noise = float(np.exp(self._logs()[-1]))
        chosen: list[int] = []
        for _ in range(n):
            gain = (left**2).sum(axis=0) / (np.diag(left) + noise)  # of total variance, were it measured next
            gain[chosen] = -1
            best = int(gain.argmax())
            chosen.append(best)
            left = left - np.outer(left[:, best], left[best]) / (left[best, best] + noise)
        return candidates[chosen]

    def fit(self, archs: Archs, y: ArrayLike) -> Self:
        """Learn from examples of the target; see :meth:`metanas.predictors.base.Predictor.fit`. Two are enough."""
        indices, values = check_examples(self._space, archs, y)
        self._check_known(indices)
        y = _logarithms(values, "values") if self._log else values
        noise = float(np.exp(self._logs()[-1]))
        beliefs, found = [], []
        for reading in readings(self._space, self._standard, self._known) if self._log else [as_written(self._space)]:
            seen, nothing = self._inputs(reading.left[indices]), self._nothing(reading, indices)
            own = self._kernel(seen, seen) + _NOTHING * np.outer(nothing, nothing)
            for factor in _NOISIER:
                solution, likelihood = solve(own, y, factor * noise)
                beliefs.append(np.log(reading.weight) - 0.5 * (np.log(factor) / _NOISIER_STD) ** 2 + likelihood)
                found.append(_Fitted(0.0, reading, seen, nothing, solution))
        weights = np.exp(np.array(beliefs) - max(beliefs))
        weights /= weights.sum()
        self._fitted = [
            fitted._replace(weight=float(weight))
            for fitted, weight in zip(found, weights, strict=True)
            if weight > _NEGLIGIBLE
        ]
        return self

    def predict(self, archs: Archs) -> Prediction:
        """Predict; see :meth:`metanas.predictors.base.Predictor.predict`.

        With ``log``, the mean is the median of the log-normal, which keeps the order, and the standard deviation its
        first-order width.

        Raises:
            NotMeasuredError: a source has no value for one of the architectures.
        """
        check_fitted(self._fitted, "transfer_gp")
        assert self._fitted is not None
        indices = as_indices(self._space, archs)
        self._check_known(indices)
        asked, back = np.unique(indices, return_inverse=True)
        means, variances = [], []
        for _, group in groupby(self._fitted, key=lambda fitted: id(fitted.reading)):
            members = list(group)
            reading = members[0].reading
            new, nothing = self._inputs(reading.left[asked]), self._nothing(reading, asked)
            cross = self._kernel(new, members[0].seen) + _NOTHING * np.outer(nothing, members[0].nothing)
            alone = self._own_variance(new) + _NOTHING * nothing
            for member in members:
                mean, variance = answer(member.solution, cross, alone)
                means.append(mean)
                variances.append(variance)
        weights = np.array([fitted.weight for fitted in self._fitted])
        weights /= weights.sum()
        mean = weights @ np.stack(means)
        std = np.sqrt(weights @ (np.stack(variances) + np.stack(means) ** 2) - mean**2)
        if self._log:
            mean = np.exp(mean)
            std = mean * std
        return Prediction(mean[back], std[back])

    def prior(self, archs: Archs) -> Floats:
        """Return what the sources alone say, ``(n,)``: their mean, standardized. The zero-shot ranking.

        Raises:
            InvalidValueError: there are no sources.
        """
        if not self._sources.shape[1]:
            msg = "Without sources and without examples there is nothing to rank by."
            raise InvalidValueError(msg)
        indices = as_indices(self._space, archs)
        self._check_known(indices)
        return np.asarray(self._standard[indices].mean(axis=1))

    def _middle(self) -> Ints:
        """Return the architectures that the sources do not put among the last 2 % at either end.

        There stand empty cells and the fullest ones, which tell most if all is linear, and where devices are least so.
        """
        if not self._sources.shape[1]:
            return self._known
        values = self._standard[self._known].mean(axis=1)
        low, high = np.quantile(values, [_ENDS, 1 - _ENDS])
        return np.asarray(self._known[(values >= low) & (values <= high)])

    def _nothing(self, reading: Reading, indices: Ints) -> Floats:
        """Return 1 for architectures of which a compiler may leave a constant, by a reading, and 0 for others."""
        if not reading.compiled:
            return np.zeros(len(indices))
        return computes_nothing(self._space, indices).astype(np.float64)

    def _check_known(self, indices: Ints) -> None:
        missing = np.isnan(self._sources[indices]).any(axis=1)
        if missing.any():
            text = self._space.format(self._space.arch(int(indices[missing][0])))
            msg = f"The sources have no value for {text}; {int(missing.sum())} of {len(indices)} are missing."
            raise NotMeasuredError(msg)

    def _inputs(self, indices: Ints, leave_out: int | None = None) -> _Inputs:
        """Return the inputs of architectures, one source left out if asked."""
        kept = [number for number in range(self._standard.shape[1]) if number != leave_out]
        z = self._standard[:, kept]
        reference, own = z[self._reference], z[indices]
        counts, codes = self._vectors(indices)
        if not kept:
            return _Inputs(np.zeros((len(indices), 1)), np.zeros((len(indices), 1)), counts, codes)
        _, lengths, axes = np.linalg.svd(reference, full_matrices=False)
        scale = np.sqrt((lengths**2).sum() / len(reference))
        spread = reference.mean(axis=1).std()
        return _Inputs(
            own.mean(axis=1, keepdims=True) / max(spread, 1e-9), own @ axes[:_COMPONENTS].T / scale, counts, codes
        )

    def _vectors(self, indices: Ints) -> tuple[Floats, Floats]:
        """Return counts of values and the encoding, centred and scaled by the reference."""
        names = encoding_columns(self._space, "onehot")
        values = [re.sub(r".*=", "", name) for name in names]
        sums = np.array([[float(value == other) for other in dict.fromkeys(values)] for value in values])
        results = []
        for name, into in (("onehot", sums), (self._encoding, None)):
            both = encode(self._space, np.concatenate([indices, self._reference]), name).astype(np.float64)
            matrix = both if into is None else both @ into
            reference = matrix[len(indices) :]
            if into is None and name != "onehot":
                matrix = matrix / np.maximum(reference.std(axis=0), 1e-3)
                reference = matrix[len(indices) :]
            center = reference.mean(axis=0)
            size = np.sqrt(((reference - center) ** 2).sum(axis=1).mean())
            results.append((matrix[: len(indices)] - center) / max(float(size), 1e-9))
        return results[0], results[1]

    def _kernel(self, a: _Inputs, b: _Inputs) -> Floats:
        result: Floats = np.tensordot(np.exp(self._logs()[:-1]), _parts(a, b), axes=1)
        return result

    def _own_variance(self, a: _Inputs) -> Floats:
        linear = [np.square(matrix).sum(axis=1) for matrix in a]
        result: Floats = np.exp(self._logs()[:-1]) @ np.stack([*linear, *[np.ones(len(a.mean))] * 2])
        return result

    def _logs(self) -> Floats:
        if self._tuned is None:
            self._tuned = self._tune() if self._standard.shape[1] >= 2 else _START
        return self._tuned

    def _tune(self) -> Floats:
        """Return the logarithms of the variances that make every source most likely, given the others."""
        minimize = require("scipy.optimize", "predictors", "A Gaussian process").minimize
        k = self._standard.shape[1]
        parts, targets = [], []
        for source in range(k):
            rows = self._rng.choice(self._reference, size=min(_TUNED_ON, len(self._reference)), replace=False)
            inputs = self._inputs(rows, leave_out=source)
            parts.append(_parts(inputs, inputs))
            targets.append(self._standard[rows, source])
        stacked, y = np.stack(parts), np.stack(targets)  # (k, parts, n, n), (k, n)
        eye = np.eye(y.shape[1])

        def loss(logs: Floats) -> tuple[float, Floats]:
            variances = np.exp(logs)
            covariance = np.tensordot(stacked, variances[:-1], axes=(1, 0)) + _LEVEL + (variances[-1] + _JITTER) * eye
            inverse = np.linalg.inv(covariance)
            weights = np.einsum("kij,kj->ki", inverse, y)
            value = 0.5 * np.einsum("ki,ki->", y, weights) + 0.5 * np.linalg.slogdet(covariance)[1].sum()
            slope = inverse - weights[:, :, None] * weights[:, None, :]
            gradient = (
                0.5
                * variances
                * np.append(np.einsum("kij,kpij->p", slope, stacked, optimize=True), np.einsum("kii->", slope))
            )
            off = logs - _START
            return value + _PRIOR_WEIGHT * k * float(off @ off), gradient + 2 * _PRIOR_WEIGHT * k * off

        bounds = [(-12.0, 4.0)] * len(_START)
        found = minimize(loss, _START, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60})
        logs: Floats = found.x
        return logs


build = TransferGP


def _parts(a: _Inputs, b: _Inputs) -> Floats:
    """Return the six kernels, ``(6, n, m)``: four linear, two smooth with the typical distance as their length."""
    linear = [first @ second.T for first, second in zip(a, b, strict=True)]
    smooth = [
        np.exp(-0.5 * _squared(first, second)) for first, second in ((a.counts, b.counts), (a.encoding, b.encoding))
    ]
    return np.stack([*linear, *smooth])


def _squared(a: Floats, b: Floats) -> Floats:
    distance: Floats = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None] - 2 * a @ b.T
    return np.maximum(distance, 0)


def _logarithms(values: Floats, what: str) -> Floats:
    if (values <= 0).any():  # NaN is not
        msg = f"Logarithms need positive {what}, but the least is {np.nanmin(values)}. What was not measured is NaN."
        raise InvalidValueError(msg)
    return np.asarray(np.log(values))


def _standardized(sources: Floats, reference: Ints) -> Floats:
    """Return sources with mean 0 and deviation 1 over the reference, their outermost tails pulled in."""
    if not sources.shape[1]:
        return sources
    low, high = np.quantile(sources[reference], [_TAIL, 1 - _TAIL], axis=0)
    clipped = np.clip(sources, low, high)
    deviation = clipped[reference].std(axis=0)
    if (deviation == 0).any():
        msg = f"Sources must tell architectures apart, but number {int(np.argmin(deviation))} is the same for all."
        raise InvalidValueError(msg)
    return np.asarray((clipped - clipped[reference].mean(axis=0)) / deviation)
