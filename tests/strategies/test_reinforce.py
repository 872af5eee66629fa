from __future__ import annotations

import numpy as np
import pytest

from metanas.checks import check_strategy
from metanas.errors import InvalidValueError, UnknownNameError
from metanas.problem import Budget, Constraint, Objective, Observation, Problem
from metanas.spaces import load_space
from metanas.strategies.ppo import Ppo
from metanas.strategies.reinforce import Reinforce

SPACE = load_space("nb201-conv")


def made(**settings: object) -> Reinforce:
    problem = Problem(SPACE, (Objective("validation/accuracy"),), 4, Budget(trainings=1000))
    return Reinforce(problem, np.random.default_rng(0), **settings)  # type: ignore[arg-type]


def run(strategy: Reinforce | Ppo, trainings: int) -> np.ndarray:
    """Search a landscape in which every edge should carry a 3x3 convolution; return the codes asked for."""
    codes = []
    for _ in range(trainings):
        trial = strategy.ask()
        codes.append(trial.arch.code)
        strategy.tell(Observation(trial, {"validation/accuracy": 10.0 * trial.arch.code.count(3)}, None, 1.0))
    return np.array(codes)


@pytest.mark.parametrize("settings", ["policy=softmax", "policy=softmax,unique=canonical"])
def test_other_settings_keep_the_contract(settings: str) -> None:
    check_strategy(f"reinforce,{settings}", trainings=40, seeds=(0,))


@pytest.mark.parametrize("settings", [{"policy": "lstm"}, {"policy": "softmax", "rate": 0.05}])
def test_the_policy_concentrates_on_what_is_good(settings: dict[str, object]) -> None:
    codes = run(made(**settings), 400)
    shares = (codes == 3).mean(axis=1)
    assert shares[:50].mean() < 0.5  # a quarter by chance
    assert shares[-50:].mean() > 0.8


def probability(strategy: Reinforce, choices: tuple[int, ...]) -> float:
    return float(np.exp(strategy._policy.assess(np.array([choices])).log_probs.sum()))


def test_what_is_better_than_the_average_becomes_more_likely() -> None:
    strategy = made()
    for value, direction in ((50.0, 0), (60.0, 1), (40.0, -1), (80.0, 1)):
        trial = strategy.ask()
        choices = SPACE.choices(trial.arch)  # type: ignore[attr-defined]
        strategy._optimizer._first[:] = 0.0  # without momentum a step goes where its own gradient points
        before = probability(strategy, choices)
        strategy.tell(Observation(trial, {"validation/accuracy": value}, None, 1.0))
        change = probability(strategy, choices) - before
        assert np.sign(change) == direction  # the first reward is its own average


def test_the_baseline_is_a_moving_average_corrected_for_its_start() -> None:
    strategy = made(momentum=0.9)
    values = [50.0, 60.0, 40.0]
    for value in values:
        strategy.tell(Observation(strategy.ask(), {"validation/accuracy": value}, None, 1.0))
    weights = np.array([0.81, 0.9, 1.0])
    assert strategy._sum / strategy._weight == pytest.approx((weights * values).sum() / weights.sum())


def test_a_known_reward_is_learned_from_at_no_cost() -> None:
    asked = run(made(policy="softmax", rate=0.1, unique="code"), 200)
    paid = run(made(policy="softmax", rate=0.1), 200)
    assert len(np.unique(paid, axis=0)) < 100
    assert len(np.unique(asked, axis=0)) == 200


@pytest.mark.parametrize("make", [Reinforce, Ppo])
def test_where_repeats_are_free_a_policy_does_not_repeat_itself_for_ever(make: type[Reinforce] | type[Ppo]) -> None:
    problem = Problem(SPACE, (Objective("validation/accuracy"),), 4, Budget(seconds=1000.0), repeats="free")
    assert len(np.unique(run(make(problem, np.random.default_rng(0), rate=0.03), 400), axis=0)) == 400


def test_a_limit_softly_shifts_the_policy() -> None:
    """Accuracy is the same everywhere; with a limit, operations that cost little become likely."""
    objective, limit = Objective("validation/accuracy"), Constraint("latency/0", 2.0)
    problem = Problem(SPACE, (objective,), 4, Budget(trainings=1000), constraints=(limit,))
    strategy = Reinforce(problem, np.random.default_rng(0), policy="softmax", rate=0.1)
    dear = []
    for _ in range(400):
        trial = strategy.ask()
        dear.append(trial.arch.code.count(3))
        values = {"validation/accuracy": 70.0, "latency/0": 0.5 + 1.0 * trial.arch.code.count(3)}
        strategy.tell(Observation(trial, values, None, 1.0))
    assert np.mean(dear[-50:]) < 0.3 < 0.7 < np.mean(dear[:50])


def test_settings_are_checked() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'lstm'"):
        made(policy="lsmt")
    with pytest.raises(InvalidValueError, match="rate > 0"):
        made(rate=0.0)
    with pytest.raises(InvalidValueError, match="momentum < 1"):
        made(momentum=1.0)
