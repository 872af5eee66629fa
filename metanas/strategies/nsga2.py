"""NSGA-II: a genetic algorithm that keeps whole fronts, and of the last one the least crowded.

Deb, Pratap, Agarwal and Meyarivan, "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II", IEEE Transactions on
Evolutionary Computation 6(2), 2002. Main loop (section III-C): of parents and children together the best N survive, by
front and then by crowding distance; parents win binary tournaments by the crowded comparison (section III-B). Limits
are handled by constrained domination (section VI), see :mod:`metanas.strategies._pareto`. For architectures: Lu et al.,
"NSGA-Net", GECCO 2019 (arXiv:1810.03522).

As in the paper: crossover with chance 0.9; mutation of each of n variables with chance 1/n, which leaves a third of the
children as they are, so that here, where a mutation changes one decision (``space.mutate``), two thirds are mutated.

Differences: architectures are categorical, so that crossover is uniform (the paper's is simulated binary crossover of
real numbers); N is 20 for a few hundred trainings (the paper has 100 for 25,000); a child that was trained before is
bred anew (``unique``). With several workers a child may be asked for while its generation's last siblings are still in
training; it is bred from the generation before, and belongs to the next. With a single objective fronts are ranks, and
this is a genetic algorithm that keeps the best N of two generations.
"""

from __future__ import annotations

import numpy as np

from metanas.arch import Arch
from metanas.errors import InvalidValueError
from metanas.problem import Observation, Problem, Requirements, Trial
from metanas.strategies._limits import Gate, Handling, check_chance
from metanas.strategies._pareto import Member, crowding, fronts, member
from metanas.strategies.base import Memory, Unique

FAMILY = "multi-objective"
REQUIRES = Requirements(objectives="any")


class Nsga2:
    """Breed from what is dominated least and crowded least."""

    def __init__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        population: int = 20,
        crossover: float = 0.9,
        mutation: float = 0.67,
        constraint: Handling = "penalty",
        unique: Unique = "code",
    ) -> None:
        """Prepare the founders.

        Args:
            problem: what is searched.
            rng: source of all randomness.
            population: N, how many survive a generation, and how many children it has.
            crossover: chance that a child has two parents; else it is a copy of one, and always mutated.
            mutation: chance that a child of two parents is mutated.
            constraint: ``"penalty"``: constrained domination, as in the paper; ``"rejection"``: besides, children that
                would probably break a limit are bred anew.
            unique: what is not trained twice: the same ``"code"``, the same function (``"canonical"``); or
                ``"none"``, repeats are paid again.

        Raises:
            InvalidValueError: a population below 2, or a chance outside 0 to 1.
            UnknownNameError: another ``constraint`` or ``unique``.
        """
        if population < 2:
            msg = f"population >= 2 must hold, but got population={population}."
            raise InvalidValueError(msg)
        check_chance("crossover", crossover)
        check_chance("mutation", mutation)
        self._problem = problem
        self._rng = rng
        self._space = problem.space
        self._size = population
        self._crossover, self._mutation = crossover, mutation
        self._memory = Memory(problem.space, unique)
        self._gate = Gate(problem, rng, constraint)
        self._founders = population
        self._parents: list[Member] = []  # P_t
        self._order: list[tuple[int, float]] = []  # of the parents: front, and crowding distance negated
        self._children: list[Member] = []  # of Q_t, those told

    def ask(self) -> Trial:
        """Return a random founder, later a child."""
        self._founders -= 1
        bred = self._founders < 0 and self._parents
        arch = self._gate.new(self._child, self._memory) if bred else self._gate.draw(self._memory)
        return Trial(arch, self._problem.max_epochs)

    def tell(self, observation: Observation) -> None:
        """Add a child; when the generation is full, the best of it and of its parents survive."""
        self._gate.tell(observation)
        self._children.append(member(self._problem, observation.trial.arch, observation.values))
        if len(self._children) >= self._size:
            self._survive(self._parents + self._children)
            self._children = []

    def _survive(self, together: list[Member]) -> None:
        """Fill the next generation front by front, and from the last one by crowding distance (section III-C)."""
        front_of = fronts(together)
        distance = np.empty(len(together))
        for front in range(int(front_of.max()) + 1):
            there = np.flatnonzero(front_of == front)
            distance[there] = crowding(np.array([together[place].costs for place in there.tolist()]))
        chosen = np.lexsort((-distance, front_of))[: self._size].tolist()
        self._parents = [together[place] for place in chosen]
        self._order = [(int(front_of[place]), -float(distance[place])) for place in chosen]

    def _child(self) -> Arch:
        """Return a child of one or two winners."""
        child, mutate = self._winner(), True
        if self._rng.random() < self._crossover:
            child = self._space.crossover(child, self._winner(), self._rng)
            mutate = self._rng.random() < self._mutation
        return self._space.mutate(child, self._rng) if mutate else child

    def _winner(self) -> Arch:
        """Return the better of two by the crowded comparison (section III-B)."""
        drawn: list[int] = self._rng.permutation(len(self._parents))[:2].tolist()
        return self._parents[min(drawn, key=self._order.__getitem__)].arch


build = Nsga2
