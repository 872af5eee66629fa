from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from metanas.arch import Arch
from metanas.checks import check_strategy
from metanas.errors import InvalidValueError, UnknownNameError
from metanas.leaderboard.hypervolume import hypervolume, scaled
from metanas.problem import Budget, Constraint, Objective, Observation, Problem
from metanas.spaces import load_space
from metanas.strategies._improvement import expected_improvement, free_boxes
from metanas.strategies.ehvi import ExpectedHypervolume, _best

SPACE = load_space("nb201-conv")
GOOD, BAD = "validation/accuracy", "cost/parameters"


def made(
    constraints: tuple[Constraint, ...] = (), scores: Mapping[str, np.ndarray] | None = None, **settings: float | str
) -> ExpectedHypervolume:
    objectives = (Objective(GOOD), Objective(BAD, "minimize"))
    problem = Problem(SPACE, objectives, 4, Budget(trainings=99), constraints=constraints, scores=scores or {})
    return ExpectedHypervolume(problem, np.random.default_rng(0), **settings)  # type: ignore[arg-type]


def values(arch: Arch) -> dict[str, float]:
    code = SPACE.canonical(arch).code
    return {GOOD: 10.0 * code.count(3) + 5.0 * code.count(1) + 0.1 * code[0], BAD: 1.0 + 2.0 * code.count(3)}


def searched(strategy: ExpectedHypervolume, trainings: int) -> list[Arch]:
    asked = []
    for _ in range(trainings):
        trial = strategy.ask()
        asked.append(trial.arch)
        strategy.tell(Observation(trial, values(trial.arch), None, 1.0))
    return asked


def test_a_pool_and_rejection_keep_the_contract() -> None:
    check_strategy("ehvi,pool=40,every=10,constraint=rejection", spaces=("nb101",), trainings=14, seeds=(0,))


def test_the_next_is_what_is_expected_to_add_most() -> None:
    """With beliefs about those chosen before; the shortcut by bounds gives what computing all gives."""
    strategy = made(every=8)
    searched(strategy, 14)
    strategy._round = None
    for _ in range(8):
        trial = strategy.ask()
        now = strategy._round
        assert now is not None
        place = now.candidates.tolist().index(SPACE.index(trial.arch))
        boxes = free_boxes(now.front[:-1], now.reference)
        every = now.weight * expected_improvement(boxes, now.mean, now.std)
        others = every[now.bound >= 0]
        assert every[place] >= others.max()
        assert now.front[-1].tolist() == now.mean[place].tolist()


def test_nothing_is_chosen_where_nothing_is_expected() -> None:
    strategy = made()
    searched(strategy, 12)
    now = strategy._round
    assert now is not None
    now.std[:] = 0.0
    now.front = np.vstack((now.front, now.mean.min(axis=0) - 1.0))  # dominates all
    assert _best(now) is None


def test_known_costs_have_no_deviation() -> None:
    known = np.full(len(SPACE.canonical_indices), np.nan)
    known[SPACE.indices] = [values(SPACE.arch(index))[BAD] for index in SPACE.indices.tolist()]
    strategy = made(scores={BAD: known})
    searched(strategy, 12)
    now = strategy._round
    assert now is not None
    assert now.mean[:, 1].tolist() == known[now.candidates].tolist()
    assert not now.std[:, 1].any()
    assert (now.std[:, 0] > 0).all()


def test_it_comes_closer_to_the_front_than_random_draws() -> None:
    asked = searched(made(), 60)
    points = np.array([[-values(SPACE.arch(i))[GOOD], values(SPACE.arch(i))[BAD]] for i in SPACE.indices.tolist()])
    found = np.array([[-values(arch)[GOOD], values(arch)[BAD]] for arch in asked])
    assert len({SPACE.canonical(arch) for arch in asked}) == 60
    low, span = points.min(axis=0), np.ptp(points, axis=0)
    volume = hypervolume((found - low) / span)
    assert volume > 0.9 * hypervolume(scaled(points, points))
    rng, classes = np.random.default_rng(3), np.unique(SPACE.canonical_indices[SPACE.indices])
    place = {index: row for row, index in enumerate(SPACE.indices.tolist())}
    for _ in range(10):
        drawn = points[[place[index] for index in rng.choice(classes, 60, replace=False).tolist()]]
        assert volume > hypervolume((drawn - low) / span)


@pytest.mark.parametrize("handling", ["penalty", "rejection"])
def test_the_front_within_a_limit_is_found(handling: str) -> None:
    asked = searched(made((Constraint(BAD, 4.0),), constraint=handling, every=10), 50)
    best = {1.0: 0.0, 3.0: 0.0}
    for each in map(values, asked):
        if each[BAD] <= 4.0:
            best[each[BAD]] = max(best[each[BAD]], each[GOOD])
    assert best[1.0] >= 30.0  # five skips in effect, or six
    assert best[3.0] >= 35.0
    if handling == "rejection":
        assert np.mean([values(arch)[BAD] <= 4.0 for arch in asked[-25:]]) > 0.8


def test_while_nothing_keeps_the_limits_their_chance_decides() -> None:
    strategy = made((Constraint(BAD, 0.5),))
    searched(strategy, 12)
    now = strategy._round
    assert now is not None
    assert not now.weight.any()
    assert _best(now) == int(np.argmax(now.bound))


@pytest.mark.parametrize("wrong", [{"founders": 0}, {"every": 0}, {"pool": 0}])
def test_settings_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match="must hold, but got"):
        made(**wrong)


def test_another_way_to_handle_limits_is_unknown() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'penalty'"):
        made(constraint="penalities")
