"""What all predictors on vectors and graphs keep to, and what each of them is by itself."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from metanas.checks import check_predictor
from metanas.encodings import encode, encoding_columns
from metanas.errors import InvalidValueError, MetanasError, UnknownNameError
from metanas.predictors import make_predictor, predictor_names
from metanas.spaces import ListedSpace, load_space

SMALL: dict[str, dict[str, Any]] = {  # settings that make a predictor quick
    "calibrated": {"predictor": "ridge", "folds": 3},
    "ensemble": {"members": ("ridge", "gaussian_process"), "folds": 2},
    "extra_trees": {"trees": 20},
    "gnn": {"members": 2, "layers": 2, "width": 16, "steps": 4},
    "random_forest": {"trees": 20},
    "transformer": {"members": 2, "layers": 1, "width": 16, "heads": 2, "steps": 4},
    "xgboost": {"members": 2, "rounds": 30},
    "xgboost_rank": {"members": 2, "rounds": 30},
}
NETWORKS = {"gnn", "transformer"}
WITH_SCORES = ["ridge", "extra_trees", "random_forest", "xgboost", "xgboost_rank", "gaussian_process", "ensemble"]

loaded = load_space("nb201-conv")
assert isinstance(loaded, ListedSpace)
SPACE = loaded


def column(name: str) -> np.ndarray:
    """Return one column of the functional encoding of all of the space."""
    return encode(SPACE, SPACE.indices, "functional")[:, encoding_columns(SPACE, "functional").index(name)].astype(
        float
    )


def landscape() -> np.ndarray:
    """Return values that depend on the function, and on how two of its parts occur together."""
    return 10 + 80 * np.tanh(column("n:weights") / 20) * (1 + column("shape:residual")) - 3 * column("min:length")


def drawn(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).permutation(len(SPACE))[:n]


def correlation(name: str, n: int = 60, **config: Any) -> float:
    y, rows = landscape(), drawn(n)
    predictor = make_predictor(name, SPACE, np.random.default_rng(0), **config).fit(SPACE.indices[rows], y[rows])
    return float(np.corrcoef(predictor.predict(SPACE.indices).mean, y)[0, 1])


@pytest.mark.parametrize("name", predictor_names())
def test_every_predictor_keeps_the_contract(name: str) -> None:
    if name in NETWORKS:
        pytest.importorskip("torch_geometric")
        check_predictor(name, spaces=("nb201-conv",), **SMALL[name])
    else:
        check_predictor(name, **SMALL.get(name, {}))


@pytest.mark.parametrize("name", sorted(set(predictor_names()) - NETWORKS))
def test_it_learns_from_sixty_examples(name: str) -> None:
    assert correlation(name, **SMALL.get(name, {})) > 0.85


@pytest.mark.parametrize("name", WITH_SCORES)
def test_a_score_that_knows_the_value_is_used(name: str) -> None:
    """The values are noise but for the score, which some architectures lack and others repeat."""
    rng = np.random.default_rng(3)
    secret = rng.normal(size=15625)[SPACE.canonical_indices]
    scores = np.column_stack([np.exp(3 * secret), rng.normal(size=15625)])
    scores[rng.random(15625) < 0.2] = np.nan
    y, rows = secret[SPACE.indices], drawn(150)
    config = {**SMALL.get(name, {})}
    predictor = make_predictor(name, SPACE, np.random.default_rng(0), scores=scores, **config)
    mean = predictor.fit(SPACE.indices[rows], y[rows]).predict(SPACE.indices).mean
    assert np.corrcoef(mean, y)[0, 1] > 0.6


@pytest.mark.parametrize(
    ("scores", "text"),
    [(np.ones((10, 1)), r"shape \(15625, number of scores\)"), (np.ones((15625, 0)), "number of scores")],
)
def test_scores_of_another_shape_are_refused(scores: np.ndarray, text: str) -> None:
    with pytest.raises(InvalidValueError, match=text):
        make_predictor("ridge", SPACE, np.random.default_rng(0), scores=scores)


def test_scores_need_a_list_of_the_space() -> None:
    with pytest.raises(InvalidValueError, match="Leave them out"):
        make_predictor("ridge", load_space("nb101"), np.random.default_rng(0), scores=np.ones((10, 1)))


def test_graphs_take_no_scores() -> None:
    with pytest.raises(InvalidValueError, match="'gaussian_process'"):
        make_predictor("gaussian_process_wl", SPACE, np.random.default_rng(0), scores=np.ones((15625, 1)))


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("ridge", {"penalties": ()}),
        ("ridge", {"penalties": (0.0,)}),
        ("ridge", {"encodings": ()}),
        ("extra_trees", {"trees": 0}),
        ("random_forest", {"trees": 1}),
        ("random_forest", {"leaf": 0}),
        ("xgboost", {"members": 0}),
        ("xgboost_rank", {"pairs": 0}),
        ("gaussian_process", {"tuned_on": 2}),
        ("gaussian_process_wl", {"most_rounds": -1}),
        ("ensemble", {"members": ()}),
        ("ensemble", {"folds": 1}),
        ("ensemble", {"settings": {"gnn": {}}}),
        ("calibrated", {"folds": 1}),
    ],
)
def test_settings_are_checked(name: str, config: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError):
        make_predictor(name, SPACE, np.random.default_rng(0), **config)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("ridge", {"encodings": ("functionl",)}),
        ("ensemble", {"members": ("ridg",)}),
        ("calibrated", {"predictor": "ridg"}),
        ("ridg", {}),
    ],
)
def test_unknown_names_are_refused(name: str, config: dict[str, Any]) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean"):
        make_predictor(name, SPACE, np.random.default_rng(0), **config)


def test_an_unknown_scale_is_refused() -> None:
    predictor = make_predictor("ridge", SPACE, np.random.default_rng(0), scale="norma")
    with pytest.raises(UnknownNameError, match="'normal'"):
        predictor.fit(SPACE.indices[:10], np.arange(10.0))


@pytest.mark.parametrize("name", ["extra_trees", "xgboost"])
def test_a_missing_package_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    package = {"extra_trees": "sklearn", "xgboost": "xgboost"}[name]
    for module in [module for module in sys.modules if module == package or module.startswith(package + ".")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "meta_path", [_Missing(package), *sys.meta_path])
    with pytest.raises(MetanasError, match=r"metanas\[predictors\]"):
        make_predictor(name, SPACE, np.random.default_rng(0))


class _Missing:
    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] == self._package:
            raise ModuleNotFoundError(name=name)


def test_ridge_finds_a_linear_law() -> None:
    y = 3 * column("n:terms") - 7 * column("mean:length") + 50
    rows = drawn(200)
    prediction = (
        make_predictor("ridge", SPACE, np.random.default_rng(0), scale="plain")
        .fit(SPACE.indices[rows], y[rows])
        .predict(SPACE.indices)
    )
    np.testing.assert_allclose(prediction.mean, y, atol=0.1)


def test_ridge_leaves_one_out_as_if_it_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """The closed form of the leave-one-out error is that of as many fits, for inputs that are centred by themselves."""
    from metanas.predictors import ridge

    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(30, 4)), rng.normal(size=30)
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    hat = (u * (s**2 / (s**2 + 2.0))) @ u.T
    closed = (z - hat @ z) / (1 - np.diag(hat))
    for out in range(30):
        kept = np.arange(30) != out
        w = np.linalg.solve(x[kept].T @ x[kept] + 2.0 * np.eye(4), x[kept].T @ z[kept])
        assert closed[out] == pytest.approx(z[out] - x[out] @ w)
    model = ridge.learn_ridge(x, x @ np.ones(4) + 0.01 * rng.normal(size=30), np.array([1e-3, 1e3]))
    np.testing.assert_allclose(model(x.astype(np.float32))[0], x @ np.ones(4), atol=0.05)


def test_the_forests_variance_is_the_infinitesimal_jackknife() -> None:
    """Against the formula written out for one architecture."""
    ensemble = pytest.importorskip("sklearn.ensemble")
    from metanas.predictors.random_forest import _jackknife_model

    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(25, 3)).astype(np.float32), rng.normal(size=25)
    forest = ensemble.RandomForestRegressor(200, random_state=0).fit(x, z)
    row = rng.normal(size=(1, 3)).astype(np.float32)
    answers = np.array([tree.predict(row)[0] for tree in forest])
    drawn_often = np.array([np.bincount(sample, minlength=25) for sample in forest.estimators_samples_])
    covariances = [np.cov(drawn_often[:, i], answers, bias=True)[0, 1] for i in range(25)]
    by_hand = sum(c**2 for c in covariances) - 25 / 200**2 * ((answers - answers.mean()) ** 2).sum()
    mean, std = _jackknife_model(forest, x, z)(row)
    far = _jackknife_model(forest, x, z)(np.concatenate([row, x]))[1]
    assert mean[0] == pytest.approx(answers.mean())
    assert far[0] == pytest.approx(std[0])
    differences = far**2 - std[0] ** 2  # the noise is the same for all rows and cancels
    own = np.array([tree.predict(x[:1])[0] for tree in forest])
    covariances_at = [np.cov(drawn_often[:, i], own, bias=True)[0, 1] for i in range(25)]
    other = sum(c**2 for c in covariances_at) - 25 / 200**2 * ((own - own.mean()) ** 2).sum()
    assert differences[1] == pytest.approx(max(other, 0) - max(by_hand, 0))


def test_the_weisfeiler_lehman_kernel_of_two_cells_by_hand() -> None:
    """Chains of one and two convolutions share the labels of round 0 and, of round 1, all of the shorter one's."""
    from metanas.encodings.dag import functional_dag
    from metanas.predictors import gaussian_process_wl as wl

    cells = [
        "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|",
        "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|skip_connect~2|",
    ]
    labels = [wl._refined(functional_dag(SPACE, SPACE.parse(text)), 1) for text in cells]
    for rounds, shared in ((0, 1 + 1 + 2), (1, 4 + 3)):
        rows = wl._vectors(labels, rounds, wl._columns(labels, rounds))
        lengths = [sum(c**2 for counts in own[: rounds + 1] for c in counts.values()) for own in labels]
        assert rows[0] @ rows[1] == pytest.approx(shared / np.sqrt(lengths[0] * lengths[1]))
        assert rows[0] @ rows[0] == pytest.approx(1)


