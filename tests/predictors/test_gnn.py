from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch_geometric")
pytest.importorskip("scipy")

import torch
from scipy.stats import kendalltau

from metanas.arch import Arch
from metanas.encodings import encode, encoding_columns
from metanas.errors import InvalidArchError, InvalidValueError, MetanasError
from metanas.predictors import make_predictor
from metanas.spaces import load_space
from metanas.spaces.base import ListedSpace

CONV = load_space("nb201-conv")
assert isinstance(CONV, ListedSpace)
QUICK: dict[str, Any] = {"members": 3, "layers": 2, "width": 16, "steps": 8}


def made_up_accuracy(name: str = "nb201-conv") -> np.ndarray:
    """Return a value for every index that depends on the function alone: its depth, its convolutions, its shortcut."""
    space = load_space(name)
    assert isinstance(space, ListedSpace)
    columns = encoding_columns(space, "functional")
    x = encode(space, np.asarray(space.indices), "functional").astype(np.float64)
    depth, convs, even = (x[:, columns.index(c)] for c in ("shape:depth", "n[nor_conv_3x3]", "shape:even"))
    values = np.full(len(space.canonical_indices), np.nan)
    values[space.indices] = 90 - 40 * np.exp(-depth - 0.5 * convs) + even
    return values


ACCURACY = made_up_accuracy()


def examples(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).choice(CONV.indices, n, replace=False)  # type: ignore[attr-defined]


def rank(name: str, n: int, **config: Any) -> float:
    index = examples(n)
    predictor = make_predictor(name, CONV, np.random.default_rng(0), **{**QUICK, **config})
    rest = np.setdiff1d(CONV.indices, index)  # type: ignore[attr-defined]
    return float(kendalltau(predictor.fit(index, ACCURACY[index]).predict(rest).mean, ACCURACY[rest]).statistic)


@pytest.mark.parametrize(
    "config",
    [{}, {"encodings": ()}, {"encodings": (), "backward": False, "gates": False}, {"scale": "plain", "rank": 0.0}],
    ids=str,
)
def test_it_learns(config: dict[str, Any]) -> None:
    assert rank("gnn", 100, **config) > 0.75


def test_scores_are_learned_from() -> None:
    noise = np.random.default_rng(1).normal(size=(len(ACCURACY), 1))
    with_scores = rank("gnn", 30, layers=0, scores=ACCURACY[:, None])
    assert with_scores > max(0.9, rank("gnn", 30, layers=0) + 0.03, rank("gnn", 30, layers=0, scores=noise) + 0.03)


@pytest.mark.parametrize("name", ["gnn", "transformer"])
def test_the_same_seed_gives_the_same_and_nothing_global_changes(name: str) -> None:
    index = examples(40)
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(2)
    try:
        first, again, other = (
            make_predictor(name, CONV, np.random.default_rng(seed), **QUICK)
            .fit(index, ACCURACY[index])
            .predict(CONV.indices)  # type: ignore[attr-defined]
            for seed in (3, 3, 4)
        )
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.is_grad_enabled()
    np.testing.assert_array_equal(first.mean, again.mean)
    np.testing.assert_array_equal(first.std, again.std)
    assert (first.mean != other.mean).any()


def test_fitting_again_forgets() -> None:
    predictor = make_predictor("gnn", CONV, np.random.default_rng(0), **QUICK)
    index, others = examples(40), examples(40, seed=1)
    fresh = predictor.fit(index, ACCURACY[index]).predict(others).mean
    predictor.fit(others, ACCURACY[others])
    np.testing.assert_array_equal(predictor.fit(index, ACCURACY[index]).predict(others).mean, fresh)


@pytest.mark.parametrize("name", ["gnn", "transformer"])
def test_what_a_prediction_must_keep_to(name: str) -> None:
    """Equal functions, another order and another unit: the same prediction, even beside a code that differs."""
    index = examples(50)
    config = {**QUICK, "encodings": ("functional", "onehot")}
    predictor = make_predictor(name, CONV, np.random.default_rng(0), **config).fit(index, ACCURACY[index])
    everything = np.asarray(CONV.indices)  # type: ignore[attr-defined]
    whole = predictor.predict(everything)
    assert whole.std is not None
    assert (whole.std > 0).all()
    representatives = predictor.predict(CONV.canonical_indices[everything])  # type: ignore[attr-defined]
    np.testing.assert_array_equal(whole.mean, representatives.mean)
    few = everything[::-400]
    by_arch = predictor.predict([CONV.arch(int(number)) for number in few])
    np.testing.assert_allclose(by_arch.mean, whole.mean[::-400], rtol=1e-5)  # sums in another order
    scaled = make_predictor(name, CONV, np.random.default_rng(0), **config).fit(index, 3 + 2 * ACCURACY[index])
    np.testing.assert_allclose(scaled.predict(everything).mean, 3 + 2 * whole.mean, rtol=1e-9)
    np.testing.assert_allclose(scaled.predict(everything).std, 2 * whole.std, rtol=1e-9)  # type: ignore[arg-type]
    assert predictor.predict(few[:0]).mean.shape == (0,)


