"""Gaussian process on graphs: the Weisfeiler-Lehman kernel of NAS-BOWL.

Ru, Wan, Dong and Osborne, "Interpretable Neural Architecture Search via Bayesian Optimisation with Weisfeiler-Lehman
Kernels", ICLR 2021 (arXiv:2006.07556): a vertex's label is its operation; each of h rounds replaces it by the label
together with those of the vertices that it reads from; the kernel is the dot product of how often each label of any
round occurs (rounds weigh the same), normalized; h and the noise have the greatest marginal likelihood. Differences:
the dot product is that of the authors' code for NAS-Bench-201, which has optimal assignment for NAS-Bench-101; the
graph is the functional one, its edges labelled with how often the value is pooled and added on the way, and the
normalized kernel is scaled.

Labels that no example has tell nothing of an architecture but that it is unlike all: its kernel with the examples falls
and its uncertainty rises.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metanas.encodings import as_indices
from metanas.encodings.dag import INPUT, Dag, functional_dag
from metanas.errors import InvalidValueError
from metanas.predictors._folds import representatives
from metanas.predictors._gp import Posterior, posterior, predicted
from metanas.predictors._tabular import Floats, check_at_least
from metanas.predictors._targets import Scale, Targets
from metanas.predictors.base import Archs, Prediction, check_examples, check_fitted
from metanas.spaces import Space

_NOISES = tuple(10.0**power for power in np.arange(-4, 0.6, 0.5))
_TUNED_ON = 400  # examples
_AT_ONCE = 2000  # rows

Labels = tuple[Counter[Hashable], ...]  # of each round, how often each label occurs


class _Fitted(NamedTuple):
    posterior: Posterior
    rounds: int
    amplitude: float
    middle: float
    columns: dict[Hashable, int]
    vectors: Floats
    targets: Targets


class WeisfeilerLehmanProcess:
    """The predictor; see the module."""

    name = "gaussian_process_wl"

    def __init__(self, space: Space, *, most_rounds: int, scale: Scale) -> None:
        """Make a predictor that has learned nothing; arguments as in :func:`build`."""
        self._space = space
        self._most_rounds = most_rounds
        self._scale: Scale = scale
        self._labels: dict[int, Labels] = {}
        self._fitted: _Fitted | None = None

    def fit(self, archs: Archs, y: ArrayLike) -> Self:
        """Learn from examples; see :meth:`metanas.predictors.base.Predictor.fit`."""
        indices, values = check_examples(self._space, archs, y, least=3)
        targets = Targets(values, self._scale)
        z = targets.forward(values)
        middle = float(z.mean())
        labels = self._labels_of(indices)
        best: tuple[float, int, float, float] | None = None
        for rounds in range(self._most_rounds + 1):
            columns = _columns(labels[:_TUNED_ON], rounds)
            vectors = _vectors(labels[:_TUNED_ON], rounds, columns)
            for noise in _NOISES:
                # The amplitude that has the greatest likelihood for a ratio of noise to it is known in closed form.
                own, _ = posterior(vectors @ vectors.T, noise, z[:_TUNED_ON] - middle)
                amplitude = max(float((z[:_TUNED_ON] - middle) @ own.weights) / len(vectors), 1e-6)
                likelihood = -np.log(np.diag(own.factor)).sum() - 0.5 * len(vectors) * np.log(amplitude)
                if best is None or likelihood > best[0]:
                    best = (float(likelihood), rounds, noise, amplitude)
        assert best is not None
        _, rounds, noise, amplitude = best
        columns = _columns(labels, rounds)
        vectors = _vectors(labels, rounds, columns)
        own, _ = posterior(amplitude * vectors @ vectors.T, amplitude * noise, z - middle)
        self._fitted = _Fitted(own, rounds, amplitude, middle, columns, vectors, targets)
        return self

    def predict(self, archs: Archs) -> Prediction:
        """Predict; see :meth:`metanas.predictors.base.Predictor.predict`."""
        check_fitted(self._fitted, self.name)
        assert self._fitted is not None
        fitted = self._fitted
        asked, back = np.unique(representatives(self._space, as_indices(self._space, archs)), return_inverse=True)
        means, stds = np.empty((2, len(asked)))
        for start in range(0, len(asked), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            rows = _vectors(self._labels_of(asked[part]), fitted.rounds, fitted.columns)
            cross = fitted.amplitude * rows @ fitted.vectors.T
            means[part], stds[part] = predicted(fitted.posterior, cross, np.full(len(rows), fitted.amplitude))
        mean, std = fitted.targets.back(means + fitted.middle, stds)
        assert std is not None
        return Prediction(mean[back], std[back])

    @property
    def rounds(self) -> int:
        """How many rounds the fit chose.

        Raises:
            InvalidValueError: nothing was fitted yet.
        """
        check_fitted(self._fitted, self.name)
        assert self._fitted is not None
        return self._fitted.rounds

    def _labels_of(self, indices: NDArray[np.int64]) -> list[Labels]:
        found = []
        for index in representatives(self._space, indices).tolist():
            if index not in self._labels:
                self._labels[index] = _refined(functional_dag(self._space, self._space.arch(index)), self._most_rounds)
            found.append(self._labels[index])
        return found


def build(
    space: Space,
    rng: np.random.Generator,
    *,
    scores: NDArray[np.float64] | None = None,
    most_rounds: int = 3,
    scale: Scale = "normal",
) -> WeisfeilerLehmanProcess:
    """Make the predictor.

    Args:
        space: space of the architectures.
        rng: not needed, nothing here is drawn.
        scores: must be None: graphs have no place for them.
        most_rounds: greatest h that is tried.
        scale: of the targets.

    Raises:
        InvalidValueError: scores were given.
    """
    check_at_least("most_rounds", most_rounds, 0)
    if scores is not None:
        msg = "The predictor 'gaussian_process_wl' compares graphs and takes no scores. Try 'gaussian_process'."
        raise InvalidValueError(msg)
    return WeisfeilerLehmanProcess(space, most_rounds=most_rounds, scale=scale)


def _refined(dag: Dag, rounds: int) -> Labels:
    """Return how often each label occurs after 0, 1, …, ``rounds`` rounds."""
    read = [(), *dag.links, dag.output]  # by the input, the vertices, the output
    labels: list[Hashable] = ["input", *dag.ops, "output"]
    found = [Counter(labels)]
    for _ in range(rounds):
        labels = [
            (label, tuple(sorted((repr(labels[link.source - INPUT]), link.pools, link.times) for link in links)))
            for label, links in zip(labels, read, strict=True)
        ]
        found.append(Counter(labels))
    return tuple(found)


def _columns(labels: Sequence[Labels], rounds: int) -> dict[Hashable, int]:
    columns: dict[Hashable, int] = {}
    for own in labels:
        for number, counts in enumerate(own[: rounds + 1]):
            for label in counts:
                columns.setdefault((number, label), len(columns))
    return columns


def _vectors(labels: Sequence[Labels], rounds: int, columns: dict[Hashable, int]) -> Floats:
    """Return the counts of known labels, divided by the length of the vector of all counts, ``(n, columns)``."""
    vectors = np.zeros((len(labels), len(columns)))
    for row, own in zip(vectors, labels, strict=True):
        length = 0
        for number, counts in enumerate(own[: rounds + 1]):
            for label, count in counts.items():
                length += count**2
                column = columns.get((number, label))
                if column is not None:
                    row[column] = count
        row /= np.sqrt(length)
    return vectors
