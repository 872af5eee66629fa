from __future__ import annotations

import math

import numpy as np
import pytest

from metanas.arch import Arch
from metanas.checks import check_strategy
from metanas.errors import InvalidValueError
from metanas.problem import Budget, Objective, Observation, Problem, Trial
from metanas.spaces import load_space
from metanas.strategies.simulated_annealing import SimulatedAnnealing

SPACE = load_space("nb201")


def problem(space: str = "nb201") -> Problem:
    return Problem(load_space(space), (Objective("validation/accuracy"),), 4, Budget(trainings=1000))


def tell(strategy: SimulatedAnnealing, trial: Trial, value: float) -> None:
    strategy.tell(Observation(trial, {"validation/accuracy": value}, None, 1.0))


def warmed_up(**settings: float) -> tuple[SimulatedAnnealing, Trial]:
    """Return a walk after its warm-up of moves by one point up and down, and where it stands."""
    strategy = SimulatedAnnealing(problem(), np.random.default_rng(0), unique="none", **settings)  # type: ignore[arg-type]
    for step in range(10):
        trial = strategy.ask()
        tell(strategy, trial, 50.0 + step % 2)
    return strategy, trial


@pytest.mark.parametrize("settings", ["unique=canonical", "acceptance=0.9,cooling=1,hold=1,warm_up=2"])
def test_other_settings_keep_the_contract(settings: str) -> None:
    check_strategy(f"simulated_annealing,{settings}", trainings=40, seeds=(0,))


def test_every_move_of_the_warm_up_is_accepted() -> None:
    strategy, arch = SimulatedAnnealing(problem(), np.random.default_rng(0)), None
    for step in range(10):
        assert strategy.temperature == math.inf
        trial = strategy.ask()
        assert arch is None or trial.arch in SPACE.neighbours(arch)
        tell(strategy, trial, -float(step**3))  # ever worse
        arch = trial.arch


def test_the_first_temperature_accepts_the_median_change_as_often_as_it_should() -> None:
    strategy, _ = warmed_up(acceptance=0.2)
    assert math.exp(-1.0 / strategy.temperature) == pytest.approx(0.2)


def test_the_temperature_falls_geometrically() -> None:
    strategy, _ = warmed_up(cooling=0.9, hold=5)
    first = strategy.temperature
    for told in range(1, 51):
        tell(strategy, strategy.ask(), 50.0)
        assert strategy.temperature == pytest.approx(first * 0.9 ** (told // 5))


def acceptances(strategy: SimulatedAnnealing, worsening: float, moves: int) -> int:
    """Count how many of many moves to a state worse by so much are accepted; the walk is put back each time."""
    count = 0
    for _ in range(moves):
        strategy._state = (SPACE.arch(0), 60.0)
        trial = strategy.ask()
        tell(strategy, trial, 60.0 - worsening)
        count += strategy._state == (trial.arch, 60.0 - worsening)
    return count


def test_a_hot_walk_accepts_what_a_cold_one_does_not() -> None:
    """Metropolis: exp(-worsening / T), at a temperature that does not fall."""
    hot, _ = warmed_up(acceptance=0.8, cooling=1.0)
    cold, _ = warmed_up(acceptance=1e-6, cooling=1.0)
    assert acceptances(hot, 1.0, 2000) == pytest.approx(1600, abs=5 * math.sqrt(2000 * 0.16))
    assert acceptances(hot, 2.0, 2000) == pytest.approx(1280, abs=5 * math.sqrt(2000 * 0.64 * 0.36))
    assert acceptances(cold, 1.0, 2000) < 10
    assert acceptances(cold, -0.001, 100) == acceptances(cold, 0.0, 100) == 100  # what is no worse always is


def test_known_ground_costs_nothing() -> None:
    """Every architecture is asked for once; the walk moves on over those that it knows."""
    strategy, rng = SimulatedAnnealing(problem("nb201-conv"), np.random.default_rng(0)), np.random.default_rng(1)
    value: dict[Arch, float] = {}
    for _ in range(1500):
        trial = strategy.ask()
        assert trial.arch not in value
        value[trial.arch] = float(rng.normal())
        tell(strategy, trial, value[trial.arch])


def test_a_frozen_walk_goes_on_elsewhere() -> None:
    strategy = SimulatedAnnealing(problem(), np.random.default_rng(0), acceptance=1e-9, warm_up=2)
    top = SPACE.parse("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    asked = []
    strategy._told, strategy._start_temperature, strategy._state = 2, 1e-9, (top, 100.0)
    strategy._memory.add(top)
    strategy._scores[top] = 100.0
    for _ in range(25):
        trial = strategy.ask()
        asked.append(trial.arch)
        tell(strategy, trial, 0.0)
    assert set(asked[:24]) == set(SPACE.neighbours(top))  # each once, none accepted
    assert asked[24] not in SPACE.neighbours(top)


@pytest.mark.parametrize(
    "wrong", [{"acceptance": 1.0}, {"cooling": 0.0}, {"cooling": 1.1}, {"hold": 0}, {"warm_up": 1}]
)
def test_settings_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match="must hold, but got acceptance="):
        SimulatedAnnealing(problem(), np.random.default_rng(0), **wrong)  # type: ignore[arg-type]
