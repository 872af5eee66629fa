"""Strategies that go in rounds, and the networks of two of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from metanas.arch import Arch
from metanas.errors import InvalidValueError, UnknownNameError
from metanas.problem import Budget, Objective, Observation, Problem, Strategy
from metanas.spaces import load_space
from metanas.strategies._networks import Networks
from metanas.strategies._surrogate import Archive, Examples
from metanas.strategies.bananas import Bananas
from metanas.strategies.weaknas import WeakNas

METRIC = "validation/accuracy"
SPACE = load_space("nb201-conv")
PROBLEM = Problem(SPACE, (Objective(METRIC),), 4, Budget(trainings=300))


def convolutions(arch: Arch) -> float:
    return float(sum(op in (2, 3) for op in arch.code)) + 0.5 * sum(op == 3 for op in arch.code)


def search(strategy: Strategy, trainings: int, value: Callable[[Arch], float] = convolutions) -> list[Arch]:
    asked = []
    for _ in range(trainings):
        trial = strategy.ask()
        asked.append(trial.arch)
        strategy.tell(Observation(trial, {METRIC: value(trial.arch)}, None, 1.0))
    return asked


def test_gradients_are_those_of_differences() -> None:
    rng = np.random.default_rng(0)
    networks = Networks(2, (3, 4, 4), rng)
    networks._flat = networks._flat + 0.1 * rng.standard_normal(networks._flat.shape)  # type: ignore[assignment]
    networks._weights = networks._layers(networks._flat)
    x, slope = rng.standard_normal((5, 3)), rng.standard_normal((2, 5))
    buffers, gradient = networks._buffers(len(x)), np.empty_like(networks._flat)
    buffers.inputs[0][:-1] = x.T
    networks._forward(buffers)
    networks._backward(buffers, slope, networks._layers(gradient))  # type: ignore[arg-type]
    for place in range(len(gradient)):
        values = []
        for step in (1e-6, -1e-6):
            networks._flat[place] += step
            values.append(float((networks._forward(buffers) * slope).sum()))
            networks._flat[place] -= step
        assert gradient[place] == pytest.approx((values[0] - values[1]) / 2e-6, abs=1e-5)


def test_batches_divide_the_examples_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 11 examples in batches of at most 4, each epoch takes 9, in three steps, none twice."""
    seen: list[np.ndarray] = []
    forward = Networks._forward

    def watched(self: Networks, buffers: Any) -> Any:
        seen.append(buffers.inputs[0][0].copy())
        return forward(self, buffers)

    monkeypatch.setattr(Networks, "_forward", watched)
    x = np.arange(11.0)[:, None]
    networks = Networks(2, (1, 4), np.random.default_rng(0))
    networks.fit(x, x[:, 0], np.ones(11), steps=30, rate=0.01, power=2, batch=4)
    assert [len(rows) for rows in seen] == [3] * 30
    epochs = np.array(seen).reshape(10, 9)
    assert all(len(set(epoch)) == 9 for epoch in epochs)
    assert set(epochs.ravel()) == set(range(11))
    assert len({tuple(epoch) for epoch in epochs}) == 10


def test_a_batch_that_holds_all_is_no_batch() -> None:
    rng = np.random.default_rng(0)
    x, z, weights = rng.standard_normal((18, 3)), rng.standard_normal(18), rng.random(18)
    said = []
    for batch in (None, 18, 40):
        networks = Networks(2, (3, 8), np.random.default_rng(1))
        networks.fit(x, z, weights, steps=30, rate=0.01, power=2, batch=batch)
        said.append(networks.predict(np.repeat(x, 60, axis=0)))  # more than are predicted at once
    assert np.array_equal(said[0], said[1])
    assert np.array_equal(said[0], said[2])
    assert said[0][:, ::60] == pytest.approx(said[0][:, 59::60], abs=1e-5)
    assert np.ptp(said[0]) > 0.1


@pytest.mark.parametrize("power", [1, 2])
def test_networks_learn(power: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, size=(80, 6)).astype(np.float64)
    z = x[:, 0] - x[:, 1] * x[:, 2]
    networks = Networks(3, (6, 24, 24), rng)
    before = networks.predict(x)
    networks.fit(x, z, np.ones(80), steps=300, rate=0.01, power=power)
    after = networks.predict(x)
    assert ((after - z) ** 2).mean() < 0.1 * ((before - z) ** 2).mean()
    assert after.std(axis=0).max() > 0  # members differ


def test_weights_say_which_errors_matter() -> None:
    x, z = np.array([[1.0], [1.0]]), np.array([0.0, 1.0])
    networks = Networks(2, (1, 8), np.random.default_rng(0))
    networks.fit(x, z, np.array([1.0, 50.0]), steps=300, rate=0.02, power=2)
    assert networks.predict(x).mean() > 0.9


