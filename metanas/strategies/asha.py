"""ASHA: asynchronous successive halving.

Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur, Hardt, Recht and Talwalkar, "A System for Massively Parallel
Hyperparameter Tuning", MLSys 2020 (arXiv:1810.05934), algorithm 2: whenever a worker is idle, an architecture that is
among the best 1/η of the results of its rung and has not gone on is promoted, the highest rung first; if there is
none, a new one starts at the lowest rung. No one ever waits for a rung to be full.

Differences: the rungs are the nearest epochs that may be asked for; architectures are drawn without repeats
(``unique``). The defaults are η = 3, as recommended for Hyperband, and 0 for the minimum early-stopping rate, s.
"""

from __future__ import annotations

from bisect import insort

import numpy as np

from metanas.arch import Arch
from metanas.errors import InvalidValueError
from metanas.problem import Observation, Problem, Requirements, Trial
from metanas.strategies._brackets import ladder, score_of
from metanas.strategies.base import Memory, Unique

FAMILY = "multi-fidelity"
REQUIRES = Requirements(fidelities=True)


class Asha:
    """Promote whatever is good enough as soon as there is a worker."""

    def __init__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        eta: float = 3.0,
        rate: int = 0,
        minimum: int | None = None,
        unique: Unique = "code",
    ) -> None:
        """Prepare empty rungs.

        Args:
            problem: what is searched.
            rng: source of all randomness.
            eta: η, one in so many goes on to the next rung.
            rate: s, the minimum early-stopping rate: so many of the lowest rungs are left out.
            minimum: epochs of the lowest rung; the least that may be asked for if None.
            unique: what is not drawn twice; see :class:`~metanas.strategies.base.Memory`.

        Raises:
            InvalidValueError: unless ``eta > 1``, ``minimum`` is at most a full training and ``rate`` leaves a rung.
        """
        rungs = ladder(problem, eta, minimum)
        if not 0 <= rate < len(rungs):
            msg = f"0 <= rate < {len(rungs)}, the number of rungs, must hold, but got rate={rate}."
            raise InvalidValueError(msg)
        self._rng, self._eta = rng, eta
        self._objective = problem.objective
        self._rungs = rungs[rate:]
        self._rung_of = {epochs: rung for rung, epochs in enumerate(self._rungs)}
        self._memory = Memory(problem.space, unique)
        self._results: list[list[tuple[float, int, Arch]]] = [[] for _ in self._rungs]  # best first, then oldest
        self._promoted: list[set[Arch]] = [set() for _ in self._rungs]

    def ask(self) -> Trial:
        """Return a promotion if there is one (algorithm 2, get_job), or a new architecture at the lowest rung."""
        for rung in range(len(self._rungs) - 2, -1, -1):
            results = self._results[rung]
            for _, _, arch in results[: int(len(results) / self._eta)]:  # top_k(rung k, |rung k| / η)
                if arch not in self._promoted[rung]:
                    self._promoted[rung].add(arch)
                    return Trial(arch, self._rungs[rung + 1])
        return Trial(self._memory.draw(self._rng), self._rungs[0])

    def tell(self, observation: Observation) -> None:
        """Add the result to its rung."""
        results = self._results[self._rung_of[observation.trial.epochs]]
        insort(results, (-score_of(self._objective, observation), len(results), observation.trial.arch))


build = Asha
