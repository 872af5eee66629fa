"""The predictor ``gaussian_process`` for a search: it keeps what it has learned while the examples grow.

The same kernel, inputs and targets (``predictors/gaussian_process.py``). Its settings are found anew when the examples
have grown by a half, on at most some of them, beginning at those found before, and in between each example adds a row
(``_process.py``): the targets, normal scores of all values, are taken anew in every fit, which costs little. A small
space is kept whole, by functional class; what is asked of another is computed when it is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike

from metanas.predictors import Prediction
from metanas.predictors._inputs import Inputs
from metanas.predictors._relevance import Standard, group_distances, linear_kernel, matern, standardize, tune
from metanas.predictors._targets import Targets
from metanas.predictors.base import Archs, as_indices, check_examples, check_fitted
from metanas.spaces import Space
from metanas.strategies._process import Process
from metanas.strategies._surrogate import Floats, Ints, classes_of, is_small

_GROWTH = 3 / 2  # of the examples, between two choices of settings


class _Kernel(NamedTuple):
    """Settings that were chosen.

    Attributes:
        scale: what every input is multiplied with before distances are taken, ``(d,)``.
        amplitude: of the curved part.
        linear: amplitude of the linear part.
        noise: variance of an example about the function.
    """

    scale: Floats
    amplitude: float
    linear: float
    noise: float

    def rows(self, vectors: Floats) -> Callable[[Ints], Floats]:
        """Return a function of places that gives the kernel between them and all vectors, ``(k,) -> (k, m)``."""
        scaled = vectors * self.scale
        norms = (scaled**2).sum(axis=1)

        def rows(some: Ints) -> Floats:
            r = scaled[some] @ scaled.T
            r *= -2
            r += norms[some, None]
            r += norms
            np.maximum(r, 0, out=r)
            kernel: Floats = matern(r)
            kernel *= self.amplitude
            kernel += self.linear * linear_kernel(vectors[some], vectors)
            return kernel

        return rows

    def own(self, vectors: Floats) -> Floats:
        """Return the kernel of each with itself, ``(m,)``."""
        own: Floats = self.amplitude + self.linear * (vectors**2).mean(axis=1)
        return own


class GrowingProcess:
    """A predictor; fitting it on the examples of the last fit and further ones costs little."""

    name = "gaussian_process"

    def __init__(self, space: Space, rng: np.random.Generator, tuned_on: int) -> None:
        """Make a predictor that has learned nothing.

        Args:
            space: space of the architectures.
            rng: draws the part of the examples that settings are found on.
            tuned_on: most examples that settings are found on; the time grows with their third power.
        """
        self._space = space
        self._rng = rng
        self._tuned_on = tuned_on
        self._inputs = Inputs(space, ("functional",), None)
        self._kernel: _Kernel | None = None
        self._logs: Floats | None = None  # its settings as they were found
        self._next_choice = 0.0  # number of examples
        self._examples: Ints = np.empty(0, dtype=np.int64)
        self._process: Process | None = None  # of a small space
        self._targets: Targets | None = None
        self._z: Floats = np.empty(0)

    def fit(self, archs: Archs, y: ArrayLike) -> Self:
        """Learn from examples; see :meth:`metanas.predictors.base.Predictor.fit`."""
        indices, values = check_examples(self._space, archs, y, least=3)
        known = len(self._examples)
        if not np.array_equal(indices[:known], self._examples):
            known, self._next_choice, self._logs = 0, 0.0, None
        self._examples, self._targets = indices, Targets(values, "normal")
        self._z = self._targets.forward(values)
        if len(indices) >= self._next_choice:
            self._next_choice = len(indices) * _GROWTH
            self._kernel = self._chosen()
            self._process = None
        if self._whole is not None:
            vectors, number = self._whole
            if self._process is None:
                self._process = self._conditioned(vectors, number[indices])
            else:
                for place in number[indices[known:]].tolist():
                    self._process.add(place)
        return self

    def predict(self, archs: Archs) -> Prediction:
        """Predict; see :meth:`metanas.predictors.base.Predictor.predict`."""
        check_fitted(self._targets, self.name)
        assert self._targets is not None
        indices, middle = as_indices(self._space, archs), float(self._z.mean())
        if self._whole is not None:
            assert self._process is not None
            at, process = self._whole[1][indices], self._process
        else:
            count = len(self._examples)
            process = self._conditioned(self._vectors(np.concatenate((self._examples, indices))), np.arange(count))
            at = np.arange(count, count + len(indices))
        mean, std = process.predict(self._z - middle)
        mean, deviation = self._targets.back(mean[at] + middle, std[at])
        return Prediction(mean, deviation)

    @cached_property
    def _standard(self) -> Standard:
        return standardize(self._space, self._inputs)

    @cached_property
    def _whole(self) -> tuple[Floats, Ints] | None:
        """Vectors of all classes of a small space, ``(m, d)``, and the number of every index's class."""
        if not is_small(self._space):
            return None
        representatives, number = classes_of(self._space)
        return self._vectors(representatives), number

    def _chosen(self) -> _Kernel:
        """Return the settings with the greatest posterior density."""
        part = self._rng.permutation(len(self._z))[: self._tuned_on]
        x, groups = self._vectors(self._examples[part]), self._standard.groups
        z = self._z[part] - self._z.mean()
        logs = self._logs = tune(group_distances(x, x, groups), linear_kernel(x, x), z, self._logs)
        scale = np.empty(x.shape[1])
        for log, columns in zip(logs[:-3], groups, strict=True):
            scale[columns] = np.sqrt(np.exp(log) / len(columns))
        amplitude, linear, noise = np.exp(logs[-3:]).tolist()
        return _Kernel(scale, amplitude, linear, noise)

    def _conditioned(self, vectors: Floats, examples: Ints) -> Process:
        """Return the posterior at all vectors, ``(m, d)``, given the places of the examples among them."""
        kernel = self._kernel
        assert kernel is not None
        return Process(kernel.rows(vectors), kernel.own(vectors), kernel.noise, examples)

    def _vectors(self, indices: Ints) -> Floats:
        return self._standard(self._inputs(indices))
