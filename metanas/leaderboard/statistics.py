"""Statistics over runs: means with standard errors, ranks, trainings to the optimum, anytime curves with bands."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metanas.errors import InvalidValueError
from metanas.leaderboard.replay import Climb, Judge

_DIGITS = 9  # behind the point, where values are compared


@dataclass(frozen=True, slots=True)
class Entrant:
    """One strategy's runs on one table.

    Attributes:
        label: the strategy.
        climbs: the incumbent over the budget, by seed.
        optimum_at: budget to the validation optimum by seed, None where it was not found.
        cpu_per_trial: seconds that the strategy itself used for a trial, mean over the runs.
        limited: test value of the incumbent under the limit of report at the board's points, by seed, None where there
            is none; empty where the board has no such limit.
    """

    label: str
    climbs: Mapping[int, Climb]
    optimum_at: Mapping[int, float | None]
    cpu_per_trial: float
    limited: Mapping[int, Sequence[float | None]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a strategy stands on a table.

    Attributes:
        label: the strategy.
        n_runs: number of runs (seeds).
        at: points of the budget, ``(n_points,)``.
        test: mean test value of the incumbent (or front) at them, ``(n_points,)``; NaN where a run has none as yet.
        error: standard error of that mean, ``(n_points,)``; NaN for a single run.
        rank: mean rank by test value over points and seeds, 1 is best; NaN if the strategies share no seed.
        optimum_median: median budget to the validation optimum; None if less than half of the runs found it.
        optimum_found: share of runs that found it.
        cpu_per_trial: seconds that the strategy itself used for a trial.
        limited: mean and standard error of the incumbent's test value under the limit of report, at each point; empty
            where the board has none.
    """

    label: str
    n_runs: int
    at: tuple[float, ...]
    test: tuple[float, ...]
    error: tuple[float, ...]
    rank: float
    optimum_median: float | None
    optimum_found: float
    cpu_per_trial: float
    limited: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Curve:
    """Mean over runs with a 95 % confidence band of the mean.

    Attributes:
        at: points of the budget, ``(n_points,)``.
        mean: ``(n_points,)``.
        low: lower edge of the band, ``(n_points,)``.
        high: upper edge, ``(n_points,)``.
    """

    at: NDArray[np.float64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def mean_and_error(values: ArrayLike) -> tuple[float, float]:
    """Return the mean and its standard error (NaN for a single value).

    Raises:
        InvalidValueError: there is no value.
    """
    array = np.asarray(values, dtype=np.float64)
    if not array.size:
        msg = "A mean needs at least one value, but got none."
        raise InvalidValueError(msg)
    error = float(array.std(ddof=1)) / math.sqrt(array.size) if array.size > 1 else math.nan
    return float(array.mean()), error


def ranks(values: ArrayLike, *, maximize: bool) -> NDArray[np.float64]:
    """Return the rank of each value, 1 is best, equals share the mean of their ranks; NaN is last, ``(n,) -> (n,)``."""
    array = np.asarray(values, dtype=np.float64)
    cost = np.where(np.isnan(array), np.inf, -array if maximize else array)
    better = (cost[None, :] < cost[:, None]).sum(axis=1)
    equal = (cost[None, :] == cost[:, None]).sum(axis=1)
    return np.asarray(better + (equal + 1) / 2, dtype=np.float64)


def median_of_found(budgets: Sequence[float | None]) -> float | None:
    """Return the median of budgets, None counting as more than any; None if the median is such a one."""
    ordered = sorted(math.inf if budget is None else budget for budget in budgets)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return None if math.isinf(median) else median


def standings(entrants: Sequence[Entrant], judge: Judge) -> list[Standing]:
    """Return where each strategy stands on a table, best mean rank first.

    Ranks compare runs with the same seed, at each of the board's points of report; they are averaged over points and
    over the seeds that all strategies have.
    """
    at = judge.board.report.at
    grid = np.array(at, dtype=np.float64)
    tests = {entry.label: {seed: climb.at(grid)[1] for seed, climb in entry.climbs.items()} for entry in entrants}
    shared = shared_seeds(entrants)
    mean_rank = dict.fromkeys(tests, math.nan)
    if shared:
        table = np.array(
            [[by_seed[seed] for seed in shared] for by_seed in tests.values()]
        )  # (strategies, seeds, points)
        table = np.round(table, _DIGITS)  # equal fronts may differ in the last bit, by the order of their members
        by_point = np.apply_along_axis(lambda column: ranks(column, maximize=judge.test_maximized), 0, table)
        mean_rank = dict(zip(tests, by_point.mean(axis=(1, 2)).tolist(), strict=True))
    found = []
    for entry in entrants:
        values = np.array(list(tests[entry.label].values()))  # (seeds, points)
        pairs = [mean_and_error(column) for column in values.T]
        found.append(
            Standing(
                label=entry.label,
                n_runs=len(values),
                at=at,
                test=tuple(mean for mean, _ in pairs),
                error=tuple(error for _, error in pairs),
                rank=mean_rank[entry.label],
                optimum_median=median_of_found(list(entry.optimum_at.values())),
                optimum_found=sum(budget is not None for budget in entry.optimum_at.values()) / len(entry.optimum_at),
                cpu_per_trial=entry.cpu_per_trial,
                limited=_limited(entry),
            )
        )
    return sorted(found, key=lambda standing: (math.isnan(standing.rank), standing.rank, standing.label))


def shared_seeds(entrants: Sequence[Entrant]) -> list[int]:
    """Return the seeds that all strategies have: those that are ranked."""
    return sorted(set.intersection(*(set(entry.climbs) for entry in entrants))) if entrants else []


def _limited(entrant: Entrant) -> tuple[tuple[float, float], ...]:
    values = np.array(list(entrant.limited.values()), dtype=np.float64)  # (seeds, points), None as NaN
    return tuple(mean_and_error(column) for column in values.T) if values.size else ()


def regret_curve(entrant: Entrant, judge: Judge, split: str, grid: NDArray[np.float64]) -> Curve:
    """Return the regret of the incumbent (or front) over the budget.

    Args:
        entrant: the runs.
        judge: of the table.
        split: ``"validation"``: distance to the best validation value of the space; ``"test"``: to the best test value.
        grid: points of the budget, ascending, ``(n_points,)``; points before the last first training are left out.
    """
    curve = mean_curve(_regrets(entrant, judge, split, grid), grid)
    return Curve(curve.at, curve.mean, np.maximum(curve.low, 0.0), curve.high)


def normalized_curve(runs: Sequence[tuple[Judge, Entrant]], split: str, grid: NDArray[np.float64]) -> Curve:
    """Return a strategy's regret over the budget in units of a random architecture's, mean over tables.

    A run's regret is divided by :func:`random_regret` of its table: 1 is what one random training is expected to leave,
    0 the best there is. The mean is over the ``T`` tables' means over runs, so that every table counts the same however
    many runs it has. Its error comes of the seeds alone, for the tables are given: the square root of the sum of the
    squared standard errors of the tables' means, divided by ``T``; a table with a single run adds nothing to it.

    Args:
        runs: judge and runs of the strategy on each table, ``T`` of them.
        split: see :func:`regret_curve`.
        grid: points of the budget, ascending, ``(n_points,)``; points at which a run has nothing yet are left out.
    """
    means = np.empty((len(runs), len(grid)))
    errors = np.zeros_like(means)
    for table, (judge, entrant) in enumerate(runs):
        values = _regrets(entrant, judge, split, grid) / (random_regret(judge, split) or 1.0)
        means[table] = values.mean(axis=0)
        if len(values) > 1:
            errors[table] = values.std(axis=0, ddof=1) / math.sqrt(len(values))
    whole = ~np.isnan(means).any(axis=0)
    mean = means[:, whole].mean(axis=0)
    half = 1.96 * np.sqrt((errors[:, whole] ** 2).sum(axis=0)) / len(runs)
    return Curve(at=grid[whole], mean=mean, low=np.maximum(mean - half, 0.0), high=mean + half)


def random_regret(judge: Judge, split: str) -> float:
    """Return the expected regret of one random architecture on a table: the best value minus the mean of the space.

    The mean is over architectures as they are written, which is what random search draws from; a functional class
    counts as often as it can be written. Of fronts it is the mean hypervolume of single architectures.

    Args:
        judge: of the table.
        split: see :func:`regret_curve`.
    """
    if split == "test":
        return abs(judge.best_test - judge.mean_test)
    return abs(judge.best_validation - judge.mean_validation)


def _regrets(entrant: Entrant, judge: Judge, split: str, grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the regret of each run, NaN where it has nothing yet, ``(n_runs, n_points)``."""
    test = split == "test"
    best = judge.best_test if test else judge.best_validation
    sign = 1.0 if (judge.test_maximized if test else judge.validation_maximized) else -1.0
    values = np.array([climb.at(grid)[1 if test else 0] for climb in entrant.climbs.values()])
    regrets: NDArray[np.float64] = sign * (best - values)
    return regrets


def mean_curve(values: NDArray[np.float64], at: NDArray[np.float64]) -> Curve:
    """Return the mean of runs, ``(n_runs, n_points)``, with its band; points where a run has NaN are left out."""
    whole = ~np.isnan(values).any(axis=0)
    values, at = values[:, whole], at[whole]
    mean = values.mean(axis=0)
    half = 1.96 * values.std(axis=0, ddof=1) / math.sqrt(len(values)) if len(values) > 1 else np.zeros_like(mean)
    return Curve(at=at, mean=mean, low=mean - half, high=mean + half)
