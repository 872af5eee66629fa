from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from metanas.leaderboard import resume
from metanas.leaderboard.replay import Judge
from metanas.leaderboard.resume import FILE, Unfinished, code_sha256
from metanas.leaderboard.runner import Done, Job, run_all, run_path
from metanas.leaderboard.submission import Run, write_run

RULES = "0" * 64


@pytest.fixture
def finished(run_of: Callable[..., Run], tmp_path: Path) -> tuple[Run, Path]:
    """Note one finished run."""
    run = run_of()
    path = run_path(tmp_path, run)
    write_run(run, path)
    Unfinished(tmp_path, RULES).add(run, path)
    return run, path


def test_a_noted_run_is_found_by_the_next_call(finished: tuple[Run, Path], tmp_path: Path) -> None:
    run, path = finished
    again = Unfinished(tmp_path, RULES)
    assert again.n_done == 1
    assert again.run_at(path) == run
    assert Unfinished(tmp_path, RULES).run_at(path) == run  # and by the one after that
    other = run.model_copy(update={"seed": 7})
    there = run_path(tmp_path, other)
    again.add(other, there)
    again.remove([path])  # what another call noted stays
    assert list(Unfinished(tmp_path, RULES)._seals) == [str(there.relative_to(tmp_path))]
    again.remove([there])
    assert not (tmp_path / FILE).exists()


def test_a_run_that_is_not_noted_or_was_changed_is_none(finished: tuple[Run, Path], tmp_path: Path) -> None:
    run, path = finished
    notes = Unfinished(tmp_path, RULES)
    other = run.model_copy(update={"seed": 7})
    write_run(other, path.with_name("seed-007.json"))
    assert notes.run_at(path.with_name("seed-007.json")) is None
    write_run(other, path)
    assert notes.run_at(path) is None
    path.write_text(path.read_text()[:100])
    assert notes.run_at(path) is None


def test_other_rules_other_code_or_a_wish_begin_anew(
    finished: tuple[Run, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (tmp_path / FILE).read_text()
    assert Unfinished(tmp_path, "1" * 64).n_done == 0
    (tmp_path / FILE).write_text(text)
    journal = finished[1].with_name("seed-003.journal.jsonl")
    journal.touch()
    assert Unfinished(tmp_path, RULES, fresh=True).n_done == 0
    assert not journal.exists()
    (tmp_path / FILE).write_text(text)
    assert Unfinished(tmp_path, RULES).n_done == 1
    monkeypatch.setattr(resume, "code_sha256", lambda: "another")
    assert Unfinished(tmp_path, RULES).n_done == 0


def test_a_note_that_was_cut_short_is_dropped(finished: tuple[Run, Path], tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.write_text(path.read_text()[:-20])
    assert Unfinished(tmp_path, RULES).n_done == 0


def test_runs_that_are_done_are_not_made_again(job: Callable[..., Job], judge: Judge, tmp_path: Path) -> None:
    jobs = [job(seed=seed) for seed in range(3)]
    rules = judge.board.rules_sha256

    def made(some: list[Job]) -> list[Done]:
        outcomes = run_all(some, [judge], processes=1, folder=tmp_path, plan=Unfinished(tmp_path, rules))
        return [entry for entry in outcomes if isinstance(entry, Done)]

    first = made(jobs[:2])
    times = {entry.run.seed: run_path(tmp_path, entry.run).stat().st_mtime_ns for entry in first}
    second = made(jobs)
    assert [entry.run.seed for entry in second] == [0, 1, 2]
    assert [entry.result for entry in second[:2]] == [entry.result for entry in first]
    for entry in first:
        assert run_path(tmp_path, entry.run).stat().st_mtime_ns == times[entry.run.seed]


def test_the_hash_of_the_code_is_of_every_file() -> None:
    assert len(code_sha256()) == 64
