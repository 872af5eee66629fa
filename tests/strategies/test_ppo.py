from __future__ import annotations

import numpy as np
import pytest

from metanas.errors import InvalidValueError
from metanas.problem import Budget, Objective, Observation, Problem, Trial
from metanas.spaces import load_space
from metanas.strategies.ppo import Ppo, advantages, clipped

SPACE = load_space("nb201-conv")


def made(**settings: object) -> Ppo:
    problem = Problem(SPACE, (Objective("validation/accuracy"),), 4, Budget(trainings=1000))
    return Ppo(problem, np.random.default_rng(0), **settings)  # type: ignore[arg-type]


def tell(strategy: Ppo, trial: Trial) -> None:
    strategy.tell(Observation(trial, {"validation/accuracy": 10.0 * trial.arch.code.count(3)}, None, 1.0))


def test_the_policy_concentrates_on_what_is_good() -> None:
    strategy, shares = made(rate=0.01), []
    for _ in range(300):
        trial = strategy.ask()
        shares.append(trial.arch.code.count(3) / 6)
        tell(strategy, trial)
    assert np.mean(shares[:50]) < 0.5  # a quarter by chance
    assert np.mean(shares[-50:]) > 0.8


def test_the_surrogate_is_clipped() -> None:
    """Figure 1: an advantage gains nothing beyond 1 + epsilon, a disadvantage nothing below 1 - epsilon."""
    ratios = np.array([0.5, 0.79, 0.9, 1.0, 1.1, 1.21, 2.0])
    for gain, kept in ((1.0, [0.5, 0.79, 0.9, 1.0, 1.1, 1.2, 1.2]), (-1.0, [0.8, 0.8, 0.9, 1.0, 1.1, 1.21, 2.0])):
        slope, value = clipped(np.log(ratios), np.zeros(7), np.full(7, gain), 0.2)
        assert value == pytest.approx(gain * np.array(kept))
        inside = np.array(kept) == ratios
        assert slope == pytest.approx(np.where(inside, -gain * ratios, 0.0))


def test_the_gradient_of_the_surrogate_is_that_of_finite_differences() -> None:
    rng = np.random.default_rng(0)
    logs, old, gains = rng.normal(size=(3, 40)) * 0.5
    slope, _ = clipped(logs, old, gains, 0.2)
    up, down = (clipped(logs + step, old, gains, 0.2)[1] for step in (1e-6, -1e-6))
    assert slope == pytest.approx(-(up - down) / 2e-6, abs=1e-6)
    assert (slope == 0).sum() > 5


def test_advantages_are_the_papers() -> None:
    rewards, values = np.array([5.0, -1.0]), np.array([[1.0, 2.0, 4.0], [0.0, 0.5, 0.0]])
    errors = np.array([[1.0, 2.0, 1.0], [0.5, -0.5, -1.0]])
    assert advantages(rewards, values, 0.0) == pytest.approx(errors)  # eq. 12 alone
    assert advantages(rewards, values, 1.0) == pytest.approx(rewards[:, None] - values)  # return less value
    half = [[1 + 1 + 0.25, 2 + 0.5, 1], [0.5 - 0.25 - 0.25, -0.5 - 0.5, -1]]
    assert advantages(rewards, values, 0.5) == pytest.approx(np.array(half))


def test_a_batch_leaves_the_policy_close() -> None:
    """However many passes are made, hardly a ratio leaves the clip's range by much; without the clip many do."""
    ratios = {}
    for clip in (0.2, 1e9):
        strategy = made(clip=clip, passes=40, entropy=0.0, rate=0.01)
        draws = []
        for _ in range(10):
            trial = strategy.ask()
            draws.append(strategy._drawn[trial.arch][-1])
            tell(strategy, trial)
        now = strategy._policy.assess(np.array([drawn.choices for drawn in draws])).log_probs
        ratios[clip] = np.abs(now - np.array([drawn.log_probs for drawn in draws]))
    assert np.median(ratios[0.2]) < 0.5 * np.median(ratios[1e9])


def test_nothing_is_learned_before_the_batch_is_full() -> None:
    strategy = made(batch=7)
    start = strategy._policy.weights.copy()
    for number in range(1, 15):
        tell(strategy, strategy.ask())
        changed = not np.array_equal(strategy._policy.weights, start)
        assert changed == (number % 7 == 0)
        start = strategy._policy.weights.copy()


def test_values_learn_what_is_to_be_expected() -> None:
    """The value before the last decision grows with the reward that the decisions so far lead to."""
    strategy = made(entropy=1.0, rate=0.01)  # keeps exploring
    for _ in range(200):
        tell(strategy, strategy.ask())
    good, bad = np.array([[3, 3, 3, 3, 3, 3]]), np.array([[0, 0, 0, 0, 0, 0]])
    values = [float(strategy._policy.assess(rows).values[0, -1]) for rows in (good, bad)]
    assert values[0] > values[1] + 0.5


def test_old_probabilities_are_those_of_the_draw() -> None:
    """Two trials of one architecture under way at once keep their own."""
    strategy = made(batch=2)
    trial = strategy.ask()
    first = strategy._drawn[trial.arch][0]
    second = first._replace(log_probs=tuple(value - 1 for value in first.log_probs))
    strategy._drawn[trial.arch].append(second)
    tell(strategy, trial)
    assert strategy._batch[0][0] is first
    tell(strategy, trial)
    assert strategy._batch == []


@pytest.mark.parametrize(
    "wrong", [{"batch": 0}, {"passes": 0}, {"clip": 0.0}, {"rate": -1.0}, {"decay": 1.1}, {"entropy": -0.1}]
)
def test_settings_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match=rf"must hold, but got .*{next(iter(wrong))}="):
        made(**wrong)