@pytest.mark.parametrize("name", ["bananas", "weaknas", "smac", "npenas", "brp_nas"])
def test_the_model_leads_to_better_ones(name: str) -> None:
    if name == "smac":
        pytest.importorskip("sklearn")
    if name in {"npenas", "brp_nas"}:
        pytest.importorskip("torch_geometric")
    from metanas.strategies import find_strategy

    text = {"smac": "smac,random=0", "weaknas": "weaknas,top=40,least=40", "brp_nas": "brp_nas,batch=10"}.get(
        name, name
    )
    gains = []
    for seed in range(1 if name in {"npenas", "brp_nas"} else 3):
        asked = search(find_strategy(text).build(PROBLEM, np.random.default_rng(seed)), 30)
        values = [convolutions(arch) for arch in asked]
        assert len(asked) == len(set(asked))
        gains.append(np.mean(values[-10:]) - np.mean(values[:10]))
    assert np.mean(gains) > 1.5


def test_rounds_of_bananas_are_children_of_the_best() -> None:
    asked = search(Bananas(PROBLEM, np.random.default_rng(1), parents=3), 20)
    best = sorted(asked[:10], key=convolutions, reverse=True)[:3]
    worst = min(convolutions(arch) for arch in best)
    parents = [arch for arch in asked[:10] if convolutions(arch) >= worst]
    near = {child for arch in parents for child in SPACE.neighbours(arch)}
    assert set(asked[10:20]) <= near


def test_the_range_of_weaknas_shrinks() -> None:
    strategy = WeakNas(PROBLEM, np.random.default_rng(0), top=40, least=10)
    search(strategy, 11)
    assert strategy._top == 20
    search(strategy, 30)
    assert strategy._top == 10


def test_every_second_of_smac_is_random() -> None:
    from metanas.strategies.smac import Smac

    def guided(random: float) -> int:
        strategy = Smac(PROBLEM, np.random.default_rng(0), random=random)
        rounds: list[int] = []
        inner = strategy._round
        strategy._round = lambda examples: rounds.append(0) or inner(examples)  # type: ignore[func-returns-value,method-assign]
        search(strategy, 30)
        return len(rounds)

    assert [guided(random) for random in (0.0, 0.5, 1.0)] == [20, 10, 0]


def test_brp_nas_asks_for_the_best_and_for_some_below() -> None:
    pytest.importorskip("torch_geometric")
    from metanas.strategies.brp_nas import BrpNas

    strategy = BrpNas(PROBLEM, np.random.default_rng(0), initial=12, batch=8, best=0.5, steps=4.0)
    search(strategy, 12)
    examples = strategy._archive.examples()
    assert examples is not None
    chosen = strategy._round(examples)
    candidates = strategy._archive.candidates(examples, 10)
    said = strategy._predictor.predict(candidates).mean
    order = candidates[np.argsort(-said, kind="stable")].tolist()
    places = [order.index(index) for index in chosen]
    assert places[:4] == [0, 1, 2, 3]
    assert all(4 <= place < len(order) // 2 for place in places[4:])


def test_functions_are_counted_with_a_list_as_without() -> None:
    archive = Archive(PROBLEM, np.random.default_rng(0), "code")
    indices = np.random.default_rng(0).choice(SPACE.indices, 200, replace=False)  # type: ignore[attr-defined]
    one_by_one = {SPACE.canonical(SPACE.arch(index)) for index in indices.tolist()}
    assert archive.functions(Examples(indices, np.zeros(200))) == len(one_by_one) < 200


def test_nothing_learned_from_equal_values() -> None:
    asked = search(Bananas(PROBLEM, np.random.default_rng(0)), 30, lambda arch: 1.0)
    assert len(set(asked)) == 30


@pytest.mark.parametrize(
    ("text", "error", "expected"),
    [
        ("bananas,members=1", InvalidValueError, "2 <= members"),
        ("bananas,candidates=5", InvalidValueError, "10 <= candidates"),
        ("bananas,acquisition=pi", UnknownNameError, "acquisition"),
        ("bananas,initial=1", InvalidValueError, "2 <= initial"),
        ("weaknas,least=5", InvalidValueError, "10 <= least"),
        ("weaknas,top=50", InvalidValueError, "100 <= top"),
        ("weaknas,unique=none", InvalidValueError, "favourite"),
    ],
)
def test_settings_are_checked(text: str, error: type[Exception], expected: str) -> None:
    name, _, setting = text.partition(",")
    key, _, value = setting.partition("=")
    make = {"bananas": Bananas, "weaknas": WeakNas}[name]
    with pytest.raises(error, match=expected):
        make(PROBLEM, np.random.default_rng(0), **{key: int(value) if value.isdigit() else value})  # type: ignore[arg-type]


def test_the_trees_of_smac_are_those_of_a_forest() -> None:
    from sklearn.ensemble import RandomForestRegressor

    from metanas.strategies.smac import grow

    rng = np.random.default_rng(0)
    x, z = rng.integers(0, 2, (60, 12)).astype(np.float32), rng.standard_normal(60)
    forest = RandomForestRegressor(4, max_features=5 / 6, min_samples_split=3, random_state=7).fit(x, z)
    for ours, known in zip(grow(x, z, 4, 3, 7), forest.estimators_, strict=True):
        np.testing.assert_array_equal(ours.value, known.tree_.value)
        np.testing.assert_array_equal(ours.apply(x), known.tree_.apply(x))
