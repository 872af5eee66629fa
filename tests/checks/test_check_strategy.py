from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from metanas.arch import Arch
from metanas.checks import LandscapeOracle, check_strategy
from metanas.errors import StrategyError
from metanas.problem import Objective, Observation, Problem, Requirements, Trial
from metanas.spaces import load_space


class Sound:
    """A strategy that keeps the contract: half of its trials are neighbours of the best."""

    REQUIRES = Requirements(repeats=True)

    def __init__(self, problem: Problem, rng: np.random.Generator) -> None:
        self.problem, self.rng = problem, rng
        self.best: tuple[float, Arch] | None = None

    def ask(self) -> Trial:
        return Trial(self.choose(), self.problem.max_epochs)

    def choose(self) -> Arch:
        space = self.problem.space
        if self.best is None or self.rng.random() < 0.5:
            return space.sample(self.rng)
        return space.mutate(self.best[1], self.rng)

    def tell(self, observation: Observation) -> None:
        score = self.problem.objective.score(observation.values)
        if self.best is None or score > self.best[0]:
            self.best = (score, observation.trial.arch)


class GlobalNumPy(Sound):
    def choose(self) -> Arch:
        return self.problem.space.arch(int(np.random.choice(self.problem.space.indices)))  # noqa: NPY002


class GlobalPython(Sound):
    def choose(self) -> Arch:
        random.random()
        return super().choose()


class OwnEntropy(Sound):
    def __init__(self, problem: Problem, rng: np.random.Generator) -> None:
        super().__init__(problem, np.random.default_rng())


class Upwards(Sound):
    def tell(self, observation: Observation) -> None:
        score = observation.values[self.problem.objective.metric]
        if self.best is None or score > self.best[0]:
            self.best = (score, observation.trial.arch)


class InTurn(Sound):
    """Believes that it is told what it asked for last."""

    def ask(self) -> Trial:
        self.last = super().ask()
        return self.last

    def tell(self, observation: Observation) -> None:
        assert observation.trial == self.last, "not what I asked for"
        super().tell(observation)


class OutsideSpace(Sound):
    def choose(self) -> Arch:
        return load_space("nb201").sample(self.rng)


class HalfTrained(Sound):
    def ask(self) -> Trial:
        return Trial(self.choose(), 2)


class Tired(Sound):
    def ask(self) -> Trial:
        self.count = getattr(self, "count", 0) + 1
        return super().ask() if self.count < 30 else None  # type: ignore[return-value]


class NoTell:
    def __init__(self, problem: Problem, rng: np.random.Generator) -> None: ...

    def ask(self) -> None: ...


class Unbuildable(Sound):
    def __init__(self, problem: Problem, rng: np.random.Generator) -> None:
        msg = "not today"
        raise OSError(msg)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (GlobalNumPy, "draws from the global random state"),
        (GlobalPython, "draws from the global random state"),
        (OwnEntropy, "with 1 workers, two runs from the same seed differ, first in trial 1"),
        (Upwards, r"minimizing −f is not maximizing f; use problem.objective.score"),
        (InTurn, "AssertionError: not what I asked for"),
        (OutsideSpace, "outside 'nb201-conv'"),
        (HalfTrained, "asks for 2 epochs, but every trial here is a full training"),
        (Tired, "trial 30: .*must return a .*Trial"),
        (NoTell, r"ask\(\) and tell\(observation\)"),
        (Unbuildable, "failed while it was built: OSError: not today"),
        (lambda problem, rng: None, "gave NoneType"),
    ],
)
def test_what_breaks_the_contract_is_found(build: Callable[..., Sound], expected: str) -> None:
    with pytest.raises(StrategyError, match=expected):
        check_strategy(build)


def test_what_keeps_the_contract_passes() -> None:
    check_strategy(Sound)


class AnyEpochs(Sound):
    def ask(self) -> Trial:
        return Trial(self.choose(), 1)


def test_less_than_full_trainings_are_asked_for_on_request() -> None:
    check_strategy(AnyEpochs, fidelity="any")
    with pytest.raises(StrategyError, match="full training"):
        check_strategy(AnyEpochs)


def test_a_training_is_not_paid_twice_unless_it_is_meant() -> None:
    class Forgetful(Sound):
        REQUIRES = Requirements()

    with pytest.raises(StrategyError, match=r"pays again for architecture \d+ with 4 epochs.*repeats=True"):
        check_strategy(Forgetful)


