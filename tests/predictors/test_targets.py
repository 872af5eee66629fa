from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metanas.predictors._targets import SCALES, Targets, normal_scores

VALUES = st.lists(st.integers(-1000, 1000), min_size=3, max_size=40).filter(lambda values: len(set(values)) > 1)


@pytest.mark.parametrize("scale", SCALES)
@settings(max_examples=60, deadline=None)
@given(VALUES)
def test_there_and_back(scale, values: list[int]) -> None:
    y = np.array(values, dtype=float)
    targets = Targets(y, scale)
    z = targets.forward(y)
    np.testing.assert_allclose(targets.back(z, None)[0], y, atol=1e-8 * np.ptp(y))
    beyond = np.linspace(-8, 8, 200)
    middle, std = targets.back(beyond, np.full(200, 0.3))
    assert (np.diff(middle) > 0).all()
    assert std is not None
    assert (std > 0).all()


def test_normal_scores_by_hand() -> None:
    """Blom's: (k - 3/8) / (n + 1/4); equal values share the mean of their ranks."""
    z = Targets(np.array([5.0, 1.0, 5.0, 9.0]), "normal").forward(np.array([1.0, 5.0, 9.0]))
    from statistics import NormalDist

    expected = [NormalDist().inv_cdf((rank - 3 / 8) / 4.25) for rank in (1, 2.5, 4)]
    np.testing.assert_allclose(z, expected)


@pytest.mark.parametrize("n", [2, 3, 40, 600])
def test_scores_alone_are_those_of_the_map(n: int) -> None:
    rng = np.random.default_rng(n)
    for y in (rng.normal(size=n), np.concatenate([[-1.0], rng.integers(0, 1 + n // 3, n - 1)]).astype(float)):
        np.testing.assert_array_equal(normal_scores(y), Targets(y, "normal").forward(y))
    assert normal_scores(np.ones(n)) == pytest.approx(np.zeros(n))


def test_a_change_of_unit_changes_no_target_at_all() -> None:
    y = np.random.default_rng(0).normal(size=50)
    np.testing.assert_array_equal(Targets(y, "normal").forward(y), Targets(y / 100 - 3, "normal").forward(y / 100 - 3))


def test_the_expectation_is_that_of_draws() -> None:
    rng = np.random.default_rng(0)
    targets = Targets(np.exp(rng.normal(size=200)), "normal")
    mean, std = targets.expected(np.array([0.5]), np.array([0.7]))
    draws = targets.back(0.5 + 0.7 * rng.normal(size=400_000), None)[0]
    assert mean[0] == pytest.approx(draws.mean(), rel=0.05)
    assert std[0] == pytest.approx(draws.std(), rel=0.05)
    assert mean[0] > targets.back(np.array([0.5]), None)[0][0]