def test_the_standard_deviation_knows_noise() -> None:
    """With noise of the values' own size, about two thirds of what was not seen lie within one standard deviation."""
    rng = np.random.default_rng(0)
    noisy = ACCURACY + rng.normal(0, np.nanstd(ACCURACY), size=len(ACCURACY))
    index = examples(150)
    rest = np.setdiff1d(CONV.indices, index)  # type: ignore[attr-defined]
    mean, std = make_predictor("gnn", CONV, rng, **QUICK, scale="plain").fit(index, noisy[index]).predict(rest)
    assert std is not None
    assert 0.55 < np.mean(np.abs(noisy[rest] - mean) < std) < 0.85


def test_without_folds_only_the_members_differ() -> None:
    index = examples(20)
    one = make_predictor("gnn", CONV, np.random.default_rng(0), **{**QUICK, "members": 1})
    assert one.fit(index, ACCURACY[index]).predict(index).std is None
    two = make_predictor("gnn", CONV, np.random.default_rng(0), **{**QUICK, "members": 2, "leave_out": 0})
    std = two.fit(index, ACCURACY[index]).predict(index).std
    assert std is not None
    assert (std > 0).all()


@pytest.mark.parametrize("name", ["gnn", "transformer"])
@pytest.mark.parametrize("space", ["nb101", "nbgraph-proteins"])
def test_other_spaces(name: str, space: str) -> None:
    loaded, rng = load_space(space), np.random.default_rng(0)
    archs = list(dict.fromkeys(loaded.sample(rng) for _ in range(120)))
    edges = np.array([len(loaded.graph(loaded.canonical(arch)).edges) for arch in archs])
    ops = np.array([len(set(loaded.graph(loaded.canonical(arch)).ops)) for arch in archs])
    y = edges + 0.5 * ops
    predictor = make_predictor(name, loaded, rng, **QUICK).fit(archs[:80], y[:80])
    assert kendalltau(predictor.predict(archs[80:]).mean, y[80:]).statistic > 0.4


def test_bad_input() -> None:
    predictor = make_predictor("gnn", CONV, np.random.default_rng(0), **QUICK)
    index = examples(20)
    with pytest.raises(InvalidValueError, match="before it was fitted"):
        predictor.predict(index)
    with pytest.raises(InvalidValueError, match="At least 4"):
        predictor.fit(index[:3], ACCURACY[index[:3]])
    same = np.flatnonzero(CONV.canonical_indices == CONV.canonical_indices[index[0]])  # type: ignore[attr-defined]
    dead = np.flatnonzero(CONV.canonical_indices == np.bincount(CONV.canonical_indices.clip(0)).argmax())  # type: ignore[attr-defined]
    several = max((same, dead), key=len)[:6]
    with pytest.raises(InvalidValueError, match="different functions"):
        predictor.fit(several, np.arange(len(several)))
    with pytest.raises(InvalidArchError):
        predictor.fit([Arch("nb101", (0,))], [1.0])
    with pytest.raises(InvalidValueError, match="members >= 1"):
        make_predictor("gnn", CONV, np.random.default_rng(0), members=0)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "metanas.predictors.gnn", raising=False)
    for name in [name for name in sys.modules if name.split(".")[0] == "torch_geometric"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch_geometric", None)  # type: ignore[arg-type]
    with pytest.raises(MetanasError, match=r"pip install 'metanas\[predictors\]'"):
        importlib.import_module("metanas.predictors.gnn")


def test_published_accuracies_from_78_cells(published_tables: Path) -> None:
    """Far beyond trees on the one-hot code (tau .35) already with half of the default ensemble."""
    space = load_space("nb201")
    with np.load(published_tables / "nb201.npz") as columns:
        y = np.nanmean(columns["cifar10/val_acc@200"], axis=1)
    index = np.random.default_rng(0).choice(len(y), 78, replace=False)
    predictor = make_predictor("gnn", space, np.random.default_rng(0), members=4).fit(index, y[index])
    rest = np.setdiff1d(np.arange(len(y)), index)
    assert kendalltau(predictor.predict(rest).mean, y[rest]).statistic > 0.75
