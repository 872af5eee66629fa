"""The loop of ask, evaluate and tell: budget, simulated clock, workers.

The clock is simulated and deterministic. At every instant the trials that have ended are told first, in the order in
which they were asked for; then idle workers ask, one after the other. The run ends when the budget is spent.
"""

from __future__ import annotations

import hashlib
import json
import math
import operator
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from types import MappingProxyType
from typing import Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from metanas.arch import Arch
from metanas.errors import InvalidArchError, InvalidValueError, StrategyError
from metanas.oracles import Oracle
from metanas.problem import Budget, Constraint, Objective, Observation, Problem, Strategy, Trial
from metanas.strategies import describe

_FREE_IN_A_ROW = 10_000  # free repeats without a training, after which a strategy is stuck


@dataclass(frozen=True, slots=True)
class Rules:
    """How a run is charged.

    Attributes:
        budget: what may be spent. A run ends when what is left buys no trial from scratch. A training that ends after
            ``budget.seconds``, or costs more epochs than are left, does not count and is the last that is asked for.
        workers: trials under way at once.
        repeats: what a trial costs whose architecture has finished as many epochs before: ``"charged"``, a training
            again; ``"free"``, nothing.
        continuation: what a trial of more epochs costs: ``"continue"``, the epochs that are missing; ``"restart"``,
            all of them.
        fidelity: ``"full"``: every trial is a full training; ``"any"``: any epochs that the oracle has.
    """

    budget: Budget
    workers: int = 1
    repeats: Literal["charged", "free"] = "charged"
    continuation: Literal["continue", "restart"] = "continue"
    fidelity: Literal["full", "any"] = "full"

    def __post_init__(self) -> None:
        """Check that there is a worker."""
        if self.workers < 1:
            msg = f"A run needs workers >= 1, but got {self.workers}."
            raise InvalidValueError(msg)


@dataclass(frozen=True, slots=True)
class Trace:
    """What happened in a run, trial by trial in the order of asking (``n`` trials), and in the order of telling.

    Attributes:
        index: architecture of each trial, ``(n,)``.
        epochs: epochs of each trial, ``(n,)``.
        charged: epochs that each trial was charged, ``(n,)``.
        finished: simulated second at which each trial ended, ``(n,)``; NaN without times.
        value: the objective, ``(n,)``.
        told: which trials were told, in that order, ``(m,)``; trials that the budget cut off are not in it.
        cpu_seconds: what the strategy itself used, asking and telling.
    """

    index: NDArray[np.int64]
    epochs: NDArray[np.int64]
    charged: NDArray[np.int64]
    finished: NDArray[np.float64]
    value: NDArray[np.float64]
    told: NDArray[np.int64]
    cpu_seconds: float


def seed_sequence(*words: object) -> np.random.SeedSequence:
    """Return the seed that belongs to ``words`` (names and numbers), the same on every machine and in every process."""
    text = json.dumps(words, ensure_ascii=False)
    return np.random.SeedSequence(int.from_bytes(hashlib.sha256(text.encode()).digest()))


def generator(*words: object) -> np.random.Generator:
    """Return the generator of a run; see :func:`seed_sequence`."""
    return np.random.Generator(np.random.PCG64(seed_sequence(*words)))


def make_problem(
    oracle: Oracle,
    objectives: Objective | Sequence[Objective],
    rules: Rules,
    *,
    constraints: Sequence[Constraint] = (),
    scores: Mapping[str, NDArray[np.float64]] | None = None,
) -> Problem:
    """Return what a strategy is told of a run.

    Args:
        oracle: what answers.
        objectives: one or several.
        rules: budget, workers, fidelity.
        constraints: limits that the reported architecture must keep.
        scores: zero-cost scores and known costs, ``(index range,)`` each; views of them are made read-only.
    """
    frozen = {name: np.asarray(values, dtype=np.float64).view() for name, values in (scores or {}).items()}
    for values in frozen.values():
        values.flags.writeable = False
    return Problem(
        space=oracle.space,
        objectives=(objectives,) if isinstance(objectives, Objective) else tuple(objectives),
        max_epochs=oracle.epochs[-1],
        budget=rules.budget,
        workers=rules.workers,
        constraints=tuple(constraints),
        epochs=oracle.epochs if rules.fidelity == "any" else oracle.epochs[-1:],
        scores=MappingProxyType(frozen),
        repeats=rules.repeats,
    )


