"""Predictors that start from tables of other tasks: the contract, that transfer helps, gaps, bad input."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import kendalltau

from metanas.checks import check_predictor
from metanas.encodings import encode, encoding_columns
from metanas.errors import InvalidValueError, MetanasError
from metanas.predictors import make_predictor
from metanas.predictors._sources import read_sources
from metanas.spaces import Space, listed, load_space

NAMES = ("reptile", "stacked_sources", "task_gnn", "task_gp")
WITH_DESIGN = ("task_gp",)
SMALL: dict[str, dict[str, Any]] = {"reptile": {"rounds": 25, "copies": 2}, "task_gnn": {"members": 2, "steps": 80}}
SPACE = listed(load_space("nb201-conv"))
WHOLE = listed(load_space("nb201"))


def build(name: str, space: Space = SPACE, seed: int = 0, **config: Any) -> Any:
    module = importlib.import_module(f"metanas.predictors.{name}")
    return module.build(space, np.random.default_rng(seed), **{**SMALL.get(name, {}), **config})


def column(space: Space, name: str) -> np.ndarray:
    """Return a column of the functional encoding by index, NaN outside the space."""
    space = listed(space)
    values = np.full(len(space.canonical_indices), np.nan)
    where = encoding_columns(space, "functional").index(name)
    values[space.indices] = encode(space, space.indices, "functional")[:, where]
    return values


def tasks(space: Space = SPACE, noise: float = 0.5) -> np.ndarray:
    """Return four made-up tasks, ``(index range, 4)``: weights help all, depth some, residual paths others."""
    rng = np.random.default_rng(0)
    common = 80 * np.tanh(column(space, "n:weights") / 20)
    parts = np.stack([column(space, name) for name in ("shape:depth", "shape:residual", "min:length")])
    mixed = common[:, None] + parts.T @ np.array([[4, 2, 0, 3], [0, 3, 6, 5], [-3, 0, -2, -4.0]])
    return mixed + noise * rng.standard_normal(mixed.shape)


def tau(predicted: np.ndarray, space: Space = SPACE, task: int = 3) -> float:
    return float(kendalltau(predicted, tasks(space)[listed(space).indices, task]).statistic)


def with_sources(name: str) -> Callable[..., Any]:
    def make(space: Space, rng: np.random.Generator, *, scores: Any = None, **config: Any) -> Any:
        ways = column(space, "n:weights") + 0.1 * column(space, "shape:depth")
        sources = np.column_stack([ways, -ways, column(space, "min:length")])  # one of them is right whatever is asked
        module = importlib.import_module(f"metanas.predictors.{name}")
        return module.build(space, rng, scores=scores, sources=sources, **{**SMALL.get(name, {}), **config})

    return make


@pytest.mark.parametrize("name", NAMES)
def test_the_contract_is_kept(name: str) -> None:
    check_predictor(with_sources(name), spaces=("nb201-conv",))


def test_without_sources_it_is_a_plain_gaussian_process() -> None:
    check_predictor(importlib.import_module("metanas.predictors.task_gp").build, spaces=("nb201-conv",))
    with pytest.raises(InvalidValueError, match="nothing to rank by"):
        build("task_gp").prior(SPACE.indices)


@pytest.mark.parametrize("name", NAMES)
def test_ten_examples_and_sources_are_worth_more_than_either_alone(name: str) -> None:
    values = tasks()
    zero = tau(build(name, sources=values[:, :3]).prior(SPACE.indices))
    few, plain = [], []
    for seed in range(3):
        seen = np.random.default_rng(seed).choice(SPACE.indices, 10, replace=False)
        predictor = build(name, seed=seed, sources=values[:, :3]).fit(seen, values[seen, 3])
        few.append(tau(predictor.predict(SPACE.indices).mean))
        alone = make_predictor("gaussian_process", SPACE, np.random.default_rng(seed)).fit(seen, values[seen, 3])
        plain.append(tau(alone.predict(SPACE.indices).mean))
    assert zero > 0.5
    assert np.mean(few) > np.mean(plain) + 0.05
    assert np.mean(few) > zero - (0.02 if name == "reptile" else 0.01)  # which is 0.92 without examples


@pytest.mark.parametrize("name", NAMES)
def test_a_source_without_pooling_speaks_of_cells_that_pool(name: str) -> None:
    """Zero-shot, over the whole space, from columns that know a quarter of it."""
    values = tasks(WHOLE)
    values[np.setdiff1d(WHOLE.indices, SPACE.indices)] = np.nan
    known = ~np.isnan(values[:, 0])
    assert known.mean() < 0.3
    predictor = build(name, WHOLE, sources=values[:, :2])
    assert kendalltau(predictor.prior(WHOLE.indices), tasks(WHOLE)[WHOLE.indices, 3]).statistic > 0.5


@pytest.mark.parametrize("name", NAMES)
def test_bad_input_is_refused(name: str) -> None:
    values = tasks()
    cases = {
        r"must be \(15625, k\)": {"sources": values[:100]},
        "different, finite values": {"sources": np.where(np.isnan(values), np.nan, 1.0)},
        "for at least 10 different functions": {"sources": np.where(np.arange(15625)[:, None] < 20, values, np.nan)},
        "Weights must be 4 finite": {"sources": values, "weights": [1.0, 2.0]},
        "none below 0": {"sources": values, "weights": [1.0, 2.0, -1.0, 0.0]},
    }
    for text, config in cases.items():
        with pytest.raises(InvalidValueError, match=text):
            build(name, **config)
    with pytest.raises(InvalidValueError, match="needs a list"):
        build(name, load_space("nb101"), sources=values)
    infinite = values.copy()
    infinite[SPACE.indices[0], 0] = np.inf
    with pytest.raises(InvalidValueError, match="finite values"):
        build(name, sources=infinite)
    predictor = build(name, sources=values)
    with pytest.raises(InvalidValueError, match="before it was fitted"):
        predictor.predict(SPACE.indices[:2])
    with pytest.raises(MetanasError, match="At least"):
        predictor.fit(SPACE.indices[:1], [1.0])


@pytest.mark.parametrize("name", NAMES)
def test_prior_weights_decide_without_examples(name: str) -> None:
    values = tasks()
    right, wrong = values[:, 3], np.random.default_rng(1).permutation(values[:, 0])
    wrong = np.where(np.isnan(values[:, 0]), np.nan, np.nan_to_num(wrong, nan=50.0))
    pair = np.column_stack([right, wrong])
    told = tau(build(name, sources=pair, weights=[0.9, 0.1]).prior(SPACE.indices))
    misled = tau(build(name, sources=pair, weights=[0.1, 0.9]).prior(SPACE.indices))
    assert told > misled + 0.2


@pytest.mark.parametrize("name", WITH_DESIGN)
def test_proposed_examples_are_different_functions_that_the_sources_know(name: str) -> None:
    values = tasks()
    values[SPACE.indices[:2000]] = np.nan
    chosen = build(name, sources=values[:, :3]).propose(12)
    np.testing.assert_array_equal(chosen, build(name, sources=values[:, :3]).propose(12))
    assert len(np.unique(SPACE.canonical_indices[chosen])) == 12
    assert np.isin(chosen, SPACE.indices[2000:]).all()
    with pytest.raises(InvalidValueError, match="1 <= n <="):
        build(name, sources=values[:, :3]).propose(0)


def test_a_source_loses_noise_and_keeps_its_order() -> None:
    clean, noisy = tasks(noise=0.0)[:, 0], tasks(noise=4.0)[:, 0]
    where = SPACE.indices

    def order(values: np.ndarray) -> float:
        return float(kendalltau(values, clean[where]).statistic)

    _, (raw,) = read_sources(SPACE, noisy[:, None], smooth=False)
    _, (smooth,) = read_sources(SPACE, noisy[:, None])
    assert order(smooth.z[where]) > order(raw.z[where]) + 0.02


def test_the_stack_finds_the_source_that_explains_the_examples() -> None:
    values = tasks()
    seen = np.random.default_rng(0).choice(SPACE.indices, 40, replace=False)
    other = np.where(np.isnan(values[:, 0]), np.nan, column(SPACE, "min:length"))
    predictor = build("stacked_sources", sources=np.column_stack([other, values[:, 3]])).fit(seen, values[seen, 3])
    assert predictor.weights[1] > 3 * predictor.weights[0]


def test_the_process_learns_how_far_tasks_depart_from_each_other() -> None:
    alike = tasks()[:, [0]] + 0.2 * np.random.default_rng(0).standard_normal((15625, 3))
    near, far = build("task_gp", sources=alike).variances, build("task_gp", sources=tasks()[:, :3]).variances
    assert near["slope"] > 0.9
    assert near["smooth"] + near["linear"] < far["smooth"] + far["linear"]
