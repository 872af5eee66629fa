"""Bayesian optimization with a Gaussian process: the loop, for any kernel.

The targets are the normal scores of the values (see ``predictors/_targets.py``), so that a few diverged trainings do
not outweigh all differences among the good ones; the settings of the process are chosen anew whenever the examples have
grown by a third, and in between each example adds a row (``_process.py``). A small space is searched whole, by
functional class: of the class that promises most, an architecture is drawn that was not asked for. Of another space
the pool of ``_surrogate.py`` takes the place of the whole; it is drawn anew with the settings, and when a new best has
been found.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from metanas.encodings.base import once_per_space
from metanas.predictors._targets import normal_scores
from metanas.problem import Observation, Problem, Trial
from metanas.spaces import ListedSpace, Space
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
        self._z: Floats = np.empty(0)  # their targets: normal scores, less their mean
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
        if index is None:  # the pool is used up, or the space
            self._examples = self._places = None
            return self._archive.draw()
        return self._archive.take(index)

    def tell(self, observation: Observation) -> None:
        """Take in a score."""
        self._archive.tell(observation)

    def _design(self, number: int) -> Trial:
        """Return the next architecture of the initial design: a random one."""
        return self._archive.draw()

    def _refresh(self, examples: Examples) -> None:
        """Choose settings if the examples have grown; start the process anew if they changed, or its places are a pool.

        The process is known in units of the amplitude, so that another one alone changes nothing.
        """
        self._z = normal_scores(examples.scores)
        self._z -= self._z.mean()
        if len(examples.indices) >= self._next_choice:
            self._next_choice = max(len(examples.indices) * _GROWTH, len(examples.indices) + 1)
            before = self._choice
            now = self._choice = choose(self._kernel, examples.indices, self._z, self._noises)
            same = before is not None and (now.setting, now.ratio) == (before.setting, before.ratio)
            if not (same and self._places is not None and self._places.whole):
                self._process = None
        best = int(examples.indices[examples.scores.argmax()])
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
                return kernel.between(choice.setting, at[some], at)

            prior = kernel.own(choice.setting, at)
            self._process = Process(rows, prior, choice.ratio, np.array([places.of(index) for index in asked]))
            self._inside = list(asked)
        for index in asked[len(self._inside) :]:
            self._process.add(places.of(index))
            self._inside.append(index)
        told, z = examples.indices.tolist(), np.full(len(self._inside), np.nan)
        if told == self._inside[: len(told)]:
            z[: len(told)] = self._z
        else:  # told in another order than asked for
            known = dict(zip(told, self._z.tolist(), strict=True))
            z[:] = [known.get(index, np.nan) for index in self._inside]
        mean, std = self._process.predict(z)
        free = places.free(self._archive)
        if not free.any():
            return None
        promise = self._promise(mean, math.sqrt(choice.amplitude) * std, float(self._z.max()))
        return places.member(int(np.where(free, promise, -np.inf).argmax()), self._rng)

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
        self._seen = 0  # of what was asked for
        if self.whole:
            self.at, self._number = classes_of(archive.space)
            self._members, self._starts = _members(archive.space)
            self._left = np.diff(self._starts)  # architectures of each class that were not asked for
            self._asked = np.zeros(len(self._number), dtype=bool)
        else:
            new = archive.candidates(examples, pool)
            self.at = np.concatenate([np.unique(archive.asked), new]).astype(np.int64)
            self._place = {index: place for place, index in enumerate(self.at.tolist())}
            self._left = np.ones(len(self.at), dtype=np.int64)

    def of(self, index: int) -> int:
        """Return the place of an architecture."""
        return int(self._number[index]) if self.whole else self._place[index]

    def free(self, archive: Archive) -> NDArray[np.bool_]:
        """Return where there is something that was not asked for, ``(m,)``."""
        for index in archive.asked[self._seen :]:
            if not self.whole:
                self._left[self._place[index]] = 0
            elif not self._asked[index]:
                self._asked[index] = True
                self._left[self._number[index]] -= 1
        self._seen = len(archive.asked)
        if self.whole and archive.by_class:
            free: NDArray[np.bool_] = self._left == np.diff(self._starts)
        else:
            free = self._left > 0
        return free

    def member(self, place: int, rng: np.random.Generator) -> int:
        """Return an architecture of a place that was not asked for, as far as :meth:`free` has seen."""
        if not self.whole:
            return int(self.at[place])
        members = self._members[self._starts[place] : self._starts[place + 1]]
        members = members[~self._asked[members]]
        return int(members[rng.integers(len(members))])


@once_per_space
def _members(space: Space) -> tuple[Ints, Ints]:
    """Return the architectures of a small space by functional class, and where each class begins, ``(m + 1,)``."""
    assert isinstance(space, ListedSpace)
    representatives, number = classes_of(space)
    of = number[space.indices]
    starts = np.concatenate(([0], np.cumsum(np.bincount(of, minlength=len(representatives)))))
    return space.indices[np.argsort(of, kind="stable")], starts.astype(np.int64)
