from __future__ import annotations

import numpy as np
import pytest

from metanas.surrogates.figures import against_one_training, figures
from metanas.surrogates.fitting import Fitted
from metanas.tables import Table


def test_the_truth_ranks_better_than_a_training_and_noise_ranks_worse() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=400)
    trainings = truth[:, None] + rng.normal(size=(400, 3))
    best = against_one_training(truth, trainings)
    assert best is not None
    assert best.passed
    assert best.architectures == 400
    assert best.training == pytest.approx(0.39, abs=0.05)  # correlation of one with the mean of two: sqrt(1/3)
    worse = against_one_training(truth + rng.normal(0, 2, 400), trainings)
    assert worse is not None
    assert not worse.passed
    assert worse.training == best.training


def test_only_architectures_with_every_seed_count() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=100)
    trainings = truth[:, None] + rng.normal(size=(100, 3))
    trainings[:60, 2] = np.nan
    found = against_one_training(truth, trainings)
    assert found is not None
    assert found.architectures == 40
    trainings[:80, 2] = np.nan
    assert against_one_training(truth, trainings) is None
    assert against_one_training(truth, trainings[:, :1]) is None


def test_what_the_card_states_is_out_of_fold(sample: Table, fitted: Fitted) -> None:
    model = fitted.models["validation/accuracy"]
    found = figures(sample, "validation/accuracy", model)
    seen = model.predict(sample.archs[model.rows].astype(np.int64)).mean[:, -1]
    values = sample.column("validation/accuracy")
    assert 1 - ((seen - values) ** 2).mean() / values.var() > found["r2"] + 0.02  # seen examples are known better
    assert found["tau_other_trainings"] > found["tau_one_training"] > 0.5
    assert 0.65 < found["coverage_80"] < 0.95
