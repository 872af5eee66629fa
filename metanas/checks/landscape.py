"""A made-up landscape over any space, to check code against. Its values mean nothing and are in no table."""

from __future__ import annotations

import hashlib
import struct

import numpy as np

from metanas.arch import Arch
from metanas.oracles import Answer, Values
from metanas.problem import Objective
from metanas.spaces import Space


class LandscapeOracle:
    """Answers every architecture of a space with a value between 0 and 100: a smooth part and a rugged one.

    Attributes:
        space: the architectures that it answers for.
        epochs: the epochs after which it has values.
        timed: it knows seconds; they differ between architectures.
    """

    timed = True

    def __init__(
        self, space: Space, objective: Objective, *, epochs: tuple[int, ...] = (1, 2, 4), seed: int = 0
    ) -> None:
        """Make a landscape.

        Args:
            space: the architectures to answer for.
            objective: the one metric; the landscape of a minimized one is the negative of the maximized one.
            epochs: the epochs after which it has values, ascending.
            seed: another seed is another landscape.
        """
        self.space = space
        self.epochs = epochs
        self._objective = objective
        self._seed = seed

    def index(self, arch: Arch) -> int:
        """Return the index of ``arch``; raise :class:`~metanas.errors.InvalidArchError` outside the space."""
        return self.space.index(self.space.check(arch))

    def answer(self, index: int, epochs: int) -> Answer:
        """Return the value after so many epochs, and its curve."""
        code = self.space.arch(index).code
        smooth = sum(self._uniform("part", place, op) for place, op in enumerate(code)) / len(code)
        final = 80 * smooth + 20 * self._uniform("whole", *code)
        curve = [final * (1 - 0.5 / epoch) for epoch in self.epochs if epoch <= epochs]
        signed = self._objective.sign * np.array(curve)
        return Answer(Values({self._objective.metric: float(signed[-1])}), signed)

    def seconds(self, index: int, epochs: int) -> float:
        """Return between 1 and 2 seconds an epoch."""
        return epochs * (1 + self._uniform("seconds", *self.space.arch(index).code))

    def _uniform(self, *words: object) -> float:
        """Return a number in [0, 1) that depends on ``words`` and the seed alone."""
        digest = hashlib.sha256(repr((self._seed, *words)).encode()).digest()
        return float(struct.unpack("<Q", digest[:8])[0]) / 2.0**64
