"""Optimizers of other libraries as strategies: an optuna sampler, a pymoo algorithm, any object that asks and tells.

A strategy's file then has a few lines::

    def build(problem, rng):
        return from_optuna(problem, rng, optuna.samplers.GPSampler(seed=int(rng.integers(2**31))))

The optimizer sees one categorical variable, or an integer from 0, for each decision of the space
(:class:`metanas.spaces.DecisionSpace`), and nothing of the space's structure. Choices that are no architecture of the
space are told as infeasible and cost nothing. Greater scores are better for optuna, which maximizes, and smaller ones
for the others, which minimize: each is told the objective in its own direction, several objectives as a list.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from metanas.arch import Arch
from metanas.errors import InvalidArchError, StrategyError
from metanas.extras import require
from metanas.problem import Observation, Problem, Trial
from metanas.spaces import with_decisions
from metanas.strategies.base import Memory, Unique

_PATIENCE = 1000  # choices in a row that are no architecture, after which one is drawn uniformly
_FREE = 20  # known architectures in a row, after which a repeat is paid


class Optimizer(Protocol):
    """What an adapter makes of a library's optimizer."""

    def suggest(self) -> tuple[Any, Sequence[int]] | None:
        """Return a handle and a row of choices; None while the optimizer waits for what is under way."""

    def report(self, handle: Any, observation: Observation | None) -> None:
        """Tell the optimizer what came of a suggestion; None: the choices are no architecture."""


class Adapted:
    """A strategy that asks an optimizer."""

    def __init__(
        self, problem: Problem, rng: np.random.Generator, optimizer: Optimizer, unique: Unique = "code"
    ) -> None:
        """Take over an optimizer.

        Args:
            problem: what is searched.
            rng: draws architectures where the optimizer has none to offer.
            optimizer: what asks.
            unique: what was trained before, the same ``"code"`` or the same function (``"canonical"``), is told again
                at no cost, and another suggestion is asked for, up to twenty times in a row; ``"none"``: repeats are
                trained and paid.
        """
        self._rng = rng
        self._space = with_decisions(problem.space)
        self._epochs = problem.max_epochs
        self._optimizer = optimizer
        self._memory = Memory(problem.space, unique)
        self._known: dict[Arch, Observation] = {}  # by key
        self._under_way: dict[Arch, deque[Any]] = {}  # handles; None: drawn here, the optimizer knows nothing of it

    def ask(self) -> Trial:
        """Return the optimizer's next suggestion that is an architecture."""
        free = 0
        for _ in range(_PATIENCE):
            suggested = self._optimizer.suggest()
            if suggested is None:
                break
            handle, choices = suggested
            try:
                arch = self._space.from_choices([int(choice) for choice in choices])
            except InvalidArchError:
                self._optimizer.report(handle, None)
                continue
            known = None if self._memory.add(arch) else self._known.get(self._memory.key(arch))
            if known is None or free >= _FREE:
                return self._asked(arch, handle)
            free += 1
            self._optimizer.report(handle, known)
        return self._asked(self._memory.draw(self._rng), None)

    def tell(self, observation: Observation) -> None:
        """Pass the values on."""
        arch = observation.trial.arch
        if self._memory.unique != "none":
            self._known[self._memory.key(arch)] = observation
        handle = self._under_way[arch].popleft()
        if handle is not None:
            self._optimizer.report(handle, observation)

    def _asked(self, arch: Arch, handle: Any) -> Trial:
        self._under_way.setdefault(arch, deque()).append(handle)
        return Trial(arch, self._epochs)


def from_optuna(problem: Problem, rng: np.random.Generator, sampler: Any, unique: Unique = "code") -> Adapted:
    """Return an optuna sampler as a strategy.

    The limits of the problem are in the user attribute ``"constraints"`` of every trial, as optuna's samplers take them
    (``constraints_func=lambda trial: trial.user_attrs["constraints"]``): at most 0 where a limit holds.

    Args:
        problem: what is searched.
        rng: the strategy's generator.
        sampler: seeded, from ``rng``.
        unique: see :class:`Adapted`.
    """
    return Adapted(problem, rng, _Optuna(problem, sampler), unique)


def from_pymoo(problem: Problem, rng: np.random.Generator, algorithm: Any, unique: Unique = "code") -> Adapted:
    """Return a pymoo algorithm as a strategy; it is seeded here, from ``rng``.

    Variables are integers: give the algorithm operators for them (``IntegerRandomSampling``, ``RoundingRepair``); what
    lies between is rounded. The first constraint is that the choices are an architecture; the limits of the problem
    follow. A generation is told when all of it was trained; meanwhile idle workers train architectures drawn uniformly,
    which the algorithm does not hear of.

    Args:
        problem: what is searched.
        rng: the strategy's generator.
        algorithm: not yet set up.
        unique: see :class:`Adapted`.
    """
    return Adapted(problem, rng, _Pymoo(problem, rng, algorithm), unique)


def from_ask_tell(
    problem: Problem,
    rng: np.random.Generator,
    optimizer: Any,
    choices: Callable[[Any], Sequence[int]] = lambda candidate: candidate.value,
    unique: Unique = "code",
) -> Adapted:
    """Return an object with ``ask() -> candidate`` and ``tell(candidate, loss)`` as a strategy.

    So are the optimizers of nevergrad, over ``Tuple(*(Choice(range(n)) for n in space.decisions))``. The loss is a
    number, a list of them where there are several objectives. A candidate that is no architecture is told the greatest
    losses so far; before there are any, it is not told.

    Args:
        problem: what is searched.
        rng: the strategy's generator.
        optimizer: seeded, from ``rng``. It must bear several asks before a tell.
        choices: makes choices of a candidate.
        unique: see :class:`Adapted`.
    """
    return Adapted(problem, rng, _AskTell(problem, optimizer, choices), unique)


