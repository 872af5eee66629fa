"""Regularized (aging) evolution.

Real, Aggarwal, Huang and Le, "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019
(arXiv:1802.01548), section "Evolutionary Algorithm" and algorithm 1: a queue of the last P models; each cycle draws S
of them, mutates the best of these, adds the child and lets the oldest die, however good it is.

Differences: the sample is drawn without replacement (there with); a mutation changes one decision of the architecture
to another value (in NAS-Bench-201: one edge to another operation), where the paper also has a mutation that changes
nothing. The defaults P = 10, S = 3 are those of the authors' code of NATS-Bench (Dong et al. 2021, arXiv:2009.00437)
for a few hundred trainings; the paper has P = 100, S = 25 for 20,000. With several workers the population holds what
was told, in the order of telling.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from metanas.arch import Arch
from metanas.errors import InvalidValueError
from metanas.problem import Observation, Problem, Requirements, Trial
from metanas.strategies.base import Memory, Unique

FAMILY = "evolution"
REQUIRES = Requirements(repeats=True)

_PATIENCE = 100  # known children before a random architecture takes their place


class RegularizedEvolution:
    """Breed from the best of a sample; the oldest dies."""

    def __init__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        population: int = 10,
        sample: int = 3,
        unique: Unique = "none",
    ) -> None:
        """Prepare an empty population.

        Args:
            problem: what is searched.
            rng: source of all randomness.
            population: P, the number of models that live.
            sample: S, how many of them compete to be the parent.
            unique: ``"none"``: a child may be a model that was trained before, which is paid again, as in the paper;
                ``"code"`` or ``"canonical"``: such a child is bred anew.

        Raises:
            InvalidValueError: unless ``1 <= sample <= population``.
        """
        if not 1 <= sample <= population:
            msg = f"1 <= sample <= population must hold, but got sample={sample}, population={population}."
            raise InvalidValueError(msg)
        self._rng = rng
        self._space = problem.space
        self._epochs = problem.max_epochs
        self._objective = problem.objective
        self._sample = sample
        self._memory = Memory(problem.space, unique)
        self._population: deque[tuple[float, Arch]] = deque(maxlen=population)  # the oldest falls out: "dead"
        self._founders = population

    def ask(self) -> Trial:
        """Return a random founder while the population is founded, then the child of a tournament's winner."""
        if self._founders > 0:  # algorithm 1, first while: P random models
            self._founders -= 1
            return Trial(self._memory.draw(self._rng), self._epochs)
        if not self._population:  # more workers than founders, and none of them told
            return Trial(self._memory.draw(self._rng), self._epochs)
        for _ in range(_PATIENCE):
            child = self._space.mutate(self._parent(), self._rng)
            if self._memory.add(child):
                return Trial(child, self._epochs)
        return Trial(self._memory.draw(self._rng), self._epochs)

    def tell(self, observation: Observation) -> None:
        """Add the model on the right; the oldest, on the left, dies."""
        self._population.append((self._objective.score(observation.values), observation.trial.arch))

    def _parent(self) -> Arch:
        """Return the best of S models drawn without replacement (tournament selection)."""
        drawn = self._rng.permutation(len(self._population))[: self._sample].tolist()
        return max([self._population[position] for position in drawn])[1]


build = RegularizedEvolution
