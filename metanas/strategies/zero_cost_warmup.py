"""Regularized evolution that starts from, and moves to, what zero-cost scores rank high.

Abdelfattah, Mehrotra, Dudziak and Lane, "Zero-Cost Proxies for Lightweight NAS", ICLR 2021 (arXiv:2101.08134), on
search with zero-cost scores:

- zero-cost warm-up: N architectures are drawn and scored, and the best of them by score are the first population;
- zero-cost move: of all mutations of the parent the one with the best score is the child.

The evolution is that of Real et al., AAAI 2019 (arXiv:1802.01548), algorithm 1, see
:mod:`metanas.strategies.regularized_evolution`. As in the example that the authors released (their own tool, which the
paper's results come from, is not): N = 3,000, and one move in four is a random mutation all the same.

Differences: the population is 20 and the sample 5, for a few hundred trainings (64 and 10 in the example). A
child that was trained before is bred anew (``unique``; ``"none"`` as in the paper), so that a move takes the best
mutation that is new. Of functionally equal architectures, which have one score, one enters the first population.
Several scores may be combined by the mean of their ranks, the paper uses one. An architecture without a score ranks
below all others. By default all scores of the board count; choose, as in ``zero_cost_warmup,scores=synflow``. Limits
are handled as in :mod:`metanas.strategies._limits`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from metanas.arch import Arch
from metanas.errors import InvalidValueError, UnknownNameError
from metanas.problem import Observation, Problem, Requirements, Trial
from metanas.strategies._limits import Gate, Handling, check_chance
from metanas.strategies._pareto import Member, member
from metanas.strategies._proxies import combined
from metanas.strategies.base import Memory, Unique

FAMILY = "zero-cost"
REQUIRES = Requirements(scores=True, space=("indices",))

Move = Literal["random", "proxy"]


class ZeroCostWarmup:
    """Found a population by scores, and breed from the best of a sample; the oldest dies."""

    def __init__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        scores: Sequence[str] | str | None = None,
        warm_up: int = 3000,
        move: Move = "random",
        random_moves: float = 0.25,
        population: int = 20,
        sample: int = 5,
        constraint: Handling = "penalty",
        unique: Unique = "code",
    ) -> None:
        """Draw and score what the first population is chosen from.

        Args:
            problem: what is searched.
            rng: source of all randomness.
            scores: names of the scores, a list or joined by ``+``, ``-`` before one of which less is better; all if
                None.
            warm_up: N, how many architectures are scored for the first population; 0: it is random.
            move: mutate at ``"random"``, or to the best by score (``"proxy"``).
            random_moves: chance of a random mutation all the same.
            population: P, the number of models that live.
            sample: S, how many of them compete to be the parent.
            constraint: ``"penalty"`` or ``"rejection"``.
            unique: what is not trained twice: the same ``"code"``, the same function (``"canonical"``); or
                ``"none"``, repeats are paid again, as in the paper.

        Raises:
            InvalidValueError: settings out of range, no zero-cost scores, or several objectives.
            UnknownNameError: no such score, or another ``move``, ``constraint`` or ``unique``.
        """
        if move not in get_args(Move):
            raise UnknownNameError("zero-cost move", move, get_args(Move))
        if not (1 <= sample <= population and warm_up >= 0):
            msg = (
                f"1 <= sample <= population and warm_up >= 0 must hold, but got sample={sample}, population="
                f"{population}, warm_up={warm_up}."
            )
            raise InvalidValueError(msg)
        check_chance("random_moves", random_moves)
        self._objective = problem.objective
        self._problem = problem
        self._rng = rng
        self._space = problem.space
        self._by_score, self._random_moves = move == "proxy", random_moves
        self._sample = sample
        self._ranks = np.nan_to_num(combined(problem, scores), nan=-1.0)
        self._memory = Memory(problem.space, unique)
        self._gate = Gate(problem, rng, constraint)
        self._population: deque[Member] = deque(maxlen=population)  # the oldest falls out
        self._founders = population
        self._warm = self._warmed(warm_up)

    def ask(self) -> Trial:
        """Return a founder while the population is founded, then the child of a tournament's winner."""
        self._founders -= 1
        if self._founders >= 0:
            arch = self._founder()
        elif self._population:
            arch = self._gate.new(self._child, self._memory)
        else:  # more workers than founders, and none of them told
            arch = self._gate.draw(self._memory)
        return Trial(arch, self._problem.max_epochs)

    def tell(self, observation: Observation) -> None:
        """Add the model on the right; the oldest, on the left, dies."""
        self._gate.tell(observation)
        self._population.append(member(self._problem, observation.trial.arch, observation.values))

    def _warmed(self, count: int) -> deque[Arch]:
        """Draw architectures, one of each functional class, and sort them by score, the best first."""
        drawn: dict[Arch, Arch] = {}
        for _ in range(count):
            arch = self._space.sample(self._rng)
            drawn.setdefault(self._space.canonical(arch), arch)
        scored = [arch for arch in drawn.values() if self._rank(arch) >= 0]
        return deque(sorted(scored, key=self._rank, reverse=True))

    def _founder(self) -> Arch:
        """Return the best by score of those drawn that is left and keeps the limits; a random one if there is none."""
        while self._warm:
            arch = self._warm.popleft()
            if self._gate.admits(arch) and self._memory.add(arch):
                return arch
        return self._gate.draw(self._memory)

    def _child(self) -> Arch:
        """Return a mutation of the best of a sample."""
        parent = self._parent()
        if not self._by_score or self._rng.random() < self._random_moves:
            return self._space.mutate(parent, self._rng)
        around = [arch for arch in self._space.neighbours(parent) if arch not in self._memory]
        admitted = [arch for arch in around if self._gate.admits(arch)]
        return max(admitted, key=self._rank) if admitted else self._space.mutate(parent, self._rng)

    def _parent(self) -> Arch:
        """Return the best of S models drawn without replacement; what breaks a limit loses to what does not."""
        drawn = self._rng.permutation(len(self._population))[: self._sample].tolist()
        return min((self._population[place] for place in drawn), key=lambda each: (each.violation, each.costs)).arch

    def _rank(self, arch: Arch) -> float:
        return float(self._ranks[self._space.index(arch)])


build = ZeroCostWarmup
