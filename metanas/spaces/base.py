"""What a search space is, and the functional form of a cell.

A space turns architectures (plain data, :class:`metanas.arch.Arch`) into text and back, walks among them and says
which of them are the same function. It knows nothing of networks, tables or scores.

An index is a number for an architecture. In a :class:`ListedSpace` the numbers are few enough to hold one array entry
for each; tables answer through such an array, whole spaces are searched, and a table can be complete. In another
:class:`Space` the index is only the code written as a number: a table holds the indices of its own rows and finds an
architecture by its canonical form, and nothing can run over all of the space.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from metanas.arch import Arch
from metanas.errors import InvalidArchError, InvalidValueError


@dataclass(frozen=True, slots=True)
class Graph:
    """A directed acyclic graph with an operation on every vertex, in topological order.

    Attributes:
        ops: name of the operation of each vertex, ``(n_vertices,)``; the first is ``"input"``, the last ``"output"``.
        edges: pairs ``(source, target)`` with ``source < target``, sorted.
    """

    ops: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]

    def adjacency(self) -> NDArray[np.int8]:
        """Return the adjacency matrix, ``(n_vertices, n_vertices)``, 1 where an edge leads from row to column."""
        matrix = np.zeros((len(self.ops), len(self.ops)), dtype=np.int8)
        for source, target in self.edges:
            matrix[source, target] = 1
        return matrix


@dataclass(frozen=True, slots=True, order=True)
class Term:
    """``count`` times the value of ``source``, pooled ``pools`` times.

    Attributes:
        pools: how many times 3x3 average pooling is applied.
        source: -1 for the cell's input, else the position of an atom in :attr:`Cell.atoms`.
        count: how often the term is added.
    """

    pools: int
    source: int
    count: int


@dataclass(frozen=True, slots=True, order=True)
class Atom:
    """One ReLU-convolution-BatchNorm with weights of its own, applied to a sum of terms."""

    op: str
    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """The function that a cell computes: atoms in the order of evaluation, and the terms of the output.

    Two architectures with equal cells are the same function with the same free weights. Dead operations do not occur.
    """

    atoms: tuple[Atom, ...]
    output: tuple[Term, ...]


@runtime_checkable
class Space(Protocol):
    """A finite search space."""

    @property
    def name(self) -> str:
        """Name of the space, as in ``"nb201-conv"``."""

    def check(self, arch: Arch) -> Arch:
        """Return ``arch``; raise :class:`~metanas.errors.InvalidArchError` if it is not of this space."""

    def parse(self, text: str) -> Arch:
        """Read the standard written form; raise :class:`~metanas.errors.InvalidArchError` if it is malformed."""

    def format(self, arch: Arch) -> str:
        """Write the standard form, the inverse of :meth:`parse`."""

    def arch(self, index: int) -> Arch:
        """Return the architecture with that index; raise ``InvalidArchError`` if there is none."""

    def index(self, arch: Arch) -> int:
        """Return the index of ``arch``, the inverse of :meth:`arch`."""

    def sample(self, rng: np.random.Generator) -> Arch:
        """Draw one architecture uniformly."""

    def neighbours(self, arch: Arch) -> Sequence[Arch]:
        """Return every architecture that differs in one decision, in a fixed order. The relation is symmetric."""

    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        """Return ``arch`` slightly changed at random: a uniformly drawn neighbour, unless the space says otherwise."""

    def crossover(self, first: Arch, second: Arch, rng: np.random.Generator) -> Arch:
        """Return a child that takes each decision from one of the two parents (uniform crossover)."""

    def canonical(self, arch: Arch) -> Arch:
        """Return the representative of the functional class of ``arch``. Idempotent."""

    def graph(self, arch: Arch) -> Graph:
        """Return the operation-on-vertex graph of ``arch`` as written (nothing pruned)."""

    def cell(self, arch: Arch) -> Cell:
        """Return the function that ``arch`` computes; equal for equal functional classes.

        Raises:
            InvalidValueError: architectures of this space are no sums of terms; no network is made of them here.
        """


@runtime_checkable
class ListedSpace(Space, Protocol):
    """A space with a list of all its architectures."""

    def __len__(self) -> int:
        """Return the number of architectures."""

    @property
    def indices(self) -> NDArray[np.int64]:
        """Indices of all architectures, ascending, ``(len(self),)``. A sub-space keeps its parent's indices."""

    @property
    def canonical_indices(self) -> NDArray[np.int64]:
        """Index of the representative for every index of the whole index range (−1 outside a sub-space)."""