def search(strategy: Strategy, oracle: Oracle, objective: Objective, rules: Rules, *, name: str = "strategy") -> Trace:
    """Let a strategy search until its budget is spent.

    Args:
        strategy: what asks.
        oracle: what answers.
        objective: recorded as :attr:`Trace.value`; the first of several.
        rules: budget, workers, charges.
        name: how errors call the strategy.

    Raises:
        StrategyError: the strategy raised, or asked for something that the rules do not allow; with the number of the
            trial (from 1) and the value.
        InvalidValueError: the rules need times and the oracle has none.
    """
    if not oracle.timed and (rules.workers > 1 or rules.budget.seconds is not None):
        msg = "Several workers and a budget in seconds need a table with cost/seconds; this one has none."
        raise InvalidValueError(msg)
    full, known = oracle.epochs[-1], frozenset(oracle.epochs)
    lowest = full if rules.fidelity == "full" else oracle.epochs[0]
    left: float = math.inf if rules.budget.trainings is None else rules.budget.trainings * full
    horizon = math.inf if rules.budget.seconds is None else rules.budget.seconds
    single = rules.fidelity == "full" and rules.repeats == "charged"  # every trial is charged alike
    timed, workers, metric = oracle.timed, rules.workers, objective.metric
    ask, tell, cpu = strategy.ask, strategy.tell, time.process_time
    index_of, answer, seconds_of = oracle.index, oracle.answer, oracle.seconds

    indices: list[int] = []
    asked_epochs: list[int] = []
    charges: list[int] = []
    ends: list[float] = []
    values: list[float] = []
    told: list[int] = []
    trained: dict[int, int] = {}  # epochs that each architecture has finished
    under_way: list[tuple[float, int, Observation]] = []  # heap by (end, number); numbers differ
    clock, used, free = 0.0, 0.0, 0
    while True:
        while len(under_way) < workers and left >= lowest and clock < horizon:
            number = len(indices)
            before = cpu()
            try:
                trial = ask()
            except (Exception, SystemExit) as error:
                _fail(name, number, f"ask() raised {describe(error)}", error)
            used += cpu() - before
            try:
                arch, epochs = trial
                index = index_of(arch)
                plain = type(trial) is Trial and type(arch) is Arch and type(epochs) is int
                if not plain or epochs < lowest or epochs not in known:
                    trial, epochs = _checked(trial, oracle, lowest, name, number)
            except StrategyError:
                raise
            except Exception as error:  # whatever a strange object does
                _refuse(trial, oracle, name, number, error)
            seconds = seconds_of(index, epochs)
            charge = epochs
            if not single:
                done = trained.get(index, 0)
                if done >= epochs and rules.repeats == "free":
                    charge, seconds = 0, seconds - seconds
                elif 0 < done < epochs and rules.continuation == "continue":
                    charge, seconds = epochs - done, seconds - seconds_of(index, done)
                free = 0 if charge else free + 1
                if free > _FREE_IN_A_ROW:
                    _fail(name, number, f"asks for known trials, which cost nothing, for the {free:,}th time in a row")
            result = answer(index, epochs)
            end = clock + seconds if timed else clock
            indices.append(index)
            asked_epochs.append(epochs)
            charges.append(charge)
            ends.append(end)
            values.append(result.values[metric])
            if charge > left:  # as a training that ends after the time limit: asked for, and never told
                left = 0
                break
            left -= charge
            heappush(under_way, (end, number, Observation(trial, result.values, result.curve, seconds)))
        if not under_way or under_way[0][0] > horizon:
            break
        clock = under_way[0][0]
        while under_way and under_way[0][0] == clock:
            _, number, observation = heappop(under_way)
            if not single:
                index = indices[number]
                trained[index] = max(trained.get(index, 0), asked_epochs[number])
            told.append(number)
            before = cpu()
            try:
                tell(observation)
            except (Exception, SystemExit) as error:
                _fail(name, number, f"tell() raised {describe(error)}", error)
            used += cpu() - before
    return Trace(
        index=np.array(indices, dtype=np.int64),
        epochs=np.array(asked_epochs, dtype=np.int64),
        charged=np.array(charges, dtype=np.int64),
        finished=np.array(ends, dtype=np.float64) if timed else np.full(len(ends), np.nan),
        value=np.array(values, dtype=np.float64),
        told=np.array(told, dtype=np.int64),
        cpu_seconds=used,
    )


class Replay:
    """Asks for recorded trials, whatever it is told: a strategy that replays a run."""

    def __init__(self, trials: Sequence[Trial]) -> None:
        """Take the trials in the order of asking."""
        self._trials = iter(trials)

    def ask(self) -> Trial:
        """Return the next trial; raise :class:`~metanas.errors.StrategyError` when there is none left."""
        for trial in self._trials:
            return trial
        msg = "the run has fewer trials than its budget buys"
        raise StrategyError(msg)

    def tell(self, observation: Observation) -> None:
        """Ignore it."""


def _checked(trial: Trial, oracle: Oracle, lowest: int, name: str, number: int) -> tuple[Trial, int]:
    """Admit NumPy's integers as epochs; refuse what is no trial of this problem."""
    if not isinstance(trial, Trial) or not isinstance(trial.arch, Arch):
        msg = "not a Trial of an Arch"
        raise TypeError(msg)
    arch, epochs = trial
    epochs = operator.index(epochs)
    full = oracle.epochs[-1]
    if lowest == full and epochs != full:
        _fail(name, number, f"asks for {epochs} epochs, but every trial here is a full training: epochs={full}")
    if not 1 <= epochs <= full:
        _fail(name, number, f"1 <= epochs <= {full} must hold, but got epochs={epochs}")
    if epochs not in oracle.epochs:
        _fail(name, number, f"asks for {epochs} epochs, but there are values after {oracle.epochs} epochs only")
    return Trial(arch, epochs), epochs


def _refuse(trial: object, oracle: Oracle, name: str, number: int, error: Exception) -> NoReturn:
    shown = repr(trial)
    shown = shown if len(shown) <= 200 else shown[:200] + "…"
    if isinstance(error, InvalidArchError) and isinstance(trial, Trial):
        _fail(name, number, f"asks for an architecture outside {oracle.space.name!r}: {error}", error)
    if isinstance(trial, Trial):
        _fail(name, number, f"asks for {shown}, which is malformed: {type(error).__name__}: {error}", error)
    what = f"ask() must return a metanas.problem.Trial(arch, epochs), but got {type(trial).__name__}: {shown}"
    _fail(name, number, what, error)


def _fail(name: str, number: int, what: str, error: BaseException | None = None) -> NoReturn:
    msg = f"Strategy {name!r}, trial {number + 1}: {what.removesuffix('.')}."
    raise StrategyError(msg) from error
