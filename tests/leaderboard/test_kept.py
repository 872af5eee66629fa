"""Runs that are there already are not made again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from metanas.leaderboard import runner
from metanas.leaderboard.code import code_sha256
from metanas.leaderboard.replay import Judge
from metanas.leaderboard.runner import Done, Job, run_all, run_path

Search = Callable[..., dict[int, Done]]


@pytest.fixture
def search(job: Callable[..., Job], judge: Judge, tmp_path: Path) -> Search:
    """Return what runs random search with some seeds and gives the runs by seed."""

    def call(seeds: Iterable[int], *, fresh: bool = False, workers: int = 1) -> dict[int, Done]:
        jobs = [job(seed=seed, workers=workers) for seed in seeds]
        outcomes = run_all(jobs, [judge], processes=1, folder=tmp_path, fresh=fresh)
        return {entry.run.seed: entry for entry in outcomes if isinstance(entry, Done)}

    return call


def test_runs_that_are_there_are_not_made_again(search: Search, tmp_path: Path) -> None:
    first = search(range(2))
    times = {seed: run_path(tmp_path, entry.run).stat().st_mtime_ns for seed, entry in first.items()}
    second = search(range(3))
    assert [seed for seed, entry in second.items() if entry.kept] == [0, 1]
    assert [second[seed].result for seed in (0, 1)] == [first[seed].result for seed in (0, 1)]
    for seed, entry in first.items():
        assert run_path(tmp_path, entry.run).stat().st_mtime_ns == times[seed]
    assert not any(entry.kept for entry in search(range(3), fresh=True).values())


def test_another_code_or_number_of_workers_makes_them_anew(search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    search([0])
    assert search([0])[0].kept
    assert not search([0], workers=2)[0].kept
    monkeypatch.setattr(runner, "code_sha256", lambda: "1" * 64)
    assert not search([0])[0].kept
    assert search([0])[0].kept


def test_a_run_that_was_changed_or_cut_short_is_made_anew(search: Search, tmp_path: Path) -> None:
    made = search(range(3))
    paths = {seed: run_path(tmp_path, entry.run) for seed, entry in made.items()}
    paths[0].write_text(paths[0].read_text()[:100])
    made[2].run.write(paths[1])  # another seed's
    archs = (made[2].run.choices.archs[1], *made[2].run.choices.archs[1:])
    choices = made[2].run.choices.model_copy(update={"archs": archs})
    made[2].run.model_copy(update={"choices": choices}).write(paths[2])  # its seal is not of these choices
    again = search(range(3))
    assert not any(entry.kept for entry in again.values())
    assert [entry.result for entry in again.values()] == [entry.result for entry in made.values()]
    choices = made[2].run.choices.model_copy(update={"archs": (-1, *archs[1:])})
    made[2].run.model_copy(update={"choices": choices}).sealed().write(paths[2])  # its replay fails
    assert not search([2])[2].kept


def test_a_wish_for_new_runs_forgets_where_one_was_interrupted(search: Search, tmp_path: Path) -> None:
    path = run_path(tmp_path, search([0])[0].run)
    journal = path.with_name("seed-003.journal.jsonl")
    journal.touch()
    search([3], fresh=True)
    assert not journal.exists()


def test_the_hash_of_the_code_is_one_of_all_files() -> None:
    assert len(code_sha256()) == 64
