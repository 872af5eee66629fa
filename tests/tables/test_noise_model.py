from __future__ import annotations

import numpy as np
import pytest

import metanas
from metanas.errors import InvalidValueError, NotMeasuredError
from metanas.tables.noise_model import NoiseModel


def simulated(n: int = 3000, n_seeds: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return true means and trainings whose deviation falls from 4 at 20 % to 1 at 80 %."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(20, 80, n)
    return truth, truth[:, None] + np.interp(truth, [20, 80], [4, 1])[:, None] * rng.standard_normal((n, n_seeds))


def test_the_deviation_follows_the_mean() -> None:
    model = NoiseModel.fit(simulated()[1])
    assert model.deviation([25.0, 50.0, 75.0]) == pytest.approx([3.75, 2.5, 1.25], rel=0.12)
    assert model.deviation(0.0) == model.deviations[0]  # constant beyond what was seen
    assert np.std(model.residuals) == pytest.approx(1, abs=0.03)


def test_gaps_count_for_what_they_are() -> None:
    values = simulated()[1]
    values[::2, 2] = np.nan
    values[::5, 1:] = np.nan  # one training: says nothing of noise
    model = NoiseModel.fit(values)
    assert model.deviation([25.0, 50.0, 75.0]) == pytest.approx([3.75, 2.5, 1.25], rel=0.15)


def test_draws_look_like_trainings() -> None:
    truth, values = simulated()
    model, rng = NoiseModel.fit(values), np.random.default_rng(1)
    drawn = np.stack([model.draw(truth, rng) for _ in range(50)])
    assert drawn.mean(axis=0) == pytest.approx(truth, abs=3)
    low, high = truth < 40, truth > 60
    assert drawn[:, low].std(axis=0).mean() == pytest.approx(values[low].std(axis=1, ddof=1).mean() * 1.128, rel=0.1)
    assert drawn[:, high].std(axis=0).mean() == pytest.approx(values[high].std(axis=1, ddof=1).mean() * 1.128, rel=0.1)
    again = NoiseModel.fit(values).draw(truth, np.random.default_rng(1))
    np.testing.assert_array_equal(again, drawn[0])


def test_rare_failures_stay_one_sided() -> None:
    values = simulated()[1]
    failed = np.random.default_rng(2).random(len(values)) < 0.05
    values[failed, 0] -= 30
    model = NoiseModel.fit(values)
    assert abs(np.quantile(model.residuals, 0.001)) > 1.5 * np.quantile(model.residuals, 0.999)


def test_a_real_table_has_a_noise_model() -> None:
    table = metanas.load_table("nb201/fashion_mnist-v1")
    model = NoiseModel.of(table)
    assert (model.deviations > 0).all()
    assert (np.diff(model.means) > 0).all()


def test_what_cannot_be_learned_from_is_refused() -> None:
    with pytest.raises(NotMeasuredError, match="at least 30 architectures trained twice, but there are 12"):
        NoiseModel.fit(simulated(n=12)[1])
    with pytest.raises(NotMeasuredError, match="but there are 0"):
        NoiseModel.fit(np.full((50, 1), 3.0))
    with pytest.raises(InvalidValueError, match=r"\(architectures, seeds\)"):
        NoiseModel.fit([1.0, 2.0])
    with pytest.raises(NotMeasuredError, match="several seeds"):
        NoiseModel.of(metanas.load_table("nb201/fashion_mnist-v1"), "cost/parameters")
