"""What all runs of a board come to: standings by table, as objects and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metanas.leaderboard.replay import Judge
from metanas.leaderboard.runner import Done, Failed
from metanas.leaderboard.statistics import Entrant, Standing, normalized_curve, shared_seeds, standings
from metanas.strategies import families


@dataclass(frozen=True, slots=True)
class Section:
    """One table of a board, on one device where it has devices.

    Attributes:
        judge: knows its labels.
        entrants: the runs of each strategy, in the order of their standing.
        standings: where each strategy stands, best first.
    """

    judge: Judge
    entrants: tuple[Entrant, ...]
    standings: tuple[Standing, ...]


def sections(judges: Sequence[Judge], done: Sequence[Done]) -> list[Section]:
    """Group runs by table and strategy; tables without runs are left out."""
    found = []
    for judge in judges:
        key = (judge.table_sha256, judge.device)
        here = [entry for entry in done if (entry.run.table_sha256, entry.run.device) == key]
        entrants = {label: _entrant(label, here) for label in dict.fromkeys(entry.label for entry in here)}
        ordered = standings(list(entrants.values()), judge)
        if ordered:
            found.append(Section(judge, tuple(entrants[standing.label] for standing in ordered), tuple(ordered)))
    return found


def overall_ranks(found: Sequence[Section]) -> dict[str, float]:
    """Return the mean rank of each strategy over the tables, best first; NaN if it has no rank on one of them."""
    labels = dict.fromkeys(standing.label for section in found for standing in section.standings)
    by_table = [{standing.label: standing.rank for standing in section.standings} for section in found]
    means = {label: sum(by.get(label, math.nan) for by in by_table) / len(by_table) for label in labels}
    return dict(sorted(means.items(), key=lambda pair: (math.isnan(pair[1]), pair[1], pair[0])))


@dataclass(frozen=True, slots=True)
class Overall:
    """Where a strategy stands over all tables of a board.

    Attributes:
        label: name and settings of the strategy.
        rank: mean of its ranks on the tables; NaN if it has none on one of them.
        at: the board's points of report.
        regret: mean normalized test regret at these points, see
            :func:`~metanas.leaderboard.statistics.normalized_curve`; NaN where a run has nothing yet or a table no run.
        error: their standard errors, for the tables as they are; NaN where a table has a single run.
    """

    label: str
    rank: float
    at: tuple[float, ...]
    regret: tuple[float, ...]
    error: tuple[float, ...]


def overall(found: Sequence[Section]) -> list[Overall]:
    """Return where each strategy stands over all tables, best mean rank first."""
    at = found[0].judge.board.report.at if found else ()
    runs = [{entry.label: (section.judge, entry) for entry in section.entrants} for section in found]
    rows = []
    for label, rank in overall_ranks(found).items():
        means = dict.fromkeys(at, (math.nan, math.nan))
        if all(label in by_label for by_label in runs):
            curve = normalized_curve([by_label[label] for by_label in runs], "test", np.array(at, dtype=np.float64))
            several = all(len(by_label[label][1].climbs) > 1 for by_label in runs)
            errors = (curve.high - curve.mean) / 1.96 if several else np.full_like(curve.mean, math.nan)
            means |= dict(zip(curve.at.tolist(), zip(curve.mean.tolist(), errors.tolist(), strict=True), strict=True))
        rows.append(Overall(label, rank, at, *zip(*means.values(), strict=True)))
    return rows


def as_json(found: Sequence[Section], failed: Sequence[Failed], missing: Sequence[str], workers: int) -> dict[str, Any]:
    """Return everything that the terminal shows, and the references behind it, as JSON."""
    board = found[0].judge.board if found else None
    return {
        "board": board.name if board else None,
        "rules_sha256": board.rules_sha256 if board else None,
        "unit": board.unit if board else None,
        "workers": workers,
        "missing_tables": list(missing),
        "overall": [
            {
                "strategy": row.label,
                "mean_rank": _plain(row.rank),
                "normalized_regret": [
                    {"at": at, "mean": _plain(mean), "standard_error": _plain(error)}
                    for at, mean, error in zip(row.at, row.regret, row.error, strict=True)
                ],
            }
            for row in overall(found)
        ],
        "tables": [_section(section) for section in found],
        "failed": [
            {
                "strategy": entry.label,
                "table": entry.table,
                "device": entry.device,
                "seed": entry.seed,
                "message": entry.message,
            }
            for entry in sorted(failed, key=lambda entry: (entry.label, entry.table, entry.device or "", entry.seed))
        ],
    }


def _section(section: Section) -> dict[str, Any]:
    judge = section.judge
    return {
        "table": judge.table,
        "table_sha256": judge.table_sha256,
        "task": judge.task,
        "device": judge.device,
        "report": judge.board.report.metric,
        "figure": judge.figure,
        "constraints": {limit.metric: limit.at_most for limit in judge.setting.constraints},
        "unit": judge.units["test"],
        "best_test": judge.best_test,
        "optimum_validation": judge.best_validation,
        "optimum_test": judge.optimum_test,
        "limit": _limit(judge),
        "ranked_seeds": len(shared_seeds(section.entrants)),
        "strategies": [_standing(standing) for standing in section.standings],
    }


def _limit(judge: Judge) -> dict[str, Any] | None:
    if judge.limit is None or judge.limited is None:
        return None
    best = {"best_test": judge.limited.best_test, "optimum_test": judge.limited.optimum_test}
    return {"metric": judge.limit.metric, "at_most": judge.limit.at_most, **best}


def _standing(standing: Standing) -> dict[str, Any]:
    triples = zip(standing.at, standing.test, standing.error, strict=True)
    return {
        "strategy": standing.label,
        "family": families().get(standing.label.partition(",")[0]),
        "runs": standing.n_runs,
        "mean_rank": _plain(standing.rank),
        "test": [{"at": at, "mean": _plain(mean), "standard_error": _plain(error)} for at, mean, error in triples],
        "optimum": {"median": standing.optimum_median, "found": standing.optimum_found},
        "cpu_seconds_per_trial": standing.cpu_per_trial,
        "under_limit": [
            {"at": at, "mean": _plain(mean), "standard_error": _plain(error)}
            for at, (mean, error) in zip(standing.at, standing.limited, strict=False)
        ],
    }


def _entrant(label: str, done: Sequence[Done]) -> Entrant:
    mine = sorted((entry for entry in done if entry.label == label), key=lambda entry: entry.run.seed)
    trials = sum(len(entry.run.choices.archs) for entry in mine)
    return Entrant(
        label=label,
        climbs={entry.run.seed: entry.climb for entry in mine},
        optimum_at={entry.run.seed: entry.result.optimum_at for entry in mine},
        cpu_per_trial=sum(entry.run.strategy_cpu_seconds for entry in mine) / max(trials, 1),
        limited={
            entry.run.seed: [point.test for point in entry.result.limited] for entry in mine if entry.result.limited
        },
    )


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value
