from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def columns(tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "mine.csv"
    rows = "\n".join(f"{i},{50 + i},{49 + 2 * i}" for i in range(12))
    path.write_text(f"index,toy/validation/accuracy@200,toy/test/accuracy@200\n{rows}\n", encoding="utf-8")
    return path


def test_columns_are_found_by_name_from_then_on(run: Run, columns: Path) -> None:
    code, out, error = run("import", "columns", columns, "--space", "nb201", "--name", "mine/first-v1")
    assert (code, error) == (0, "")
    assert "mine/first-v1: 12 architectures on toy" in out
    assert "test/accuracy, validation/accuracy" in out
    assert "53" in run("query", "mine/first", "3", "--metric", "validation/accuracy")[1]
    assert run("import", "columns", columns, "--space", "nb201", "--name", "mine/first-v1")[0] == 0
    columns.write_text("index,toy/validation/accuracy@200\n1,50\n", encoding="utf-8")
    again = ("import", "columns", columns, "--space", "nb201", "--name", "mine/first-v1")
    code, _, error = run(*again)
    assert code == 2
    assert "Name a new version, or replace it (--replace)" in error
    assert run(*again, "--replace")[0] == 0


def test_into_a_folder_as_json(run: Run, columns: Path, tmp_path: Path) -> None:
    arguments = ("--space", "nb201", "--name", "mine/first-v1", "--out", tmp_path / "out", "--json")
    (entry,) = json.loads(run("import", "columns", columns, *arguments)[1])
    assert entry["path"] == str(tmp_path / "out" / "mine" / "first-v1.h5")
    assert (entry["table"], entry["task"], entry["architectures"], entry["notes"]) == ("mine/first-v1", "toy", 12, [])
    assert entry["sound"]
    assert {finding["rule"] for finding in entry["findings"]} == {"holes_are_declared", "members_of_a_class_agree"}
    assert not (tmp_path / "cache").exists()


def test_every_table_is_linted_and_kept(run: Run, columns: Path, tmp_path: Path) -> None:
    """Values that may be written but are wrong: the table is kept, the finding shown, the exit code says it."""
    rows = "\n".join(f"{i},{50 + i},{0.5 + i}" for i in range(12))
    columns.write_text(f"index,toy/validation/accuracy@200,toy/cost/parameters\n{rows}\n", encoding="utf-8")
    arguments = ("import", "columns", columns, "--space", "nb201", "--name", "mine/first-v1")
    code, out, error = run(*arguments)
    assert (code, error) == (2, "")
    assert "mine/first-v1: 12 architectures on toy" in out
    assert "mine/first-v1: 1 error, 3 warnings" in out
    assert "holes_are_declared: Not measured are 15,613 of 15,625 architectures" in out
    assert "error counts_are_whole: 'cost/parameters' must be whole numbers, but 12 are not" in out
    assert "Imported all the same" in out
    assert "53" in run("query", "mine/first", "3", "--metric", "validation/accuracy")[1]
    code, out, _ = run("lint", "mine/first")
    assert code == 2
    assert "error counts_are_whole" in out
    code, out, _ = run(*arguments, "--out", tmp_path / "out", "--json")
    assert code == 2
    (entry,) = json.loads(out)
    assert not entry["sound"]
    assert Path(entry["path"]).is_file()


def test_a_sound_table_is_said_to_be_sound(run: Run, columns: Path) -> None:
    rows = "\n".join(f"{i},{5 + i}" for i in range(15_625))
    columns.write_text(f"index,toy/latency/phone\n{rows}\n", encoding="utf-8")
    code, out, _ = run("import", "columns", columns, "--space", "nb201", "--name", "mine/first-v1")
    assert code == 0
    assert "Lint: 1 of 1 tables sound" in out


def test_what_is_wrong_is_said_with_its_row(run: Run, columns: Path) -> None:
    columns.write_text("index,toy/validation/accuracy@200\n1,50\n15625,50\n", encoding="utf-8")
    code, _, error = run("import", "columns", columns, "--space", "nb201", "--name", "mine/first-v1")
    assert code == 2
    assert error.startswith("Error: Column 'index', row 1:")


def test_nb201_from_a_folder(run: Run, columns: Path, tmp_path: Path) -> None:
    numbers = {"train_time": [9.5], "val_acc": [50.0], "latency": [0.01], "model_size": [0.5]}
    for name in ("cifar10", "cifar100", "imagenet"):
        (tmp_path / f"{name}.pkl").write_bytes(pickle.dumps({"421211": numbers}))
    code, out, _ = run("import", "nb201", tmp_path, "--out", tmp_path / "out")
    assert code == 0
    assert "published/nb201-simple-imagenet16-120-v1: 1 architectures on imagenet16-120" in out
    assert "Note: 15,624 of 15,625 cells are not there" in out


@pytest.mark.parametrize("name", ["columns", "nats", "nb101", "nb201", "nbgraph"])
def test_help_teaches_by_an_example(run: Run, name: str) -> None:
    code, out, _ = run("import", name, "--help")
    assert code == 0
    assert any(line.strip().startswith(f"metanas import {name}") for line in out.splitlines())
