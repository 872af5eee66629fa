"""The contract of a strategy, as a function that raises where it is broken.

from metanas.checks import check_strategy

def test_my_strategy():
    check_strategy("my_file.py:MyStrategy")
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from metanas.arch import Arch
from metanas.checks.landscape import LandscapeOracle
from metanas.errors import StrategyError
from metanas.harness import Rules, Trace, generator, make_problem, search
from metanas.problem import Budget, Objective, Observation, Problem, Strategy, Trial
from metanas.spaces import load_space
from metanas.strategies import describe, find_strategy

Build = Callable[..., Strategy]

_METRIC = "validation/accuracy"


def check_strategy(
    build: Build | str,
    *,
    spaces: Sequence[str] = ("nb201", "nb201-conv"),
    trainings: int = 60,
    seeds: Sequence[int] = (0, 1),
    fidelity: Literal["full", "any"] = "full",
    **config: Any,
) -> None:
    """Check that a strategy keeps its contract, on a made-up landscape.

    It must make the same run from the same seed; ask for trials of the space alone, with epochs that exist; spend the
    whole budget and no more, be it 1 training or many; work with 1 worker and with 8; cope with tells in any order; be
    led by the objective's direction; and leave the global random state alone.

    Args:
        build: ``build(problem, rng, **config)``, a class as well, or what ``metanas run --strategy`` takes.
        spaces: names of the spaces that it must work on.
        trainings: budget of a run.
        seeds: seeds to try.
        fidelity: ``"any"`` for a strategy that asks for less than full trainings.
        config: settings of the strategy.

    Raises:
        StrategyError: it breaks the contract; the message says where.
    """
    make = _from_text(build, config) if isinstance(build, str) else _with(build, config)
    name = build if isinstance(build, str) else getattr(build, "__name__", type(build).__name__)
    for space in spaces:
        for seed in seeds:
            what = f"Strategy {name!r} on {space}, seed {seed}:"
            _check_global_state(make, name, space, seed, trainings, fidelity, what)
            for workers in (1, 8):
                first, second = (_run(make, name, space, seed, trainings, workers, fidelity) for _ in range(2))
                _check_same(first, second, f"{what} with {workers} workers, two runs from the same seed differ")
                if fidelity == "full" and len(first.index) != trainings:
                    _fail(f"{what} a budget of {trainings} trainings gave {len(first.index)}")
            upwards, downwards = (
                _run(make, name, space, seed, trainings, 1, fidelity, direction)
                for direction in ("maximize", "minimize")
            )
            _check_same(upwards, downwards, f"{what} minimizing −f is not maximizing f; use problem.objective.score()")
            _run(make, name, space, seed, 1, 8, fidelity)
            _check_any_order(make, space, seed, trainings, fidelity, what)


def _run(
    make: Build,
    name: str,
    space: str,
    seed: int,
    trainings: int,
    workers: int,
    fidelity: Literal["full", "any"],
    direction: Literal["maximize", "minimize"] = "maximize",
) -> Trace:
    objective = Objective(_METRIC, direction)
    oracle = LandscapeOracle(load_space(space), objective, seed=seed)
    rules = Rules(Budget(trainings=trainings), workers=workers, fidelity=fidelity)
    strategy = _made(make, make_problem(oracle, objective, rules), generator("check", seed), name)
    return search(strategy, oracle, objective, rules, name=name)


def _check_same(first: Trace, second: Trace, broken: str) -> None:
    if not (np.array_equal(first.index, second.index) and np.array_equal(first.epochs, second.epochs)):
        shared = min(len(first.index), len(second.index))
        differs = (first.index[:shared] != second.index[:shared]) | (first.epochs[:shared] != second.epochs[:shared])
        _fail(f"{broken}, first in trial {int(np.argmax(differs)) + 1 if differs.any() else shared + 1}")


def _check_global_state(
    make: Build, name: str, space: str, seed: int, trainings: int, fidelity: Literal["full", "any"], what: str
) -> None:
    before = _global_state()
    _run(make, name, space, seed, trainings, 1, fidelity)
    if _global_state() != before:
        _fail(f"{what} it draws from the global random state; draw from the generator that build() is handed")


def _global_state() -> tuple[object, object]:
    kind, key, *rest = np.random.get_state(legacy=True)  # noqa: NPY002
    return random.getstate(), (kind, np.asarray(key).tobytes(), *rest)


def _check_any_order(
    make: Build, space: str, seed: int, trainings: int, fidelity: Literal["full", "any"], what: str
) -> None:
    """Ask for several trials before a tell, and tell them in a drawn order."""
    objective = Objective(_METRIC)
    oracle = LandscapeOracle(load_space(space), objective, seed=seed)
    problem = make_problem(oracle, objective, Rules(Budget(trainings=trainings), workers=8, fidelity=fidelity))
    strategy, order = _made(make, problem, generator("check", seed), what), generator("order", seed)
    waiting: list[Trial] = []
    for number in range(trainings):
        waiting.append(_asked(strategy, oracle, fidelity, f"{what} trial {number + 1}:"))
        while len(waiting) >= 8 or (waiting and order.random() < 0.4):
            trial = waiting.pop(int(order.integers(len(waiting))))
            index = oracle.index(trial.arch)
            answer = oracle.answer(index, trial.epochs)
            observation = Observation(trial, answer.values, answer.curve, oracle.seconds(index, trial.epochs))
            try:
                strategy.tell(observation)
            except Exception as error:
                msg = f"{what} tell() in another order than that of asking raised {describe(error)}."
                raise StrategyError(msg) from error


def _asked(strategy: Strategy, oracle: LandscapeOracle, fidelity: str, what: str) -> Trial:
    try:
        trial = strategy.ask()
    except Exception as error:
        msg = f"{what} ask() raised {describe(error)}."
        raise StrategyError(msg) from error
    allowed = oracle.epochs if fidelity == "any" else oracle.epochs[-1:]
    if not isinstance(trial, Trial) or not isinstance(trial.arch, Arch) or trial.epochs not in allowed:
        _fail(f"{what} ask() must return a Trial(arch, epochs) with epochs among {allowed}, but got {trial!r}")
    oracle.space.check(trial.arch)
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
