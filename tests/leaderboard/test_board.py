from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from pydantic import ValidationError

from metanas.errors import InvalidFileError, InvalidValueError, UnknownNameError
from metanas.leaderboard.board import DEFAULT, Board, board_names, load_board, read_board
from metanas.leaderboard.replay import Judge
from metanas.leaderboard.setting import open_table
from metanas.problem import Budget
from metanas.tables import Table, load_table, table_names
from metanas.tables.truth import Truth


def test_the_default_board_is_as_its_page_says() -> None:
    board = load_board(DEFAULT)
    assert board.name == "anytime-v1"
    assert board.space == "nb201-conv"
    assert (board.unit, board.limit, board.seeds) == ("trainings", 300, 30)
    rules = board.make_rules()
    assert rules.budget == Budget(trainings=300)
    assert (rules.workers, rules.repeats, rules.continuation, rules.fidelity) == (1, "charged", "continue", "full")
    assert board.report.at == (10, 30, 100, 300)


@pytest.mark.parametrize("name", board_names())
def test_every_published_board_can_be_judged_on_the_tables_that_are_here(name: str) -> None:
    board = load_board(name)
    for table in set(board.tables) & set(table_names()):
        for device in board.devices or (None,):
            judge = Judge(board, open_table(table), device)
            assert judge.task
            assert judge.best_test >= judge.optimum_test


@pytest.mark.parametrize("name", ["anytime-v1", "multifidelity-v1"])
def test_boards_of_strategies_have_the_tables_that_rank_their_better_half(name: str) -> None:
    ranked = {}
    for table in map(load_table, table_names()):
        if table.name.startswith("nb201/"):
            values = table.values("validation/accuracy")[..., -1].astype(np.float64)
            tau = Truth.fit(values, "maximize").tau(len(table.seeds), np.random.default_rng(0), 0.5)
            ranked[table.name] = tau >= 0.5
    assert set(load_board(name).tables) == {table for table, good in ranked.items() if good}
    assert not all(ranked.values())


def test_the_rules_hash_covers_what_decides_a_run_and_no_more(content: dict[str, Any], board: Board) -> None:
    def hash_with(**changes: object) -> str:
        return Board.model_validate(content | changes).rules_sha256

    free = {"title": "other words", "tables": ("a/b-v1", "made/searched-v1"), "seeds": 50}
    assert hash_with(**free) == board.rules_sha256
    decisive: dict[str, Any] = {
        "name": "made-v2",
        "space": "nb201",
        "objective": {"metric": "validation/cross_entropy", "direction": "minimize"},
        "report": {"metric": "test/accuracy", "at": (5.0, 39.0)},
        "budget": {"trainings": 41},
        "rules": content["rules"] | {"repeats": "free"},
    }
    hashes = {hash_with(**{key: value}) for key, value in decisive.items()}
    assert len(hashes | {board.rules_sha256}) == len(decisive) + 1


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"colour": "red"}, "Extra inputs"),
        ({"name": "made"}, "name"),
        ({"tables": ()}, "tables"),
        ({"label": "one_seed"}, "mean_of_measured_seeds"),
        ({"objective": {"metric": "test/accuracy", "direction": "maximize"}}, "validation/"),
        ({"report": {"metric": "validation/accuracy", "at": (1.0,)}}, "test/"),
        (
            {"report": {"metric": "test/accuracy", "at": (1.0, 41.0)}},
            r"report.at must ascend within the budget \(0, 40\]",
        ),
        ({"report": {"metric": "test/accuracy", "at": (2.0, 1.0)}}, "must ascend"),
        ({"report": {"metric": "test/accuracy", "at": (0.0, 1.0)}}, "must ascend"),
        ({"budget": {}}, "budget must limit"),
        ({"budget": {"trainings": 0}}, "greater than 0"),
        ({"seeds": "30"}, "integer"),
    ],
)
def test_a_board_that_makes_no_sense_is_refused(
    content: dict[str, Any], changes: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ValidationError, match=expected):
        Board.model_validate(content | changes)


def test_a_board_in_seconds(content: dict[str, Any]) -> None:
    board = Board.model_validate(content | {"budget": {"seconds": 50.0}})
    assert (board.unit, board.limit) == ("seconds", 50.0)
    assert board.make_rules(workers=4).workers == 4


def test_boards_are_found_by_name_or_file(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'anytime-v1'"):
        load_board("anytime-v2")
    path = tmp_path / "board.toml"
    path.write_text('name = "x-v1"\ntitle = "t"\n[budget]\ntrainings = 3\nhours = 2\n')
    with pytest.raises(
        InvalidFileError, match=r"board.toml is no board: budget.hours: Extra inputs.*space: Field required.*and 2 more"
    ):
        load_board(str(path))
    path.write_text("name = ")
    with pytest.raises(InvalidFileError, match="no readable TOML"):
        read_board(path)
    with pytest.raises(InvalidFileError, match=r"absent.toml cannot be read: No such file"):
        read_board(tmp_path / "absent.toml")


def test_a_clock_that_would_run_backwards_is_refused(search_table_path: Path, tmp_path: Path) -> None:
    """Trainings of a later epoch that were not measured with the slow seed."""
    path = tmp_path / "slow.h5"
    shutil.copyfile(search_table_path, path)
    with h5py.File(path, "r+") as file:
        seconds = file["metrics/cost/seconds"][()]
        seconds[5, 0] *= 10
        seconds[5, 0, -1] = np.nan
        file["metrics/cost/seconds"][...] = seconds
    Judge(load_board("anytime-v1"), Table.open(path))
    with pytest.raises(InvalidValueError, match="must grow with the epochs"):
        Judge(load_board("multifidelity-v1"), Table.open(path))
