from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from small_tables import Content, make_content

from metanas.errors import NotMeasuredError
from metanas.tables import Table, metric
from metanas.tables.training_noise import TrainingNoise, by_seed

ACCURACY, LOSS = "validation/accuracy", "validation/cross_entropy"
EPOCHS = 4


def noisy_content(n: int = 900) -> Content:
    """Trainings whose noise is alike at all epochs, opposite in the loss, and larger for bad architectures."""
    content, rng = make_content(n=n), np.random.default_rng(3)
    mean = rng.uniform(20, 80, n)[:, None, None] + 3 * np.arange(EPOCHS)
    shared = rng.standard_normal((n, 3, 1))
    off = 0.9 * shared + np.sqrt(1 - 0.9**2) * rng.standard_normal((n, 3, EPOCHS))
    accuracy = mean + np.interp(mean, [20, 90], [4, 1]) * off
    content["metrics"][ACCURACY] = (metric(ACCURACY), accuracy)
    content["metrics"][LOSS] = (metric(LOSS), 4 - mean / 30 - 0.05 * off)
    return content


@pytest.fixture
def noisy(make_table: Callable[[Content], Table]) -> Table:
    return make_table(noisy_content())


def test_drawn_trainings_deviate_as_real_ones_do(noisy: Table) -> None:
    noise = TrainingNoise.of(noisy, (ACCURACY, LOSS))
    assert len(noise) == 2700
    means = {ACCURACY: np.full((4000, EPOCHS), 30.0), LOSS: np.full((4000, EPOCHS), 2.0)}
    drawn = noise.draw(means, np.random.default_rng(0))
    assert drawn[ACCURACY].mean(axis=0) == pytest.approx(np.full(EPOCHS, 30.0), abs=0.3)
    expected = np.interp(30, [20, 90], [4, 1])
    assert drawn[ACCURACY].std(axis=0) == pytest.approx(np.full(EPOCHS, expected), rel=0.12)
    assert drawn[LOSS].std(axis=0) == pytest.approx(np.full(EPOCHS, 0.05), rel=0.12)
    assert np.corrcoef(drawn[ACCURACY][:, 0], drawn[ACCURACY][:, 3])[0, 1] == pytest.approx(0.81, abs=0.05)
    assert np.corrcoef(drawn[ACCURACY][:, 3], drawn[LOSS][:, 3])[0, 1] < -0.9  # the same training in both
    again = noise.draw(means, np.random.default_rng(0))
    np.testing.assert_array_equal(again[LOSS], drawn[LOSS])


def test_an_outcome_stays_within_what_the_metric_may_be(noisy: Table) -> None:
    noise = TrainingNoise.of(noisy, (ACCURACY, LOSS))
    every = np.arange(len(noise))
    ends = {ACCURACY: np.full((len(noise), EPOCHS), 99.9), LOSS: np.full((len(noise), EPOCHS), 0.001)}
    found = noise.outcome(ends, every)
    assert found[ACCURACY].max() == 100.0
    assert found[LOSS].min() == 0.0


def test_some_epochs_and_metrics_without_epochs(make_table: Callable[[Content], Table]) -> None:
    content = noisy_content()
    final = content["metrics"][LOSS][1][..., -1]
    content["metrics"][LOSS] = (metric(LOSS, ("arch", "seed")), final)
    table = make_table(content)
    spread = by_seed(table, LOSS, (2, 4))
    assert spread is not None
    np.testing.assert_allclose(spread[:, :, 1], final, rtol=1e-6)
    assert np.isnan(spread[:, :, 0]).all()
    assert TrainingNoise.of(table, (ACCURACY,), (2, 4)).deviations[ACCURACY].shape == (2700, 2)


def test_without_seeds_there_is_no_noise_to_learn(make_table: Callable[[Content], Table]) -> None:
    table = make_table(noisy_content())
    with pytest.raises(NotMeasuredError, match="cost/parameters of table nb201/example-v1 is one value"):
        TrainingNoise.of(table, ("cost/parameters",))
    few = make_table(make_content(n=20))
    with pytest.raises(NotMeasuredError, match="at least 30 architectures"):
        TrainingNoise.of(few, (ACCURACY,))
