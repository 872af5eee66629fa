"""A graph network that all tasks share, with an embedding of each task as its last layer.

Trained on the sources together, the network reads a vector φ off an architecture; a task is a vector e, and its value
is e · φ, so that what differs between tasks is linear in what they share. On a new task only e is found, in closed
form: Bayesian linear regression (Rasmussen and Williams, "Gaussian Processes for Machine Learning", MIT Press 2006,
section 2.1.1) whose prior mean is the mean of the sources' embeddings and whose prior covariance is theirs, as Perrone,
Jenatton, Seeger and Archambeau do for hyperparameters ("Scalable Hyperparameter Transfer Learning", NeurIPS 2018,
section 3). Without examples the mean embedding answers.

Differences: the prior of the last layer is not centred at 0 but at the sources, and has a round part besides their
covariance, for tasks unlike all of them; how far a target may depart is averaged by likelihood; the loss of the shared
part ranks pairs, too. The network is in :mod:`metanas.predictors._task_network`; several are trained at once.

The network is a property of the sources: it is drawn from a fixed seed and trained once in a process, whatever the
predictor's own seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike

from metanas.errors import InvalidValueError
from metanas.extras import require
from metanas.predictors._sources import Aligned, Floats, prior_weights, read_sources
from metanas.predictors._tabular import check_at_least
from metanas.predictors._targets import Targets
from metanas.predictors._task_network import (
    Batch,
    Ints,
    Weights,
    all_classes,
    all_features,
    draw,
    features_of,
    loss_of,
    one_thread,
)
from metanas.predictors.base import Archs, Prediction, as_indices, check_examples, check_fitted
from metanas.spaces import Space, listed, load_space

if TYPE_CHECKING:
    import torch
else:
    torch = require("torch", "predictors", "The predictor 'task_gnn'")

_BATCH = 64
_RATE = 5e-3
_DECAY = 1e-2
_WARM_UP = 20  # steps
_DEPARTURES = np.array([0.1, 0.3, 1.0, 3.0])
_ROUND = 0.25  # variance of a value by the round part of the prior
_NOISE = 0.05
_STD = 1.0  # prior, of the logarithm of the departure


class _Shared(NamedTuple):
    """The trained network.

    Attributes:
        batch: inputs of all classes.
        representatives: of the classes, ``(n,)``.
        weights: of the members.
        embeddings: of the sources, the offset last, ``(members, width + 1, k)``.
    """

    batch: Batch
    representatives: Ints
    weights: Weights
    embeddings: Floats


class _Fitted(NamedTuple):
    means: Floats  # of the embedding, by departure and member, (departures, members, width + 1)
    covariances: Floats  # (departures, members, width + 1, width + 1)
    share: Floats  # (departures, members); sums to 1
    targets: Targets


class TaskGNN:
    """The predictor; see the module."""

    name = "task_gnn"

    def __init__(
        self,
        space: Space,
        rng: np.random.Generator,
        *,
        scores: Floats | None = None,
        sources: Floats | None = None,
        weights: Sequence[float] | Floats | None = None,
        members: int = 4,
        steps: int = 500,
        smooth: bool = True,
    ) -> None:
        """Take the sources and train the network.

        Args:
            space: space of the architectures, with a list of them.
            rng: not needed: see the module.
            scores: further sources, as zero-cost scores, ``(index range, k)``, greater is better.
            sources: accuracies on other tasks by index, ``(index range, k)``; NaN = not measured.
            weights: prior weight of each source, scores last; None: by agreement.
            members: networks.
            steps: of training, with 64 architectures each.
            smooth: take the noise out of the sources.

        Raises:
            InvalidValueError: no source, or sources or weights that cannot be used; see
                :func:`metanas.predictors._sources.read_sources`.
        """
        check_at_least("members", members, 1)
        check_at_least("steps", steps, 1)
        columns = [np.asarray(part, dtype=np.float64) for part in (sources, scores) if part is not None]
        self._space, found = read_sources(space, np.column_stack(columns) if columns else None, smooth=smooth)
        if not found:
            msg = f"The predictor {self.name!r} learns from sources and needs one at least, but got none."
            raise InvalidValueError(msg)
        self._weights = prior_weights(weights, found)
        z = np.column_stack([source.z for source in found])
        self._shared = _train(self._space.name, z.tobytes(), len(found), members, steps)
        self._all = self._read(np.arange(len(self._shared.representatives)))
        self._mean = self._shared.embeddings @ self._weights  # (members, width + 1)
        self._fitted: _Fitted | None = None

    def prior(self, archs: Archs) -> Floats:
        """Return what the mean embedding says, ``(n,)``. The zero-shot ranking."""
        phi = self._all[:, self._rows(as_indices(self._space, archs))]
        return np.asarray(np.einsum("mnw,mw->n", phi, self._mean) / len(phi))

    def fit(self, archs: Archs, y: ArrayLike) -> Self:
        """Learn from examples; see :meth:`metanas.predictors.base.Predictor.fit`. Two are enough."""
        indices, values = check_examples(self._space, archs, y)
        phi = self._all[:, self._rows(indices)]
        targets = Aligned(values, self.prior(indices))
        z = targets.forward(values)
        spread = self._spread()
        means, covariances, beliefs = [], [], []
        for departure in _DEPARTURES:
            for member, own in enumerate(phi):
                reach = departure * own @ spread[member]  # (n, width + 1)
                inverse = np.linalg.inv(reach @ own.T + _NOISE * np.eye(len(z)))
                left = z - own @ self._mean[member]
                means.append(self._mean[member] + reach.T @ inverse @ left)
                covariances.append(departure * spread[member] - reach.T @ inverse @ reach)
                belief = -0.5 * float(left @ inverse @ left) + 0.5 * float(np.linalg.slogdet(inverse)[1])
                beliefs.append(belief - 0.5 * float(np.log(departure) / _STD) ** 2)
        shape = (len(_DEPARTURES), len(phi))
        belief_of = np.array(beliefs).reshape(shape)
        share = np.exp(belief_of - belief_of.max(axis=0))
        share /= share.sum(axis=0) * len(phi)  # members count alike
        width = self._mean.shape[1]
        self._fitted = _Fitted(
            np.reshape(means, (*shape, width)), np.reshape(covariances, (*shape, width, width)), share, targets
        )
        return self

    def predict(self, archs: Archs) -> Prediction:
        """Predict; see :meth:`metanas.predictors.base.Predictor.predict`."""
        check_fitted(self._fitted, self.name)
        assert self._fitted is not None
        means, covariances, share, targets = self._fitted
        asked, back = np.unique(self._rows(as_indices(self._space, archs)), return_inverse=True)
        phi = self._all[:, asked]
        middle, square = np.zeros((2, len(asked)))
        for number in range(len(means)):
            for member, own in enumerate(phi):
                mean = own @ means[number, member]
                variance = np.maximum(((own @ covariances[number, member]) * own).sum(axis=1), 0) + _NOISE
                middle += share[number, member] * mean
                square += share[number, member] * (variance + mean**2)
        center, width = targets.back(middle, np.sqrt(np.maximum(square - middle**2, 1e-12)))
        assert width is not None
        return Prediction(center[back], width[back])

    def _read(self, rows: Ints) -> Floats:
        with one_thread():
            phi = all_features(self._shared.weights, self._shared.batch, rows)
        return np.concatenate([phi, np.ones((*phi.shape[:2], 1))], axis=2)

    def _rows(self, indices: Ints) -> Ints:
        return np.asarray(np.searchsorted(self._shared.representatives, self._space.canonical_indices[indices]))

    def _spread(self) -> Floats:
        """Return the prior covariance of the embedding, ``(members, width + 1, width + 1)``."""
        apart = (self._shared.embeddings - self._mean[:, :, None]) * np.sqrt(self._weights)
        size = np.square(self._all).sum(axis=2).mean(axis=1)
        ridge = (_ROUND / size)[:, None, None] * np.eye(self._all.shape[2])
        return np.asarray(apart @ apart.transpose(0, 2, 1) + ridge)


@lru_cache(maxsize=4)
def _train(space_name: str, content: bytes, k: int, members: int, steps: int) -> _Shared:
    space = listed(load_space(space_name))
    batch, representatives, sizes = all_classes(space)
    z = np.frombuffer(content, dtype=np.float64).reshape(-1, k)[representatives].astype(np.float32)
    often = np.bincount(space.canonical_indices[space.indices], minlength=len(space.canonical_indices))
    share = np.sqrt(often[representatives])  # between counting each function once and as often as it is written
    share /= share.sum()
    targets = torch.from_numpy(z)
    rng = np.random.default_rng(0)
    with one_thread(), torch.enable_grad():
        generator = torch.Generator().manual_seed(0)
        weights = draw(sizes, members, generator)
        last = torch.randn(members, sizes.width, k, generator=generator) / math.sqrt(sizes.width)
        weights |= {"last": last, "level": torch.zeros(members, 1, k)}
        for tensor in weights.values():
            tensor.requires_grad_(True)
        optimizer = torch.optim.AdamW(weights.values(), lr=_RATE, betas=(0.9, 0.98), weight_decay=_DECAY)
        for step in range(steps):
            cosine = (1 + math.cos(math.pi * step / steps)) / 2
            optimizer.param_groups[0]["lr"] = _RATE * min(1, (step + 1) / _WARM_UP) * cosine
            rows = rng.choice(len(representatives), size=min(_BATCH, len(representatives)), replace=False, p=share)
            out = features_of(weights, batch.take(rows)) @ weights["last"] + weights["level"]
            optimizer.zero_grad()
            loss_of(out, targets[torch.from_numpy(rows)]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    frozen = {name: tensor.detach() for name, tensor in weights.items()}
    embeddings = torch.cat([frozen.pop("last"), frozen.pop("level")], dim=1).numpy().astype(np.float64)
    return _Shared(batch, representatives, frozen, embeddings)


build = TaskGNN
