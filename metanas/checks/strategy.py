"""The contract of a strategy, as a function that raises where it is broken.

from metanas.checks import check_strategy

def test_my_strategy():
    check_strategy("my_file.py:MyStrategy")
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from metanas.arch import Arch
from metanas.checkpoint import Journal
from metanas.checks.landscape import LATENCY, PARAMETERS, PROXY, LandscapeOracle
from metanas.errors import StrategyError
from metanas.harness import Rules, Trace, generator, make_problem, search
from metanas.oracles import Oracle
from metanas.problem import Budget, Constraint, Objective, Observation, Problem, Requirements, Strategy, Trial
from metanas.spaces import ListedSpace, load_space
from metanas.strategies import describe, find_strategy, requirements

Build = Callable[..., Strategy]

_METRIC = "validation/accuracy"
_COSTS = (LATENCY, PARAMETERS)


@dataclass(frozen=True)
class _Case:
    """A strategy on one kind of problem."""

    make: Build
    name: str
    requires: Requirements
    space: str
    seed: int
    trainings: int
    fidelity: Literal["full", "any"]
    several: bool

    @property
    def what(self) -> str:
        several = ", three objectives" if self.several else ""
        return f"Strategy {self.name!r} on {self.space}, seed {self.seed}{several}:"

    def oracle(self, objective: Objective) -> LandscapeOracle:
        costs = _COSTS if self.several or self.requires.constraints else ()
        return LandscapeOracle(load_space(self.space), objective, seed=self.seed, costs=costs)

    def problem(self, oracle: LandscapeOracle, objective: Objective, rules: Rules) -> Problem:
        costs = [Objective(name, "minimize") for name in _COSTS] if self.several else []
        limits = [Constraint(LATENCY, 6.0)] if self.requires.constraints else []  # the mean of costs
        scores = {}
        if self.requires.scores and isinstance(oracle.space, ListedSpace):
            scores = _scores(self.space, self.seed)
        return make_problem(oracle, [objective, *costs], rules, constraints=limits, scores=scores)


def check_strategy(
    build: Build | str,
    *,
    spaces: Sequence[str] = ("nb201", "nb201-conv"),
    trainings: int = 60,
    seeds: Sequence[int] = (0, 1),
    fidelity: Literal["full", "any"] | None = None,
    **config: Any,
) -> None:
    """Check that a strategy keeps its contract, on made-up landscapes of the kinds that its ``REQUIRES`` names.

    It must make the same run from the same seed, also when it is interrupted and taken up again; ask for trials of the
    space alone, with epochs that exist, and for none twice unless it ``repeats``; spend the whole budget and no more,
    be it 1 training or many; work with 1 worker and with 8; cope with tells in any order; be led by the objective's
    direction; and leave the global random state alone.

    Args:
        build: ``build(problem, rng, **config)``, a class as well, or what ``metanas run --strategy`` takes.
        spaces: names of the spaces that it must work on; those that lack what it requires are left out.
        trainings: budget of a run.
        seeds: seeds to try.
        fidelity: ``"any"`` for a strategy that asks for less than full trainings; as it requires if None.
        config: settings of the strategy.

    Raises:
        StrategyError: it breaks the contract; the message says where.
    """
    if isinstance(build, str):
        make, requires, name = _from_text(build, config), find_strategy(build).requires, build
    else:
        make, requires = _with(build, config), requirements(build)
        name = getattr(build, "__name__", type(build).__name__)
    fitting = [space for space in spaces if all(hasattr(load_space(space), needed) for needed in requires.space)]
    if not fitting:
        _fail(f"Strategy {name!r} requires a space with {', '.join(requires.space)}, and none of {spaces} has it")
    chosen = fidelity or ("any" if requires.fidelities else "full")
    kinds = {"one": (False,), "several": (True,), "any": (False, True)}[requires.objectives]
    for space in fitting:
        for seed in seeds:
            for several in kinds:
                _check(_Case(make, name, requires, space, seed, trainings, chosen, several))


@lru_cache(maxsize=8)
def _scores(space: str, seed: int) -> dict[str, NDArray[np.float64]]:
    """Return a score without training and the costs, of every architecture of a listed space."""
    oracle = LandscapeOracle(load_space(space), Objective(_METRIC), seed=seed)
    return {PROXY: oracle.proxy(), **{name: oracle.costs(name) for name in _COSTS}}


def _check(case: _Case) -> None:
    before = _global_state()
    first = _run(case)
    if _global_state() != before:
        _fail(f"{case.what} it draws from the global random state; draw from the generator that build() is handed")
    _check_same(first, _run(case), f"{case.what} with 1 workers, two runs from the same seed differ")
    eight = _run(case, workers=8)
    _check_same(eight, _resumed(case), f"{case.what} with 8 workers, a run that was interrupted and resumed differs")
    for trace in (first, eight):
        if case.fidelity == "full" and len(trace.index) != case.trainings:
            _fail(f"{case.what} a budget of {case.trainings} trainings gave {len(trace.index)}")
        if not case.requires.repeats:
            _check_no_repeat(trace, case.what)
    downwards = _run(case, direction="minimize")
    _check_same(first, downwards, f"{case.what} minimizing −f is not maximizing f; use problem.objective.score()")
    _run(case, trainings=1, workers=8)
    _check_any_order(case)


def _run(
    case: _Case,
    *,
    workers: int = 1,
    trainings: int | None = None,
    direction: Literal["maximize", "minimize"] = "maximize",
    through: Callable[[LandscapeOracle], Oracle] | None = None,
) -> Trace:
    objective = Objective(_METRIC, direction)
    rules = Rules(Budget(trainings=trainings or case.trainings), workers=workers, fidelity=case.fidelity)
    oracle = case.oracle(objective)
    strategy = _made(case.make, case.problem(oracle, objective, rules), generator("check", case.seed), case.name)
    return search(strategy, through(oracle) if through else oracle, objective, rules, name=case.name)


class _Interruption(Exception):
    """Stands for a kill."""


class _Interrupted(Journal):
    """Answers a third of the trainings, and is then interrupted."""

    left = 0

    def answer(self, index: int, epochs: int) -> Any:
        self.left -= 1
        if self.left < 0:
            raise _Interruption
        return super().answer(index, epochs)


def _resumed(case: _Case) -> Trace:
    """Interrupt a run with 8 workers after a third of its trainings, and take it up again from its journal."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal.jsonl"

        def interrupted(oracle: Oracle) -> Journal:
            journal = _Interrupted(oracle, path, {}, every=1e9)
            journal.left = case.trainings // 3
            journals.append(journal)
            return journal

        journals: list[Journal] = []
        with suppress(_Interruption):
            _run(case, workers=8, through=interrupted)
        journals[-1].flush()
        return _run(case, workers=8, through=lambda oracle: Journal(oracle, path, {}, every=1e9))


