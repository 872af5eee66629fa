"""Pareto local search: explore the neighbourhood of everything that nothing dominates.

Paquete, Chiarandini and Stützle, "Pareto Local Optimum Sets in the Biobjective Traveling Salesman Problem: An
Experimental Study", in Metaheuristics for Multiobjective Optimisation, Springer 2004: an archive holds what nothing
found so far dominates; one of those not visited is drawn, all its neighbours are evaluated, those that the archive does
not dominate enter it (what they dominate leaves), and it is marked as visited; the search stops at a Pareto local
optimum set, when all are visited. White, Nolen and Savani, "Exploring the Loss Landscape in Neural Architecture
Search", UAI 2021 (arXiv:2005.02960), found local search with one objective strong for architectures; with one objective
this is their algorithm, but for the order of visits.

Differences: a search starts from a few random architectures (``founders``), because one neighbourhood of a poor one is
a good part of the budget; with a budget left it starts again, with an empty archive (White et al. start again so). What
was trained is remembered, so that known ground costs nothing. With several workers further neighbourhoods are begun
while neighbours are in training; when all are begun, a further search starts beside.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from metanas.arch import Arch
from metanas.errors import InvalidValueError, UnknownNameError
from metanas.problem import Observation, Problem, Requirements, Trial
from metanas.strategies._limits import Gate, Handling
from metanas.strategies._pareto import Front, Member, crowding, member
from metanas.strategies.base import Memory, Unique

FAMILY = "multi-objective"
REQUIRES = Requirements(objectives="any")

Choice = Literal["random", "crowding"]


class _Search:
    """One archive, and which of its members' neighbourhoods were begun."""

    def __init__(self, founders: int) -> None:
        self.founders = founders  # still to come
        self.archive = Front()
        self.visited: set[Arch] = set()
        self.to_ask: list[Arch] = []  # neighbours of the one visited last, reversed
        self.waiting: set[Arch] = set()  # keys that were asked for on its behalf


class ParetoLocalSearch:
    """Visit every architecture of the front, until no neighbour of the front joins it; then start anew."""

    def __init__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        choice: Choice = "random",
        founders: int = 10,
        constraint: Handling = "penalty",
        unique: Unique = "code",
    ) -> None:
        """Prepare the first search.

        Args:
            problem: what is searched.
            rng: source of all randomness.
            choice: which of those not visited is next: one at ``"random"``, as in the paper; or the one in the widest
                gap of the archive (``"crowding"``).
            founders: random architectures that a search starts from; 1 in the paper.
            constraint: ``"penalty"`` or ``"rejection"``, see :mod:`metanas.strategies._limits`; a neighbour that is
                rejected is not trained.
            unique: what counts as trained before: the same ``"code"``, or the same function (``"canonical"``).
                ``"none"`` is not possible: a search has to know its neighbours.

        Raises:
            InvalidValueError: unless ``founders >= 1``.
            UnknownNameError: another ``choice``, ``constraint`` or ``unique``.
        """
        if founders < 1:
            msg = f"founders >= 1 must hold, but got founders={founders}."
            raise InvalidValueError(msg)
        if choice not in get_args(Choice):
            raise UnknownNameError("choice of the next", choice, get_args(Choice))
        self._problem = problem
        self._rng = rng
        self._space = problem.space
        self._founders = founders
        self._widest = choice == "crowding"
        self._asked = Memory(problem.space, "code" if unique == "none" else unique)
        self._gate = Gate(problem, rng, constraint)
        self._known: dict[Arch, Member] = {}  # by key
        self._searches: list[_Search] = []

    def ask(self) -> Trial:
        """Return the next neighbour that no one asked for, or the start of a new search."""
        for search in list(self._searches):
            arch = self._next(search)
            if arch is not None:
                return Trial(arch, self._problem.max_epochs)
            if not search.waiting:
                self._searches.remove(search)  # a Pareto local optimum set: all are visited
        search = _Search(self._founders - 1)
        self._searches.append(search)
        return Trial(self._founder(search), self._problem.max_epochs)

    def tell(self, observation: Observation) -> None:
        """Offer what is known now to the archives that wait for it."""
        self._gate.tell(observation)
        arch = observation.trial.arch
        key = self._asked.key(arch)
        self._known[key] = member(self._problem, arch, observation.values)
        for search in self._searches:
            if key in search.waiting:
                search.waiting.discard(key)
                search.archive.add(self._known[key])

    def _founder(self, search: _Search) -> Arch:
        arch = self._gate.draw(self._asked)
        search.waiting.add(self._asked.key(arch))
        return arch

    def _next(self, search: _Search) -> Arch | None:
        """Return the next founder or neighbour to train, None if there is none; visit members of the archive for it.

        What is known of a neighbourhood joins the archive at once; what another search has under way is waited for.
        """
        if search.founders:
            search.founders -= 1
            return self._founder(search)
        while True:
            while search.to_ask:
                arch = search.to_ask.pop()
                key = self._asked.key(arch)
                if key in self._known:
                    search.archive.add(self._known[key])
                elif key in self._asked:
                    search.waiting.add(key)
                elif self._gate.admits(arch):
                    self._asked.add(arch)
                    search.waiting.add(key)
                    return arch
            left = [each for each in search.archive.members if each.arch not in search.visited]
            if not left:
                return None
            chosen = left[self._place(left, search)]
            search.visited.add(chosen.arch)
            around = self._space.neighbours(chosen.arch)
            search.to_ask = [around[place] for place in self._rng.permutation(len(around)).tolist()]

    def _place(self, left: list[Member], search: _Search) -> int:
        """Return which of those not visited is next."""
        drawn = int(self._rng.integers(len(left)))
        if not self._widest:
            return drawn
        members = search.archive.members
        gap = dict(zip((each.arch for each in members), crowding(np.array([m.costs for m in members])), strict=True))
        gaps = [gap[each.arch] for each in left]
        widest = max(gaps)
        return drawn if gaps[drawn] == widest else gaps.index(widest)


build = ParetoLocalSearch
