"""What model-based strategies share: examples, candidates and acquisition functions.

Architectures are numbers here (``space.index``). A space with a list of at most :data:`SMALL` architectures is searched
whole: every architecture that was not asked for is a candidate. Of another space candidates are a pool, one half
children of the best, one half random.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from metanas.encodings.base import once_per_space
from metanas.errors import InvalidValueError, UnknownNameError
from metanas.extras import require
from metanas.problem import Observation, Problem, Trial
from metanas.spaces import ListedSpace, Space
from metanas.strategies.base import Memory, Unique

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Acquisition = Literal["ei", "ts", "ucb", "mean"]

SMALL = 2**15  # architectures
_PATIENCE = 20  # children in vain for each that is wanted
_TINY = 1e-12


class Examples(NamedTuple):
    """What was told: indices ``(n,)`` and scores ``(n,)``, finite; greater is better."""

    indices: Ints
    scores: Floats

    def best(self, k: int) -> list[int]:
        """Return the indices of the ``k`` best, the best first; of equals the one told first."""
        order = np.argsort(-self.scores, kind="stable")[:k]
        best: list[int] = self.indices[order].tolist()
        return best


class Archive:
    """What a run asked for and was told.

    Attributes:
        space: what is searched.
        asked: indices in the order of asking.
        scores: objective of what was told, by index, greater is better.
    """

    def __init__(self, problem: Problem, rng: np.random.Generator, unique: Unique) -> None:
        """Make an empty one.

        Args:
            problem: what is searched.
            rng: source of random architectures.
            unique: what is not asked for twice: ``"code"`` or ``"canonical"``.

        Raises:
            InvalidValueError: ``"none"``: a model would ask for its favourite for ever.
        """
        if unique == "none":
            msg = "unique must be 'code' or 'canonical' where a model chooses: it would repeat its favourite for ever."
            raise InvalidValueError(msg)
        self.space = problem.space
        self.asked: list[int] = []
        self.scores: dict[int, float] = {}
        self._rng = rng
        self._objective = problem.objective
        self._epochs = problem.max_epochs
        self._memory = Memory(problem.space, unique)
        self._around: dict[int, Ints] = {}  # neighbours of parents in a space with a list

    @property
    def by_class(self) -> bool:
        """Whether functionally equal architectures count as the same."""
        return self._memory.unique == "canonical"

    def join_classes(self) -> None:
        """From now on count functionally equal architectures as the same."""
        self._memory = Memory(self.space, "canonical")
        for index in self.asked:
            self._memory.add(self.space.arch(index))

    def draw(self) -> Trial:
        """Ask for a random architecture."""
        arch = self._memory.draw(self._rng)
        self.asked.append(self.space.index(arch))
        return Trial(arch, self._epochs)

    def take(self, index: int) -> Trial:
        """Ask for an architecture."""
        arch = self.space.arch(int(index))
        self._memory.add(arch)
        self.asked.append(int(index))
        return Trial(arch, self._epochs)

    def tell(self, observation: Observation) -> None:
        """Remember what came of a trial."""
        self.scores[self.space.index(observation.trial.arch)] = self._objective.score(observation.values)

    def is_new(self, index: int) -> bool:
        """Return whether neither the architecture nor its like was asked for."""
        return self.space.arch(int(index)) not in self._memory

    def examples(self, least: int = 3) -> Examples | None:
        """Return what a model can learn from; None if that is less than ``least`` examples, or all are equal.

        A training without a finite value counts as the worst finite one.
        """
        indices = np.fromiter(self.scores, dtype=np.int64, count=len(self.scores))
        scores = np.fromiter(self.scores.values(), dtype=np.float64, count=len(self.scores))
        finite = np.isfinite(scores)
        if finite.sum() < least:
            return None
        scores = np.where(finite, scores, scores[finite].min())
        return Examples(indices, scores) if np.ptp(scores) > 0 else None

    def functions(self, examples: Examples) -> int:
        """Return how many functionally different architectures there are among the examples."""
        if isinstance(self.space, ListedSpace):
            return len(np.unique(self.space.canonical_indices[examples.indices]))
        return len({self.space.canonical(self.space.arch(index)) for index in examples.indices.tolist()})

    def candidates(self, examples: Examples, size: int, parents: int = 10) -> Ints:
        """Return architectures that may be asked for, ``(m,)``: the whole space if it is small, else a pool.

        Args:
            examples: what was told; the best are parents.
            size: of the pool.
            parents: how many of the best have children.
        """
        if is_small(self.space):
            assert isinstance(self.space, ListedSpace)
            return self._new_of(self.space, self.space.indices)
        found = dict.fromkeys(self.children(examples.best(parents), size // 2))
        for _ in range(_PATIENCE * size):
            if len(found) >= size:
                break
            index = self.space.index(self.space.sample(self._rng))
            if self.is_new(index):
                found[index] = None
        return np.fromiter(found, dtype=np.int64, count=len(found))

    def children(self, parents: Sequence[int], size: int) -> list[int]:
        """Return up to ``size`` different new architectures, each a mutation of a parent, the parents in turn.

        In a space with a list a mutation is a uniformly drawn neighbour, and all are drawn at once: near the end, when
        nearly all around the best is known, most are drawn in vain.
        """
        if isinstance(self.space, ListedSpace):
            near = [self._neighbours(parent) for parent in parents]
            turn = np.arange(_PATIENCE * size) % len(near)
            step = self._rng.integers(np.array([len(others) for others in near])[turn])
            starts = np.cumsum([0, *map(len, near)])
            drawn = self._new_of(self.space, np.concatenate(near)[starts[turn] + step])
            different, first = np.unique(drawn, return_index=True)
            chosen: list[int] = different[np.argsort(first)][:size].tolist()
            return chosen
        found: dict[int, None] = {}
        for number in range(_PATIENCE * size):
            if len(found) >= size:
                break
            parent = self.space.arch(parents[number % len(parents)])
            index = self.space.index(self.space.mutate(parent, self._rng))
            if self.is_new(index):
                found[index] = None
        return list(found)

    def _neighbours(self, index: int) -> Ints:
        if index not in self._around:
            others = self.space.neighbours(self.space.arch(index))
            self._around[index] = np.array([self.space.index(other) for other in others], dtype=np.int64)
        return self._around[index]

    def _new_of(self, space: ListedSpace, indices: Ints) -> Ints:
        """Return those of some architectures that are new."""
        free = np.ones(len(space.canonical_indices), dtype=bool)
        if self.by_class:
            free[space.canonical_indices[self.asked]] = False
            return indices[free[space.canonical_indices[indices]]]
        free[self.asked] = False
        return indices[free[indices]]


def is_small(space: Space) -> bool:
    """Return whether the space is searched whole."""
    return isinstance(space, ListedSpace) and len(space) <= SMALL


@once_per_space
def classes_of(space: Space) -> tuple[Ints, Ints]:
    """Return the representatives of all functional classes, ``(m,)``, and the number of every index's class.

    The number is −1 for an index that is not of the space.
    """
    assert isinstance(space, ListedSpace)
    canonical = space.canonical_indices
    representatives, place = np.unique(canonical[space.indices], return_inverse=True)
    number = np.full(len(canonical), -1, dtype=np.int64)
    number[space.indices] = place
    return representatives.astype(np.int64), number


def acquire(
    acquisition: Acquisition, mean: Floats, std: Floats, best: float, rng: np.random.Generator, beta: float = 1.0
) -> Floats:
    """Return what each candidate promises, ``(m,)``; greater is better.

    Args:
        acquisition: ``"ei"``: expected improvement (Mockus 1975; Jones, Schonlau and Welch 1998, eq. 15); ``"ts"``: a
            value drawn for each candidate independently (White et al. 2021); ``"ucb"``: mean and ``beta``
            standard deviations (Srinivas et al. 2010); ``"mean"``: no exploration.
        mean: expected values.
        std: standard deviations.
        best: the value to improve on.
        rng: source of the draws.
        beta: of ``"ucb"``.
    """
    if acquisition == "ts":
        return mean + std * rng.standard_normal(len(mean))
    if acquisition == "ucb":
        return mean + beta * std
    if acquisition == "mean":
        return mean
    ndtr = require("scipy.special", "predictors", "Expected improvement").ndtr
    spread = np.maximum(std, _TINY)
    u = (mean - best) / spread
    improvement: Floats = spread * (u * ndtr(u) + np.exp(-0.5 * u**2) / np.sqrt(2 * np.pi))
    return improvement


def check_acquisition(acquisition: str, known: Sequence[str] = get_args(Acquisition)) -> None:
    """Raise :class:`~metanas.errors.UnknownNameError` for another acquisition function."""
    if acquisition not in known:
        raise UnknownNameError("acquisition function", acquisition, known)


def check_range(name: str, value: float, least: float, most: float | None = None) -> None:
    """Raise :class:`~metanas.errors.InvalidValueError` for a setting outside its range."""
    if not value >= least or (most is not None and not value <= most):
        upper = "" if most is None else f" <= {most}"
        msg = f"{least} <= {name}{upper} must hold, but got {name}={value}."
        raise InvalidValueError(msg)