class Several:
    """Prefers what is cheap, of three objectives."""

    REQUIRES = Requirements(objectives="several", constraints=True, scores=True)

    def __init__(self, problem: Problem, rng: np.random.Generator) -> None:
        assert [objective.metric for objective in problem.objectives] == [
            *("validation/accuracy", "latency/made_up", "cost/parameters")
        ]
        assert set(problem.scores) == {"proxy/made_up", "latency/made_up", "cost/parameters"}
        assert 0.1 < np.mean(problem.scores["latency/made_up"][problem.space.indices] <= 6) < 0.9
        assert [constraint.metric for constraint in problem.constraints] == ["latency/made_up"]
        self.problem, self.rng = problem, rng
        self.seen: set[Arch] = set()

    def ask(self) -> Trial:
        while (arch := self.problem.space.sample(self.rng)) in self.seen:
            pass
        self.seen.add(arch)
        return Trial(arch, self.problem.max_epochs)

    def tell(self, observation: Observation) -> None:
        assert len([objective.score(observation.values) for objective in self.problem.objectives]) == 3
        known = self.problem.scores["latency/made_up"][self.problem.space.index(observation.trial.arch)]
        assert observation.values["latency/made_up"] == known
        assert self.problem.feasible(observation.values) == (known <= 6)


def test_a_strategy_is_checked_on_the_kind_of_problem_that_it_requires() -> None:
    check_strategy(Several, trainings=20)


def test_a_strategy_of_any_number_of_objectives_is_checked_with_one_and_with_three() -> None:
    seen = set()

    class Any(Sound):
        REQUIRES = Requirements(objectives="any", repeats=True)

        def __init__(self, problem: Problem, rng: np.random.Generator) -> None:
            super().__init__(problem, rng)
            seen.add(len(problem.objectives))

        def tell(self, observation: Observation) -> None: ...

    check_strategy(Any, trainings=20)
    assert seen == {1, 3}


def test_spaces_without_what_is_required_are_left_out() -> None:
    class Rewiring(Sound):
        REQUIRES = Requirements(space=("rewire",))

    with pytest.raises(StrategyError, match="requires a space with rewire, and none of"):
        check_strategy(Rewiring)


def test_a_state_that_outlives_a_run_is_found() -> None:
    class Shared(Sound):
        asked = 0

        def choose(self) -> Arch:
            Shared.asked += 1
            return self.problem.space.arch(int(self.problem.space.indices[Shared.asked % 1000]))

    with pytest.raises(StrategyError, match="two runs from the same seed differ"):
        check_strategy(Shared)


def test_settings_are_handed_on() -> None:
    class Set(Sound):
        def __init__(self, problem: Problem, rng: np.random.Generator, *, greed: float) -> None:
            super().__init__(problem, rng)
            assert greed == 0.5

    check_strategy(Set, greed=0.5, spaces=("nb201",), seeds=(0,))
    with pytest.raises(StrategyError, match="part of the text"):
        check_strategy("random_search", unique="none")


def test_a_file_is_checked_by_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from metanas.problem import Requirements, Trial\n"
        "REQUIRES = Requirements(repeats=True)\n"
        "class Fixed:\n"
        "    def __init__(self, problem, rng): self.arch = problem.space.sample(rng)\n"
        "    def ask(self): return Trial(self.arch, 4)\n"
        "    def tell(self, observation): pass\n"
    )
    check_strategy(f"{path}:Fixed")


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_landscape_has_one_shape_for_both_directions(direction: str) -> None:
    space = load_space("nb201-conv")
    upwards = LandscapeOracle(space, Objective("validation/accuracy"))
    other = LandscapeOracle(space, Objective("validation/accuracy", direction))  # type: ignore[arg-type]
    sign = 1 if direction == "maximize" else -1
    finals = []
    for index, epochs in itertools.product(space.indices[::300].tolist(), (1, 2, 4)):
        answer = other.answer(index, epochs)
        value = answer.values["validation/accuracy"]
        assert value == sign * upwards.answer(index, epochs).values["validation/accuracy"]
        assert answer.curve is not None
        assert answer.curve[-1] == value
        assert len(answer.curve) == other.epochs.index(epochs) + 1
        assert 1 <= other.seconds(index, epochs) / epochs < 2
        if epochs == 4:
            finals.append(abs(value))
    assert len(set(finals)) == len(finals)
    assert 0 < min(finals) < max(finals) < 100
