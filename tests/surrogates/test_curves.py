from __future__ import annotations

import numpy as np
import pytest

from metanas.surrogates.curves import MOST, Directions, Scores


def curves(n: int = 300, n_epochs: int = 12) -> np.ndarray:
    """Curves of two numbers, and a little noise."""
    rng = np.random.default_rng(0)
    epochs = np.arange(1, n_epochs + 1)
    height, speed = rng.normal(60, 3, (n, 1)), rng.uniform(1, 5, (n, 1))
    return height - 20 * np.exp(-epochs / speed) + rng.normal(0, 0.2, (n, n_epochs))


def test_few_directions_hold_the_curves() -> None:
    values = curves()
    scores = Scores(values)
    z = scores.forward(values)
    directions = Directions.of(z)
    assert 1 <= len(directions.vectors) <= 3
    np.testing.assert_allclose(directions.vectors @ directions.vectors.T, np.eye(len(directions.vectors)), atol=1e-12)
    known = directions.coefficients(z)
    mean, std = directions.curves(known, np.zeros_like(known))
    assert ((mean - z) ** 2).mean() < 0.02 * (z**2).mean()
    np.testing.assert_allclose(std**2, np.broadcast_to(((mean - z) ** 2).mean(axis=0), z.shape), rtol=1e-9)
    back, _ = scores.expected(mean, np.full_like(mean, 1e-9))
    assert np.abs(back - values).mean() < 0.1 * values.std()


def test_the_sign_and_the_number_of_directions_are_fixed() -> None:
    rng = np.random.default_rng(1)
    z = rng.standard_normal((200, 30))  # nothing in common
    directions = Directions.of(z)
    assert len(directions.vectors) == MOST
    largest = np.abs(directions.vectors).argmax(axis=1)
    assert (directions.vectors[np.arange(MOST), largest] > 0).all()
    assert len(Directions.of(np.zeros((50, 3))).vectors) == 0


def test_a_direction_that_is_left_out_becomes_uncertainty() -> None:
    z = Scores(curves()).forward(curves())
    directions = Directions.of(z)
    known = directions.coefficients(z)
    useless = np.arange(len(known.T)) == 1
    fewer = directions.without(useless, known)
    assert len(fewer.vectors) == len(directions.vectors) - 1
    total = (known**2).mean(axis=0)
    assert fewer.rest.sum() - directions.rest.sum() == pytest.approx(total[1])


def test_an_epoch_without_differences_is_no_obstacle() -> None:
    values = curves(n_epochs=3)
    values[:, 0] = 10.0
    scores = Scores(values)
    z = scores.forward(values)
    np.testing.assert_allclose(z[:, 0], 0, atol=1e-12)
    mean, _ = scores.expected(z, np.full_like(z, 1e-9))
    np.testing.assert_allclose(mean, values, atol=1e-5)
