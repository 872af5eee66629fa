"""``metanas run`` and ``metanas verify`` from end to end, as a user calls them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from metanas import strategies
from metanas.cli import main

BOARD = """
name = "made-v1"
title = "made up"
space = "nb201-conv"
tables = ["made/searched-v1"]
label = "mean_of_measured_seeds"
seeds = 3

[objective]
metric = "validation/accuracy"
direction = "maximize"

[report]
metric = "test/accuracy"
at = [5, 40]

[budget]
trainings = 40

[rules]
fidelity = "full"
workers = 1
repeats = "charged"
continuation = "continue"
"""

MINE = """
from metanas.problem import Trial


class Mine:
    def __init__(self, problem, rng):
        self.problem, self.rng, self.asked = problem, rng, 0

    def ask(self):
        self.asked += 1
        BODY
        return Trial(self.problem.space.sample(self.rng), self.problem.max_epochs)

    def tell(self, observation):
        pass
"""

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Return the command line: exit code, standard output, standard error."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run


@pytest.fixture(autouse=True)
def few_strategies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run of all built-in strategies be one of three: others take their time."""
    three = ("local_search", "random_search", "regularized_evolution")
    monkeypatch.setattr(strategies, "strategy_names", lambda: three)


@pytest.fixture
def board(tmp_path: Path) -> Path:
    path = tmp_path / "board.toml"
    path.write_text(BOARD)
    return path


@pytest.fixture
def run(call: Call, board: Path, search_table_path: Path, tmp_path: Path) -> Call:
    def with_table(*arguments: object) -> tuple[int, str, str]:
        where = ("--board", board, "--table", search_table_path, "--out", tmp_path / "runs", "--jobs", 1)
        return call("run", *where, *arguments)

    return with_table


@pytest.fixture
def verify(call: Call, board: Path, search_table_path: Path) -> Call:
    return lambda *arguments: call("verify", "--board", board, "--table", search_table_path, *arguments)


def strategy(tmp_path: Path, body: str = "pass") -> str:
    path = tmp_path / "mine.py"
    path.write_text(MINE.replace("BODY", body))
    return f"{path}:Mine"


def test_run_ranks_every_built_in_strategy(run: Call, verify: Call, tmp_path: Path) -> None:
    code, out, _ = run("--seeds", 2)
    assert code == 0
    for shown in ("made-v1 on made/searched-v1", "random_search", "local_search", "regularized_evolution", "@5", "@40",
                  "rank", "best validation value", "the strategy's own"):  # fmt: skip
        assert shown in out
    folder = tmp_path / "runs" / "made-v1"
    assert len(list(folder.rglob("seed-*.json"))) == 6
    assert json.loads((folder / "summary.json").read_text())["tables"][0]["table"] == "made/searched-v1"
    code, out, _ = verify(folder)
    assert (code, out.splitlines()[-1]) == (0, "6 of 6 runs are sound.")


def test_run_again_gives_the_same_runs(run: Call, tmp_path: Path) -> None:
    def runs() -> dict[str, object]:
        return {
            path.name: {**json.loads(path.read_text()), "strategy_cpu_seconds": 0, "seal": ""}
            for path in (tmp_path / "runs").rglob("seed-*.json")
        }

    run("--strategy", "regularized_evolution", "--seeds", 3)
    before = runs()
    shutil.rmtree(tmp_path / "runs")
    run("--strategy", "regularized_evolution", "--seeds", 3, "--jobs", 2)
    assert runs() == before


def test_several_processes_verify_alike(run: Call, verify: Call, tmp_path: Path) -> None:
    run("--strategy", "random_search", "--seeds", 12, "--no-plots")
    folder = tmp_path / "runs" / "made-v1"
    forged = next(folder.rglob("seed-005.json"))
    forged.write_text(forged.read_text().replace('"seed": 5', '"seed": 50'))
    code, one, _ = verify(folder, "--jobs", 1, "--json")
    assert (code, json.loads(one)["refused"]) == (5, 1)
    assert verify(folder, "--jobs", 2, "--json")[:2] == (code, one)
    code, _, err = verify(folder, "--jobs", 0)
    assert (code, "--jobs must be at least 1" in err) == (2, True)


def test_json_is_all_that_a_program_reads(run: Call) -> None:
    code, out, _ = run("--json", "--seeds", 1, "--strategy", "random_search")
    assert code == 0
    content = json.loads(out)
    assert content["tables"][0]["strategies"][0]["strategy"] == "random_search"
    assert content["tables"][0]["strategies"][0]["test"][0]["standard_error"] is None  # of one run


def test_a_strategy_of_ones_own_is_ranked_with_earlier_runs(run: Call, verify: Call, tmp_path: Path) -> None:
    run("--seeds", 2)
    mine = strategy(tmp_path)
    code, out, _ = run("--strategy", mine, "--seeds", 2)
    assert code == 0
    assert "Mine" in out
    assert "local_search" in out
    folder = tmp_path / "runs" / "made-v1" / "made-searched-v1" / "Mine"
    code, out, _ = verify(folder)
    assert code == 0
    assert "note on 2 of 2 runs: the choices of 'Mine' were not made again" in out
    assert verify(folder, "--strategy", mine)[1] == "2 of 2 runs are sound.\n"


def test_more_workers_go_to_a_folder_of_their_own(run: Call, tmp_path: Path) -> None:
    assert run("--workers", 4, "--strategy", "local_search", "--seeds", 1)[0] == 0
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["made-v1,workers=4"]


def test_strategies_that_do_not_fit_the_board_are_left_out_of_a_run_of_all(
    run: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strategies, "strategy_names", lambda: ("asha", "random_search"))
    code, _, err = run("--seeds", 1, "--no-plots")
    assert code == 0
    assert "asha is left out: it needs trainings of fewer epochs, and every trial here has 4 on made-v1." in err
    assert len(list((tmp_path / "runs").rglob("seed-*.json"))) == 1


