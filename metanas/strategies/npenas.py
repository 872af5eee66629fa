"""NPENAS: evolution in which a graph network chooses among many children (NPENAS-NP).

Wei, Niu, Tang, Wang, Hu and Liang, "NPENAS: Neural Predictor Guided Evolution for Neural Architecture Search", IEEE
TNNLS 2022 (arXiv:2003.12857): 10 random architectures are the first population; in every round a graph network is
trained on all that was trained so far by squared errors, parents are mutated into 100 candidates, the 10 that the
network predicts to be best are trained and join the population. The numbers are those of the authors' released code.

Differences: the network is the predictor ``gnn`` (messages along and against the edges of the functional graph, where
the paper's is a graph isomorphism network), one member of it, on normal scores; the parents are the ``parents`` best of
all, each mutated in turn (the released code for NAS-Bench-201 takes all new children of the best, then those of the
next, until there are 100); the network is trained anew only when the examples have grown by a half, not in every round.
A run of 300 trainings in ``nb201-conv`` takes about half a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from metanas.predictors import gnn
from metanas.problem import Problem, Requirements
from metanas.strategies._rounds import Rounds
from metanas.strategies._surrogate import Examples, check_range
from metanas.strategies.base import Unique

FAMILY = "evolution"
REQUIRES = Requirements(packages=("torch", "torch_geometric"))

_GROWTH = 1.5  # of the examples, between two trainings of the network


class Npenas(Rounds):
    """The strategy; see the module."""

    def __init__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        initial: int = 10,
        batch: int = 10,
        candidates: int = 100,
        parents: int = 10,
        members: int = 1,
        layers: int = 3,
        width: int = 32,
        steps: float = 4.0,
        unique: Unique = "code",
    ) -> None:
        """Prepare the first population.

        Args:
            problem: what is searched.
            rng: source of all randomness.
            initial: random architectures at the beginning.
            batch: architectures of a round.
            candidates: children from which a round is chosen.
            parents: how many of the best have children.
            members: networks, whose mean counts; 1 in the paper.
            layers: of a network.
            width: of a layer.
            steps: of training, times the square root of the number of examples.
            unique: what is not trained twice, the same ``"code"`` or the same function (``"canonical"``).

        Raises:
            InvalidValueError: a number out of range.
        """
        super().__init__(problem, rng, initial=initial, unique=unique)
        check_range("batch", batch, 1)
        check_range("parents", parents, 1)
        check_range("candidates", candidates, batch)
        network: dict[str, Any] = {"members": members, "layers": layers, "width": width, "encodings": ()}
        training: dict[str, Any] = {"steps": steps, "rate": 1e-2, "rank": 0.0, "error": 1.0, "leave_out": 0.0}
        self._predictor = gnn.build(problem.space, rng, **network, **training)
        self._batch = batch
        self._candidates = candidates
        self._parents = parents

    def _round(self, examples: Examples) -> Sequence[int]:
        if self._archive.functions(examples) < 4:  # fewer do not make a network
            return []
        if self._grown(examples, _GROWTH):
            self._predictor.fit(*examples)
        children = np.array(self._archive.children(examples.best(self._parents), self._candidates), dtype=np.int64)
        if not len(children):
            return []
        order = np.argsort(-self._predictor.predict(children).mean, kind="stable")
        chosen: list[int] = children[order[: self._batch]].tolist()
        return chosen


build = Npenas
