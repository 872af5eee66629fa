from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metanas.errors import InvalidFileError, UnknownNameError
from metanas.leaderboard.board import Board
from metanas.leaderboard.replay import Judge
from metanas.leaderboard.runner import (
    Done,
    Failed,
    Job,
    earlier_runs,
    make_run,
    open_tables,
    run_all,
    run_path,
)
from metanas.leaderboard.setting import open_table
from metanas.leaderboard.submission import read_run
from metanas.leaderboard.summary import as_json, overall_ranks, sections
from metanas.tables import Table

FAILS_WITH_SEED_1 = """
from metanas.problem import Trial


class Moody:
    def __init__(self, problem, rng):
        self.problem, self.rng, self.left = problem, rng, 10 if rng.integers(2) else 10**9

    def ask(self):
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("enough")
        return Trial(self.problem.space.sample(self.rng), self.problem.max_epochs)

    def tell(self, observation):
        pass
"""

JobOf = Callable[..., Job]


def choices(outcomes: list[Done | Failed]) -> dict[tuple[str, int], Any]:
    return {(entry.label, entry.run.seed): entry.run.choices for entry in outcomes if isinstance(entry, Done)}


def test_the_same_runs_come_from_one_process_or_several(job: JobOf, judge: Judge, tmp_path: Path) -> None:
    names = ("random_search", "local_search", "regularized_evolution")
    jobs = [job(name, seed) for name in names for seed in range(3)]
    alone = list(run_all(jobs, [judge], processes=1, folder=tmp_path / "alone"))
    together = list(run_all(jobs[::-1], [judge], processes=2, folder=tmp_path / "together"))
    assert len(choices(alone)) == len(jobs)
    assert choices(alone) == choices(together)
    assert len(set(choices(alone).values())) == len(jobs)  # all different


def test_every_run_is_written_and_can_be_read(job: JobOf, judge: Judge, tmp_path: Path) -> None:
    outcomes = list(run_all([job(seed=seed) for seed in range(3)], [judge], processes=1, folder=tmp_path))
    for outcome in outcomes:
        assert isinstance(outcome, Done)
        path = run_path(tmp_path, outcome.run)
        assert path == tmp_path / "made-searched-v1" / "random_search" / f"seed-{outcome.run.seed:03}.json"
        assert read_run(path) == outcome.run
        assert outcome.run.result == outcome.result
    assert len(list(tmp_path.rglob("*.*"))) == 3


def test_a_run_is_written_before_the_next_outcome_is_waited_for(job: JobOf, judge: Judge, tmp_path: Path) -> None:
    outcomes = run_all([job(seed=seed) for seed in range(3)], [judge], processes=1, folder=tmp_path)
    next(outcomes)
    assert len(list(tmp_path.rglob("seed-*.json"))) == 1


def test_finished_runs_are_kept_when_a_strategy_fails(job: JobOf, judge: Judge, tmp_path: Path) -> None:
    source = tmp_path / "moody.py"
    source.write_text(FAILS_WITH_SEED_1)
    jobs = [job(f"{source}:Moody", seed) for seed in range(12)] + [job("random_search", 0)]
    outcomes = list(run_all(jobs, [judge], processes=2, folder=tmp_path / "runs"))
    failed = [entry for entry in outcomes if isinstance(entry, Failed)]
    assert 0 < len(failed) < 12
    assert len(list((tmp_path / "runs").rglob("seed-*.json"))) == 13 - len(failed)
    for entry in failed:
        assert entry.label == "Moody"
        assert entry.table == "made/searched-v1"
        assert entry.message == "Strategy 'Moody', trial 11: ask() raised RuntimeError: enough (moody.py, line 12)."


def test_earlier_runs_of_the_same_kind_are_found(job: JobOf, judge: Judge, tmp_path: Path) -> None:
    jobs = [job(name, seed) for name in ("random_search", "local_search") for seed in range(2)]
    done = [entry for entry in run_all(jobs, [judge], processes=1, folder=tmp_path) if isinstance(entry, Done)]
    found = earlier_runs(tmp_path, [judge], 1, without={"local_search"})
    assert [(entry.label, entry.run.seed) for entry in found] == [("random_search", 0), ("random_search", 1)]
    assert found[0].result == next(e for e in done if (e.label, e.run.seed) == ("random_search", 0)).result

    run = found[0].run
    for seed, changed in enumerate(
        [
            run.model_copy(update={"rules_sha256": "0" * 64}).sealed(),  # another board
            run.model_copy(update={"table_sha256": "0" * 64}).sealed(),  # another version of the table
            run.model_copy(update={"workers": 4}).sealed(),
            run.model_copy(update={"choices": run.choices.model_copy(update={"archs": run.choices.archs[::-1]})}),
            run.model_copy(update={"choices": run.choices.model_copy(update={"archs": (0,)})}).sealed(),
        ],
        start=2,
    ):
        changed.write(run_path(tmp_path, run.model_copy(update={"seed": seed})))
    (tmp_path / "made-searched-v1" / "random_search" / "seed-099.json").write_text("{")
    assert len(earlier_runs(tmp_path, [judge], 1, without={"local_search"})) == 2
    assert earlier_runs(tmp_path / "absent", [judge], 1, without=set()) == []


