from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from metanas.leaderboard.board import Board
from metanas.leaderboard.replay import Judge
from metanas.leaderboard.runner import Job, make_run
from metanas.leaderboard.submission import Choices, Result, Run, StrategyPart
from metanas.leaderboard.verification import verify
from metanas.strategies import find_strategy
from metanas.tables import Table

RunOf = Callable[..., Run]

MINE = """
from metanas.problem import Trial


class Mine:
    def __init__(self, problem, rng, step=1):
        self.problem, self.rng, self.step = problem, rng, step

    def ask(self):
        for _ in range(self.step):
            arch = self.problem.space.sample(self.rng)
        return Trial(arch, self.problem.max_epochs)

    def tell(self, observation):
        pass
"""


@pytest.fixture
def mine(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(MINE)
    return f"{tmp_path / 'mine.py'}:Mine"


def resealed(run: Run, judge: Judge, **changes: Any) -> Run:
    """Return a forgery that is consistent in itself: sealed anew, with the result that its choices really give."""
    forged = run.model_copy(update=changes)
    return forged.model_copy(update={"seal": forged.computed_seal(), "result": judge.replay(forged)[0]})


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("strategy", ["random_search", "local_search", "regularized_evolution,population=4,sample=2"])
def test_an_honest_run_is_sound(strategy: str, workers: int, run_of: RunOf, judge: Judge) -> None:
    reasons, remarks = verify(run_of(strategy, 1, workers), judge)
    assert reasons == []
    assert len(remarks) == (workers != 1)


CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"seed": 1}, "the seal is"),
    ({"choices": Choices(archs=(0,) * 40, epochs=4)}, "the seal is"),
    ({"table_sha256": "0" * 64}, r"the hash of the table is '0000.*but table made/searched-v1 has"),
    ({"rules_sha256": "0" * 64}, r"the hash of the board's rules is '0000"),
    ({"board": "other-v1"}, "the board is 'other-v1'"),
    ({"space": "nb201"}, "the space is 'nb201', but board made-v1 has 'nb201-conv'"),
    ({"task": "other"}, "the task is 'other'"),
    ({"table": "made/other-v1"}, "the table is 'made/other-v1'"),
    ({"seal": "0" * 64}, "the seal is '0000"),
    ({"seal": ""}, "the seal is ''"),
    ({"result": None}, "it states no result"),
    ({"metanas": "9.9"}, "the seal is"),
    ({"strategy_cpu_seconds": 0.0}, "the seal is"),
]


@pytest.mark.parametrize(("changes", "expected"), CHANGES)
def test_a_changed_field_is_refused_with_the_reason(
    changes: dict[str, Any], expected: str, run_of: RunOf, judge: Judge, matches: Callable[[list[str], str], bool]
) -> None:
    reasons, _ = verify(run_of().model_copy(update=changes), judge)
    assert matches(reasons, expected), reasons


@pytest.fixture
def matches() -> Callable[[list[str], str], bool]:
    import re

    return lambda texts, pattern: any(re.search(pattern, text) for text in texts)


@pytest.mark.parametrize("field", [name for name in Result.model_fields if name not in ("points", "limited")])
def test_a_changed_score_is_refused(field: str, run_of: RunOf, judge: Judge) -> None:
    run = run_of()
    assert run.result is not None
    value = getattr(run.result, field)
    other = 5.0 if value is None else (7,) if value == () else type(value)(value + 1)
    changed = run.result.model_copy(update={field: other})
    reasons, _ = verify(run.model_copy(update={"result": changed}), judge)
    assert len(reasons) == 1
    assert reasons[0].startswith(f"the result's {field} is stated as ")
    assert f"but the replay gives {value}" in reasons[0]


def test_a_changed_score_at_a_point_is_refused_to_the_last_bit(run_of: RunOf, judge: Judge) -> None:
    run = run_of()
    assert run.result is not None
    first = run.result.points[0]
    assert first.test is not None
    better = first.model_copy(update={"test": first.test * (1 + 1e-15)})
    assert better != first
    forged = run.result.model_copy(update={"points": (better, *run.result.points[1:])})
    reasons, _ = verify(run.model_copy(update={"result": forged}), judge)
    assert reasons == [f"the test value at 5 is stated as {better.test}, but the replay gives {first.test}"]
    fewer = run.result.model_copy(update={"points": run.result.points[:1]})
    assert verify(run.model_copy(update={"result": fewer}), judge)[0]


