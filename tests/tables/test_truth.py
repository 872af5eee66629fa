"""What is said of the truth, on made-up tables whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from metanas.errors import NotMeasuredError
from metanas.tables.noise import best, kendall, tau_between_seeds
from metanas.tables.truth import Truth

N = 1011
SHAPES = {
    "even": lambda rng: rng.normal(70, 3, N),
    "crowded at the top": lambda rng: 60 + 30 * rng.beta(5, 1.5, N),
    "long tail": lambda rng: 80 - rng.exponential(4, N),
}


def made(shape: str, noise: float, n_seeds: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], ...]:
    """Return truth and trainings; bad architectures vary more."""
    truth = SHAPES[shape](rng)
    deviation = noise * (1 + 0.05 * (80 - truth).clip(0, 20))
    return truth, truth[:, None] + deviation[:, None] * rng.standard_normal((N, n_seeds))


@pytest.mark.parametrize("n_seeds", [2, 3])
@pytest.mark.parametrize("noise", [1.0, 2.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_found_how_well_means_rank_the_truth(shape: str, noise: float, n_seeds: int) -> None:
    rng = np.random.default_rng(0)
    known, said, naive, drawn = [], [], [], []
    for _ in range(4):
        truth, trainings = made(shape, noise, n_seeds, rng)
        top = best(truth, 0.5, "maximize")
        known.append(kendall(trainings[top].mean(axis=1), truth[top]))
        naive.append(tau_between_seeds(trainings, "maximize", 0.5))
        found = Truth.fit(trainings, "maximize")
        said.append(found.tau(n_seeds, rng, 0.5))
        again = found.trainings(found.draw(rng), n_seeds, rng)
        drawn.append(tau_between_seeds(again, "maximize", 0.5))
    assert np.mean(said) == pytest.approx(np.mean(known), abs=0.06)
    assert np.mean(drawn) == pytest.approx(np.mean(naive), abs=0.06)  # made-up tables look like the real one
    assert np.mean(naive) < np.mean(known) - 0.2  # which says how wrong it would be to take the one for the other


def test_more_seeds_are_closer_to_the_truth() -> None:
    rng = np.random.default_rng(1)
    found = Truth.fit(made("even", 2.0, 3, rng)[1], "maximize")
    taus = [found.tau(n_seeds, rng, 0.5) for n_seeds in (1, 3, 9, 100)]
    assert np.all(np.diff(taus) > 0.05)
    assert taus[-1] > 0.85
    assert found.tau(3, rng) > taus[1] + 0.1  # all are easier to rank than the better half


def test_direction_and_gaps() -> None:
    rng = np.random.default_rng(2)
    values = made("long tail", 1.0, 2, rng)[1]
    whole = Truth.fit(values, "maximize").tau(2, np.random.default_rng(0), 0.5)
    assert Truth.fit(-values, "minimize").tau(2, np.random.default_rng(0), 0.5) == pytest.approx(whole)
    gaps = np.vstack((values, [[np.nan, 70.0]]))
    assert Truth.fit(gaps, "maximize").tau(2, np.random.default_rng(0), 0.5) == pytest.approx(whole)
    with pytest.raises(NotMeasuredError, match="at least 30"):
        Truth.fit(values[:20], "maximize")
