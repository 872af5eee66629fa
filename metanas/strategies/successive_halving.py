"""Successive halving.

Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", AISTATS 2016
(arXiv:1502.07943), the algorithm "Successive Halving": n arms; in each round every arm that is left is pulled equally
often, and the better half goes on.

Differences: rounds end at a geometric ladder of epochs (R/η^k, …, R/η, R) and keep one in η, as the inner loop of
Hyperband (Li et al. 2018, algorithm 1) does, which with η = 2 spends the same in each round as the paper does; the
last round is a full training. With a budget left, further brackets of new architectures follow. A further bracket is
also opened when workers would wait for the end of a round.
"""

from __future__ import annotations

import numpy as np

from metanas.problem import Observation, Problem, Requirements, Trial
from metanas.strategies._brackets import Bracket, Brackets, ladder
from metanas.strategies.base import Memory, Unique

FAMILY = "multi-fidelity"
REQUIRES = Requirements(fidelities=True)


class SuccessiveHalving:
    """Train many a little, and the best of them longer."""

    def __init__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        eta: float = 2.0,
        size: int | None = None,
        minimum: int | None = None,
        unique: Unique = "code",
    ) -> None:
        """Prepare the first bracket.

        Args:
            problem: what is searched.
            rng: source of all randomness.
            eta: η, one in so many goes on to the next rung.
            size: n, architectures of a bracket; if None, as many as leave one for the last rung.
            minimum: epochs of the lowest rung; the least that may be asked for if None.
            unique: what is not drawn twice; see :class:`~metanas.strategies.base.Memory`.

        Raises:
            InvalidValueError: unless ``eta > 1`` and ``minimum`` is at most a full training.
        """
        rungs, memory = ladder(problem, eta, minimum), Memory(problem.space, unique)
        n = size or round(eta ** (len(rungs) - 1))
        self._brackets = Brackets(problem, lambda: Bracket(n, rungs, eta, lambda: memory.draw(rng)))

    def ask(self) -> Trial:
        """Return the next trial of a rung."""
        return self._brackets.ask()

    def tell(self, observation: Observation) -> None:
        """Let the best of a rung go on when all of it is known."""
        self._brackets.tell(observation)


build = SuccessiveHalving
