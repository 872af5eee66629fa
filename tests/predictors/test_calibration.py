from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("scipy")

from metanas.encodings import encode, encoding_columns
from metanas.errors import InvalidValueError
from metanas.predictors import Prediction, calibrated, make_predictor
from metanas.predictors.calibration import LEVELS, normal_crps, reliability
from metanas.spaces import ListedSpace, load_space

loaded = load_space("nb201-conv")
assert isinstance(loaded, ListedSpace)
SPACE = loaded


def noisy() -> np.ndarray:
    """Return values of all indices with a noise by class that is skewed and larger where there are few weights."""
    weights = encode(SPACE, SPACE.indices, "functional")[:, encoding_columns(SPACE, "functional").index("n:weights")]
    noise = np.random.default_rng(5).exponential(size=15625)[SPACE.canonical_indices[SPACE.indices]]
    return weights - noise * (1 + 10 * (weights < 15))


def fitted(predictor: str, n: int, **settings: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    """Return a calibrated predictor, and rows of functions that no example is, one each."""
    classes, first = np.unique(SPACE.canonical_indices[SPACE.indices], return_index=True)
    rows = first[np.random.default_rng(0).permutation(len(classes))]
    y = noisy()
    own = make_predictor("calibrated", SPACE, np.random.default_rng(0), predictor=predictor, settings=settings)
    return own.fit(SPACE.indices[rows[:n]], y[rows[:n]]), rows[n:], y


@pytest.mark.parametrize("predictor", ["ridge", "extra_trees"])
def test_conformal_intervals_cover(predictor: str) -> None:
    own, rest, y = fitted(predictor, 300, **({"trees": 30} if predictor == "extra_trees" else {}))
    for level in LEVELS:
        low, high = own.interval(SPACE.indices[rest], level)
        inside = ((low <= y[rest]) & (y[rest] <= high)).mean()
        assert inside == pytest.approx(level, abs=0.1 * (1 - abs(2 * level - 1)) + 0.05)


class TooSure:
    """Another predictor whose standard deviation is a tenth of what it was."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def fit(self, archs: Any, y: Any) -> TooSure:
        self._inner.fit(archs, y)
        return self

    def predict(self, archs: Any) -> Prediction:
        mean, std = self._inner.predict(archs)
        return Prediction(mean, std / 10)


def test_the_factor_makes_up_for_a_wrong_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrated, "make_predictor", lambda *args, **config: TooSure(make_predictor(*args, **config)))
    own, rest, y = fitted("ridge", 200)
    bare, again = own._fitted.predictor.predict(SPACE.indices[rest]), own.predict(SPACE.indices[rest])
    np.testing.assert_array_equal(bare.mean, again.mean)
    before, after = (reliability(each, y[rest]) for each in (bare, again))
    assert before.coverage[0.8] < 0.5 < 0.65 < after.coverage[0.8] < 0.95
    assert after.crps < 0.95 * before.crps
    assert after.rank == pytest.approx(before.rank)


def test_the_ends_of_intervals_are_skewed_as_the_errors_are() -> None:
    own, rest, _ = fitted("ridge", 300)
    low, high = own.interval(SPACE.indices[rest], 0.95)
    mean = own.predict(SPACE.indices[rest]).mean
    assert np.median(mean - low) > 1.2 * np.median(high - mean)


def test_few_examples_cannot_tell_a_high_level() -> None:
    own, rest, _ = fitted("ridge", 30)
    assert np.isinf(own.interval(SPACE.indices[rest], 0.95)[0]).all()
    assert np.isfinite(own.interval(SPACE.indices[rest], 0.9)[0]).all()


def test_levels_are_checked_and_a_fit_comes_first() -> None:
    own, _, _ = fitted("ridge", 30)
    with pytest.raises(InvalidValueError, match="level=1"):
        own.interval(SPACE.indices[:3], 1)
    fresh: Any = make_predictor("calibrated", SPACE, np.random.default_rng(0))
    with pytest.raises(InvalidValueError, match="before it was fitted"):
        fresh.interval(SPACE.indices[:3], 0.5)


def test_reliability_of_honest_predictions() -> None:
    rng = np.random.default_rng(0)
    std = rng.uniform(0.5, 3, size=20000)
    measured = reliability(Prediction(np.zeros(20000), std), std * rng.normal(size=20000))
    assert measured.coverage == pytest.approx({0.5: 0.5, 0.8: 0.8, 0.95: 0.95}, abs=0.01)
    assert measured.rank > 0.3
    assert measured.crps == pytest.approx(std.mean() / np.sqrt(np.pi), rel=0.02)  # E of the score is σ / √π
    assert reliability(Prediction(np.zeros(20000), 2 * std), std * rng.normal(size=20000)).coverage[0.5] > 0.6


def test_the_score_is_its_integral() -> None:
    """CRPS(F, y) = ∫ (F(x) − [x ≥ y])² dx, eq. 20 of the paper."""
    from scipy.special import ndtr

    x = np.linspace(-12, 12, 240001)
    for y in (-2.0, 0.0, 0.7):
        integral = ((ndtr(x) - (x >= y)) ** 2).sum() * (x[1] - x[0])
        assert normal_crps(np.array([y]))[0] == pytest.approx(integral, abs=1e-4)


@pytest.mark.parametrize(
    ("prediction", "text"),
    [
        (Prediction(np.zeros(3), None), "'calibrated'"),
        (Prediction(np.zeros(3), np.zeros(3)), "positive"),
        (Prediction(np.zeros(2), np.ones(2)), "as many"),
    ],
)
def test_what_reliability_refuses(prediction: Prediction, text: str) -> None:
    with pytest.raises(InvalidValueError, match=text):
        reliability(prediction, np.ones(3))


def test_a_rank_of_equal_uncertainties_is_nothing() -> None:
    assert np.isnan(reliability(Prediction(np.zeros(3), np.ones(3)), np.arange(3.0)).rank)
