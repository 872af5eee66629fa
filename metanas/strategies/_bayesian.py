"""Bayesian optimization with a Gaussian process: the loop, for any kernel.

The targets are the normal scores of the values (see ``predictors/_targets.py``), so that a few diverged trainings do
not outweigh all differences among the good ones; the settings of the process are chosen anew whenever the examples have
grown by a third, and in between each example adds a row (``_process.py``). A small space is searched whole, by
functional class: of the class that promises most, an architecture is drawn that was not asked for. Of another space
the pool of ``_surrogate.py`` takes the place of the whole; it is drawn anew with the settings, and when a new best has
been found.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metanas.predictors._targets import Targets
from metanas.problem import Observation, Problem, Trial
from metanas.spaces import ListedSpace
from metanas.strategies._process import Choice, Kernel, Process, choose, grid
from metanas.strategies._surrogate import (
    Acquisition,
    Archive,
    Examples,
    Floats,
    Ints,
    acquire,
    check_acquisition,
    check_range,
    classes_of,
    is_small,
)
from metanas.strategies.base import Unique

_GROWTH = 4 / 3  # of the examples, between two choices of settings
NOISES = grid(0.01, spread=2.0, steps=2, factor=4.0)  # ratios of noise to amplitude


class BayesianSearch:
    """Ask for what promises most by the posterior of a Gaussian process."""

    def __init__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        kernel: Kernel,
        *,
        acquisition: Acquisition,
        initial: int,
        batch: int,
        pool: int,
        beta: float,
        unique: Unique,
        noises: Sequence[tuple[float, float]] = NOISES,
    ) -> None:
        """Prepare the initial design.

        Args:
            problem: what is searched.
            rng: source of all randomness.
            kernel: of the process.
            acquisition: see :func:`~metanas.strategies._surrogate.acquire`.
            initial: architectures before the model is asked, at least 3.
            batch: results are taken in after so many asks.
            pool: candidates in a space that is not small.
            beta: standard deviations of ``"ucb"``.
            unique: what is not trained twice: the same ``"code"``, or the same function (``"canonical"``).
            noises: grid of ratios of noise to amplitude.

        Raises:
            InvalidValueError: a number out of range, or ``unique="none"``.
            UnknownNameError: there is no such acquisition function.
        """
        check_acquisition(acquisition)
        for name, value, least in (("initial", initial, 3), ("batch", batch, 1), ("pool", pool, 2), ("beta", beta, 0)):
            check_range(name, value, least)
        self._archive = Archive(problem, rng, unique)
        self._rng = rng
        self._kernel = kernel
        self._acquisition = acquisition
        self._initial = initial
        self._batch = batch
        self._pool = pool
        self._beta = beta
        self._noises = noises
        self._examples: Examples | None = None  # taken in; what was told since then waits for the next batch
        self._choice: Choice | None = None
        self._next_choice = 0.0  # number of examples
        self._process: Process | None = None
        self._places: _Places | None = None
        self._best_known = -1
        self._inside: list[int] = []  # asked for, in the process

    def ask(self) -> Trial:
        """Return an architecture of the design, later the one that promises most."""
        number = len(self._archive.asked)
        if number < self._initial:
            return self._design(number)
        if (number - self._initial) % self._batch == 0 or self._examples is None:
            self._examples = self._archive.examples()
            if self._examples is not None:
                self._refresh(self._examples)
        if self._examples is None:
            return self._archive.draw()
        index = self._best(self._examples)
        return self._archive.draw() if index is None else self._archive.take(index)

    def tell(self, observation: Observation) -> None:
        """Take in a score."""
        self._archive.tell(observation)

    def _design(self, number: int) -> Trial:
        """Return the next architecture of the initial design: a random one."""
        return self._archive.draw()

    def _refresh(self, examples: Examples) -> None:
        """Choose settings if the examples have grown; start the process anew then, or if its places are a pool."""
        if len(examples.indices) >= self._next_choice:
            self._next_choice = max(len(examples.indices) * _GROWTH, len(examples.indices) + 1)
            self._choice = choose(self._kernel, examples.indices, _targets(examples.scores), self._noises)
            self._process = None
        [best] = examples.best(1)
        if self._places is None or (not self._places.whole and (self._process is None or best != self._best_known)):
            self._places = _Places(self._archive, examples, self._pool)
            self._process = None
        self._best_known = best

    def _best(self, examples: Examples) -> int | None:
        """Return the architecture that promises most; None if there is nothing new."""
        places, choice, asked = self._places, self._choice, self._archive.asked
        assert places is not None
        assert choice is not None
        if self._process is None:
            kernel, at = self._kernel, places.at

            def rows(some: Ints) -> Floats:
                return choice.amplitude * kernel.between(choice.setting, at[some], at)

            prior = choice.amplitude * kernel.own(choice.setting, at)
            self._process = Process(rows, prior, choice.noise, np.array([places.of(index) for index in asked]))
            self._inside = list(asked)
        for index in asked[len(self._inside) :]:
            self._process.add(places.of(index))
            self._inside.append(index)
        known = dict(zip(examples.indices.tolist(), _targets(examples.scores).tolist(), strict=True))
        z = np.array([known.get(index, np.nan) for index in self._inside])
        mean, std = self._process.predict(z)
        free = places.free(self._archive)
        if not free.any():
            return None
        promise = self._promise(mean, std, float(np.nanmax(z)))
        return places.member(int(np.where(free, promise, -np.inf).argmax()), self._archive, self._rng)

    def _promise(self, mean: Floats, std: Floats, best: float) -> Floats:
        """Return what each place promises, ``(m,)``."""
        return acquire(self._acquisition, mean, std, best, self._rng, self._beta)


class _Places:
    """Where the process is known: one place for each functional class of a small space, or a pool and what was asked.

    Attributes:
        whole: the places are the classes of the whole space.
        at: an architecture of each place, ``(m,)``.
    """

    def __init__(self, archive: Archive, examples: Examples, pool: int) -> None:
        self.whole = is_small(archive.space)
        if self.whole:
            assert isinstance(archive.space, ListedSpace)
            self.at, self._number = classes_of(archive.space)
            self._sizes = np.bincount(self._number[archive.space.indices], minlength=len(self.at))
            self._indices = archive.space.indices
        else:
            new = archive.candidates(examples, pool)
            self.at = np.concatenate([np.unique(archive.asked), new]).astype(np.int64)
            self._place = {index: place for place, index in enumerate(self.at.tolist())}

    def of(self, index: int) -> int:
        """Return the place of an architecture."""
        return int(self._number[index]) if self.whole else self._place[index]

    def free(self, archive: Archive) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Return where there is something that was not asked for, ``(m,)``."""
        if not self.whole:
            asked = set(archive.asked)
            return np.array([index not in asked for index in self.at.tolist()], dtype=bool)
        if archive.by_class:
            free = np.ones(len(self.at), dtype=bool)
            free[self._number[archive.asked]] = False
            return free
        asked_of = np.bincount(self._number[np.unique(archive.asked)], minlength=len(self.at))
        return asked_of < self._sizes

    def member(self, place: int, archive: Archive, rng: np.random.Generator) -> int:
        """Return an architecture of a place that was not asked for."""
        if not self.whole:
            return int(self.at[place])
        members = self._indices[self._number[self._indices] == place]
        members = members[~np.isin(members, archive.asked)]
        return int(members[rng.integers(len(members))])


def _targets(scores: Floats) -> Floats:
    """Return normal scores, less their mean."""
    z: Floats = Targets(scores, "normal").forward(scores)
    z -= z.mean()
    return z
