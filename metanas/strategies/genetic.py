"""A genetic algorithm: tournaments, uniform crossover, mutation, elitism.

Holland, "Adaptation in Natural and Artificial Systems" (1975), and Goldberg, "Genetic Algorithms in Search,
Optimization and Machine Learning" (1989), chapter 3, with the operators that architecture search uses:

- parents win tournaments (Goldberg and Deb, "A Comparative Analysis of Selection Schemes Used in Genetic Algorithms",
  1991), which do not depend on the scale of the objective;
- uniform crossover (Syswerda, "Uniform Crossover in Genetic Algorithms", 1989): each decision from either parent;
- mutation changes one decision (``space.mutate``; NAS-Bench-101 says otherwise);
- the best survive a generation unchanged (De Jong 1975, elitism), and are not trained again.

Sizes: Grefenstette, "Optimization of Control Parameters for Genetic Algorithms" (1986), found a population of
30, crossover with chance 0.95, elitism, 0.01 mutations a bit. For a few hundred trainings of some ten decisions the
defaults here are a population of 20, as in the experiments of Xie and Yuille, "Genetic CNN", ICCV 2017
(arXiv:1703.01513), and a mutation of half the children.

Differences: a child that was trained before is bred anew (``unique``). With several workers a child may be asked for
while its generation's last siblings are still in training; it is bred from the generation before, and belongs to the
next.
"""

from __future__ import annotations

import numpy as np

from metanas.arch import Arch
from metanas.errors import InvalidValueError
from metanas.problem import Observation, Problem, Trial
from metanas.strategies.base import Memory, Unique

FAMILY = "evolution"

_PATIENCE = 100  # known children before a random architecture takes their place


class GeneticAlgorithm:
    """Breed generations from the winners of tournaments."""

    def __init__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        population: int = 20,
        tournament: int = 3,
        crossover: float = 0.95,
        mutation: float = 0.5,
        elite: int = 2,
        unique: Unique = "code",
    ) -> None:
        """Prepare the founders.

        Args:
            problem: what is searched.
            rng: source of all randomness.
            population: members of a generation, the elite among them.
            tournament: how many members, drawn without replacement, compete to be a parent.
            crossover: chance that a child has two parents; else it is a copy of one, and always mutated.
            mutation: chance that a child of two parents is mutated.
            elite: how many of the best live on in the next generation.
            unique: what is not trained twice: the same ``"code"``, the same function (``"canonical"``); or
                ``"none"``, repeats are paid again, as in the books.

        Raises:
            InvalidValueError: sizes that do not fit each other, or a chance outside 0 to 1.
        """
        if not (1 <= tournament <= population and 0 <= elite < population):
            msg = (
                f"1 <= tournament <= population and 0 <= elite < population must hold, but got tournament="
                f"{tournament}, elite={elite}, population={population}."
            )
            raise InvalidValueError(msg)
        if not (0 <= crossover <= 1 and 0 <= mutation <= 1):
            msg = f"Chances lie between 0 and 1, but got crossover={crossover}, mutation={mutation}."
            raise InvalidValueError(msg)
        self._rng = rng
        self._space = problem.space
        self._epochs = problem.max_epochs
        self._objective = problem.objective
        self._size = population
        self._tournament = tournament
        self._crossover = crossover
        self._mutation = mutation
        self._elite = elite
        self._memory = Memory(problem.space, unique)
        self._founders = population
        self._parents: list[tuple[float, Arch]] = []  # the last full generation
        self._children: list[tuple[float, Arch]] = []  # of the next one, those told

    def ask(self) -> Trial:
        """Return a random founder, later a child."""
        if self._founders <= 0 and self._parents:
            for _ in range(_PATIENCE):
                child = self._child()
                if self._memory.add(child):
                    return Trial(child, self._epochs)
        self._founders -= 1
        return Trial(self._memory.draw(self._rng), self._epochs)

    def tell(self, observation: Observation) -> None:
        """Add a child; when the generation is full, the elite joins it and it breeds."""
        self._children.append((self._objective.score(observation.values), observation.trial.arch))
        if len(self._children) + min(self._elite, len(self._parents)) >= self._size:
            self._parents = sorted(self._parents, reverse=True)[: self._elite] + self._children
            self._children = []

    def _child(self) -> Arch:
        """Return a child of one or two winners."""
        child, mutate = self._winner(), True
        if self._rng.random() < self._crossover:
            child = self._space.crossover(child, self._winner(), self._rng)
            mutate = self._rng.random() < self._mutation
        return self._space.mutate(child, self._rng) if mutate else child

    def _winner(self) -> Arch:
        """Return the best of a tournament."""
        drawn: list[int] = self._rng.permutation(len(self._parents))[: self._tournament].tolist()
        return max([self._parents[place] for place in drawn])[1]


build = GeneticAlgorithm
