from __future__ import annotations

import numpy as np
import pytest

from metanas.errors import InvalidValueError
from metanas.predictors import make_predictor
from metanas.spaces import load_space
from metanas.strategies import _growing
from metanas.strategies._growing import GrowingProcess
from metanas.strategies._surrogate import Floats, Ints

SPACE = load_space("nb201-conv")


def examples(n: int, seed: int = 0) -> tuple[Ints, Floats]:
    rng = np.random.default_rng(seed)
    indices = rng.permutation(SPACE.indices)[:n]
    codes = np.array([SPACE.canonical(SPACE.arch(index)).code for index in indices.tolist()])
    return indices, 10.0 * (codes == 3).sum(axis=1) + 3.0 * (codes == 1).sum(axis=1) + rng.normal(0, 0.5, n)


def grown(*sizes: int) -> GrowingProcess:
    predictor = GrowingProcess(SPACE, np.random.default_rng(0), tuned_on=40)
    indices, values = examples(max(sizes))
    for size in sizes:
        predictor.fit(indices[:size], values[:size])
    return predictor


def test_it_says_what_the_predictor_says_when_settings_are_found() -> None:
    indices, values = examples(40)
    usual = make_predictor("gaussian_process", SPACE, np.random.default_rng(0)).fit(indices, values)
    ours, known = grown(40).predict(SPACE.indices), usual.predict(SPACE.indices)
    assert ours.std is not None
    assert known.std is not None
    assert ours.mean == pytest.approx(known.mean, rel=1e-2, abs=1e-2)
    assert ours.std == pytest.approx(known.std, rel=1e-2, abs=1e-2)


def test_growing_comes_to_what_conditioning_on_all_at_once_does(monkeypatch: pytest.MonkeyPatch) -> None:
    small = grown(40, 44, 45, 52).predict(SPACE.indices)
    monkeypatch.setattr(_growing, "is_small", lambda space: False)
    at_once = grown(40, 52).predict(SPACE.indices)
    assert small.std is not None
    assert at_once.std is not None
    assert small.mean == pytest.approx(at_once.mean, rel=1e-6)
    assert small.std == pytest.approx(at_once.std, rel=1e-6)


def test_settings_are_found_anew_when_the_examples_have_grown_by_a_half() -> None:
    predictor = grown(30)
    first = predictor._kernel
    indices, values = examples(45)
    assert predictor.fit(indices[:44], values[:44])._kernel is first
    assert predictor.fit(indices, values)._kernel is not first


def test_other_examples_are_learned_from_the_beginning() -> None:
    predictor = grown(40)
    first = predictor._kernel
    indices, values = examples(41, seed=1)
    predictor.fit(indices, values)
    assert predictor._kernel is not first
    again = GrowingProcess(SPACE, np.random.default_rng(0), tuned_on=99).fit(indices, values)
    said = [each.predict(indices).mean for each in (predictor, again)]
    assert np.corrcoef(*said)[0, 1] > 0.99


def test_it_must_be_fitted_first() -> None:
    with pytest.raises(InvalidValueError, match="before it was fitted"):
        GrowingProcess(SPACE, np.random.default_rng(0), tuned_on=40).predict(np.array([0]))
