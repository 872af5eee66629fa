from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from metanas.errors import InvalidValueError, UnknownNameError
from metanas.problem import Budget, Objective, Observation, Problem, Trial
from metanas.spaces import load_space
from metanas.strategies._surrogate import Archive, Examples, acquire, check_acquisition, classes_of, is_small
from metanas.strategies.base import Unique

METRIC = "validation/accuracy"


def archive(space: str = "nb201-conv", unique: Unique = "code", direction: str = "maximize") -> Archive:
    problem = Problem(load_space(space), (Objective(METRIC, direction),), 4, Budget(trainings=100))  # type: ignore[arg-type]
    return Archive(problem, np.random.default_rng(0), unique)


def told(own: Archive, values: list[float]) -> list[Trial]:
    trials = [own.draw() for _ in values]
    for trial, value in zip(trials, values, strict=True):
        own.tell(Observation(trial, {METRIC: value}, None, 1.0))
    return trials


def test_examples_are_such_that_greater_is_better() -> None:
    own = archive(direction="minimize")
    trials = told(own, [3.0, 1.0, 2.0])
    examples = own.examples()
    assert examples is not None
    assert examples.scores.tolist() == [-3.0, -1.0, -2.0]
    assert examples.best(2) == [own.space.index(trials[1].arch), own.space.index(trials[2].arch)]


def test_what_diverged_counts_as_the_worst() -> None:
    own = archive()
    told(own, [3.0, float("nan"), 1.0, 2.0])
    examples = own.examples()
    assert examples is not None
    assert examples.scores.tolist() == [3.0, 1.0, 1.0, 2.0]


@pytest.mark.parametrize("values", [[1.0, 2.0], [5.0, 5.0, 5.0], [1.0, 2.0, float("nan")]])
def test_too_little_is_nothing_to_learn_from(values: list[float]) -> None:
    own = archive()
    told(own, values)
    assert own.examples() is None


@pytest.mark.parametrize("unique", ["code", "canonical"])
def test_candidates_of_a_small_space_are_all_that_is_new(unique: Unique) -> None:
    own = archive(unique=unique)
    told(own, [1.0, 2.0, 3.0, 4.0])
    examples = own.examples()
    assert examples is not None
    new = [index for index in own.space.indices.tolist() if own.is_new(index)]  # type: ignore[attr-defined]
    assert own.candidates(examples, 10).tolist() == new
    assert len(new) <= 4096 - 4


def test_candidates_of_a_large_space_are_children_and_random_ones() -> None:
    own = archive("nb101")
    assert not is_small(own.space)
    told(own, [1.0, 2.0, 3.0])
    examples = own.examples()
    assert examples is not None
    pool = own.candidates(examples, 40).tolist()
    assert len(pool) == len(set(pool)) == 40
    assert all(own.is_new(index) for index in pool)


def test_children_are_neighbours_of_their_parents() -> None:
    own = archive()
    parent = own.space.index(told(own, [1.0])[0].arch)
    children = own.children([parent], 10)
    near = {own.space.index(arch) for arch in own.space.neighbours(own.space.arch(parent))}
    assert len(set(children)) == 10
    assert set(children) <= near


def test_joined_classes_are_asked_for_once() -> None:
    own = archive()
    asked = [own.space.index(trial.arch) for trial in told(own, [1.0, 2.0, 3.0])]
    own.join_classes()
    _, number = classes_of(own.space)
    for index in own.space.indices.tolist():  # type: ignore[attr-defined]
        assert own.is_new(index) == (number[index] not in number[asked])


def test_classes_are_numbered_as_their_representatives() -> None:
    space = load_space("nb201-conv")
    representatives, number = classes_of(space)
    assert len(representatives) == 1011
    assert (representatives[number[space.indices]] == space.canonical_indices[space.indices]).all()  # type: ignore[attr-defined]
    assert (number >= 0).sum() == 4096


def test_expected_improvement_is_the_mean_of_improvements() -> None:
    rng = np.random.default_rng(0)
    mean, std = np.array([0.0, 1.0, -2.0]), np.array([1.0, 0.5, 2.0])
    drawn = np.maximum(mean + std * rng.standard_normal((200_000, 3)) - 0.7, 0).mean(axis=0)
    assert acquire("ei", mean, std, 0.7, rng) == pytest.approx(drawn, abs=0.01)


def test_acquisition_functions() -> None:
    rng, mean, std = np.random.default_rng(0), np.array([1.0, 2.0]), np.array([3.0, 0.0])
    assert acquire("mean", mean, std, 0.0, rng).tolist() == [1.0, 2.0]
    assert acquire("ucb", mean, std, 0.0, rng, beta=2.0).tolist() == [7.0, 2.0]
    drawn = np.array([acquire("ts", mean, std, 0.0, rng) for _ in range(4000)])
    assert drawn.std(axis=0) == pytest.approx(std, abs=0.15)
    with pytest.raises(UnknownNameError, match="acquisition function"):
        check_acquisition("pi")


def test_a_model_needs_a_memory() -> None:
    with pytest.raises(InvalidValueError, match="repeat its favourite"):
        archive(unique="none")


def test_the_best_of_equals_is_the_first() -> None:
    assert Examples(np.array([7, 5, 9]), np.array([1.0, 2.0, 2.0])).best(2) == [5, 9]


@pytest.mark.parametrize("unique", ["code", "canonical"])
def test_children_are_all_that_is_new_around_where_that_is_little(unique: Unique) -> None:
    own = archive(unique=unique)
    parent = own.space.index(told(own, [1.0])[0].arch)
    near = [own.space.index(arch) for arch in own.space.neighbours(own.space.arch(parent))]
    for index in near[:-3]:
        own.take(index)
    assert set(own.children([parent], 100)) == {index for index in near if own.is_new(index)}


def test_parents_have_children_in_turn_and_neighbours_alike() -> None:
    own = archive()
    parents = [own.space.index(trial.arch) for trial in told(own, [1.0, 2.0])]
    counts: Counter[int] = Counter()
    for _ in range(400):
        counts.update(own.children(parents, 1))
    first = {own.space.index(arch) for arch in own.space.neighbours(own.space.arch(parents[0]))}
    assert set(counts) <= first | {own.space.index(a) for a in own.space.neighbours(own.space.arch(parents[1]))}
    assert sum(counts[index] for index in first) >= 390  # the first parent is first in turn, unless its child is known
    assert len(first & set(counts)) > 15
