"""What multi-fidelity strategies share: the ladder of epochs, and brackets of successive halving."""

from __future__ import annotations

import math
from collections.abc import Callable

from metanas.arch import Arch
from metanas.errors import InvalidValueError
from metanas.problem import Objective, Observation, Problem, Trial

SLACK = 1e-9  # of logarithms that should be whole


def ladder(problem: Problem, eta: float, minimum: int | None = None) -> tuple[int, ...]:
    """Return the epochs of the rungs, ascending: R, R/η, R/η², …, each the nearest that may be asked for.

    Args:
        problem: says which epochs may be asked for; R is its ``max_epochs``.
        eta: η, the factor from rung to rung.
        minimum: least epochs of a rung; the least that may be asked for if None.

    Raises:
        InvalidValueError: unless ``eta > 1`` and ``1 <= minimum <= R``.
    """
    least = problem.epochs[0] if minimum is None else minimum
    if not eta > 1 or not 1 <= least <= problem.max_epochs:
        msg = f"eta > 1 and 1 <= minimum <= {problem.max_epochs} must hold, but got eta={eta}, minimum={minimum}."
        raise InvalidValueError(msg)
    highest = math.floor(math.log(problem.max_epochs / least) / math.log(eta) + SLACK)
    wanted = [problem.max_epochs / eta**step for step in range(highest, -1, -1)]
    allowed = [epochs for epochs in problem.epochs if epochs >= least]
    nearest = [min(allowed, key=lambda epochs, want=want: (abs(epochs - want), epochs)) for want in wanted]  # type: ignore[misc]
    return tuple(dict.fromkeys(nearest))


def score_of(objective: Objective, observation: Observation) -> float:
    """Return the objective such that greater is better; −∞ for a training that gave no number."""
    score = objective.score(observation.values)
    return -math.inf if math.isnan(score) else score


class Bracket:
    """Successive halving of architectures up a ladder: all of a rung are trained before the best go on."""

    def __init__(self, size: int, rungs: tuple[int, ...], eta: float, draw: Callable[[], Arch]) -> None:
        """Make a bracket whose architectures are drawn one by one, as they are asked for.

        Args:
            size: architectures at the lowest rung.
            rungs: epochs of each rung, ascending.
            eta: one in η goes on to the next rung.
            draw: brings a new architecture.
        """
        self._rungs, self._eta, self._draw = rungs, eta, draw
        self._size, self._rung = size, 0
        self._to_draw = size
        self._to_ask: list[Arch] = []  # reversed
        self._waiting: set[Arch] = set()
        self._scores: list[tuple[float, int, Arch]] = []  # of this rung; the number keeps equals in order

    @property
    def done(self) -> bool:
        """Whether nothing is left to ask or to wait for."""
        return not (self._to_draw or self._to_ask or self._waiting)

    def ask(self) -> Trial | None:
        """Return the next trial of this rung; None while the rest of it is awaited."""
        if self._to_draw:
            self._to_draw -= 1
            arch = self._draw()
        elif self._to_ask:
            arch = self._to_ask.pop()
        else:
            return None
        self._waiting.add(arch)
        return Trial(arch, self._rungs[self._rung])

    def tell(self, trial: Trial, score: float) -> bool:
        """Take in the score of a trial; return whether it was one of this bracket's."""
        if trial.arch not in self._waiting or trial.epochs != self._rungs[self._rung]:
            return False
        self._waiting.remove(trial.arch)
        self._scores.append((-score, len(self._scores), trial.arch))
        if not (self._to_draw or self._to_ask or self._waiting):
            self._climb()
        return True

    def _climb(self) -> None:
        """Let the best of the rung go on."""
        if self._rung + 1 == len(self._rungs):
            return
        self._rung += 1
        keep = int(self._size * self._eta**-self._rung + SLACK)  # Hyperband, algorithm 1: n_i = ⌊n η^−i⌋
        best = sorted(self._scores)[: max(keep, 1)]
        self._to_ask = [arch for _, _, arch in reversed(best)]
        self._scores = []


class Brackets:
    """Several brackets under way; while all of them wait, a further one is opened, so that no worker is idle."""

    def __init__(self, problem: Problem, open_next: Callable[[], Bracket]) -> None:
        """Take what opens the next bracket."""
        self._objective = problem.objective
        self._open_next = open_next
        self._open: list[Bracket] = []

    def ask(self) -> Trial:
        """Return the next trial of the oldest bracket that has one."""
        for bracket in self._open:
            trial = bracket.ask()
            if trial is not None:
                return trial
        self._open.append(self._open_next())
        return self.ask()

    def tell(self, observation: Observation) -> None:
        """Hand the observation to its bracket."""
        score = score_of(self._objective, observation)
        for bracket in self._open:
            if bracket.tell(observation.trial, score):
                break
        self._open = [bracket for bracket in self._open if not bracket.done]
