"""A board over the made-up table, and runs on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from metanas.leaderboard.board import Board
from metanas.leaderboard.replay import Judge
from metanas.leaderboard.runner import Job, make_run
from metanas.leaderboard.submission import Run
from metanas.strategies import find_strategy
from metanas.tables import Table


def board_content() -> dict[str, Any]:
    return {
        "name": "made-v1",
        "title": "made up",
        "space": "nb201-conv",
        "tables": ("made/searched-v1",),
        "label": "mean_of_measured_seeds",
        "seeds": 3,
        "objective": {"metric": "validation/accuracy", "direction": "maximize"},
        "report": {"metric": "test/accuracy", "at": (5.0, 40.0)},
        "budget": {"trainings": 40},
        "rules": {"fidelity": "full", "workers": 1, "repeats": "charged", "continuation": "continue"},
    }


@pytest.fixture
def content() -> dict[str, Any]:
    return board_content()


@pytest.fixture
def board(content: dict[str, Any]) -> Board:
    return Board.model_validate(content)


@pytest.fixture(scope="session")
def table(search_table_path: Path) -> Table:
    return Table.open(search_table_path)


@pytest.fixture
def judge(board: Board, table: Table) -> Judge:
    return Judge(board, table)


@pytest.fixture
def job(board: Board, table: Table) -> Callable[..., Job]:
    def make(strategy: str = "random_search", seed: int = 0, workers: int = 1) -> Job:
        return Job(board, table.path, table.sha256, find_strategy(strategy), seed, workers)

    return make


@pytest.fixture
def run_of(job: Callable[..., Job], judge: Judge) -> Callable[..., Run]:
    """Return a maker of finished runs."""

    def make(strategy: str = "random_search", seed: int = 0, workers: int = 1) -> Run:
        run = make_run(job(strategy, seed, workers))
        return run.model_copy(update={"result": judge.replay(run)[0]})

    return make
