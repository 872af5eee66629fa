from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from metanas.errors import InvalidValueError
from metanas.leaderboard.replay import Climb, Judge
from metanas.leaderboard.statistics import (
    Entrant,
    mean_and_error,
    median_of_found,
    normalized_curve,
    random_regret,
    ranks,
    regret_curve,
    standings,
)


def climb(steps: Sequence[tuple[float, float, float]]) -> Climb:
    """Make a climb from pairs of budget, validation and test value."""
    spent, validation, test = (np.array(column, dtype=np.float64) for column in zip(*steps, strict=True))
    return Climb(spent=spent, arch=np.arange(len(steps)), validation=validation, test=test)


def entrant(label: str, by_seed: dict[int, Climb], optimum_at: dict[int, float | None] | None = None) -> Entrant:
    return Entrant(label, by_seed, optimum_at or dict.fromkeys(by_seed), 1e-5)


def test_mean_and_standard_error() -> None:
    mean, error = mean_and_error([1.0, 2.0, 4.0])
    assert mean == pytest.approx(7 / 3)
    assert error == pytest.approx(stats.sem([1.0, 2.0, 4.0]))
    assert math.isnan(mean_and_error([5.0])[1])
    with pytest.raises(InvalidValueError, match="at least one"):
        mean_and_error([])


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_ranks_are_those_of_scipy(values: list[int]) -> None:
    assert ranks(values, maximize=False).tolist() == stats.rankdata(values).tolist()
    assert ranks(values, maximize=True).tolist() == stats.rankdata([-value for value in values]).tolist()


def test_what_has_no_value_ranks_last() -> None:
    assert ranks([math.nan, 1.0, 2.0, math.nan], maximize=True).tolist() == [3.5, 2.0, 1.0, 3.5]
    assert ranks([math.nan, 1.0, 2.0], maximize=False).tolist() == [3.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("budgets", "median"),
    [
        ([3.0, 1.0, 2.0], 2.0),
        ([1.0, None, 5.0], 5.0),
        ([1.0, None, None], None),
        ([1.0, 3.0], 2.0),
        ([1.0, None], None),
    ],
)
def test_a_run_that_did_not_find_the_optimum_counts_as_later_than_any(
    budgets: list[float | None], median: float | None
) -> None:
    assert median_of_found(budgets) == median


def test_a_climb_is_a_step_function() -> None:
    steps = climb([(2.0, 50.0, 40.0), (4.0, 60.0, 39.0)])
    validation, test = steps.at(np.array([1.0, 2.0, 3.9, 4.0, 9.0]))
    assert np.isnan(validation[0])
    assert validation[1:].tolist() == [50.0, 50.0, 60.0, 60.0]
    assert test[1:].tolist() == [40.0, 40.0, 39.0, 39.0]
    assert np.isnan(steps.at(np.array([0.5]))).all()


def test_standings_by_hand(judge: Judge) -> None:
    """The board reports at 5 and 40 trainings."""
    good = entrant(
        "good", {0: climb([(1, 50, 50), (10, 60, 60)]), 1: climb([(1, 50, 52), (10, 60, 64)])}, {0: 10, 1: 7}
    )
    bad = entrant("bad", {0: climb([(1, 40, 50)]), 1: climb([(1, 40, 41)]), 2: climb([(1, 1, 99)])})
    first, second = standings([bad, good], judge)
    assert (first.label, second.label) == ("good", "bad")
    assert first.at == (5.0, 40.0)
    assert first.test == (51.0, 62.0)
    assert first.error == pytest.approx((1.0, 2.0))
    assert first.rank == (1.5 + 1 + 1 + 1) / 4  # equal at 5 with seed 0; seed 2 is not shared
    assert second.rank == (1.5 + 2 + 2 + 2) / 4
    assert (first.n_runs, second.n_runs) == (2, 3)
    assert (first.optimum_median, first.optimum_found) == (8.5, 1.0)
    assert (second.optimum_median, second.optimum_found) == (None, 0.0)


def test_without_a_shared_seed_there_is_no_rank(judge: Judge) -> None:
    first = entrant("a", {0: climb([(1, 50, 50)])})
    second = entrant("b", {1: climb([(1, 50, 50)])})
    assert all(math.isnan(standing.rank) for standing in standings([first, second], judge))
    assert standings([], judge) == []


def test_regret_is_the_distance_to_the_best_of_the_space(judge: Judge) -> None:
    best_validation, best_test = judge.best_validation, judge.best_test
    runs = entrant("a", {
        0: climb([(1, best_validation - 4, best_test - 3), (3, best_validation, best_test - 1)]),
        1: climb([(2, best_validation - 2, best_test - 5)]),
    })  # fmt: skip
    grid = np.array([1.0, 2.0, 3.0])
    curve = regret_curve(runs, judge, "validation", grid)
    assert curve.at.tolist() == [2.0, 3.0]  # at 1 the second run has nothing yet
    assert curve.mean.tolist() == pytest.approx([3.0, 1.0])
    half = 1.96 * np.array([stats.sem([4.0, 2.0]), stats.sem([0.0, 2.0])])
    assert curve.high.tolist() == pytest.approx((curve.mean + half).tolist())
    assert curve.low.tolist() == pytest.approx(np.maximum(curve.mean - half, 0).tolist())
    assert regret_curve(runs, judge, "test", grid).mean.tolist() == pytest.approx([4.0, 3.0])
    single = entrant("b", {0: climb([(1, 50, 50)])})
    alone = regret_curve(single, judge, "test", grid)
    assert np.array_equal(alone.low, alone.mean)


def worth(judge: Judge, best: float, mean: float) -> Judge:
    """Return a judge of another table by its best and mean test value."""
    other = copy(judge)
    other.best_test, other.mean_test = best, mean
    return other


def test_every_table_counts_the_same_in_normalized_regret(judge: Judge) -> None:
    """One random architecture leaves a regret of 20 on the first table and of 2 on the second."""
    wide, narrow = worth(judge, 90, 70), worth(judge, 50, 48)
    many = entrant("a", {seed: climb([(1, 0, 70), (3, 0, test)]) for seed, test in enumerate([84, 86, 88])})
    few = entrant("a", {0: climb([(2, 0, 49)]), 1: climb([(2, 0, 48), (3, 0, 50)])})
    curve = normalized_curve([(wide, many), (narrow, few)], "test", np.array([1.0, 2.0, 3.0]))
    assert curve.at.tolist() == [2.0, 3.0]  # at 1 the second table has no run
    assert curve.mean == pytest.approx([(1 + 0.75) / 2, (0.2 + 0.25) / 2])
    errors = [[0, 0.25], [stats.sem([6, 4, 2]) / 20, 0.25]]  # of the tables, at 2 and at 3
    half = [1.96 * math.hypot(*pair) / 2 for pair in errors]
    assert curve.high == pytest.approx(curve.mean + half)
    assert curve.low == pytest.approx([curve.mean[0] - half[0], 0])  # no regret is below 0
    alone = normalized_curve([(wide, entrant("a", {0: climb([(1, 0, 80)])}))], "test", np.array([1.0]))
    assert (alone.low, alone.mean, alone.high) == ([0.5], [0.5], [0.5])


def test_where_all_architectures_are_equal_there_is_no_regret(judge: Judge) -> None:
    flat = worth(judge, 80, 80)
    assert random_regret(flat, "test") == 0
    runs = entrant("a", {0: climb([(1, 0, 80)]), 1: climb([(1, 0, 80)])})
    assert normalized_curve([(flat, runs)], "test", np.array([1.0])).mean == [0]
