"""Hyperband.

Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar, "Hyperband: A Novel Bandit-Based Approach to Hyperparameter
Optimization", JMLR 18 (2018), algorithm 1: brackets s = s_max, …, 0 of successive halving, each with about the same
budget B = (s_max + 1) R, from many architectures that are stopped early to few that are trained in full; then again.

Differences: the rungs are the nearest epochs that may be asked for; architectures are drawn without replacement over
all brackets; a promoted training is continued where the board's rules charge for the rest only. When workers would
wait for the end of a round, the next bracket is opened (the paper has one worker).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import cycle

import numpy as np

from metanas.arch import Arch
from metanas.problem import Observation, Problem, Requirements, Trial
from metanas.strategies._brackets import SLACK, Bracket, Brackets, ladder
from metanas.strategies.base import Memory, Unique

FAMILY = "multi-fidelity"
REQUIRES = Requirements(fidelities=True)


class Hyperband:
    """Successive halving at every rate of early stopping, in turn."""

    def __init__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        eta: float = 3.0,
        minimum: int | None = None,
        unique: Unique = "code",
    ) -> None:
        """Prepare the first bracket.

        Args:
            problem: what is searched.
            rng: source of all randomness.
            eta: η, one in so many goes on to the next rung.
            minimum: epochs of the lowest rung; the least that may be asked for if None.
            unique: what is not drawn twice; see :class:`~metanas.strategies.base.Memory`.

        Raises:
            InvalidValueError: unless ``eta > 1`` and ``minimum`` is at most a full training.
        """
        memory = Memory(problem.space, unique)
        self._brackets = Brackets(problem, in_turn(ladder(problem, eta, minimum), eta, lambda: memory.draw(rng)))

    def ask(self) -> Trial:
        """Return the next trial of a rung."""
        return self._brackets.ask()

    def tell(self, observation: Observation) -> None:
        """Let the best of a rung go on when all of it is known."""
        self._brackets.tell(observation)


def in_turn(rungs: tuple[int, ...], eta: float, draw: Callable[[], Arch]) -> Callable[[], Bracket]:
    """Return what opens the brackets of algorithm 1, one after the other and over again.

    Args:
        rungs: epochs of the rungs, ascending; bracket s starts s rungs below the highest.
        eta: η.
        draw: brings a new architecture.
    """
    highest = len(rungs) - 1  # s_max
    sizes = {
        s: math.ceil((highest + 1) / (s + 1) * eta**s - SLACK) for s in range(highest + 1)
    }  # n = ⌈B/R · η^s/(s+1)⌉
    order = cycle(range(highest, -1, -1))

    def open_next() -> Bracket:
        s = next(order)
        return Bracket(sizes[s], rungs[highest - s :], eta, draw)

    return open_next


build = Hyperband