def listed(space: Space) -> ListedSpace:
    """Return ``space`` as one with a list of all its architectures.

    Raises:
        InvalidValueError: it has none.
    """
    if not isinstance(space, ListedSpace):
        msg = (
            f"This needs a list of all architectures, and space {space.name!r} has none: it is too large. Take a space "
            f"with a list, as 'nb201'."
        )
        raise InvalidValueError(msg)
    return space


@runtime_checkable
class DecisionSpace(Space, Protocol):
    """A space whose architectures are a fixed row of decisions, each one of a fixed number of choices.

    Optimizers of categorical variables work on such spaces. A choice is a number from 0, whatever the codes are; a
    sub-space with fewer operations has fewer choices.
    """

    @property
    def decisions(self) -> tuple[int, ...]:
        """Number of choices of each decision, ``(n_decisions,)``."""

    def choices(self, arch: Arch) -> tuple[int, ...]:
        """Return the choice taken in each decision, ``(n_decisions,)``."""

    def from_choices(self, choices: Sequence[int]) -> Arch:
        """Return the architecture of some choices, the inverse of :meth:`choices`.

        Raises:
            InvalidArchError: these choices together are no architecture of the space.
        """


@runtime_checkable
class WiredSpace(Space, Protocol):
    """A space whose architectures can be built from a directed acyclic graph, for methods that grow graphs.

    Vertices are numbered in a topological order: 0 is the input, 1 to n the inner vertices, n + 1 the output.
    """

    @property
    def inner_vertices(self) -> int:
        """The most inner vertices that a graph may have."""

    @property
    def vertex_ops(self) -> tuple[int, ...]:
        """Operations that an inner vertex may carry, as numbers; a single one where vertices carry none."""

    @property
    def edge_ops(self) -> tuple[int, ...]:
        """Operations that an edge may carry, as numbers; a single one where edges carry none."""

    def from_wiring(self, vertices: Sequence[int], edges: Mapping[tuple[int, int], int]) -> Arch:
        """Return the architecture of a graph, all of whose vertices lie on a path from the input to the output.

        Args:
            vertices: operation of each inner vertex, ``(n,)``.
            edges: operation of each edge, by its source and its target.

        Raises:
            InvalidArchError: the space has no architecture with this graph.
        """


@runtime_checkable
class CompiledSpace(ListedSpace, Protocol):
    """A space that knows what a compiler leaves of an architecture; a runtime need not execute all that is written."""

    @property
    def without_dead_code(self) -> NDArray[np.int64]:
        """Index of each architecture without the operations whose result nothing uses, as canonical_indices is."""

    @property
    def without_zeros(self) -> NDArray[np.int64]:
        """The same without the operations, too, whose input is always zero."""


def with_decisions(space: Space) -> DecisionSpace:
    """Return ``space`` as one of fixed decisions.

    Raises:
        InvalidValueError: it has none.
    """
    if not isinstance(space, DecisionSpace):
        msg = (
            f"This needs a space of fixed decisions, and {space.name!r} has none: it lacks decisions, choices() and "
            f"from_choices(). Take a space that has them, as 'nb201'."
        )
        raise InvalidValueError(msg)
    return space


def arch_of_choices(name: str, family: str, values: Sequence[Sequence[int]], choices: Sequence[int]) -> Arch:
    """Return the architecture whose code takes, in each place, one of the values allowed there.

    Args:
        name: name of the space, for errors.
        family: name that its architectures carry.
        values: entries that the code may have in each place, ``(n_decisions, n_choices)``, ragged.
        choices: positions among them, ``(n_decisions,)``.

    Raises:
        InvalidArchError: a wrong number of choices, or one out of range. The code itself is not checked.
    """
    fits = len(choices) == len(values)
    if not fits or not all(0 <= choice < len(allowed) for choice, allowed in zip(choices, values, strict=True)):
        limits = tuple(len(allowed) for allowed in values)
        msg = f"Choices of {name!r} are numbers from 0, each below its entry of {limits}; got {tuple(choices)!r}."
        raise InvalidArchError(msg)
    return Arch(family, tuple([allowed[choice] for choice, allowed in zip(choices, values, strict=True)]))


def too_many_vertices(name: str, given: int, most: int) -> InvalidArchError:
    """Return the error for a graph with more inner vertices than the space ``name`` has."""
    return InvalidArchError(f"A graph of {name!r} has at most {most} vertices between input and output; got {given}.")
