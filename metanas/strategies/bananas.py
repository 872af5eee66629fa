"""BANANAS: an ensemble of networks on the path encoding, independent Thompson sampling, mutations of the best.

White, Neiswanger and Savani, "BANANAS: Bayesian Optimization with Neural Architectures for Neural Architecture Search",
AAAI 2021 (arXiv:1910.11858): 10 random architectures; then, in every round, an ensemble of 5 feed-forward networks
(10 layers of width 20, Adam with the rate 0.01) is trained on the path encoding with a loss that weighs errors relative
to the distance from a lower bound; candidates are mutations of the best; each candidate's value is drawn from the
normal distribution of the ensemble's mean and variance (independent Thompson sampling, ITS), and the 10 highest are
trained. These numbers are those of the authors' released code; there the loss is an option, with the lower bound 4.5 %
of error, and the mean absolute error the default.

Differences: networks are not trained anew in every round (150 epochs in the released code) but go on (first 300 steps,
then 40, in batches of 32 as there), all members at once and on the same batches (``_networks.py``); the lower bound is
not a constant of the data set but lies below the best loss by a tenth of its distance from the median; the 10 best have
children in turn, 100 in all. A run of 300 trainings in ``nb201-conv`` takes about a quarter of a second.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metanas.encodings import encode, encoding_columns
from metanas.problem import Problem
from metanas.strategies._networks import Networks
from metanas.strategies._rounds import Rounds
from metanas.strategies._surrogate import Acquisition, Examples, acquire, check_acquisition, check_range
from metanas.strategies.base import Unique

FAMILY = "Bayesian optimization"

_FIRST, _LATER = 300, 40  # steps of training
_BATCH = 32  # examples of a step
_BELOW = 0.1  # of the distance between the best loss and the median: how far the lower bound lies below the best


class Bananas(Rounds):
    """The strategy; see the module."""

    def __init__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        initial: int = 10,
        batch: int = 10,
        members: int = 5,
        layers: int = 10,
        width: int = 20,
        rate: float = 0.01,
        encoding: str = "path",
        acquisition: Acquisition = "ts",
        candidates: int = 100,
        parents: int = 10,
        unique: Unique = "code",
    ) -> None:
        """Prepare the first architectures.

        Args:
            problem: what is searched.
            rng: source of all randomness.
            initial: random architectures at the beginning.
            batch: architectures of a round.
            members: networks of the ensemble.
            layers: hidden layers of a network.
            width: of a layer.
            rate: of learning.
            encoding: name of the encoding.
            acquisition: ``"ts"`` is the paper's ITS; ``"ei"``, ``"ucb"`` or ``"mean"``.
            candidates: mutations of the best, from which a round is chosen.
            parents: how many of the best have children.
            unique: what is not trained twice, the same ``"code"`` or the same function (``"canonical"``).

        Raises:
            InvalidValueError: a number out of range.
            UnknownNameError: there is no such encoding or acquisition function.
        """
        super().__init__(problem, rng, initial=initial, unique=unique)
        check_acquisition(acquisition)
        for name, value in (("batch", batch), ("layers", layers), ("width", width), ("parents", parents)):
            check_range(name, value, 1)
        check_range("members", members, 2)
        check_range("candidates", candidates, batch)
        columns = len(encoding_columns(problem.space, encoding))
        self._networks = Networks(members, (columns, *(width,) * layers), rng)
        self._encoding = encoding
        self._steps = _FIRST
        self._rate = rate
        self._batch = batch
        self._acquisition = acquisition
        self._candidates = candidates
        self._parents = parents

    def _round(self, examples: Examples) -> Sequence[int]:
        archive = self._archive
        children = np.array(archive.children(examples.best(self._parents), self._candidates), dtype=np.int64)
        if not len(children):
            return []
        loss = -examples.scores
        scale = float(loss.std())
        bound = loss.min() - _BELOW * (np.median(loss) - loss.min()) - 1e-6 * scale
        middle = float(loss.mean())
        x = encode(archive.space, examples.indices, self._encoding)
        weights = scale / (loss - bound)  # errors relative to the distance from the bound
        self._networks.fit(
            x, (loss - middle) / scale, weights, steps=self._steps, rate=self._rate, power=1, batch=_BATCH
        )
        self._steps = _LATER
        said = -self._networks.predict(encode(archive.space, children, self._encoding))  # greater is better
        best = float(-(loss.min() - middle) / scale)
        promise = acquire(self._acquisition, said.mean(axis=0), said.std(axis=0, ddof=1), best, self._rng)
        chosen: list[int] = children[np.argsort(-promise, kind="stable")[: self._batch]].tolist()
        return chosen


build = Bananas