def test_a_named_strategy_that_does_not_fit_the_board_is_an_error(run: Call) -> None:
    code, _, err = run("--seeds", 1, "--strategy", "random_search", "--strategy", "asha")
    assert code == 4
    assert "Strategy 'asha' needs trainings of fewer epochs, and every trial here has 4 on board made-v1." in err


FAILURES = [
    (
        "if self.asked > 7: return None",
        "trial 8: ask() must return a metanas.problem.Trial(arch, epochs), but got NoneType",
    ),
    ("if self.asked > 7: raise OSError('disk')", "trial 8: ask() raised OSError: disk (mine.py, line 11)."),
    ("if self.asked > 7: import sys; sys.exit(0)", "trial 8: ask() raised SystemExit: 0"),
    ("return Trial(self.problem.space.sample(self.rng), 3)", "trial 1: asks for 3 epochs"),
    ("return Trial('|none~0|', 4)", "trial 1: asks for an architecture outside 'nb201-conv'"),
]


@pytest.mark.parametrize(("body", "expected"), FAILURES)
def test_a_strategy_that_fails_is_named_and_the_other_runs_are_kept(
    body: str, expected: str, run: Call, tmp_path: Path
) -> None:
    code, out, err = run("--strategy", strategy(tmp_path, body), "--strategy", "random_search", "--seeds", 2)
    assert code == 4
    assert f"Error: Strategy 'Mine', {expected}" in err
    assert "seed 0 (and 1 more of its runs failed)" in err
    assert "The 2 finished runs are kept" in err
    assert "Traceback" not in err
    assert "random_search" in out
    assert len(list((tmp_path / "runs").rglob("seed-*.json"))) == 2
    summary = json.loads((tmp_path / "runs" / "made-v1" / "summary.json").read_text())
    assert [entry["seed"] for entry in summary["failed"]] == [0, 1]


def test_a_strategy_that_looks_for_test_finds_none(run: Call, tmp_path: Path) -> None:
    mine = strategy(tmp_path)
    path = tmp_path / "mine.py"
    path.write_text(
        path.read_text().replace(
            "tell(self, observation):\n        pass",
            "tell(self, observation):\n        observation.values['test/accuracy']",
        )
    )
    code, _, err = run("--strategy", mine, "--seeds", 1)
    assert code == 4
    assert "trial 1: tell() raised A strategy sees validation metrics only: validation/accuracy" in err
    assert "No run finished." in err
    path.write_text("from metanas.tables import load_table\n" + path.read_text())
    code, _, err = run("--strategy", mine, "--seeds", 1)
    assert code == 4
    assert "mine.py, line 1: a strategy may not import metanas.tables.load_table" in err


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (("--strategy", "no_such"), 2, "Unknown strategy 'no_such'"),
        (("--strategy", "no_such.py:X"), 4, "There is no file no_such.py"),
        (("--strategy", "random_search", "--strategy", "random_search"), 2, "'random_search' occurs twice"),
        (("--strategy", "random_search,size=3"), 4, "unexpected keyword argument 'size'"),
        (("--board", "no-such-v1"), 2, "Unknown board 'no-such-v1'"),
        (("--board", "absent.toml"), 2, "absent.toml cannot be read: No such file"),
        (("--table", "nb201/no_such-v1"), 2, "Unknown table 'nb201/no_such-v1'"),
        (("--table", "absent.h5"), 2, "There is no table at absent.h5"),
        (("--seeds", 0), 2, "--seeds must be at least 1, but got 0"),
        (("--workers", -1), 2, "--workers must be at least 1"),
        (("--checkpoint", 0), 2, "--checkpoint must be positive, but got 0"),
    ],
)
def test_what_is_wrong_is_said_without_a_traceback(
    arguments: tuple[object, ...], code: int, expected: str, run: Call
) -> None:
    found, _, err = run(*arguments)
    assert found == code
    assert expected in err
    assert "Traceback" not in err


def test_verify_refuses_what_was_changed(run: Call, verify: Call, tmp_path: Path) -> None:
    run("--strategy", "local_search", "--seeds", 3)
    folder = tmp_path / "runs" / "made-v1" / "made-searched-v1" / "local_search"
    first, second, third = sorted(folder.iterdir())
    content = json.loads(first.read_text())
    content["result"]["test"] += 1
    first.write_text(json.dumps(content))
    content = json.loads(second.read_text())
    content["seed"] = 5
    second.write_text(json.dumps(content))
    third.write_text(third.read_text()[:100])
    code, out, err = verify(folder)
    assert code == 5
    assert "Error: 3 of 3 runs are refused." in err
    for expected in (f"refused {first}", "the result's test is stated as", f"refused {second}", "the seal is",
                     "trial 1 is stated as architecture", f"refused {third}", "seed-002.json is no run"):  # fmt: skip
        assert expected in out
    code, out, _ = verify("--json", folder)
    assert code == 5
    findings = json.loads(out)
    assert findings["refused"] == 3
    assert [finding["sound"] for finding in findings["runs"]] == [False] * 3


def test_verify_says_where_there_is_no_run(verify: Call, tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        code, _, err = verify(path)
        assert code == 2
        assert "There is no run at" in err


def test_verify_needs_the_table(call: Call, run: Call, board: Path, tmp_path: Path) -> None:
    run("--strategy", "random_search", "--seeds", 1)
    code, out, _ = call("verify", "--board", board, tmp_path / "runs")
    assert code == 5
    assert "Unknown table 'made/searched-v1'" in out
