"""Local search: hill climbing over all neighbours, from random starts.

White, Nolen and Savani, "Exploring the Loss Landscape in Neural Architecture Search", UAI 2021 (arXiv:2005.02960),
algorithm 1: evaluate every neighbour of the current architecture, move to the best of them if it is better, and stop at
a local optimum otherwise. With a budget left, the search starts again at random. What was evaluated once is
remembered, so that walking over known ground costs nothing.

``improvement="first"`` leaves a neighbourhood as soon as a better neighbour is found, as the authors' released code
does by default; neighbours come in a drawn order then.

Differences: a climb starts from one random architecture, as in algorithm 1; in the released code, from the best of 10.
With several workers (our addition) a climb that waits for its neighbours leaves workers idle; they begin another
climb, and all climbs share what is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from metanas.arch import Arch
from metanas.errors import UnknownNameError
from metanas.problem import Observation, Problem, Trial
from metanas.strategies.base import Memory, Unique

FAMILY = "random and local"

Improvement = Literal["best", "first"]


@dataclass(slots=True)
class _Climb:
    """One ascent: where it stands, and what it must know before the next step."""

    centre: Arch | None = None
    front: Sequence[Arch] = ()  # the start, later the neighbours of the centre
    to_ask: list[Arch] = field(default_factory=list)  # reversed
    waiting: set[Arch] = field(default_factory=set)  # keys without a score as yet


class LocalSearch:
    """Climb to the best neighbour, or to the first better one, until none is better; then start anew."""

    def __init__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        unique: Unique = "code",
        improvement: Improvement = "best",
    ) -> None:
        """Prepare the first climb.

        Args:
            problem: what is searched.
            rng: source of all randomness (the starts, and the order of neighbours for ``"first"``).
            unique: what counts as evaluated before: the same ``"code"``, or the same function (``"canonical"``).
                ``"none"`` is not possible: a climb has to know its neighbours.
            improvement: move to the ``"best"`` of all neighbours, or to the ``"first"`` that is better.

        Raises:
            UnknownNameError: another ``unique`` or ``improvement``.
        """
        if improvement not in get_args(Improvement):
            raise UnknownNameError("improvement", improvement, get_args(Improvement))
        if unique == "none":
            unique = "code"
        self._rng = rng
        self._first = improvement == "first"
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
        """Let every climb that now knows enough of its neighbours take its step."""
        key = self._asked.key(observation.trial.arch)
        self._scores[key] = self._objective.score(observation.values)
        climbing = []
        for climb in self._climbs:
            concerned = key in climb.waiting
            climb.waiting.discard(key)
            enough = concerned if self._first else not climb.waiting
            if not enough or self._advance(climb):
                climbing.append(climb)
        self._climbs = climbing

    def _advance(self, climb: _Climb) -> bool:
        """Step for as long as enough is known; return False at a local optimum."""
        while self._first or not climb.waiting:
            best = self._first_better(climb) if self._first else max(climb.front, key=self._score)
            if climb.centre is not None and not self._score(best) > self._score(climb.centre):
                return bool(climb.waiting)  # nothing left to wait for: a local optimum, algorithm 1 ends
            climb.centre = best  # algorithm 1: the best u in N(v) is the next v
            climb.front = self._space.neighbours(best)  # N(v)
            if self._first:
                climb.front = [climb.front[place] for place in self._rng.permutation(len(climb.front)).tolist()]
            unknown = [arch for arch in climb.front if self._asked.key(arch) not in self._scores]
            climb.to_ask = unknown[::-1]
            climb.waiting = {self._asked.key(arch) for arch in unknown}
        return True

    def _first_better(self, climb: _Climb) -> Arch:
        """Return the first neighbour that is known to be better than the centre; the centre itself if there is none."""
        if climb.centre is None:
            return climb.front[0]
        level = self._score(climb.centre)
        known = (arch for arch in climb.front if self._scores.get(self._asked.key(arch), level) > level)
        return next(known, climb.centre)

    def _score(self, arch: Arch) -> float:
        return self._scores[self._asked.key(arch)]


build = LocalSearch