def test_the_weisfeiler_lehman_process_looks_as_far_as_it_pays() -> None:
    """What follows what is not seen in round 0."""
    rows, y = drawn(120), column("term[nor_conv_3x3,0,nor_conv_1x1]")
    predictor: Any = make_predictor("gaussian_process_wl", SPACE, np.random.default_rng(0), scale="plain")
    near: Any = make_predictor("gaussian_process_wl", SPACE, np.random.default_rng(0), scale="plain", most_rounds=0)
    errors = [
        np.abs(own.fit(SPACE.indices[rows], y[rows]).predict(SPACE.indices).mean - y).mean()
        for own in (predictor, near)
    ]
    assert predictor.rounds > near.rounds == 0
    assert errors[0] < 0.7 * errors[1]


def test_the_gradient_of_the_marginal_likelihood() -> None:
    pytest.importorskip("scipy")
    from metanas.predictors._gp import gradient_matrix, posterior

    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(12, 2)), rng.normal(size=12)
    kernel = x @ x.T
    own, _ = posterior(kernel, 0.5, z)
    numeric = (posterior(1.001 * kernel, 0.5, z)[1] - posterior(0.999 * kernel, 0.5, z)[1]) / 0.002
    assert 0.5 * np.vdot(gradient_matrix(own), kernel) == pytest.approx(numeric, rel=1e-4)


