"""``metanas run`` that is killed, and called again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from metanas.cli import main

BOARD = """
name = "slow-v1"
title = "made up"
space = "nb201-conv"
tables = ["made/searched-v1"]
label = "mean_of_measured_seeds"
seeds = 3
objective = { metric = "validation/accuracy", direction = "maximize" }
report = { metric = "test/accuracy", at = [40] }
budget = { trainings = 40 }
rules = { fidelity = "full", workers = 1, repeats = "charged", continuation = "continue" }
"""

# Waits at its 20th trial of the second seed until a file is there; tells how often it was asked.
MINE = """
import time
from pathlib import Path
from metanas.problem import Trial

HERE = Path(__file__).parent
BUILT = []


class Mine:
    def __init__(self, problem, rng):
        BUILT.append(self)
        self.problem, self.rng, self.asked, self.score = problem, rng, 0, 0

    def ask(self):
        self.asked += 1
        if len(BUILT) == 2 and self.asked == 20:
            (HERE / "waiting").touch()
            while not (HERE / "go").exists():
                time.sleep(0.01)
        arch = self.problem.space.arch(int(self.problem.space.indices[int(self.score * 10) % 4096]))
        return Trial(arch if self.asked % 2 else self.problem.space.sample(self.rng), self.problem.max_epochs)

    def tell(self, observation):
        self.score += self.problem.objective.score(observation.values)
"""

COMMAND = (sys.executable, "-m", "metanas")


@pytest.fixture
def arguments(tmp_path: Path, search_table_path: Path) -> list[str]:
    (tmp_path / "board.toml").write_text(BOARD)
    (tmp_path / "mine.py").write_text(MINE)
    named = {"--board": "board.toml", "--table": search_table_path, "--strategy": "mine.py:Mine", "--jobs": 1}
    return [
        *COMMAND,
        "run",
        *(str(word) for pair in named.items() for word in pair),
        "--json",
        "--no-plots",
        "--seeds",
        "3",
    ]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def call(arguments: list[str], folder: Path, out: str) -> subprocess.CompletedProcess[str]:
    words = [*arguments, "--out", out]
    return subprocess.run(words, cwd=folder, env=environment(), capture_output=True, text=True, check=False)


def kill_while_it_waits(arguments: list[str], folder: Path, out: str) -> None:
    """Start a call, and kill it when it waits in the middle of the second run."""
    words = [*arguments, "--out", out]
    process = subprocess.Popen(words, cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while not (folder / "waiting").exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (folder / "waiting").unlink()
    (folder / "go").touch()


def choices(folder: Path) -> list[Any]:
    return [json.loads(path.read_text())["choices"] for path in sorted(folder.rglob("seed-*.json"))]


def test_a_killed_call_is_taken_up_where_it_stopped(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kill_while_it_waits([*arguments, "--checkpoint", "0.000001"], tmp_path, "runs")
    folder = tmp_path / "runs" / "slow-v1"
    runs = folder / "made-searched-v1" / "Mine"
    journal = (runs / "seed-001.journal.jsonl").read_text().splitlines()
    assert sum("trial" in json.loads(line) for line in journal) == 19
    first = runs / "seed-000.json"
    before = (first.read_bytes(), first.stat().st_mtime_ns)

    done = call([*arguments, "--checkpoint", "0.000001"], tmp_path, "runs")
    assert done.returncode == 0, done.stderr
    assert "1 of 3 runs were there already" in done.stderr
    assert (first.read_bytes(), first.stat().st_mtime_ns) == before
    assert sorted(path.name for path in runs.iterdir()) == ["seed-000.json", "seed-001.json", "seed-002.json"]

    whole = call(arguments, tmp_path, "whole")
    assert whole.returncode == 0, whole.stderr
    assert choices(tmp_path / "runs") == choices(tmp_path / "whole")
    for resumed, other in zip(*(json.loads(entry.stdout)["tables"] for entry in (done, whole)), strict=True):
        assert resumed["strategies"][0]["test"] == other["strategies"][0]["test"]

    table = arguments[arguments.index("--table") + 1]
    code = main(["verify", str(folder), "--board", str(tmp_path / "board.toml"), "--table", table])
    assert (code, capsys.readouterr().out.splitlines()[-1]) == (0, "3 of 3 runs are sound.")
