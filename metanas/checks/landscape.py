"""A made-up landscape over any space, to check code against. Its values mean nothing and are in no table."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from metanas.arch import Arch
from metanas.oracles import Answer, Values
from metanas.problem import Objective
from metanas.spaces import Space, listed

LATENCY, PARAMETERS, PROXY = "latency/made_up", "cost/parameters", "proxy/made_up"


class LandscapeOracle:
    """Answers every architecture of a space with a value between 0 and 100: a smooth part and a rugged one.

    Costs, where they are asked for, lie between 1 and 11 and are the greater, the better the smooth part of the value
    is: good architectures are dear.

    Attributes:
        space: the architectures that it answers for.
        epochs: the epochs after which it has values.
        timed: it knows seconds; they differ between architectures.
    """

    timed = True

    def __init__(
        self,
        space: Space,
        objective: Objective,
        *,
        epochs: tuple[int, ...] = (1, 2, 4),
        seed: int = 0,
        costs: Sequence[str] = (),
    ) -> None:
        """Make a landscape.

        Args:
            space: the architectures to answer for.
            objective: the one metric; the landscape of a minimized one is the negative of the maximized one.
            epochs: the epochs after which it has values, ascending.
            seed: another seed is another landscape.
            costs: names of the costs that every answer holds beside the objective, as ``("latency/made_up",)``.
        """
        self.space = space
        self.epochs = epochs
        self._objective = objective
        self._seed = seed
        self._costs = tuple(costs)
        self._drawn: dict[tuple[object, ...], float] = {}  # of single decisions, which recur

    def index(self, arch: Arch) -> int:
        """Return the index of ``arch``; raise :class:`~metanas.errors.InvalidArchError` outside the space."""
        return self.space.index(self.space.check(arch))

    def answer(self, index: int, epochs: int) -> Answer:
        """Return the value after so many epochs, its curve and the costs."""
        code = self.space.arch(index).code
        final = 80 * self._mean("part", code) + 20 * self._uniform("whole", *code)
        curve = [final * (1 - 0.5 / epoch) for epoch in self.epochs if epoch <= epochs]
        signed = self._objective.sign * np.array(curve)
        values = Values({self._objective.metric: float(signed[-1])})
        values.update({name: self._cost(name, code) for name in self._costs})
        return Answer(values, signed)

    def seconds(self, index: int, epochs: int) -> float:
        """Return between 1 and 2 seconds an epoch."""
        return epochs * (1 + self._uniform("seconds", *self.space.arch(index).code))

    def costs(self, name: str) -> NDArray[np.float64]:
        """Return a cost of every architecture of a listed space, ``(index range,)``, NaN outside the space."""
        return self._everywhere(lambda code: self._cost(name, code))

    def proxy(self) -> NDArray[np.float64]:
        """Return a score that needs no training: the smooth part of the value, ``(index range,)``, NaN at a few."""
        scores = self._everywhere(lambda code: self._mean("part", code))
        scores[listed(self.space).indices[::10]] = np.nan
        return scores

    def _everywhere(self, value: Callable[[tuple[int, ...]], float]) -> NDArray[np.float64]:
        space = listed(self.space)
        values = np.full(len(space.canonical_indices), np.nan)
        values[space.indices] = [value(space.arch(index).code) for index in space.indices.tolist()]
        return values

    def _cost(self, name: str, code: tuple[int, ...]) -> float:
        return 1 + 5 * self._mean("part", code) + 5 * self._mean(name, code)

    def _mean(self, word: str, code: tuple[int, ...]) -> float:
        total = 0.0
        for place, op in enumerate(code):
            drawn = self._drawn.get((word, place, op))
            if drawn is None:
                drawn = self._drawn[word, place, op] = self._uniform(word, place, op)
            total += drawn
        return total / len(code)

    def _uniform(self, *words: object) -> float:
        """Return a number in [0, 1) that depends on ``words`` and the seed alone."""
        digest = hashlib.sha256(repr((self._seed, *words)).encode()).digest()
        return float(struct.unpack("<Q", digest[:8])[0]) / 2.0**64
