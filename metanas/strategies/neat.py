"""NEAT: NeuroEvolution of Augmenting Topologies.

Stanley and Miikkulainen, "Evolving Neural Networks through Augmenting Topologies", Evolutionary Computation 10(2),
2002. Genes carry historical markings, so that crossover lines genomes up without matching graphs (section 3.2);
species, told apart by the compatibility distance (eq. 1), share their fitness (eq. 2), so that new structure is
protected (section 3.3); topologies start minimal and grow (section 3.4). The genome and its operators are in
:mod:`metanas.strategies._genome`.

What it becomes in architecture search:

- An evaluation is a training. Weights are learned by gradient descent while a network is evaluated, and are no part of
  a genome; in their place genes carry operations, which mutate as the paper's weights do.
- A space must build architectures from graphs (``from_wiring``). In NAS-Bench-201 connections carry the operations, and
  at most two vertices lie between input and output; in NAS-Bench-101 and NAS-Bench-Graph vertices carry them. A child
  that grows beyond the space, or carries twice as many vertices, dead ones too, is bred anew.
- The minimal topology is the input joined to the output, or, where that is no architecture, what few mutations make of
  it. There are only so many of them; further founders are mutated until they are new.

As in the paper (section 4.1): c1 = c2 = 1, c3 = 0.4, distance threshold 3; a gene that is disabled in either parent is
disabled with chance 0.75; a quarter of the children have one parent, one in a thousand has parents of two species; the
champion of a species of more than five lives on unchanged (and is not trained again); a species that has not improved
for 15 generations has no children.

Differences: a population of 10 (150) and chances of 0.2 and 0.3 to grow a vertex or a connection (0.03 and 0.05),
because a few hundred trainings are few generations. Half of a species breeds (the authors' code: a fifth). Shared
fitness is measured from the worst member of the population, because objectives have no natural zero; the numbers of
children are drawn in proportion to it. The best species has children even if it has not improved; the paper's further
rule, that only the two best species breed after 20 generations without any improvement, is left out. Enable bits flip
with chance 0.1 (a setting of the authors' code, 0.1 in some of its parameter files; not in the paper). A child that was
trained before is mutated further (``unique``). With several workers a child may be asked for while its generation's
last siblings are in training; it belongs to the next generation.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from metanas.arch import Arch
from metanas.errors import InvalidValueError
from metanas.problem import Observation, Problem, Requirements, Trial
from metanas.spaces import WiredSpace
from metanas.strategies._draws import Draws
from metanas.strategies._genome import (
    INPUT,
    OUTPUT,
    Connection,
    Genome,
    History,
    Wiring,
    add_connection,
    add_vertex,
    change_op,
    crossover,
    distance,
    express,
    is_overgrown,
    toggle,
)
from metanas.strategies.base import Memory, Unique

FAMILY = "evolution"
REQUIRES = Requirements(space=("from_wiring",))

_PATIENCE = 100  # mutations in vain before a child starts from the minimal topology; 20 times: all is forgotten
_STAGNANT = 15  # generations
_CHAMPION = 5  # members of a species, beyond which its champion lives on
_INTERSPECIES = 0.001
_TOGGLE = 0.1


class Member(NamedTuple):
    """A genome and its fitness; greater is better."""

    fitness: float
    genome: Genome


@dataclass(slots=True)
class Species:
    """Genomes that are alike.

    Attributes:
        representative: decides who belongs: a member of the generation before.
        members: of this generation.
        best: best fitness so far.
        stale: generations since ``best`` improved.
    """

    representative: Genome
    members: list[Member] = field(default_factory=list)
    best: float = -np.inf
    stale: int = 0


class Neat:
    """Grow topologies from minimal ones, in species."""

    def __init__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        population: int = 10,
        threshold: float = 3.0,
        excess: float = 1.0,
        disjoint: float = 1.0,
        ops: float = 0.4,
        vertex: float = 0.2,
        connection: float = 0.3,
        alone: float = 0.25,
        survival: float = 0.5,
        unique: Unique = "code",
    ) -> None:
        """Prepare the minimal topology.

        Args:
            problem: what is searched; its space builds architectures from graphs.
            rng: source of all randomness.
            population: members of a generation.
            threshold: compatibility distance from which on genomes are of two species.
            excess: c1 of eq. 1.
            disjoint: c2 of eq. 1.
            ops: c3 of eq. 1.
            vertex: chance of a mutation to add a vertex.
            connection: chance of a mutation to add a connection, where it adds no vertex.
            alone: share of children that have one parent.
            survival: share of a species that breeds.
            unique: what is not trained twice: the same ``"code"``, the same function (``"canonical"``), or
                ``"none"``: repeats are paid.

        Raises:
            InvalidValueError: a space without ``from_wiring``, or a setting out of range.
        """
        if not isinstance(problem.space, WiredSpace):
            msg = f"NEAT needs a space that builds architectures from graphs, but {problem.space.name!r} does not."
            raise InvalidValueError(msg)
        chances = {"vertex": vertex, "connection": connection, "alone": alone, "survival": survival}
        if population < 2 or threshold <= 0 or not all(0 <= chance <= 1 for chance in chances.values()):
            msg = (
                f"population >= 2, threshold > 0 and chances from 0 to 1 must hold, but got population={population}, "
                f"threshold={threshold}, {', '.join(f'{name}={chance}' for name, chance in chances.items())}."
            )
            raise InvalidValueError(msg)
        self._rng, self._draws = rng, Draws(rng)
        self._space: WiredSpace = problem.space
        self._wiring = Wiring.of(problem.space)
        self._epochs = problem.max_epochs
        self._objective = problem.objective
        self._size = population
        self._threshold, self._coefficients = threshold, (excess, disjoint, ops)
        self._vertex, self._connection, self._alone, self._survival = vertex, connection, alone, survival
        self._memory = Memory(problem.space, unique)
        self._history = History()
        self._species: list[Species] = []
        self._slots: list[Species] = []  # one for each child to come
        self._under_way: dict[Arch, deque[Genome]] = {}
        self._children: list[Member] = []

    def ask(self) -> Trial:
        """Return a founder, later the child of a species."""
        if self._species:
            if not self._slots:
                self._slots = self._shares()  # workers that wait for the last of a generation
            genome = self._child(self._slots.pop())
        else:
            genome = self._minimal()
        genome, arch = self._new(genome)
        self._under_way.setdefault(arch, deque()).append(genome)
        return Trial(arch, self._epochs)

    def tell(self, observation: Observation) -> None:
        """Add a member; when the generation is full, tell its species apart and let them breed."""
        genome = self._under_way[observation.trial.arch].popleft()
        self._children.append(Member(self._objective.score(observation.values), genome))
        large = [species for species in self._species if len(species.members) > _CHAMPION]
        if len(self._children) + len(large) >= self._size:
            champions = [max(species.members, key=_fitness) for species in large]
            self._speciate(self._children + champions)
            self._children = []
            self._slots = self._shares()

    def _speciate(self, members: list[Member]) -> None:
        """Put every genome into the first species that it is compatible with (section 3.3)."""
        for species in self._species:
            drawn = self._draws.integers(len(species.members))
            species.representative = species.members[drawn].genome
            species.members = []
        for member in members:
            for species in self._species:
                if distance(member.genome, species.representative, *self._coefficients) < self._threshold:
                    break
            else:
                species = Species(member.genome)
                self._species.append(species)
            species.members.append(member)
        self._species = [species for species in self._species if species.members]
        for species in self._species:
            best = max(member.fitness for member in species.members)
            species.stale = 0 if best > species.best else species.stale + 1
            species.best = max(best, species.best)

    def _shares(self) -> list[Species]:
        """Return the species of each child to come, in a drawn order: as many as its shared fitness says (eq. 2).

        Each member's fitness is divided by the number of members of its species, so that a species has its mean.
        """
        leader = max(self._species, key=lambda species: species.best)
        breeding = [species for species in self._species if species.stale < _STAGNANT or species is leader]
        worst = min(member.fitness for species in self._species for member in species.members)
        shared = np.array([np.mean([member.fitness - worst for member in species.members]) for species in breeding])
        shares = shared / shared.sum() if shared.sum() > 0 else np.full(len(breeding), 1 / len(breeding))
        counts = self._rng.multinomial(self._size, shares)
        slots = [species for species, count in zip(breeding, counts.tolist(), strict=True) for _ in range(count)]
        return [slots[place] for place in self._rng.permutation(len(slots)).tolist()]

    def _child(self, species: Species) -> Genome:
        """Return the child of one or two of the better half of a species."""
        first = self._parent(species)
        if self._draws.random() < self._alone:
            return self._mutated(first.genome)
        if self._draws.random() < _INTERSPECIES:
            species = self._species[self._draws.integers(len(self._species))]
        second = self._parent(species)
        fitter, other = (first, second) if first.fitness >= second.fitness else (second, first)
        child = crossover(fitter.genome, other.genome, self._draws, equal=first.fitness == second.fitness)
        return self._mutated(child)

    def _parent(self, species: Species) -> Member:
        ranked = sorted(species.members, key=_fitness, reverse=True)
        return ranked[self._draws.integers(max(1, int(np.ceil(self._survival * len(ranked)))))]

    def _minimal(self) -> Genome:
        """Return the input joined to the output."""
        ops = self._wiring.edge_ops
        op = ops[self._draws.integers(len(ops))]
        return Genome({self._history.connection(INPUT, OUTPUT): Connection(INPUT, OUTPUT, op)})

    def _mutated(self, genome: Genome) -> Genome:
        """Grow, or else change an operation and perhaps an enable bit (section 3.1)."""
        chance = self._draws.random()
        if chance < self._vertex:
            return add_vertex(genome, self._wiring, self._history, self._draws)
        if chance < self._vertex + (1 - self._vertex) * self._connection:
            return add_connection(genome, self._wiring, self._history, self._draws)
        changed = change_op(genome, self._wiring, self._draws)
        return toggle(changed, self._draws) if self._draws.random() < _TOGGLE else changed

    def _new(self, genome: Genome) -> tuple[Genome, Arch]:
        """Return the genome if its architecture exists and is new, else a mutant of it; and the architecture."""
        base, attempt = genome, 0
        while True:
            attempt += 1
            arch = express(genome, self._wiring, self._history)
            if arch is not None:
                if self._memory.add(arch):
                    return genome, arch
                base = genome  # known: go on from it
            if is_overgrown(base, self._wiring):  # no mutation takes a vertex away: the attempts left would be in vain
                attempt += -attempt % _PATIENCE
            if attempt % _PATIENCE == 0:
                base = self._minimal()
            if attempt % (20 * _PATIENCE) == 0:
                self._memory = Memory(self._space, self._memory.unique)
            genome = self._mutated(base)


def _fitness(member: Member) -> float:
    return member.fitness


build = Neat
