from __future__ import annotations

import math

import numpy as np
import pytest

from metanas.leaderboard.hypervolume import hypervolume
from metanas.strategies._improvement import expected_below, expected_improvement, free_boxes


def improved(points: np.ndarray, new: np.ndarray) -> float:
    """Return the gain of hypervolume by one point, by another computation."""
    return hypervolume(np.vstack((points, new))) - hypervolume(points)


@pytest.mark.parametrize("n_objectives", [2, 3])
def test_without_deviation_it_is_the_gain_of_hypervolume(n_objectives: int) -> None:
    rng = np.random.default_rng(0)
    points = np.round(rng.random((12, n_objectives)) * 1.2, 1)  # ties, and some beyond the reference point
    boxes = free_boxes(points, np.ones(n_objectives))
    new = np.vstack((np.round(rng.random((60, n_objectives)) * 1.2, 1), rng.normal(size=(60, n_objectives))))
    found = expected_improvement(boxes, new, np.zeros_like(new))
    assert found == pytest.approx([improved(points, row) for row in new], abs=1e-12)
    assert (found > 0).any()


@pytest.mark.parametrize("n_objectives", [1, 2, 3, 4])
def test_boxes_are_disjoint_and_cover_what_is_not_dominated(n_objectives: int) -> None:
    rng = np.random.default_rng(1)
    points, reference = rng.random((9, n_objectives)), np.full(n_objectives, 0.9)
    boxes = free_boxes(points, reference)
    for y in rng.random((300, n_objectives)) * 1.1 - 0.1:
        free = (y < reference).all() and not (points <= y).all(axis=1).any()
        inside = ((boxes.lower <= y) & (y < boxes.upper)).all(axis=1).sum()
        assert inside == (1 if free else 0)


@pytest.mark.parametrize("n_objectives", [2, 3])
def test_the_expectation_is_that_of_quasi_random_draws(n_objectives: int) -> None:
    qmc = pytest.importorskip("scipy.stats.qmc")
    rng = np.random.default_rng(2)
    points = rng.random((6, n_objectives))
    mean, std = np.full((1, n_objectives), 0.4), np.linspace(0.1, 0.4, n_objectives)[None]
    boxes = free_boxes(points, np.ones(n_objectives))
    draws = qmc.MultivariateNormalQMC(mean[0], np.diag(std[0] ** 2), seed=0).random(1024)
    gains = [improved(points, draw) for draw in draws]
    assert expected_improvement(boxes, mean, std)[0] == pytest.approx(np.mean(gains), rel=0.02)


def test_with_one_objective_it_is_the_expected_improvement() -> None:
    """Jones et al. 1998, eq. 15."""
    best, mean, std = 0.5, 0.7, 0.3
    z = (best - mean) / std
    phi, below = math.exp(-0.5 * z**2) / math.sqrt(2 * math.pi), 0.5 * (1 + math.erf(z / math.sqrt(2)))
    boxes = free_boxes(np.array([[0.9], [best]]), np.array([1.0]))
    found = expected_improvement(boxes, np.array([[mean]]), np.array([[std]]))
    assert found[0] == pytest.approx((best - mean) * below + std * phi)


def test_a_known_value_and_minus_infinity() -> None:
    found = expected_below(np.array([-np.inf, 1.0, 3.0]), np.array([2.0, 2.0]), np.array([0.0, 1.0]))
    assert found[0].tolist() == [0.0, 0.0, 1.0]
    assert found[1, 0] == 0
    assert found[1, 2] == pytest.approx(1 + found[1, 1])  # psi(m + 1) = 1 + psi(m - 1)


def test_no_front_leaves_all_below_the_reference_point() -> None:
    boxes = free_boxes(np.empty((0, 2)), np.array([2.0, 3.0]))
    assert expected_improvement(boxes, np.array([[1.0, 1.0]]), np.zeros((1, 2))) == pytest.approx([2.0])