def test_a_forgery_that_was_sealed_anew_is_found_by_running_the_strategy(run_of: RunOf, judge: Judge) -> None:
    run = run_of("local_search", 2)
    best = judge.oracle.space.indices[0]
    archs = list(run.choices.archs)
    archs[24] = int(best) if archs[24] != best else archs[23]
    cases = {
        "choice": ({"choices": Choices(archs=tuple(archs), epochs=4)}, "trial 25 is stated as architecture"),
        "seed": ({"seed": 3}, "trial 1 is stated as architecture"),
        "strategy": (
            {"strategy": StrategyPart(name="random_search", config={})},
            "'random_search' with seed 2 chooses",
        ),
        "config": ({"strategy": StrategyPart(name="local_search", config={"unique": "canonical"})}, "is stated as"),
        "unknown": ({"strategy": StrategyPart(name="magic", config={})}, "'magic' is not built in"),
        "setting": ({"strategy": StrategyPart(name="local_search", config={"x": 1})}, "fails when it is run again"),
        "source": (
            {"strategy": StrategyPart(name="local_search", config={}, source="mine.py:local_search")},
            "no hash",
        ),
    }
    for name, (changes, expected) in cases.items():
        reasons, _ = verify(resealed(run, judge, **changes), judge)
        assert len(reasons) == 1, (name, reasons)
        assert expected in reasons[0], name


def test_a_forged_number_of_workers_is_found(run_of: RunOf, judge: Judge) -> None:
    run = run_of("local_search", 0, 4)
    reasons, _ = verify(resealed(run, judge, workers=1), judge)
    assert any("is stated as architecture" in reason for reason in reasons)


@pytest.mark.parametrize("part", [{"sha256": "a" * 64}, {"sha256": "a" * 64, "source": "mine.py:local_search"}])
def test_a_built_in_strategy_cannot_come_from_outside(part: dict[str, str], run_of: RunOf, judge: Judge) -> None:
    run = run_of("local_search", 0)
    forged = resealed(run, judge, strategy=run.strategy.model_copy(update=part))
    reasons, _ = verify(forged, judge)
    assert len(reasons) == 1
    assert "'local_search' came from outside, but that is the name of a built-in one" in reasons[0]


def test_seeds_beyond_the_boards_are_named(run_of: RunOf, judge: Judge) -> None:
    reasons, remarks = verify(run_of("local_search", 3), judge)
    assert reasons == []
    assert remarks == ["made with a seed beyond the 3 of board made-v1"]


def test_a_strategy_from_outside_is_run_again_where_its_source_is_given(
    mine: str, job: Callable[..., Job], judge: Judge, tmp_path: Path
) -> None:
    run = make_run(job(f"{mine},step=2", 2))
    run = run.model_copy(update={"result": judge.replay(run)[0]})
    assert run.strategy.source == "mine.py:Mine"  # no path of anyone's machine
    assert str(tmp_path) not in run.model_dump_json()

    reasons, remarks = verify(run, judge)
    assert reasons == []
    assert remarks == ["the choices of 'Mine' were not made again: its source (mine.py:Mine) was not given"]
    source = find_strategy(mine)
    assert verify(run, judge, [source]) == ([], [])

    forged = resealed(run, judge, seed=6)
    assert verify(forged, judge)[0] == []  # replay alone cannot know
    assert "trial 1 is stated as" in verify(forged, judge, [source])[0][0]

    (tmp_path / "mine.py").write_text(MINE + "# another\n")
    changed = find_strategy(mine)
    assert verify(run, judge, [changed])[1] == remarks  # another source is no source of this run


def test_a_run_on_another_table_of_the_same_board_needs_that_table(
    content: dict[str, Any], table: Table, run_of: RunOf
) -> None:
    content["tables"] = ("made/first-v1",)
    _, remarks = verify(run_of(), Judge(Board.model_validate(content), table))
    assert remarks == ["the table is none of board made-v1's own"]
