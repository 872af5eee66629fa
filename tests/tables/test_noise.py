from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from metanas.errors import MetanasError
from metanas.tables import noise


def simulated(n: int, n_seeds: int, signal: float, seed: int = 0) -> np.ndarray:
    """Return cells with a true value of deviation ``signal`` and noise of deviation 1, ``(n, n_seeds)``."""
    rng = np.random.default_rng(seed)
    return 50 + signal * rng.standard_normal((n, 1)) + rng.standard_normal((n, n_seeds))


def test_kendall_is_over_what_both_measured() -> None:
    first, second = np.array([1.0, 2, 3, 4, np.nan]), np.array([1.0, 2, 4, 3, 0])
    assert noise.kendall(first, second) == pytest.approx(4 / 6)  # one of six pairs is turned round
    assert math.isnan(noise.kendall(first, np.array([1.0, np.nan, np.nan, np.nan, 5])))


def test_best_knows_the_direction_and_leaves_out_gaps() -> None:
    values = np.array([3.0, np.nan, 1.0, 4.0, 2.0])
    assert noise.best(values, 0.5, "maximize").tolist() == [3, 0]
    assert noise.best(values, 0.5, "minimize").tolist() == [2, 4]
    assert noise.best(values, 1.0, "maximize").tolist() == [3, 0, 4, 2]


@pytest.mark.parametrize(("signal", "n_seeds"), [(0.5, 2), (1.0, 3), (2.0, 4)])
def test_the_expected_tau_is_the_one_that_new_seeds_give(signal: float, n_seeds: int) -> None:
    values = simulated(3000, 2 * n_seeds, signal)
    expected = noise.expected_tau(noise.tau_between_seeds(values[:, :n_seeds], "maximize"), n_seeds)
    reached = noise.kendall(values[:, :n_seeds].mean(axis=1), values[:, n_seeds:].mean(axis=1))
    assert expected == pytest.approx(reached, abs=0.03)


def test_one_seed_expects_its_own_tau_and_no_signal_expects_nothing() -> None:
    assert noise.expected_tau(0.4, 1) == pytest.approx(0.4)
    assert noise.expected_tau(1.0, 3) == pytest.approx(1.0)
    assert math.isnan(noise.expected_tau(-0.1, 3))
    assert math.isnan(noise.expected_tau(math.nan, 3))


def test_the_better_half_is_bracketed() -> None:
    """What the two ways of choosing say lies on both sides of the truth, which a simulation knows."""
    values = simulated(4000, 3, 1.0)
    truth = values[noise.best(simulated(4000, 200, 1.0).mean(axis=1), 0.5, "maximize")]  # the same cells, many seeds
    true_tau = noise.tau_between_seeds(truth, "maximize")
    low = noise.tau_between_seeds(values, "maximize", 0.5)
    high = noise.tau_chosen_apart(values, "maximize", 0.5)
    assert low < true_tau < high
    assert noise.tau_between_seeds(values, "maximize") > high


def test_pure_noise_looks_worse_than_nothing_when_the_pair_chooses() -> None:
    values = simulated(3000, 2, 0.0)
    assert noise.tau_between_seeds(values, "maximize") == pytest.approx(0, abs=0.03)
    assert noise.tau_between_seeds(values, "maximize", 0.5) < -0.1


def test_too_few_seeds() -> None:
    assert math.isnan(noise.tau_between_seeds(simulated(50, 1, 1.0), "maximize"))
    assert math.isnan(noise.tau_chosen_apart(simulated(50, 2, 1.0), "maximize", 0.5))


def test_cells_without_all_seeds_are_left_out_of_tau() -> None:
    values = simulated(200, 3, 1.0)
    gaps = np.vstack([values, [[99.0, np.nan, 0.0], [0.0, 99.0, np.nan]]])
    assert noise.tau_between_seeds(gaps, "maximize") == noise.tau_between_seeds(values, "maximize")


def test_deviation_of_a_training() -> None:
    values = simulated(4000, 3, 5.0)
    assert noise.deviation(values) == pytest.approx(1.0, abs=0.02)
    values[::2, 2] = np.nan  # two seeds have one degree of freedom, and none is invented
    assert noise.deviation(values) == pytest.approx(1.0, abs=0.02)
    assert noise.deviation(np.array([[1.0, 3.0], [5.0, np.nan]])) == pytest.approx(math.sqrt(2))
    assert math.isnan(noise.deviation(np.array([[1.0, np.nan], [5.0, np.nan]])))


def test_without_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    with pytest.raises(MetanasError, match=r"needs the package 'scipy'.*pip install 'metanas\[stats\]'"):
        noise.kendall(np.arange(3.0), np.arange(3.0))


def test_the_standard_error_counts_the_seeds_of_each_cell() -> None:
    values = simulated(4000, 4, 2.0)
    assert noise.standard_error(values) == pytest.approx(0.5, rel=0.03)
    values[:, 2:] = np.nan
    assert noise.standard_error(values) == pytest.approx(1 / math.sqrt(2), rel=0.03)
    assert math.isnan(noise.standard_error(values[:, :1]))


def test_the_best_is_the_best_again_where_it_stands_apart() -> None:
    values = simulated(200, 3, 0.1)
    doubtful = noise.chance_of_best(values, "maximize", np.random.default_rng(0))
    assert doubtful < 0.3
    assert noise.chance_of_best(-values, "minimize", np.random.default_rng(0)) == doubtful
    values[17] += 50
    assert noise.chance_of_best(values, "maximize", np.random.default_rng(0)) == 1.0
    assert math.isnan(noise.chance_of_best(values[:, :1], "maximize", np.random.default_rng(0)))


def test_two_equal_cells_share_the_first_place() -> None:
    values = np.full((50, 3), 10.0)
    values[3], values[4] = [70, 71, 72], [70.01, 71.01, 72.01]
    assert noise.chance_of_best(values, "maximize", np.random.default_rng(0)) == pytest.approx(0.5, abs=0.12)
