"""Local search: hill climbing over all neighbours, from random starts.

White, Nolen and Savani, "Exploring the Loss Landscape in Neural Architecture Search", UAI 2021 (arXiv:2005.02960),
algorithm 1: evaluate every neighbour of the current architecture, move to the best of them if it is better, and stop at
a local optimum otherwise. With a budget left, the search starts again at random. What was evaluated once is
remembered, so that walking over known ground costs nothing.

With several workers (our addition) a climb that waits for its neighbours leaves workers idle; they begin another
climb, and all climbs share what is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from metanas.arch import Arch
from metanas.problem import Observation, Problem, Trial
from metanas.strategies.base import Memory, Unique


@dataclass(slots=True)
class _Climb:
    """One ascent: where it stands, and what it must know before the next step."""

    centre: Arch | None = None
    front: Sequence[Arch] = ()  # the start, later the neighbours of the centre
    to_ask: list[Arch] = field(default_factory=list)  # reversed
    waiting: set[Arch] = field(default_factory=set)  # keys without a score as yet


class LocalSearch:
    """Climb to the best neighbour until none is better, then start anew."""

    def __init__(self, problem: Problem, rng: np.random.Generator, unique: Unique = "code") -> None:
        """Prepare the first climb.

        Args:
            problem: what is searched.
            rng: source of all randomness (the starts).
            unique: what counts as evaluated before: the same ``"code"``, or the same function (``"canonical"``).
                ``"none"`` is not possible: a climb has to know its neighbours.
        """
        if unique == "none":
            unique = "code"
        self._rng = rng
        self._space = problem.space
        self._epochs = problem.max_epochs
        self._objective = problem.objective
        self._asked = Memory(problem.space, unique)
        self._scores: dict[Arch, float] = {}  # by key; greater is better
        self._climbs: list[_Climb] = []

    def ask(self) -> Trial:
        """Return the next neighbour that no one asked for, or the start of a new climb."""
        for climb in self._climbs:
            while climb.to_ask:
                arch = climb.to_ask.pop()
                if self._asked.add(arch):
                    return Trial(arch, self._epochs)
        start = self._asked.draw(self._rng)  # algorithm 1: an architecture drawn uniformly
        self._climbs.append(_Climb(front=(start,), waiting={self._asked.key(start)}))
        return Trial(start, self._epochs)

    def tell(self, observation: Observation) -> None:
        """Let every climb that now knows all of its neighbours take its step."""
        key = self._asked.key(observation.trial.arch)
        self._scores[key] = self._objective.score(observation.values)
        for climb in self._climbs:
            climb.waiting.discard(key)
        self._climbs = [climb for climb in self._climbs if climb.waiting or self._advance(climb)]

    def _advance(self, climb: _Climb) -> bool:
        """Step for as long as all is known; return False at a local optimum."""
        while not climb.waiting:
            best = max(climb.front, key=self._score)
            if climb.centre is not None and not self._score(best) > self._score(climb.centre):
                return False  # a local optimum: algorithm 1 ends
            climb.centre = best  # algorithm 1: the best u in N(v) is the next v
            climb.front = self._space.neighbours(best)  # N(v)
            unknown = [arch for arch in climb.front if self._asked.key(arch) not in self._scores]
            climb.to_ask = unknown[::-1]
            climb.waiting = {self._asked.key(arch) for arch in unknown}
        return True

    def _score(self, arch: Arch) -> float:
        return self._scores[self._asked.key(arch)]


build = LocalSearch