def _check_same(first: Trace, second: Trace, broken: str) -> None:
    if not (np.array_equal(first.index, second.index) and np.array_equal(first.epochs, second.epochs)):
        shared = min(len(first.index), len(second.index))
        differs = (first.index[:shared] != second.index[:shared]) | (first.epochs[:shared] != second.epochs[:shared])
        _fail(f"{broken}, first in trial {int(np.argmax(differs)) + 1 if differs.any() else shared + 1}")


def _check_no_repeat(trace: Trace, what: str) -> None:
    """Check that no architecture is asked for again with as many epochs as before, or fewer."""
    asked: dict[int, int] = {}
    for number, (index, epochs) in enumerate(zip(trace.index.tolist(), trace.epochs.tolist(), strict=True), start=1):
        if epochs <= asked.get(index, 0):
            _fail(
                f"{what} trial {number} pays again for architecture {index} with {epochs} epochs. Remember what was "
                f"asked for (metanas.strategies.base.Memory), or state that it is meant: "
                f"REQUIRES = Requirements(repeats=True)"
            )
        asked[index] = epochs


def _global_state() -> tuple[object, object]:
    kind, key, *rest = np.random.get_state(legacy=True)  # noqa: NPY002
    return random.getstate(), (kind, np.asarray(key).tobytes(), *rest)


def _check_any_order(case: _Case) -> None:
    """Ask for several trials before a tell, and tell them in a drawn order."""
    objective = Objective(_METRIC)
    oracle = case.oracle(objective)
    rules = Rules(Budget(trainings=case.trainings), workers=8, fidelity=case.fidelity)
    problem = case.problem(oracle, objective, rules)
    strategy, order = _made(case.make, problem, generator("check", case.seed), case.what), generator("order", case.seed)
    waiting: list[Trial] = []
    for number in range(case.trainings):
        waiting.append(_asked(strategy, problem, f"{case.what} trial {number + 1}:"))
        while len(waiting) >= 8 or (waiting and order.random() < 0.4):
            trial = waiting.pop(int(order.integers(len(waiting))))
            try:
                strategy.tell(_told(oracle, trial))
            except Exception as error:
                msg = f"{case.what} tell() in another order than that of asking raised {describe(error)}."
                raise StrategyError(msg) from error


def _told(oracle: LandscapeOracle, trial: Trial) -> Observation:
    index = oracle.index(trial.arch)
    answer = oracle.answer(index, trial.epochs)
    return Observation(trial, answer.values, answer.curve, oracle.seconds(index, trial.epochs))


def _asked(strategy: Strategy, problem: Problem, what: str) -> Trial:
    try:
        trial = strategy.ask()
    except Exception as error:
        msg = f"{what} ask() raised {describe(error)}."
        raise StrategyError(msg) from error
    allowed = problem.epochs
    if not isinstance(trial, Trial) or not isinstance(trial.arch, Arch) or trial.epochs not in allowed:
        _fail(f"{what} ask() must return a Trial(arch, epochs) with epochs among {allowed}, but got {trial!r}")
    problem.space.check(trial.arch)
    return trial


def _made(make: Build, problem: Problem, rng: np.random.Generator, name: str) -> Strategy:
    try:
        strategy = make(problem, rng)
    except StrategyError:
        raise
    except Exception as error:
        msg = f"Strategy {name!r} failed while it was built: {describe(error)}"
        raise StrategyError(msg) from error
    if not isinstance(strategy, Strategy):
        _fail(f"A strategy has ask() and tell(observation), but {name!r} gave {type(strategy).__name__}")
    return strategy


def _from_text(text: str, config: dict[str, Any]) -> Build:
    source = find_strategy(text)
    if config:
        _fail(f"Settings of a strategy that is named by text are part of the text, but got {config}")
    return source.build


def _with(build: Build, config: dict[str, Any]) -> Build:
    def make(problem: Problem, rng: np.random.Generator) -> Strategy:
        return build(problem, rng, **config)

    return make


def _fail(what: str) -> None:
    msg = f"{what}."
    raise StrategyError(msg)