def test_of_two_versions_of_a_strategy_the_one_that_ran_last_is_ranked(
    job: JobOf, judge: Judge, tmp_path: Path
) -> None:
    list(run_all([job(seed=seed) for seed in range(3)], [judge], processes=1, folder=tmp_path))
    first = [entry.run for entry in earlier_runs(tmp_path, [judge], 1, without=set())]
    for run in first[:2]:
        path = run_path(tmp_path, run)
        run.model_copy(update={"code": "0" * 64}).sealed().write(path)
        os.utime(path, ns=(0, 2**62))
    found = earlier_runs(tmp_path, [judge], 1, without=set())
    assert [(entry.run.seed, entry.run.code) for entry in found] == [(0, "0" * 64), (1, "0" * 64)]
    os.utime(run_path(tmp_path, first[2]), ns=(0, 2**62 + 2**40))
    assert [entry.run.seed for entry in earlier_runs(tmp_path, [judge], 1, without=set())] == [2]


def test_a_table_that_changes_under_the_runs_is_refused(job: JobOf) -> None:
    changed = job()
    changed = Job(changed.board, changed.table, "0" * 64, changed.source, 0, 1)
    with pytest.raises(InvalidFileError, match="has changed since the runs were started"):
        make_run(changed)


def test_tables_are_opened_by_name_or_file(board: Board, table: Table) -> None:
    assert open_table(str(table.path)).sha256 == table.sha256
    with pytest.raises(UnknownNameError, match="Unknown table 'made/searched-v1'"):
        open_tables(board)  # it is in no registry
    tables, missing = open_tables(board, [str(table.path)])
    assert [entry.name for entry in tables] == ["made/searched-v1"]
    assert missing == []


def test_a_summary_holds_what_the_terminal_shows(job: JobOf, judge: Judge, tmp_path: Path) -> None:
    jobs = [job(name, seed) for name in ("random_search", "local_search") for seed in range(3)]
    done = [entry for entry in run_all(jobs, [judge], processes=1, folder=tmp_path) if isinstance(entry, Done)]
    found = sections([judge], done)
    failure = Failed("mine", "made/searched-v1", 3, "it broke")
    content = as_json(found, [failure], ["made/absent-v1"], 1)
    assert content["board"] == "made-v1"
    assert content["missing_tables"] == ["made/absent-v1"]
    failed = {"strategy": "mine", "table": "made/searched-v1", "device": None, "seed": 3, "message": "it broke"}
    assert content["failed"] == [failed]
    section = content["tables"][0]
    assert section["optimum_test"] == judge.optimum_test
    by_name = {entry["strategy"]: entry for entry in section["strategies"]}
    assert set(by_name) == {"random_search", "local_search"}
    mine = [entry.result.points[1].test for entry in done if entry.label == "random_search"]
    assert by_name["random_search"]["test"][1]["mean"] == pytest.approx(sum(mine) / 3)
    assert by_name["random_search"]["runs"] == 3
    assert by_name["random_search"]["cpu_seconds_per_trial"] > 0
    over_all = {row["strategy"]: row for row in content["overall"]}
    assert list(over_all) == list(overall_ranks(found))
    assert sum(row["mean_rank"] for row in over_all.values()) == pytest.approx(3.0)
    space, index = judge.setting.oracle.space, judge.values["test"]
    drawn = index[space.indices].mean()  # what one random training is expected to reach
    regret = (judge.best_test - sum(mine) / 3) / (judge.best_test - drawn)
    point = over_all["random_search"]["normalized_regret"][1]
    assert (point["at"], point["mean"]) == (40, pytest.approx(regret))
    spread = np.std(mine, ddof=1) / 3**0.5 / (judge.best_test - drawn)
    assert point["standard_error"] == pytest.approx(spread)
    one = as_json(sections([judge], [entry for entry in done if entry.run.seed == 0]), [], [], 1)
    assert one["overall"][0]["normalized_regret"][1]["standard_error"] is None
    assert as_json([], [], [], 1)["tables"] == []


def test_different_settings_never_share_a_folder(job: JobOf, tmp_path: Path) -> None:
    run = make_run(job())
    folders = set()
    for value in ("a/b", "a-b", "a b", "..", "../..", "a", 1, "1", [1]):
        part = run.strategy.model_copy(update={"config": {"x": value}})
        folder = run_path(tmp_path, run.model_copy(update={"strategy": part})).parent
        assert folder.parent == tmp_path / "made-searched-v1"
        folders.add(folder.name)
    assert len(folders) == 8  # 1 and "1" are shown alike
    named = run.strategy.model_copy(update={"name": ".."})
    assert run_path(tmp_path, run.model_copy(update={"strategy": named})).parent.name not in ("", ".", "..")
