from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from metanas.errors import InvalidValueError, UnknownNameError
from metanas.predictors.curves import CurvePredictor, curve_predictor_names, make_curve_predictor

EPOCHS = (1, 2, 4, 8, 16, 32)


def curves(family: str, n: int, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """Return curves that cross: those that rise slowly end higher."""
    rng = np.random.default_rng(seed)
    top, drop = 70 + 20 * rng.random(n), 20 + 40 * rng.random(n)
    x = np.array(EPOCHS)
    shape = {"pow": x**-0.6, "exp": np.exp(-4.0 * x / x[-1]), "log": 1 - np.log(x) / 4}[family]
    return top[:, None] - drop[:, None] * shape + noise * rng.normal(size=(n, len(x)))


@pytest.mark.parametrize("name", curve_predictor_names())
def test_the_contract(name: str) -> None:
    whole = curves("pow", 80, 0.5)
    predictor = make_curve_predictor(name, EPOCHS)
    assert isinstance(predictor, CurvePredictor)
    with pytest.raises(InvalidValueError, match="before it was fitted"):
        predictor.predict(whole)
    assert predictor.fit(whole[:40], whole[:40, -1]) is predictor
    first = [predictor.predict(whole[40:, :length]) for length in range(1, len(EPOCHS) + 1)]
    for length, (mean, std) in enumerate(first, start=1):
        assert std is not None
        assert mean.shape == std.shape == (40,)
        assert np.isfinite(mean).all()
        assert (std > 0).all()
        alone = predictor.predict(whole[43:44, :length])
        np.testing.assert_allclose(alone.mean, mean[3:4], rtol=1e-5)
        scaled = make_curve_predictor(name, EPOCHS).fit(whole[:40] / 100, whole[:40, -1] / 100)
        np.testing.assert_allclose(100 * scaled.predict(whole[40:, :length] / 100).mean, mean, rtol=1e-3)
    errors = [np.abs(mean - whole[40:, -1]).mean() for mean, _ in first]
    assert errors[-2] < errors[0]
    assert errors[-1] < 1
    again = make_curve_predictor(name, EPOCHS).fit(whole[40:], whole[40:, -1]).fit(whole[:40], whole[:40, -1])
    np.testing.assert_array_equal(again.predict(whole[40:, :2]).mean, first[1].mean)


@pytest.mark.parametrize("family", ["pow", "exp", "log"])
def test_a_family_extrapolates_its_own_curves(family: str) -> None:
    """Three values without noise give c, a and α; the last value alone cannot tell."""
    whole = curves(family, 120)
    seen, finals = whole[60:, :3], whole[60:, -1]
    own, last = (
        make_curve_predictor(name, EPOCHS).fit(whole[:60], whole[:60, -1]).predict(seen)
        for name in ("parametric", "last_value")
    )
    assert np.abs(own.mean - finals).mean() < 0.2 * np.abs(last.mean - finals).mean()


def test_the_learned_one_finds_what_no_family_has() -> None:
    rng = np.random.default_rng(0)
    whole = 50 + 5 * rng.normal(size=(200, len(EPOCHS)))
    finals = 3 * whole[:, 1] - 2 * whole[:, 0] + 0.1 * rng.normal(size=200)
    predictor = make_curve_predictor("learned", EPOCHS).fit(whole[:100], finals[:100])
    assert np.corrcoef(predictor.predict(whole[100:, :2]).mean, finals[100:])[0, 1] > 0.99


@pytest.mark.parametrize("name", curve_predictor_names())
def test_uncertainty_covers(name: str) -> None:
    whole = curves("pow", 600, 1.0)
    finals = whole[:, -1]
    mean, std = make_curve_predictor(name, EPOCHS).fit(whole[:200], finals[:200]).predict(whole[200:, :3])
    assert std is not None
    assert 0.6 < (np.abs(mean - finals[200:]) < 1.2816 * std).mean() < 0.95


@pytest.mark.parametrize("name", curve_predictor_names())
def test_bad_input(name: str) -> None:
    whole = curves("pow", 20)
    gap = whole.copy()
    gap[3, 2] = np.nan
    predictor = make_curve_predictor(name, EPOCHS)
    for bad, finals, text in (
        (whole[:4], whole[:4, -1], "At least 5"),
        (whole[:, :3], whole[:, -1], r"shape \(n, 6\)"),
        (whole, whole[:5, -1], r"shape \(n, 6\)"),
        (gap, whole[:, -1], "finite"),
    ):
        with pytest.raises(InvalidValueError, match=text):
            predictor.fit(bad, finals)
    predictor.fit(whole, whole[:, -1])
    for partial in (whole[0], np.ones((2, 7)), np.ones((2, 0)), gap):
        with pytest.raises(InvalidValueError, match="k <= 6"):
            predictor.predict(partial)
    for epochs in ((1,), (2, 1), (0, 1)):
        with pytest.raises(InvalidValueError, match="ascend"):
            make_curve_predictor(name, epochs)


def test_names_are_checked() -> None:
    with pytest.raises(UnknownNameError, match="'parametric'"):
        make_curve_predictor("parametri", EPOCHS)
    with pytest.raises(UnknownNameError, match="'pow'"):
        make_curve_predictor("parametric", EPOCHS, families=("po",))
    with pytest.raises(InvalidValueError, match="At least one family"):
        make_curve_predictor("parametric", EPOCHS, families=())


def test_published_curves_are_ranked_better_than_by_the_last_value(published_tables: Path) -> None:
    """From 4, 12 and 36 of 108 epochs of NAS-Bench-101."""
    stats = pytest.importorskip("scipy.stats")
    with np.load(published_tables / "nb101_20k.npz") as columns:
        whole, epochs = 100 * columns["val_acc"][:3000].astype(float), columns["epochs"].tolist()
    predictor = make_curve_predictor("learned", epochs).fit(whole[:300], whole[:300, -1])
    tau = stats.kendalltau(predictor.predict(whole[300:, :3]).mean, whole[300:, -1]).statistic
    assert tau > stats.kendalltau(whole[300:, 2], whole[300:, -1]).statistic + 0.01
