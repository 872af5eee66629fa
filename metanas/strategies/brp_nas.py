"""BRP-NAS: a graph network that ranks pairs, trained and asked in turn.

Dudziak, Chau, Abdelfattah, Lee, Kim and Lane, "BRP-NAS: Prediction-based NAS using GCNs", NeurIPS 2020
(arXiv:2007.08668), "iterative data selection": a binary relation predictor, a graph network trained to say which of two
architectures is the better, ranks all of them; in iteration i, a share α of the batch is the best by the predictor
and the rest is drawn evenly from the best M / 2^i, M being the size of the space; then the predictor is trained on all
examples again. α = 1/2 and batches of 20 are those of the authors' released code, which has 5 iterations in all.

Differences: the network is the predictor ``gnn`` (see there) on the functional graph, which gives every architecture
one number and learns all pairs by the logistic loss of the differences, instead of a network that is given pairs and
whose answers are sorted; its layers have width 32 (4 layers of 600 in the released code); it is trained anew, but only
when the examples have grown by six tenths, and ranks by what it knows until then (the released code goes on from the
weights of the iteration before, in every iteration); iterations go on until the budget is spent, with batches of fixed
size, and the range that the rest is drawn from stops shrinking at ten batches; a pool of children and random
architectures is ranked in a space that is not small. A run of 300 trainings in ``nb201-conv`` takes half a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from metanas.predictors import gnn
from metanas.problem import Problem, Requirements
from metanas.spaces import ListedSpace
from metanas.strategies._rounds import Rounds
from metanas.strategies._surrogate import Examples, Floats, Ints, check_range, is_small
from metanas.strategies.base import Unique

FAMILY = "predictor-guided"
REQUIRES = Requirements(packages=("scipy", "torch", "torch_geometric"))

_GROWTH = 1.6  # of the examples, between two trainings of the network
_LEAST = 10  # batches: the least range that random choices are drawn from


class BrpNas(Rounds):
    """The strategy; see the module."""

    def __init__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        initial: int = 20,
        batch: int = 20,
        best: float = 0.5,
        members: int = 1,
        layers: int = 4,
        width: int = 32,
        steps: float = 4.0,
        pool: int = 500,
        unique: Unique = "code",
    ) -> None:
        """Prepare the first architectures.

        Args:
            problem: what is searched.
            rng: source of all randomness.
            initial: random architectures at the beginning.
            batch: architectures of an iteration.
            best: α, share of an iteration that is the best by the predictor.
            members: networks, whose mean counts; 1 in the paper.
            layers: of a network.
            width: of a layer.
            steps: of training, times the square root of the number of examples.
            pool: architectures that are ranked where the space is not ranked whole.
            unique: what is not trained twice, the same ``"code"`` or the same function (``"canonical"``).

        Raises:
            InvalidValueError: a number out of range.
        """
        super().__init__(problem, rng, initial=initial, unique=unique)
        check_range("batch", batch, 1)
        check_range("best", best, 0, 1)
        check_range("pool", pool, batch)
        network: dict[str, Any] = {"members": members, "layers": layers, "width": width, "encodings": ()}
        training: dict[str, Any] = {"steps": steps, "rate": 1e-2, "rank": 1.0, "error": 0.0, "leave_out": 0.0}
        self._predictor = gnn.build(problem.space, rng, **network, **training)
        self._said: Floats | None = None  # by index
        self._iteration = 0
        self._batch = batch
        self._share = best
        self._pool = pool

    def _round(self, examples: Examples) -> Sequence[int]:
        if self._archive.functions(examples) < 4:  # fewer do not make a network
            return []
        self._iteration += 1
        candidates = self._archive.candidates(examples, self._pool)
        if not len(candidates):
            return []
        if self._grown(examples, _GROWTH):
            self._predictor.fit(*examples)
            self._said = None
        said = self._answers(candidates)
        ranked = candidates[np.argsort(-said, kind="stable")]
        sure = round(self._share * self._batch)
        reach = max(len(ranked) >> self._iteration, _LEAST * self._batch)
        drawn = self._rng.permutation(ranked[sure:reach])[: self._batch - sure]
        return [*ranked[:sure].tolist(), *drawn.tolist()]

    def _answers(self, candidates: Ints) -> Floats:
        """Return what the network says; of a small space it is asked once, until it is trained again."""
        space = self._archive.space
        if not is_small(space):
            return self._predictor.predict(candidates).mean
        assert isinstance(space, ListedSpace)
        if self._said is None:
            self._said = np.full(len(space.canonical_indices), np.nan)
            self._said[space.indices] = self._predictor.predict(space.indices).mean
        return self._said[candidates]


build = BrpNas
