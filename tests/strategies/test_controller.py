from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from metanas.problem import Budget, Constraint, Objective, Problem
from metanas.spaces import load_space, with_decisions
from metanas.strategies._controller import Adam, Policy, SoftmaxPolicy, draw, reward
from metanas.strategies._lstm import LstmPolicy

DECISIONS = (3, 5, 2, 4)


def policies() -> list[Policy]:
    return [
        LstmPolicy(DECISIONS, np.random.default_rng(0), units=7),
        LstmPolicy(DECISIONS, np.random.default_rng(0), units=5, layers=1),
        SoftmaxPolicy(DECISIONS, np.random.default_rng(0)),
    ]


def rows_of(n: int, decisions: tuple[int, ...] = DECISIONS) -> np.ndarray:
    rng = np.random.default_rng(1)
    return np.stack([rng.integers(choices, size=n) for choices in decisions], axis=1)


@pytest.mark.parametrize("policy", policies(), ids=lambda policy: type(policy).__name__)
def test_the_gradient_is_that_of_finite_differences(policy: Policy) -> None:
    rows, rng = rows_of(6), np.random.default_rng(2)
    by_log, by_value = rng.normal(size=rows.shape), rng.normal(size=rows.shape)
    valued = isinstance(policy, LstmPolicy)

    def loss() -> float:
        now = policy.assess(rows)
        return float((by_log * now.log_probs).sum() + valued * (by_value * now.values).sum())

    now = policy.assess(rows)
    by_logit = -by_log[..., None] * now.probs
    n, place = np.indices(rows.shape)
    by_logit[n, place, rows] += by_log
    gradient = policy.gradient(now, by_logit, by_value if valued else None)
    for at in rng.choice(len(gradient), min(100, len(gradient)), replace=False).tolist():
        weight, losses = policy.weights[at], []
        for step in (1e-5, -1e-5):
            policy.weights[at] = weight + step
            losses.append(loss())
        policy.weights[at] = weight
        assert gradient[at] == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-6, abs=1e-7)


def test_one_gradient_leaves_nothing_for_the_next() -> None:
    policy, rng = policies()[0], np.random.default_rng(2)
    rows, by_logit, by_value = rows_of(6), rng.normal(size=(6, 4, 5)), rng.normal(size=(6, 4))
    first = policy.gradient(policy.assess(rows), by_logit, by_value).copy()
    policy.gradient(policy.assess(rows_of(6)[::-1]), 2 * by_logit, by_value)
    policy.sample(rng, 6)
    assert policy.gradient(policy.assess(rows), by_logit, by_value) == pytest.approx(first, abs=1e-14)
    policy.assess(rows_of(3))  # has a tape of its own
    drawn, assessment = policy.sample(rng, 6)
    fresh = policy.gradient(assessment, by_logit).copy()
    assert policy.gradient(policy.assess(drawn), by_logit) == pytest.approx(fresh, abs=1e-14)


@pytest.mark.parametrize("policy", policies(), ids=lambda policy: type(policy).__name__)
def test_a_policy_is_a_distribution_over_the_choices_that_exist(policy: Policy) -> None:
    now = policy.assess(rows_of(8))
    assert now.probs.shape == (8, 4, 5)
    assert now.probs.sum(axis=-1) == pytest.approx(1.0)
    for place, choices in enumerate(DECISIONS):
        assert (now.probs[:, place, choices:] == 0).all()
        assert (now.probs[:, place, :choices] > 0).all()
    taken = np.take_along_axis(now.probs, rows_of(8)[..., None], axis=-1)[..., 0]
    assert now.log_probs == pytest.approx(np.log(taken))


def test_a_new_controller_is_as_the_paper_says() -> None:
    policy = LstmPolicy((5,) * 6, np.random.default_rng(0))
    assert np.abs(policy.weights).max() <= 0.08
    assert policy.weights.std() == pytest.approx(0.08 / math.sqrt(3), rel=0.02)
    layer = 4 * 35 * (35 + 35 + 1)
    assert len(policy.weights) == 2 * layer + 31 * 35 + 30 * 35 + 30 + 36


