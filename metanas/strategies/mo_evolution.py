"""Regularized (aging) evolution with several objectives: a tournament by domination.

Real, Aggarwal, Huang and Le, "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019
(arXiv:1802.01548), algorithm 1: each cycle draws S of the last P models, mutates the best of them, and
lets the oldest die. With several objectives there is no best; the parent is one of those that none of the S dominates,
as in the Pareto domination tournaments of Horn, Nafpliotis and Goldberg, "A Niched Pareto Genetic Algorithm for
Multiobjective Optimization", IEEE CEC 1994. Limits count as in :mod:`metanas.strategies._limits`.

Differences: from Horn et al., candidates and comparison set are one sample, and a tie among those not dominated is
broken by chance where they share fitness among niches; aging keeps a population from settling in one. From Real et al.,
the sample is drawn without replacement, every mutation changes something, P and S fit a few hundred trainings, and by
default nothing is trained twice (``unique="none"`` is the paper). As a population forgets its front by aging, with
chance ``elite`` the parent is drawn from all that was ever found to be not dominated. With several workers the
population holds what was told, in the order of telling.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from metanas.arch import Arch
from metanas.errors import InvalidValueError
from metanas.problem import Observation, Problem, Requirements, Trial
from metanas.strategies._limits import Gate, Handling, check_chance
from metanas.strategies._pareto import Front, Member, first_front, member
from metanas.strategies.base import Memory, Unique

FAMILY = "multi-objective"
REQUIRES = Requirements(objectives="any")


class MultiObjectiveEvolution:
    """Breed from what a sample does not dominate; the oldest dies."""

    def __init__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        population: int = 20,
        sample: int = 5,
        elite: float = 0.5,
        constraint: Handling = "penalty",
        unique: Unique = "code",
    ) -> None:
        """Prepare an empty population.

        Args:
            problem: what is searched.
            rng: source of all randomness.
            population: P, the number of models that live.
            sample: S, how many of them compete to be the parent.
            elite: chance that the parent comes from the front of all that was trained.
            constraint: ``"penalty"`` or ``"rejection"``, see :mod:`metanas.strategies._limits`.
            unique: what is not trained twice: the same ``"code"``, the same function (``"canonical"``); or
                ``"none"``, repeats are paid again, as in Real et al.

        Raises:
            InvalidValueError: unless ``1 <= sample <= population`` and ``0 <= elite <= 1``.
            UnknownNameError: another ``constraint`` or ``unique``.
        """
        if not 1 <= sample <= population:
            msg = f"1 <= sample <= population must hold, but got sample={sample}, population={population}."
            raise InvalidValueError(msg)
        check_chance("elite", elite)
        self._problem = problem
        self._rng = rng
        self._space = problem.space
        self._sample, self._elite = sample, elite
        self._memory = Memory(problem.space, unique)
        self._gate = Gate(problem, rng, constraint)
        self._front = Front()
        self._population: deque[Member] = deque(maxlen=population)  # the oldest falls out
        self._founders = population

    def ask(self) -> Trial:
        """Return a random founder while the population is founded, then the child of a tournament's winner."""
        self._founders -= 1
        bred = self._founders < 0 and self._population
        arch = self._gate.new(self._child, self._memory) if bred else self._gate.draw(self._memory)
        return Trial(arch, self._problem.max_epochs)

    def tell(self, observation: Observation) -> None:
        """Add the model on the right; the oldest, on the left, dies."""
        self._gate.tell(observation)
        new = member(self._problem, observation.trial.arch, observation.values)
        self._population.append(new)
        self._front.add(new)

    def _child(self) -> Arch:
        return self._space.mutate(self._parent(), self._rng)

    def _parent(self) -> Arch:
        """Return one that no other of a sample dominates."""
        if self._elite > 0 and self._rng.random() < self._elite:
            best = self._front.members
        else:
            drawn = self._rng.permutation(len(self._population))[: self._sample].tolist()
            best = first_front([self._population[place] for place in drawn])
        return best[int(self._rng.integers(len(best)))].arch


build = MultiObjectiveEvolution