class _Optuna:
    """A study over the decisions, in memory."""

    def __init__(self, problem: Problem, sampler: Any) -> None:
        optuna = require("optuna", "strategies", "A strategy from optuna")
        self._problem = problem
        self._failed = optuna.trial.TrialState.FAIL
        from metanas.strategies._optuna import Decision  # not before it is sure that optuna is there

        decisions = with_decisions(problem.space).decisions
        self._distributions = {f"decision {place}": Decision(n) for place, n in enumerate(decisions)}
        level = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # it logs that there is a study
        try:
            self._study = optuna.create_study(sampler=sampler, directions=["maximize"] * len(problem.objectives))
        finally:
            optuna.logging.set_verbosity(level)

    def suggest(self) -> tuple[Any, Sequence[int]]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of optuna's: what it calls experimental
            trial = self._study.ask(self._distributions)
        params = trial.params  # a copy
        return trial, [params[name] for name in self._distributions]

    def report(self, handle: Any, observation: Observation | None) -> None:
        if observation is None:
            self._study.tell(handle, state=self._failed)
            return
        if self._problem.constraints:
            handle.set_user_attr("constraints", _excess(self._problem, observation))
        self._study.tell(handle, [-loss for loss in _losses(self._problem, observation)])


class _Pymoo:
    """An algorithm, one generation at a time."""

    def __init__(self, problem: Problem, rng: np.random.Generator, algorithm: Any) -> None:
        core = require("pymoo.core.problem", "strategies", "A strategy from pymoo")
        self._evaluator = require("pymoo.core.evaluator", "strategies", "A strategy from pymoo").Evaluator
        self._static = require("pymoo.problems.static", "strategies", "A strategy from pymoo").StaticProblem
        self._no_end = require("pymoo.core.termination", "strategies", "A strategy from pymoo").NoTermination
        self._problem = problem
        decisions = np.array(with_decisions(problem.space).decisions)
        self._most = decisions - 1
        self._variables = core.Problem(
            n_var=len(decisions),
            n_obj=len(problem.objectives),
            n_ieq_constr=1 + len(problem.constraints),
            xl=np.zeros(len(decisions), dtype=int),
            xu=self._most,
            vtype=int,
        )
        self._algorithm = algorithm
        algorithm.setup(self._variables, termination=self._no_end(), seed=int(rng.integers(2**31)), verbose=False)
        self._generation: Any = []
        self._next = 0
        self._results: dict[int, tuple[list[float], list[float]]] = {}  # losses and excesses by place

    def suggest(self) -> tuple[Any, Sequence[int]] | None:
        if self._next == len(self._generation):
            if len(self._results) < len(self._generation):
                return None
            self._advance()
        place, self._next = self._next, self._next + 1
        values = np.asarray(self._generation[place].X, dtype=float)
        return place, np.clip(np.rint(values), 0, self._most).astype(int).tolist()

    def report(self, handle: Any, observation: Observation | None) -> None:
        problem = self._problem
        if observation is None:
            self._results[handle] = [0.0] * len(problem.objectives), [1.0] * (1 + len(problem.constraints))
        else:
            self._results[handle] = _losses(problem, observation), [0.0, *_excess(problem, observation)]

    def _advance(self) -> None:
        """Tell the generation, if there is one, and ask for the next."""
        if len(self._generation):
            results = [self._results[place] for place in range(len(self._generation))]
            losses, excess = (np.array(column) for column in zip(*results, strict=True))
            self._evaluator().eval(self._static(self._variables, F=losses, G=excess), self._generation)
            self._algorithm.tell(infills=self._generation)
        self._generation, self._next, self._results = self._algorithm.ask(), 0, {}
        if self._generation is None or not len(self._generation):
            msg = f"{type(self._algorithm).__name__} of pymoo ended: it asks for nothing more."
            raise StrategyError(msg)


class _AskTell:
    """An optimizer of single candidates."""

    def __init__(self, problem: Problem, optimizer: Any, choices: Callable[[Any], Sequence[int]]) -> None:
        self._problem, self._optimizer, self._choices = problem, optimizer, choices
        self._worst: list[float] | None = None

    def suggest(self) -> tuple[Any, Sequence[int]]:
        candidate = self._optimizer.ask()
        return candidate, self._choices(candidate)

    def report(self, handle: Any, observation: Observation | None) -> None:
        losses = _losses(self._problem, observation) if observation else self._worst
        if losses is None:
            return
        self._worst = [max(pair) for pair in zip(losses, self._worst or losses, strict=True)]
        self._optimizer.tell(handle, losses[0] if len(losses) == 1 else losses)


def _losses(problem: Problem, observation: Observation) -> list[float]:
    """Return every objective, smaller is better."""
    return [-objective.score(observation.values) for objective in problem.objectives]


def _excess(problem: Problem, observation: Observation) -> list[float]:
    """Return by how much each limit is exceeded, relative to it; 10 where nothing was measured."""
    ratios = [observation.values[limit.metric] / limit.at_most - 1 for limit in problem.constraints]
    return [10.0 if np.isnan(ratio) else float(ratio) for ratio in ratios]
