"""What the neural predictors share: from architectures and values to networks, and the ensemble's answer back.

All members are trained together on the same batches. Each leaves out its own fold of the examples, so that examples
are predicted by members that never saw them, which gives the noise, while the ensemble has seen all of them. Nothing is
spent on choosing when to stop: the schedule depends on the number of examples alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metanas.encodings.graphs import Graphs, class_graphs
from metanas.errors import InvalidValueError
from metanas.extras import require
from metanas.predictors._inputs import Inputs
from metanas.predictors._neural_layers import Batch, Network, Sizes
from metanas.predictors._neural_training import Examples, Training, folds, train
from metanas.predictors._targets import Targets
from metanas.predictors.base import Archs, Prediction, as_indices, check_examples, check_fitted
from metanas.spaces import ListedSpace, Space

if TYPE_CHECKING:
    import torch
else:
    torch = require("torch", "predictors", "A neural predictor")

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Make = Callable[[Sizes, torch.Generator], Network]

_LEAST = 4  # different functions to learn from
_REFERENCE = 1024  # architectures that say what the vectors of a space without a list are like
_FAR = 8.0  # standard deviations; vectors are cut off there
_ROWS = 2048  # architectures predicted at once
_FLOOR = 0.05  # least share of the left-out error that is noise


class _Vectors:
    """Vectors beside the graphs, of the classes' representatives.

    They are standardized by what they are like in the whole space; columns that never differ there are left out. A few
    scores would be lost among the many columns of an encoding: they are enlarged so that both have the same variance.
    """

    def __init__(self, space: Space, inputs: Inputs | None) -> None:
        self._space, self._inputs = space, inputs
        if inputs is not None:
            reference = inputs(_reference(space)).astype(np.float64)
            spread = reference.std(axis=0)
            self._use = spread > 1e-6
            self._center, self._spread = reference.mean(axis=0)[self._use], spread[self._use]
            score = (np.arange(len(spread)) >= len(spread) - inputs.n_scores)[self._use]
            self._scale = np.where(score, math.sqrt(max(1.0, (~score).sum() / max(score.sum(), 1))), 1.0)

    def __call__(self, indices: Ints) -> NDArray[np.float32]:
        """Return the vectors of architectures, ``(n, d)``."""
        if self._inputs is None:
            return np.empty((len(indices), 0), dtype=np.float32)
        standard = (self._inputs(_representatives(self._space, indices))[:, self._use] - self._center) / self._spread
        cut: NDArray[np.float32] = (np.clip(standard, -_FAR, _FAR) * self._scale).astype(np.float32)
        return cut


class _Fitted(NamedTuple):
    network: Network
    vectors: _Vectors
    targets: Targets
    noise: float | None  # variance of a target about what a member is expected to say of it; None: not known


class NeuralPredictor:
    """An ensemble of networks on graphs, trained at once."""

    def __init__(
        self,
        name: str,
        make: Make,
        space: Space,
        rng: np.random.Generator,
        *,
        scores: Floats | None,
        encodings: Sequence[str],
        members: int,
        training: Training,
    ) -> None:
        """Make a predictor that has learned nothing.

        Args:
            name: of the predictor, for messages.
            make: makes the networks; they map a :class:`Batch` to ``(members, n)``.
            space: space of the architectures.
            rng: one number is drawn from it, the seed of every fit.
            scores: see :class:`~metanas.predictors.base.Predictor`.
            encodings: names of the encodings beside the graph; there may be none.
            members: networks of the ensemble.
            training: how they are trained.
        """
        self.name = name
        self._make = make
        self._space = space
        self._seed = int(rng.integers(2**31))
        self._inputs = Inputs(space, encodings, scores) if len(encodings) or scores is not None else None
        self._members = members
        self._training = training
        self._fitted: _Fitted | None = None

    def fit(self, archs: Archs, y: ArrayLike) -> Self:
        """Learn from examples; see :meth:`metanas.predictors.base.Predictor.fit`."""
        indices, values = check_examples(self._space, archs, y, least=_LEAST)
        targets = Targets(values, self._training.scale)
        z = targets.forward(values)
        graphs, rows = class_graphs(self._space, indices)
        classes, first, place, counts = np.unique(rows, return_index=True, return_inverse=True, return_counts=True)
        if len(classes) < _LEAST:
            msg = (
                f"At least {_LEAST} architectures with different functions are needed to fit the predictor "
                f"{self.name!r}, but got {len(classes)}."
            )
            raise InvalidValueError(msg)
        rng = np.random.default_rng(self._seed)
        vectors = _Vectors(self._space, self._inputs)
        inputs = vectors(indices[first])
        left_out = folds(self._members, len(classes), self._training.leave_out, rng)
        with _one_thread():
            generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
            network = self._make(Sizes(self._members, len(graphs.op_names), inputs.shape[1]), generator)
            examples = Examples(
                Batch(network.prepare(graphs.take(classes)), inputs),
                torch.from_numpy(np.bincount(place, z) / counts).float(),
                torch.from_numpy(counts).float(),
                torch.from_numpy(left_out),
            )
            train(network, examples, self._training, rng)
            noise = _noise(_answers(network, graphs.take(classes), inputs), left_out, z, place)
        self._fitted = _Fitted(network, vectors, targets, noise)
        return self

    def predict(self, archs: Archs) -> Prediction:
        """Predict; see :meth:`metanas.predictors.base.Predictor.predict`.

        The standard deviation is that of the members and of the noise together; without folds that of the members,
        and none for a single member. Equal functions are asked once.
        """
        check_fitted(self._fitted, self.name)
        assert self._fitted is not None
        indices = as_indices(self._space, archs)
        if not len(indices):
            return Prediction(np.empty(0), np.empty(0))
        network, vectors, targets, noise = self._fitted
        graphs, rows = class_graphs(self._space, indices)
        classes, first, place = np.unique(rows, return_index=True, return_inverse=True)
        with _one_thread():
            answers = _answers(network, graphs.take(classes), vectors(indices[first]))
        known = noise is not None or len(answers) > 1
        std = np.sqrt(_spread(answers) + (noise or 0.0)) if known else None
        mean, std = targets.back(answers.mean(axis=0), std)
        return Prediction(mean[place], None if std is None else std[place])


def _representatives(space: Space, indices: Ints) -> Ints:
    if isinstance(space, ListedSpace):
        return space.canonical_indices[indices]
    return np.array([space.index(space.canonical(space.arch(i))) for i in indices.tolist()], dtype=np.int64)


def _reference(space: Space) -> Ints:
    """Return the indices of all functional classes, or of architectures drawn in the same way every time."""
    if isinstance(space, ListedSpace):
        return np.unique(space.canonical_indices[space.indices])
    rng = np.random.default_rng(0)
    return np.array([space.index(space.canonical(space.sample(rng))) for _ in range(_REFERENCE)], dtype=np.int64)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run torch on one thread, and on as many as before afterwards: sums depend on how they are divided."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _answers(network: Network, graphs: Graphs, inputs: NDArray[np.float32]) -> Floats:
    """Return what the members say, ``(members, n)``."""
    parts = np.array_split(np.arange(len(inputs)), math.ceil(len(inputs) / _ROWS))
    with torch.no_grad():
        answers = [network(Batch(network.prepare(graphs.take(rows)), inputs[rows])).numpy() for rows in parts]
    return np.concatenate(answers, axis=1).astype(np.float64)


def _spread(answers: Floats) -> Floats:
    """Return the variance between members, ``(n,)``."""
    return answers.var(axis=0, ddof=1) if len(answers) > 1 else np.zeros(answers.shape[1])


def _noise(answers: Floats, left_out: NDArray[np.bool_], z: Floats, place: Ints) -> float | None:
    """Return the variance that, with that between the members, gives the squared error on what was left out.

    Args:
        answers: of all members to the examples by function, ``(members, k)``.
        left_out: which they did not see, ``(members, k)``.
        z: targets of the single examples, ``(n,)``.
        place: function of each of them, ``(n,)``.
    """
    if not left_out.any():
        return None
    errors = (z - answers[:, place])[left_out[:, place]] ** 2
    between = np.broadcast_to(_spread(answers), answers.shape)[:, place][left_out[:, place]]
    return float(max(errors.mean() - between.mean(), _FLOOR * errors.mean()))
