"""What all runs of a board of predictors come to: standings by group of targets, and as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metanas.leaderboard.predictor_board import PredictorBoard
from metanas.leaderboard.predictor_run import PredictorRun
from metanas.leaderboard.predictor_runner import FailedPredictor, label_of
from metanas.leaderboard.predictor_target import Target
from metanas.leaderboard.statistics import mean_and_error, ranks

Floats = NDArray[np.float64]

FIGURES = ("tau", "top_tau", "spearman", "regret", "coverage")
SECONDS = ("fit_seconds", "predict_seconds")


@dataclass(frozen=True, slots=True)
class PredictorStanding:
    """Where a predictor stands on a group of targets.

    Attributes:
        label: the predictor.
        n_runs: number of seeds that it has on all targets of the group.
        means: figure -> mean over targets and seeds by shots, ``(shots,)``; NaN where it declined. Also seconds.
        errors: figure -> standard error over seeds of the mean over targets, ``(shots,)``.
        worst: smallest mean of the board's figure over the targets, by shots, ``(shots,)``.
        worst_target: the target where that is, by shots.
        rank: mean rank by the board's figure over targets, seeds and shots; 1 is best.
        behind: mean over shots of what the first has more of the board's figure, paired by target and seed; and its
            standard error over seeds. NaN for the first.
    """

    label: str
    n_runs: int
    means: Mapping[str, Floats]
    errors: Mapping[str, Floats]
    worst: Floats
    worst_target: tuple[str, ...]
    rank: float
    behind: tuple[float, float]


@dataclass(frozen=True, slots=True)
class PredictorSection:
    """A group of targets: a table, or a split of devices.

    Attributes:
        name: of the group.
        targets: in it.
        standings: best first.
        paired: label -> label -> mean difference of the board's figure and its standard error, by shots.
    """

    name: str
    targets: tuple[Target, ...]
    standings: tuple[PredictorStanding, ...]
    paired: Mapping[str, Mapping[str, tuple[tuple[float, float], ...]]]


def predictor_sections(
    board: PredictorBoard, targets: Sequence[Target], runs: Sequence[PredictorRun]
) -> list[PredictorSection]:
    """Return the standings on every group of targets and, where there are several, over all."""
    groups: dict[str, list[Target]] = {}
    for target in targets:
        groups.setdefault(target.group, []).append(target)
    if len(groups) > 1:
        groups["all"] = list(targets)
    return [section for name, members in groups.items() if (section := _section(board, name, members, runs)).standings]


def _section(
    board: PredictorBoard, name: str, targets: Sequence[Target], runs: Sequence[PredictorRun]
) -> PredictorSection:
    cubes = {}
    for label in dict.fromkeys(label_of(run) for run in runs):
        mine = {(run.target, run.seed): run for run in runs if label_of(run) == label}
        seeds = sorted({seed for _, seed in mine if all((target.name, seed) in mine for target in targets)})
        if seeds:
            cubes[label] = (seeds, _cube(board, targets, seeds, mine))
    if not cubes:
        return PredictorSection(name, tuple(targets), (), {})
    shared = sorted(set.intersection(*(set(seeds) for seeds, _ in cubes.values())))
    figure = {  # label -> (targets, shared seeds, shots)
        label: cube[board.figure][:, [seeds.index(seed) for seed in shared]] for label, (seeds, cube) in cubes.items()
    }
    rank = dict.fromkeys(cubes, math.nan)
    if shared:
        stacked = np.stack(list(figure.values()))  # (predictors, targets, seeds, shots)
        by_case = np.apply_along_axis(lambda column: ranks(column, maximize=True), 0, stacked)
        rank = dict(zip(cubes, by_case.mean(axis=(1, 2, 3)).tolist(), strict=True))
    order = sorted(cubes, key=lambda label: (math.isnan(rank[label]), rank[label], label))
    paired = {a: {b: _paired(figure[a], figure[b]) for b in order if b != a} for a in order}
    standings = tuple(
        _standing(board, label, targets, *cubes[label], rank[label], _behind(figure[order[0]], figure[label]))
        for label in order
    )
    return PredictorSection(name, tuple(targets), standings, paired)


def _cube(
    board: PredictorBoard,
    targets: Sequence[Target],
    seeds: Sequence[int],
    runs: Mapping[tuple[str, int], PredictorRun],
) -> dict[str, Floats]:
    """Return every figure by target, seed and shots, NaN where the predictor declined."""
    cube = {name: np.full((len(targets), len(seeds), len(board.shots)), np.nan) for name in (*FIGURES, *SECONDS)}
    for i, target in enumerate(targets):
        for j, seed in enumerate(seeds):
            run = runs[target.name, seed]
            for fit, entry in zip(run.fits, run.figures, strict=True):
                place = (i, j, board.shots.index(fit.n))
                for name in FIGURES:
                    value = getattr(entry, name)
                    cube[name][place] = math.nan if value is None else value
                for name in SECONDS:
                    cube[name][place] = getattr(fit, name)
    return cube


def _standing(
    board: PredictorBoard,
    label: str,
    targets: Sequence[Target],
    seeds: Sequence[int],
    cube: Mapping[str, Floats],
    rank: float,
    behind: tuple[float, float],
) -> PredictorStanding:
    pairs = {name: [mean_and_error(column) for column in values.mean(axis=0).T] for name, values in cube.items()}
    by_target = cube[board.figure].mean(axis=1)  # (targets, shots)
    lowest = np.where(np.isnan(by_target), np.inf, by_target).argmin(axis=0)
    return PredictorStanding(
        label=label,
        n_runs=len(seeds),
        means={name: np.array([mean for mean, _ in found]) for name, found in pairs.items()},
        errors={name: np.array([error for _, error in found]) for name, found in pairs.items()},
        worst=by_target.min(axis=0),
        worst_target=tuple(targets[place].name for place in lowest),
        rank=rank,
        behind=behind,
    )


def _paired(a: Floats, b: Floats) -> tuple[tuple[float, float], ...]:
    """Return mean and standard error over seeds of ``a - b``, by shots."""
    difference = (a - b).mean(axis=0)  # (seeds, shots)
    return tuple(mean_and_error(column) for column in difference.T) if len(difference) else ()


def _behind(first: Floats, other: Floats) -> tuple[float, float]:
    """Compare over the shots that both have."""
    difference = (first - other).mean(axis=0)  # (seeds, shots)
    both = ~np.isnan(difference).any(axis=0)
    if first is other or not both.any() or not len(difference):
        return math.nan, math.nan
    return mean_and_error(difference[:, both].mean(axis=1))


def predictor_json(
    board: PredictorBoard,
    sections: Sequence[PredictorSection],
    failed: Sequence[FailedPredictor],
    missing: Sequence[str],
) -> dict[str, Any]:
    """Return everything that the terminal shows, and every paired comparison, as JSON."""
    return {
        "board": board.name,
        "rules_sha256": board.rules_sha256,
        "figure": board.figure,
        "shots": list(board.shots),
        "missing_tables": list(missing),
        "groups": [
            {
                "group": section.name,
                "targets": [
                    {"target": target.name, "table": target.table, "table_sha256": target.table_sha256,
                     "sources": list(target.source_names), "architectures": len(target.candidates),
                     "unit_of_regret": target.unit}
                    for target in section.targets
                ],
                "predictors": [_standing_json(standing) for standing in section.standings],
                "paired": {
                    a: {b: [_pair_json(pair) for pair in pairs] for b, pairs in others.items()}
                    for a, others in section.paired.items()
                },
            }
            for section in sections
        ],
        "failed": [
            {"predictor": entry.label, "target": entry.target, "seed": entry.seed, "message": entry.message}
            for entry in sorted(failed, key=lambda entry: (entry.label, entry.target, entry.seed))
        ],
    }  # fmt: skip


def _standing_json(standing: PredictorStanding) -> dict[str, Any]:
    figures = {
        name: [_pair_json(pair) for pair in zip(standing.means[name], standing.errors[name], strict=True)]
        for name in (*FIGURES, *SECONDS)
    }
    return {
        "predictor": standing.label,
        "runs": standing.n_runs,
        "mean_rank": plain(standing.rank),
        "behind_the_first": _pair_json(standing.behind),
        "worst": [
            {"mean": plain(value), "target": target}
            for value, target in zip(standing.worst, standing.worst_target, strict=True)
        ],
        **figures,
    }


def _pair_json(pair: tuple[float, float]) -> dict[str, float | None]:
    return {"mean": plain(pair[0]), "standard_error": plain(pair[1])}


def plain(value: float) -> float | None:
    """Return a number that JSON has: None for NaN."""
    return None if math.isnan(value) else float(value)
