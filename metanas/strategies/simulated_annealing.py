"""Simulated annealing with geometric cooling.

Kirkpatrick, Gelatt and Vecchi, "Optimization by Simulated Annealing", Science 220 (1983), pages 671-680: a random
neighbour of the current state is accepted by the rule of Metropolis et al. (1953), always if it is better and with
probability exp(-worsening / T) otherwise, while T falls. Their schedule for the partitioning of circuits: start with T
so high that almost every move is accepted, then T_n = 0.9^n T_0, each temperature held until enough moves were accepted
or tried.

An objective has a scale of its own (percent, nats, seconds), so T_0 is found from what is observed, as Johnson, Aragon,
McGeoch and Schevon, "Optimization by Simulated Annealing: An Experimental Evaluation, Part I", Operations Research 37
(1989), find it: from moves tried first, such that a given share of moves is accepted. The walk begins with ``warm_up``
moves that are all accepted; T_0 is then set so that the median change among them, taken as a worsening, is accepted
with probability ``acceptance``.

Differences: the acceptance of the median worsening, where Johnson et al. have that of all moves tried; the mean would
be ruled by a few architectures that do not train at all and are worse by far. T_0 starts lower (acceptance 0.2,
``hold`` 5, where the papers have 0.4 to almost 1 and far more moves at each temperature), because a few hundred
trainings leave no time to be hot. What was trained once is remembered, so that a move to known ground costs nothing and
does not count for the cooling. When the known surroundings hold the walk for a long row of moves (it is frozen), it
goes on from a random architecture at the same temperature. With several workers each one's move starts from the state
at the time of asking and is accepted or not against the state at the time of telling.
"""

from __future__ import annotations

import math

import numpy as np

from metanas.arch import Arch
from metanas.errors import InvalidValueError
from metanas.problem import Observation, Problem, Trial
from metanas.strategies.base import Memory, Unique

FAMILY = "random and local"

_PATIENCE = 200  # free moves in a row, after which the walk counts as frozen


class SimulatedAnnealing:
    """Walk to random neighbours; accept a worse one ever less."""

    def __init__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        acceptance: float = 0.2,
        cooling: float = 0.9,
        hold: int = 5,
        warm_up: int = 10,
        unique: Unique = "code",
    ) -> None:
        """Prepare the walk.

        Args:
            problem: what is searched.
            rng: source of all randomness.
            acceptance: probability that a worsening by the median change of the first moves is accepted at T_0.
            cooling: factor from one temperature to the next.
            hold: trainings at each temperature.
            warm_up: trainings before T_0 is set, all of them accepted.
            unique: what counts as trained before: the same ``"code"``, the same function (``"canonical"``), or
                nothing (``"none"``): every move is a training, as in the papers.

        Raises:
            InvalidValueError: unless ``0 < acceptance < 1``, ``0 < cooling <= 1``, ``hold >= 1``, ``warm_up >= 2``.
        """
        if not (0 < acceptance < 1 and 0 < cooling <= 1 and hold >= 1 and warm_up >= 2):
            msg = (
                f"0 < acceptance < 1, 0 < cooling <= 1, hold >= 1 and warm_up >= 2 must hold, but got acceptance="
                f"{acceptance}, cooling={cooling}, hold={hold}, warm_up={warm_up}."
            )
            raise InvalidValueError(msg)
        self._rng = rng
        self._space = problem.space
        self._epochs = problem.max_epochs
        self._objective = problem.objective
        self._acceptance = acceptance
        self._cooling = cooling
        self._hold = hold
        self._warm_up = warm_up
        self._memory = Memory(problem.space, unique)
        self._scores: dict[Arch, float] = {}  # by key; greater is better
        self._state: tuple[Arch, float] | None = None
        self._changes: list[float] = []
        self._told = 0
        self._start_temperature = math.inf  # everything is accepted in the warm-up

    @property
    def temperature(self) -> float:
        """T, in the unit of the objective; infinite in the warm-up."""
        return self._start_temperature * self._cooling ** ((self._told - self._warm_up) // self._hold)

    def ask(self) -> Trial:
        """Return the next move to unknown ground; moves over known ground are made at once."""
        for _ in range(_PATIENCE):
            if self._state is None:
                break
            arch = self._space.mutate(self._state[0], self._rng)
            if self._memory.add(arch):
                return Trial(arch, self._epochs)
            score = self._scores.get(self._memory.key(arch))  # None: under way with another worker
            if score is not None:
                self._step(arch, score)
        else:
            self._state = None  # frozen
        return Trial(self._memory.draw(self._rng), self._epochs)

    def tell(self, observation: Observation) -> None:
        """Accept the move or not; cool down."""
        arch, score = observation.trial.arch, self._objective.score(observation.values)
        if self._memory.unique != "none":
            self._scores[self._memory.key(arch)] = score
        self._told += 1
        if self._told <= self._warm_up and self._state is not None:
            self._changes.append(abs(score - self._state[1]))  # of a move there or back
        self._step(arch, score)
        if self._told == self._warm_up:
            self._start_temperature = -float(np.median(self._changes or [0.0])) / math.log(self._acceptance)

    def _step(self, arch: Arch, score: float) -> None:
        """Metropolis et al. (1953): accept what is better, and what is worse with probability exp(-worsening / T)."""
        if self._state is None or score >= self._state[1]:
            self._state = arch, score
            return
        temperature = self.temperature
        if temperature > 0 and self._rng.random() < math.exp((score - self._state[1]) / temperature):
            self._state = arch, score


build = SimulatedAnnealing