@pytest.mark.parametrize("kind", [LstmPolicy, SoftmaxPolicy])
def test_what_is_drawn_has_the_probability_that_it_is_said_to_have(kind: type) -> None:
    space, rng = with_decisions(load_space("nb201")), np.random.default_rng(0)
    policy = kind(space.decisions, rng)
    policy.weights += rng.normal(size=len(policy.weights)) * 0.5
    drawn = [draw(policy, space, rng)[0] for _ in range(800)]
    rows = np.array([one.choices for one in drawn])
    assert np.array([one.log_probs for one in drawn]) == pytest.approx(policy.assess(rows).log_probs)
    assert all(space.from_choices(one.choices) == one.arch for one in drawn[:50])
    first = policy.assess(rows).probs[0, 0]
    counts = Counter(rows[:, 0].tolist())
    for choice, prob in enumerate(first.tolist()):
        assert counts[choice] == pytest.approx(800 * prob, abs=5 * math.sqrt(800 * prob * (1 - prob)) + 1)


def test_later_decisions_depend_on_earlier_ones_in_the_controller_alone() -> None:
    rows = np.array([[0, 1, 0, 2], [2, 1, 0, 2]])
    recurrent, independent = (policy.assess(rows).probs for policy in (policies()[0], policies()[2]))
    assert not np.allclose(recurrent[0, 1:], recurrent[1, 1:], atol=1e-9)
    assert (recurrent[0, 0] == recurrent[1, 0]).all()
    assert (independent[0] == independent[1]).all()


def test_choices_that_are_no_architecture_are_drawn_anew() -> None:
    space, rng = with_decisions(load_space("nb101")), np.random.default_rng(0)
    policy = SoftmaxPolicy(space.decisions, rng)
    drawn = [draw(policy, space, rng)[0] for _ in range(50)]
    assert all(space.check(one.arch) == one.arch for one in drawn)
    policy.weights.reshape(26, 3)[:21, 0] = 50.0  # no edges at all
    assert space.check(draw(policy, space, rng)[0].arch)  # drawn uniformly in the end


def test_adam_takes_first_steps_as_long_as_its_rate() -> None:
    weights = np.array([1.0, -2.0, 3.0])
    adam = Adam(weights, 0.1)
    adam.step(np.array([5.0, -0.001, 0.0]))
    assert weights == pytest.approx([0.9, -1.9, 3.0], abs=1e-5)
    adam.step(np.array([5.0, -0.001, 0.0]))
    assert weights == pytest.approx([0.8, -1.8, 3.0], abs=1e-4)


def limited(direction: str = "maximize", limits: tuple[float, ...] = (2.0,)) -> Problem:
    constraints = tuple(Constraint(f"latency/{number}", limit) for number, limit in enumerate(limits))
    objective = Objective("validation/accuracy", direction)  # type: ignore[arg-type]
    return Problem(load_space("nb201"), (objective,), 4, Budget(trainings=10), constraints=constraints)


@pytest.mark.parametrize(
    ("latency", "alpha", "beta", "expected"),
    [
        (2.0, -0.07, -0.07, 70.0),  # at the limit
        (4.0, -0.07, -0.07, 70.0 * 2**-0.07),  # eq. 2
        (1.0, -0.07, -0.07, 70.0 * 0.5**-0.07),
        (1.0, 0.0, -1.0, 70.0),  # the hard version of figure 3
        (4.0, 0.0, -1.0, 35.0),
        (math.nan, 0.0, -1.0, 7.0),
    ],
)
def test_the_reward_is_mnasnets(latency: float, alpha: float, beta: float, expected: float) -> None:
    values = {"validation/accuracy": 70.0, "latency/0": latency}
    assert reward(limited(), values, alpha, beta) == pytest.approx(expected)


def test_the_reward_of_a_minimized_metric_falls_with_the_cost() -> None:
    fast, slow = ({"validation/accuracy": 1.5, "latency/0": ms} for ms in (1.0, 4.0))
    problem = limited("minimize")
    assert reward(problem, fast, -0.07, -0.07) > reward(problem, slow, -0.07, -0.07)


def test_every_limit_has_its_factor_and_no_limit_none() -> None:
    values = {"validation/accuracy": 60.0, "latency/0": 4.0, "latency/1": 9.0}
    assert reward(limited(limits=(2.0, 3.0)), values, 0.0, -1.0) == pytest.approx(60.0 / 2 / 3)
    assert reward(limited(limits=()), values, 0.0, -1.0) == 60.0
