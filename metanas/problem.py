"""What a strategy is told, what it answers, and what it learns: the whole of its world.

A strategy is an object with two methods. ``ask()`` names the next trial, ``tell()`` brings what came of one. Several
asks may come before a tell (asynchronous workers), and tells come in the order in which trainings end, which need not
be the order in which they were asked for. Nothing here leads to a table, to an oracle or to a test score.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
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
            the units of the table (accuracy in percent, cross-entropy in nats); and what objectives and constraints
            ask of the architecture itself, as ``"cost/parameters"`` or ``"latency/pixel3"`` (ms). Never a test value.
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
class Constraint:
    """A limit that an architecture must keep, as "at most 2 ms on this device".

    Attributes:
        metric: name as in a table, for instance ``"latency/pixel3"``; never one of the test split.
        at_most: the limit, positive, in the unit of the metric.
    """

    metric: str
    at_most: float

    def __post_init__(self) -> None:
        """Refuse test metrics and limits that no measure of excess goes with."""
        if self.metric.partition("/")[0] == "test":
            msg = f"A strategy may not search by the test split, but got the constraint {self.metric!r}."
            raise InvalidValueError(msg)
        if not 0 < self.at_most < math.inf:
            msg = f"0 < at_most < infinity must hold for the constraint on {self.metric}, but got {self.at_most!r}."
            raise InvalidValueError(msg)

    def violation(self, values: Mapping[str, float]) -> float:
        """Return 0 where the limit holds, the excess relative to it otherwise; infinity where nothing was measured."""
        value = values[self.metric]
        return math.inf if math.isnan(value) else max(0.0, value / self.at_most - 1.0)


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
        objectives: what is optimized; one on most boards. Some may be costs, as ``"cost/parameters"``.
        max_epochs: epochs of a full training.
        budget: what the run may spend.
        workers: how many trials may be under way at once.
        knowledge: what the board lets a strategy know beforehand, by name; empty on a board without it.
        data: the task's training data on boards that hand it out, else None.
        constraints: limits that the reported architecture must keep; trials may break them.
        epochs: the epochs that a trial may ask for, ascending, the last is ``max_epochs``; that one alone on boards
            whose every trial is a full training.
        scores: what is known of every architecture without training it, free of charge, by metric: zero-cost scores
            (``"proxy/nwot"``) and, where the board says so, the costs that objectives and constraints ask for
            (``"cost/macs"``, ``"latency/pixel3"``). Read-only arrays over the index range of the space,
            ``(index range,)``, NaN where there is none: ``scores[name][space.index(arch)]``.
        repeats: what a trial costs that an earlier one has answered: ``"charged"``, a training, or ``"free"``, nothing.
    """

    space: Space
    objectives: tuple[Objective, ...]
    max_epochs: int
    budget: Budget
    workers: int = 1
    knowledge: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    data: object | None = None
    constraints: tuple[Constraint, ...] = ()
    epochs: tuple[int, ...] = ()
    scores: Mapping[str, NDArray[np.float64]] = field(default_factory=lambda: MappingProxyType({}))
    repeats: Literal["charged", "free"] = "charged"

    def __post_init__(self) -> None:
        """Let a full training be the only fidelity where none are named, and check those that are."""
        if not self.epochs:
            object.__setattr__(self, "epochs", (self.max_epochs,))
        if list(self.epochs) != sorted(set(self.epochs)) or self.epochs[0] < 1 or self.epochs[-1] != self.max_epochs:
            msg = f"The epochs of a trial must ascend from at least 1 to {self.max_epochs}, but got {self.epochs}."
            raise InvalidValueError(msg)

    @property
    def objective(self) -> Objective:
        """The only objective; raise :class:`~metanas.errors.InvalidValueError` where there are several."""
        if len(self.objectives) != 1:
            names = ", ".join(objective.metric for objective in self.objectives)
            msg = f"This needs a problem with exactly one objective, but got {len(self.objectives)}: {names}."
            raise InvalidValueError(msg)
        return self.objectives[0]

    def feasible(self, values: Mapping[str, float]) -> bool:
        """Return whether an observation's values keep every constraint."""
        return all(constraint.violation(values) == 0.0 for constraint in self.constraints)


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a strategy needs of a problem: ``REQUIRES = Requirements(...)`` in its file, the defaults if it has none.

    Attributes:
        objectives: ``"one"``; ``"several"``, two or more; or ``"any"`` number.
        fidelities: it asks for trainings of fewer epochs, and needs a board that has them.
        constraints: it needs at least one constraint. (Any strategy may be run where there are some.)
        scores: it needs zero-cost scores, ``"proxy/…"``.
        space: attributes and methods that the space must have beyond those of every
            :class:`~metanas.spaces.Space`, as ``("indices",)`` for a list of all architectures.
        repeats: it may ask again for a training that it has asked for, and means it, as its paper does.
        packages: modules beyond the base installation that it imports when it is built or asked; the extra
            ``[strategies]`` installs those of the built-in strategies.
    """

    objectives: Literal["one", "several", "any"] = "one"
    fidelities: bool = False
    constraints: bool = False
    scores: bool = False
    space: tuple[str, ...] = ()
    repeats: bool = False
    packages: tuple[str, ...] = ()

    def unmet(self, problem: Problem) -> str | None:
        """Return what ``problem`` lacks, as the end of "the strategy needs …"; None if the two fit."""
        count = len(problem.objectives)
        if self.objectives == "one" and count != 1:
            return f"a single objective, and there are {count}"
        if self.objectives == "several" and count < 2:
            return "several objectives, and there is one"
        if self.fidelities and len(problem.epochs) < 2:
            return f"trainings of fewer epochs, and every trial here has {problem.max_epochs}"
        if self.constraints and not problem.constraints:
            return "a constraint, and there is none"
        if self.scores and not any(name.startswith("proxy/") for name in problem.scores):
            return "zero-cost scores, and there are none"
        lacking = [name for name in self.space if not hasattr(problem.space, name)]
        return f"a space with {', '.join(lacking)}, and {problem.space.name!r} has none" if lacking else None

    def not_installed(self) -> str | None:
        """Return which packages are not installed, and how to install them; None if all are."""
        missing = [name for name in self.packages if find_spec(name) is None]
        if not missing:
            return None
        return f"{', '.join(missing)}, which is not installed: pip install 'metanas[strategies]'"


@runtime_checkable
class Strategy(Protocol):
    """What searches. A strategy's file has ``build(problem, rng, **config) -> Strategy``; a class does as well.

    All randomness comes from the ``numpy.random.Generator`` that ``build`` is handed.
    """

    def ask(self) -> Trial:
        """Return the next trial. May be called again before the last trial was told."""

    def tell(self, observation: Observation) -> None:
        """Take in what came of a trial that was asked for."""
