"""Strategies that go in rounds: fit a model to what was told, ask for a batch that it chooses, begin again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from metanas.problem import Observation, Problem, Trial
from metanas.strategies._surrogate import Archive, Examples, check_range
from metanas.strategies.base import Unique


class Rounds(ABC):
    """Random architectures first, then rounds; what a round asks for is the business of :meth:`_round`.

    With several workers a round begins when all of the one before was asked for, with what was told until then.
    """

    def __init__(self, problem: Problem, rng: np.random.Generator, *, initial: int, unique: Unique) -> None:
        """Prepare the first architectures.

        Args:
            problem: what is searched.
            rng: source of all randomness.
            initial: random architectures at the beginning, at least 2.
            unique: what is not trained twice, the same ``"code"`` or the same function (``"canonical"``).

        Raises:
            InvalidValueError: a number out of range, or ``unique="none"``.
        """
        check_range("initial", initial, 2)
        self._archive = Archive(problem, rng, unique)
        self._rng = rng
        self._initial = initial
        self._queue: list[int] = []
        self._next_fit = 0.0  # number of examples

    def ask(self) -> Trial:
        """Return a random architecture, later the next of the round."""
        if len(self._archive.asked) < self._initial:
            return self._archive.draw()
        if not self._queue:
            examples = self._archive.examples()
            if examples is not None:
                self._queue = list(self._round(examples))[::-1]
        while self._queue:
            index = self._queue.pop()
            if self._archive.is_new(index):
                return self._archive.take(index)
        return self._archive.draw()  # too little is known yet, or nothing new was found

    def tell(self, observation: Observation) -> None:
        """Take in a score."""
        self._archive.tell(observation)

    def _grown(self, examples: Examples, growth: float) -> bool:
        """Return whether there are ``growth`` times as many examples as when this was last true."""
        grown = len(examples.indices) >= self._next_fit
        if grown:
            self._next_fit = len(examples.indices) * growth
        return grown

    @abstractmethod
    def _round(self, examples: Examples) -> Sequence[int]:
        """Return the indices to ask for next, in order."""
