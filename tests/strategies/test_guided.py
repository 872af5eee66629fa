from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from metanas.arch import Arch
from metanas.checks import check_strategy
from metanas.errors import InvalidValueError, UnknownNameError
from metanas.problem import Budget, Objective, Observation, Problem, Strategy
from metanas.spaces import load_space
from metanas.strategies import bo_features, bo_wl
from metanas.strategies._surrogate import classes_of
from metanas.strategies._vectors import VectorKernel
from metanas.strategies.guided import Guided

METRIC = "validation/accuracy"
SPACE = load_space("nb201-conv")
PROBLEM = Problem(SPACE, (Objective(METRIC),), 4, Budget(trainings=300))


def depth_like(arch: Arch) -> float:
    """Return something smooth in what the cell computes, with its best in a few classes."""
    cell = SPACE.cell(arch)
    return len(cell.atoms) + 0.3 * sum(atom.op == "nor_conv_3x3" for atom in cell.atoms) - 0.1 * len(cell.output)


def search(strategy: Strategy, value: Callable[[Arch], float], trainings: int) -> list[Arch]:
    asked = []
    for _ in range(trainings):
        trial = strategy.ask()
        asked.append(trial.arch)
        strategy.tell(Observation(trial, {METRIC: value(trial.arch)}, None, 1.0))
    return asked


@pytest.mark.parametrize(
    "text",
    [
        "guided,batch=4,thompson=0.5,design=random",
        "guided,relevance=equal,encodings=path",
        "bo_features,acquisition=ts",
    ],
)
def test_other_settings_keep_the_contract(text: str) -> None:
    check_strategy(text, spaces=("nb201-conv",), trainings=16, seeds=(0,))


@pytest.mark.parametrize("build", [Guided, bo_features.build, bo_wl.build])
def test_the_best_is_found_soon(build: Callable[[Problem, np.random.Generator], Strategy]) -> None:
    best = max(depth_like(SPACE.arch(index)) for index in classes_of(SPACE)[0].tolist())
    values = [depth_like(arch) for arch in search(build(PROBLEM, np.random.default_rng(0)), depth_like, 40)]
    share = np.mean([depth_like(SPACE.arch(index)) == best for index in SPACE.indices.tolist()])  # type: ignore[attr-defined]
    assert share < 0.02  # forty random ones would most likely miss it
    assert max(values) == best


def test_the_design_is_spread_out() -> None:
    kernel = VectorKernel(SPACE, "functional")

    def nearest(design: str, seed: int) -> float:
        strategy = Guided(PROBLEM, np.random.default_rng(seed), initial=8, design=design, relevance="equal")  # type: ignore[arg-type]
        indices = np.array([SPACE.index(arch) for arch in search(strategy, lambda arch: 0.0, 8)])
        near = kernel.between(1.0, indices, indices)
        return float((near - 2 * np.eye(8)).max())

    assert all(nearest("spread", seed) < nearest("random", seed) for seed in range(3))


def test_members_of_a_class_are_left_out_once_they_turn_out_equal() -> None:
    strategy = Guided(PROBLEM, np.random.default_rng(0))
    asked = search(strategy, depth_like, 60)
    classes = [SPACE.canonical(arch) for arch in asked]
    repeats = [number for number, arch in enumerate(classes) if arch in classes[:number]]
    assert len(repeats) <= 1


def test_members_of_the_best_classes_are_visited_where_they_differ() -> None:
    def own(arch: Arch) -> float:
        one = -abs(len(SPACE.cell(arch).atoms) - 1)  # cells with a single convolution come in many guises
        return one + 0.3 * np.random.default_rng(SPACE.index(arch)).standard_normal()

    asked = search(Guided(PROBLEM, np.random.default_rng(0)), own, 60)
    classes = [SPACE.canonical(arch) for arch in asked]
    assert len(asked) == len(set(asked))
    assert len(classes) - len(set(classes)) >= 3


def test_results_are_taken_in_batch_by_batch() -> None:
    """The values of a batch do not change what the rest of it asks for."""
    flat = search(Guided(PROBLEM, np.random.default_rng(3), batch=8), depth_like, 14)
    strategy = Guided(PROBLEM, np.random.default_rng(3), batch=8)
    search(strategy, depth_like, 6)
    blind = [strategy.ask().arch for _ in range(8)]
    assert flat[6:] == blind
    assert len({SPACE.canonical(arch) for arch in blind}) >= 6  # a batch is diverse


@pytest.mark.parametrize(
    ("wrong", "error", "expected"),
    [
        ({"initial": 2}, InvalidValueError, "3 <= initial"),
        ({"batch": 0}, InvalidValueError, "1 <= batch"),
        ({"thompson": 1.5}, InvalidValueError, "thompson <= 1"),
        ({"design": "grid"}, UnknownNameError, "design"),
        ({"relevance": "some"}, UnknownNameError, "relevance"),
        ({"acquisition": "pi"}, UnknownNameError, "acquisition"),
        ({"encodings": ()}, InvalidValueError, "at least one encoding"),
    ],
)
def test_settings_are_checked(wrong: dict[str, object], error: type[Exception], expected: str) -> None:
    with pytest.raises(error, match=expected):
        Guided(PROBLEM, np.random.default_rng(0), **wrong)  # type: ignore[arg-type]