def test_a_gaussian_process_is_surer_of_what_it_has_seen() -> None:
    y, rows = landscape(), drawn(100)
    prediction = (
        make_predictor("gaussian_process", SPACE, np.random.default_rng(0), scale="plain")
        .fit(SPACE.indices[rows], y[rows])
        .predict(SPACE.indices)
    )
    assert prediction.std is not None
    seen = np.isin(SPACE.canonical_indices[SPACE.indices], SPACE.canonical_indices[SPACE.indices[rows]])
    assert prediction.std[seen].mean() < 0.7 * prediction.std[~seen].mean()


def test_the_ensemble_prefers_the_better_member() -> None:
    y, rows = landscape(), drawn(100)
    settings = {"ridge": {"encodings": ("onehot",)}}
    ensemble: Any = make_predictor(
        "ensemble", SPACE, np.random.default_rng(0), members=("ridge", "gaussian_process"), settings=settings
    )
    ensemble.fit(SPACE.indices[rows], y[rows])
    assert sum(ensemble.weights.values()) == pytest.approx(1)
    assert ensemble.weights["gaussian_process"] > 0.7


def test_folds_keep_equal_functions_together() -> None:
    """Values that say nothing but which function it is cannot be told from other folds."""
    from metanas.predictors._folds import out_of_fold

    rng = np.random.default_rng(0)
    y = rng.normal(size=15625)[SPACE.canonical_indices]
    indices = SPACE.indices[np.isin(SPACE.canonical_indices[SPACE.indices], np.unique(SPACE.canonical_indices)[:80])]

    def make(own: np.random.Generator) -> Any:
        return make_predictor("extra_trees", SPACE, own, trees=10)

    held_out = out_of_fold(SPACE, make, indices, y[indices], 4, rng)
    assert abs(np.corrcoef(held_out.mean, y[indices])[0, 1]) < 0.5
    with pytest.raises(InvalidValueError, match="functionally different"):
        out_of_fold(SPACE, make, indices[:1], y[indices[:1]], 4, rng)
