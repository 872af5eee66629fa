"""What a strategy is told, what it answers, and what it learns: the whole of its world.

A strategy is an object with two methods. ``ask()`` names the next trial, ``tell()`` brings what came of one. Several
asks may come before a tell (asynchronous workers), and tells come in the order in which trainings end, which need not
be the order in which they were asked for. Nothing here leads to a table, to an oracle or to a test score.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from metanas.arch import Arch
from metanas.errors import InvalidValueError
from metanas.spaces import Space

Direction = Literal["maximize", "minimize"]


class Trial(NamedTuple):
    """What a strategy asks for: train this architecture for so many epochs.

    Attributes:
        arch: an architecture of the problem's space.
        epochs: between 1 and :attr:`Problem.max_epochs`.
    """

    arch: Arch
    epochs: int


class Observation(NamedTuple):
    """What came of a trial.

    Attributes:
        trial: the trial as it was asked for.
        values: validation metrics after ``trial.epochs`` epochs, for instance ``{"validation/accuracy": 43.2}``, in
            the units of the table (accuracy in percent, cross-entropy in nats). No other split is ever in it.
        curve: the first objective at each measured epoch up to ``trial.epochs``, ``(n_epochs,)``; None where only
            the last epoch was measured. The array belongs to the strategy.
        seconds: what this trial was charged, in seconds of training; NaN where times were not measured.
    """

    trial: Trial
    values: Mapping[str, float]
    curve: NDArray[np.float64] | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Objective:
    """A metric and which way is better.

    Attributes:
        metric: name as in a table, for instance ``"validation/accuracy"``; never one of the test split.
        direction: ``"maximize"`` or ``"minimize"``.
    """

    metric: str
    direction: Direction = "maximize"

    def __post_init__(self) -> None:
        """Refuse test metrics and unknown directions."""
        if self.metric.partition("/")[0] == "test":
            msg = f"A strategy may not search by the test split, but got the objective {self.metric!r}. Use validation."
            raise InvalidValueError(msg)
        if self.direction not in ("maximize", "minimize"):
            msg = f"The direction of an objective must be 'maximize' or 'minimize', but got {self.direction!r}."
            raise InvalidValueError(msg)

    @property
    def sign(self) -> float:
        """1 to maximize, −1 to minimize: the best value has the greatest ``sign * value``."""
        return 1.0 if self.direction == "maximize" else -1.0

    @property
    def worst(self) -> float:
        """The value that every measured one is better than."""
        return -self.sign * math.inf

    def better(self, first: float, second: float) -> bool:
        """Return whether ``first`` is strictly better than ``second``; NaN is better than nothing."""
        return first > second if self.direction == "maximize" else first < second

    def score(self, values: Mapping[str, float]) -> float:
        """Return the objective of an observation's values such that greater is better."""
        return self.sign * values[self.metric]


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may spend.

    Attributes:
        trainings: in full trainings; a trial of fewer epochs counts as the fraction ``epochs / max_epochs``. None
            where only time counts.
        seconds: on the simulated clock, in seconds of training; None where only trainings count.
    """

    trainings: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        """Check that there is a limit and that every limit is positive."""
        if self.trainings is None and self.seconds is None:
            msg = "A budget must limit the trainings or the seconds, but both are None."
            raise InvalidValueError(msg)
        for name, value in (("trainings", self.trainings), ("seconds", self.seconds)):
            if value is not None and not 0 < value < math.inf:
                msg = f"A budget's {name} must be positive and finite, but got {value!r}."
                raise InvalidValueError(msg)


@dataclass(frozen=True, slots=True)
class Problem:
    """All that a strategy may know.

    Attributes:
        space: what is searched.
        objectives: what is optimized; one on most boards.
        max_epochs: epochs of a full training.
        budget: what the run may spend.
        workers: how many trials may be under way at once.
        knowledge: what the board lets a strategy know beforehand, by name; empty on a board without it.
        data: the task's training data on boards that hand it out, else None.
    """

    space: Space
    objectives: tuple[Objective, ...]
    max_epochs: int
    budget: Budget
    workers: int = 1
    knowledge: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    data: object | None = None

    @property
    def objective(self) -> Objective:
        """The only objective; raise :class:`~metanas.errors.InvalidValueError` where there are several."""
        if len(self.objectives) != 1:
            names = ", ".join(objective.metric for objective in self.objectives)
            msg = f"This needs a problem with exactly one objective, but got {len(self.objectives)}: {names}."
            raise InvalidValueError(msg)
        return self.objectives[0]


@runtime_checkable
class Strategy(Protocol):
    """What searches. A strategy's file has ``build(problem, rng, **config) -> Strategy``; a class does as well.

    All randomness comes from the ``numpy.random.Generator`` that ``build`` is handed.
    """

    def ask(self) -> Trial:
        """Return the next trial. May be called again before the last trial was told."""

    def tell(self, observation: Observation) -> None:
        """Take in what came of a trial that was asked for."""
