"""Search by zero-cost scores alone, and evolution that they warm up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from metanas.arch import Arch
from metanas.checks import check_strategy
from metanas.errors import InvalidValueError, UnknownNameError
from metanas.problem import Budget, Constraint, Objective, Observation, Problem, Trial
from metanas.spaces import load_space
from metanas.strategies import find_strategy
from metanas.strategies._proxies import combined
from metanas.strategies.zero_cost import ZeroCost
from metanas.strategies.zero_cost_warmup import ZeroCostWarmup

SPACE = load_space("nb201-conv")
CLASSES = SPACE.canonical_indices
GOOD, COST = "validation/accuracy", "latency/made_up"


def column(value: Mapping[int, float] | None = None, seed: int = 0) -> np.ndarray:
    """Return a score of every class, drawn or given, NaN elsewhere."""
    drawn = np.random.default_rng(seed).normal(size=len(CLASSES))
    if value is not None:
        drawn = np.full(len(CLASSES), np.nan)
        drawn[list(value)] = list(value.values())
    return np.where(CLASSES >= 0, drawn[CLASSES], np.nan)


def problem(scores: Mapping[str, np.ndarray], *constraints: Constraint) -> Problem:
    return Problem(SPACE, (Objective(GOOD),), 4, Budget(trainings=99), constraints=constraints, scores=scores)


def made(kind: type[Any], known: Mapping[str, np.ndarray], *constraints: Constraint, **settings: Any) -> Any:
    return kind(problem(known, *constraints), np.random.default_rng(0), **settings)


def asked(strategy: Any, n: int) -> list[Arch]:
    found = []
    for _ in range(n):
        trial = strategy.ask()
        found.append(trial.arch)
        tell(strategy, trial, 1.0)
    return found


def tell(strategy: Any, trial: Trial, value: float) -> None:
    strategy.tell(Observation(trial, {GOOD: value, COST: 1.0}, None, 1.0))


@pytest.mark.parametrize(
    "spec",
    [
        "zero_cost,unique=code",
        "zero_cost_warmup,move=proxy",
        "zero_cost_warmup,warm_up=0,constraint=rejection",
        "zero_cost_warmup,population=1,sample=1,unique=canonical,scores=made_up",
    ],
)
def test_other_settings_keep_the_contract(spec: str) -> None:
    check_strategy(spec, spaces=("nb201-conv",), trainings=30, seeds=(0,))


def test_the_best_by_score_come_first_one_of_a_class() -> None:
    score = column()
    found = asked(made(ZeroCost, {"proxy/a": score}), 50)
    classes = np.unique(CLASSES[CLASSES >= 0])
    best = classes[np.argsort(-score[classes])][:50]
    assert [SPACE.index(SPACE.canonical(arch)) for arch in found] == best.tolist()
    written = asked(made(ZeroCost, {"proxy/a": score}, unique="code"), 50)
    assert len({SPACE.canonical(arch) for arch in written}) < 50


def test_ranks_are_averaged_and_a_minus_turns_a_score_around() -> None:
    classes = np.unique(CLASSES[CLASSES >= 0])[:3].tolist()
    a, b = dict(zip(classes, (1e9, 2.0, 1.0), strict=True)), dict(zip(classes, (1.0, 3.0, 2.0), strict=True))
    scores = {"proxy/a": column(a), "proxy/b": column(b), COST: column()}
    found = combined(problem(scores), None)
    assert found[classes] == pytest.approx(np.array([(3 + 1) / 2, (2 + 3) / 2, (1 + 2) / 2]) / 3)
    assert combined(problem(scores), "proxy/a+b")[classes] == pytest.approx(found[classes])
    assert combined(problem(scores), ["-a"])[classes] == pytest.approx(np.array([1, 2, 3]) / 3)
    assert np.isnan(found).sum() == len(CLASSES) - np.isin(CLASSES, classes).sum()


def test_a_class_without_one_of_the_scores_ranks_least_in_it() -> None:
    classes = np.unique(CLASSES[CLASSES >= 0])[:2].tolist()
    scores = {"proxy/a": column({classes[0]: 1.0, classes[1]: 1.0}), "proxy/b": column({classes[0]: 1.0})}
    assert combined(problem(scores), None)[classes] == pytest.approx([(0.75 + 1) / 2, 0.75 / 2])


def test_members_of_a_class_share_the_mean_of_their_scores() -> None:
    [shared] = [each for each in np.unique(CLASSES[CLASSES >= 0]).tolist() if (each == CLASSES).sum() > 2][:1]
    other = next(each for each in np.unique(CLASSES[CLASSES >= 0]).tolist() if each != shared)
    members = np.flatnonzero(shared == CLASSES)
    score = np.full(len(CLASSES), np.nan)
    score[members[:2]], score[other] = (0.0, 10.0), 4.0
    found = combined(problem({"proxy/a": score}), None)
    assert found[members].tolist() == [1.0] * len(members)  # 5 is more than 4, where there is no score as well
    assert found[other] == 0.5


def test_limits_that_are_known_are_kept() -> None:
    score, cost = column(), np.abs(column(seed=1)) + 0.1
    found = asked(made(ZeroCost, {"proxy/a": score, COST: cost}, Constraint(COST, 0.3)), 50)
    assert all(cost[SPACE.index(arch)] <= 0.3 for arch in found)
    ranks = score[[SPACE.index(arch) for arch in found]]
    assert (np.diff(ranks) <= 0).all()


def test_what_has_no_score_comes_last() -> None:
    classes = np.unique(CLASSES[CLASSES >= 0])[:5].tolist()
    found = asked(made(ZeroCost, {"proxy/a": column(dict.fromkeys(classes, 1.0))}), 20)
    assert {SPACE.index(SPACE.canonical(arch)) for arch in found[:5]} == set(classes)
    assert len({SPACE.canonical(arch) for arch in found}) == 20


def test_warm_up_founds_the_population_with_the_best_of_those_drawn() -> None:
    score = column()
    everything = np.sort(score[np.unique(CLASSES[CLASSES >= 0])])[::-1]
    warm = score[[SPACE.index(arch) for arch in asked(made(ZeroCostWarmup, {"proxy/a": score}), 20)]]
    assert (np.diff(warm) <= 0).all()
    assert warm.min() > everything[60]  # of 1,011 classes; nearly all were among those drawn
    cold = score[[SPACE.index(arch) for arch in asked(made(ZeroCostWarmup, {"proxy/a": score}, warm_up=0), 20)]]
    assert cold.min() < everything[300]


def test_a_move_goes_to_the_best_new_neighbour_by_score() -> None:
    score = column()
    strategy = made(ZeroCostWarmup, {"proxy/a": score}, population=1, sample=1, move="proxy", random_moves=0.0)
    [parent] = asked(strategy, 1)
    before = {parent}
    for _ in range(20):
        [child] = asked(strategy, 1)
        new = [arch for arch in SPACE.neighbours(parent) if arch not in before]
        assert score[SPACE.index(child)] == max(score[SPACE.index(arch)] for arch in new)
        before.add(child)
        parent = child


def test_the_parent_is_the_best_of_the_sample() -> None:
    strategy = made(ZeroCostWarmup, {"proxy/a": column()}, population=4, sample=4)
    trials = [strategy.ask() for _ in range(4)]
    for trial, value in zip(trials, (1.0, 9.0, 3.0, 2.0), strict=True):
        tell(strategy, trial, value)
    assert all(strategy.ask().arch in SPACE.neighbours(trials[1].arch) for _ in range(10))


@pytest.mark.parametrize("kind", [ZeroCost, ZeroCostWarmup])
def test_they_say_what_they_require(kind: type[Any]) -> None:
    name = {ZeroCost: "zero_cost", ZeroCostWarmup: "zero_cost_warmup"}[kind]
    assert "zero-cost scores" in str(find_strategy(name).requires.unmet(problem({})))
    with pytest.raises(InvalidValueError, match="Take a board that names some among its scores"):
        made(kind, {COST: column()})
    with pytest.raises(UnknownNameError, match="Did you mean 'proxy/synflow'"):
        made(kind, {"proxy/synflow": column()}, scores="synflo")
    with pytest.raises(InvalidValueError, match="at least one"):
        made(kind, {"proxy/synflow": column()}, scores=[])


@pytest.mark.parametrize("wrong", [{"sample": 21}, {"warm_up": -1}, {"random_moves": 2.0}])
def test_settings_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match="but got"):
        made(ZeroCostWarmup, {"proxy/a": column()}, **wrong)
    with pytest.raises(UnknownNameError, match="Did you mean 'random'"):
        made(ZeroCostWarmup, {"proxy/a": column()}, move="randomly")
