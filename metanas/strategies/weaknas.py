"""WeakNAS: a succession of weak predictors, each of which says where the next examples are drawn.

Wu, Dai, Chen, Chen, Liu, Yu, Wang, Liu, Chen and Yuan, "Stronger NAS with Weaker Predictors", NeurIPS 2021
(arXiv:2102.10490): in every round a weak predictor (a multilayer perceptron on the one-hot encoding) is fitted to all
examples; the whole space is ranked by it, and the next examples are drawn evenly from the top N. The space that is
drawn from thus shrinks to where the good ones are. Rounds of 10 examples, of which the first 10 are random, are those
of the authors' released commands for NAS-Bench-201.

Differences: the perceptron has 3 layers of width 64, where the released commands have 4 of 1,000; it learns normal
scores of the values by squared errors and is not begun anew in every round (first 300 steps in batches of 32, then 60);
N is not 100 throughout, as in those commands, but begins with ``top`` and is halved in every round down to ``least``.
In a space that is not small a pool of children and random architectures is ranked.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metanas.encodings import encode, encoding_columns
from metanas.predictors._targets import Targets
from metanas.problem import Problem
from metanas.strategies._networks import Networks
from metanas.strategies._rounds import Rounds
from metanas.strategies._surrogate import Examples, check_range
from metanas.strategies.base import Unique

FAMILY = "predictor-guided"

_FIRST, _LATER = 300, 60  # steps of training
_BATCH = 32  # examples of a step
_RATE = 5e-3


class WeakNas(Rounds):
    """The strategy; see the module."""

    def __init__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        initial: int = 10,
        batch: int = 10,
        top: int = 800,
        least: int = 100,
        layers: int = 3,
        width: int = 64,
        members: int = 1,
        encoding: str = "onehot",
        pool: int = 1000,
        unique: Unique = "code",
    ) -> None:
        """Prepare the first architectures.

        Args:
            problem: what is searched.
            rng: source of all randomness.
            initial: random architectures at the beginning.
            batch: architectures of a round.
            top: N of the first round.
            least: N of the last ones.
            layers: hidden layers of the perceptron.
            width: of a layer.
            members: perceptrons, their mean ranks; 1 in the paper.
            encoding: name of the encoding.
            pool: architectures that are ranked where the space is not ranked whole.
            unique: what is not trained twice, the same ``"code"`` or the same function (``"canonical"``).

        Raises:
            InvalidValueError: a number out of range.
            UnknownNameError: there is no such encoding.
        """
        super().__init__(problem, rng, initial=initial, unique=unique)
        for name, value in (("batch", batch), ("layers", layers), ("width", width), ("members", members)):
            check_range(name, value, 1)
        check_range("least", least, batch)
        check_range("top", top, least)
        check_range("pool", pool, batch)
        columns = len(encoding_columns(problem.space, encoding))
        self._networks = Networks(members, (columns, *(width,) * layers), rng)
        self._encoding = encoding
        self._steps = _FIRST
        self._batch = batch
        self._top = top
        self._least = least
        self._pool = pool

    def _round(self, examples: Examples) -> Sequence[int]:
        space = self._archive.space
        z = Targets(examples.scores, "normal").forward(examples.scores)
        x = encode(space, examples.indices, self._encoding)
        self._networks.fit(x, z, np.ones(len(z)), steps=self._steps, rate=_RATE, power=2, batch=_BATCH)
        self._steps = _LATER
        candidates = self._archive.candidates(examples, self._pool)
        said = self._networks.predict(encode(space, candidates, self._encoding)).mean(axis=0)
        top = candidates[np.argsort(-said, kind="stable")[: self._top]]
        self._top = max(self._least, self._top // 2)
        drawn: list[int] = self._rng.permutation(top)[: self._batch].tolist()
        return drawn


build = WeakNas
