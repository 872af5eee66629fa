from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sampled import SPACE, content, file_of

import metanas
from metanas import published
from metanas.cli import main
from metanas.errors import InvalidFileError, UnknownNameError, VerificationError
from metanas.leaderboard.board import Board
from metanas.leaderboard.replay import Judge
from metanas.leaderboard.runner import Job, make_run
from metanas.leaderboard.setting import open_searched
from metanas.leaderboard.verification import verify
from metanas.strategies import find_strategy
from metanas.surrogates.fitting import Fitted
from metanas.surrogates.store import open_surrogate, surrogate_path
from metanas.surrogates.table import SurrogateTable
from metanas.tables import Table, find_entry, load_table, register, write_table
from metanas.tables.registry import surrogates

ACCURACY = "validation/accuracy"
NAME = "made/sample-v1"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a place for published content, the only one, with the sample in it."""
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.setenv("METANAS_DATA", str(place))
    monkeypatch.setattr(published, "roots", lambda: (place,))
    register(file_of(tmp_path / "sample.h5").path, "# card\n")
    return place


@pytest.fixture
def fit_command(place: Path) -> Path:
    assert main(["surrogate", "fit", NAME, "--member", "ridge"]) == 0
    return place


def test_what_is_read_is_what_was_fitted(fitted: Fitted, surrogate: SurrogateTable) -> None:
    for name, model in fitted.models.items():
        mean, std = model.predict(SPACE.indices)
        _, read_std = surrogate.predict(SPACE.indices, name)
        np.testing.assert_array_equal(std[:, -1], read_std)
        if name == ACCURACY:
            np.testing.assert_array_equal(mean[:, -1], surrogate.predict(SPACE.indices, name).mean)


def test_an_altered_file_is_refused(surrogate: SurrogateTable, tmp_path: Path) -> None:
    source = surrogate.source.path
    table = shutil.copy(source, tmp_path / "sample.h5")
    path = surrogate_path(table)
    with pytest.raises(InvalidFileError, match="metanas surrogate fit"):
        open_surrogate(table)
    whole = surrogate_path(source).read_bytes()
    for broken in (b"", whole[: len(whole) // 2], b"no archive" * 100):
        path.write_bytes(broken)
        with pytest.raises(InvalidFileError):
            open_surrogate(table)
    np.savez(path, header=np.frombuffer(b"{}", dtype=np.uint8))
    with pytest.raises(InvalidFileError, match="no surrogate of metanas"):
        open_surrogate(table)
    np.savez(path, header=np.array([{}], dtype=object))  # a pickle
    with pytest.raises(InvalidFileError):
        open_surrogate(table)
    path.write_bytes(whole)
    assert open_surrogate(table).sha256 == surrogate.sha256


def test_it_belongs_to_the_bytes_of_its_table(surrogate: SurrogateTable, tmp_path: Path) -> None:
    other = file_of(tmp_path / "other.h5", seed=1)
    with pytest.raises(InvalidFileError, match="another content of 'made/sample-v1'"):
        open_surrogate(other.path, surrogate_path(surrogate.source.path))


def test_fit_register_load(fit_command: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry = surrogates()[NAME]
    assert entry.path == fit_command / "benchmark_data" / "made" / "sample-v1.surrogate.npz"
    card = entry.card.read_text()
    assert "1,011 functional classes" in card
    assert "`validation/accuracy`: ranks unseen architectures better than one training" in card
    assert "| validation/accuracy | 200 |" in card
    table = metanas.load_table("made/sample", surrogate=True)
    assert isinstance(table, SurrogateTable)
    assert np.isfinite(table.query(SPACE.indices).value).all()
    assert type(metanas.load_table(NAME)) is Table
    assert main(["tables"]) == 0
    assert "200 + surrogate" in capsys.readouterr().out
    assert main(["tables", "--verify"]) == 0
    register(find_entry(NAME).path, "# another card\n")  # the surrogate's entry stays
    assert NAME in surrogates()
    entry.path.write_bytes(entry.path.read_bytes() + b" ")
    assert main(["tables", "--verify"]) == InvalidFileError.exit_code
    with pytest.raises(InvalidFileError, match="sha256"):
        metanas.load_table(NAME, surrogate=True)


def test_a_table_without_one_says_how_to_get_it(place: Path) -> None:
    with pytest.raises(UnknownNameError, match="metanas surrogate fit TABLE"):
        metanas.load_table(NAME, surrogate=True)
    assert load_table(NAME).name == NAME


def test_a_table_that_changed_needs_another(fit_command: Path, tmp_path: Path) -> None:
    write_table(tmp_path / "new.h5", **content(seed=5))
    register(tmp_path / "new.h5", "# card\n", replace=True)
    with pytest.raises(InvalidFileError, match="fit it again"):
        metanas.load_table(NAME, surrogate=True)


def test_a_file_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = file_of(tmp_path / "own.h5")
    arguments = ["surrogate", "fit", str(table.path), "--member", "ridge", "--metric", ACCURACY, "--json"]
    assert main(arguments) == 0
    assert '"tau_one_training"' in capsys.readouterr().out
    own = open_surrogate(table.path)
    assert set(own.metrics) == {ACCURACY}
    assert (tmp_path / "own.surrogate.md").is_file()


def test_loading_and_asking_needs_numpy_and_h5py_alone(fit_command: Path) -> None:
    code = f"""
import metanas
table = metanas.load_table({NAME!r}, surrogate=True)
assert table.query(table.space.indices).measured.sum() > 200
import numpy, sys
table.draw(table.space.indices[:5], numpy.random.default_rng(0))
print(*sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "sklearn", "xgboost", "scipy", "torch_geometric", "joblib"}
    assert not set(run.stdout.split()) & heavy


def board_content(**change: Any) -> dict[str, Any]:
    return {
        "name": "sampled-v1",
        "title": "made up",
        "space": "nb201-conv",
        "tables": (NAME,),
        "label": "mean_of_measured_seeds",
        "seeds": 1,
        "objective": {"metric": ACCURACY, "direction": "maximize"},
        "report": {"metric": "test/accuracy", "at": (5.0, 20.0)},
        "budget": {"trainings": 20},
        "rules": {"fidelity": "any", "workers": 2, "repeats": "free", "continuation": "continue"},
        "outcome": "drawn",
        "surrogate": True,
    } | change


@pytest.mark.parametrize("outcome", ["mean", "drawn"])
def test_a_board_of_surrogates_is_run_and_verified(fit_command: Path, outcome: str) -> None:
    board = Board.model_validate(board_content(outcome=outcome))
    table = open_searched(board, NAME)
    judge = Judge(board, table)
    run = make_run(Job(board, table.path, table.sha256, find_strategy("hyperband"), 0, 2))
    run = run.model_copy(update={"result": judge.replay(run)[0]})
    assert verify(run, judge) == ([], [])
    assert run.table_sha256 == table.sha256 != find_entry(NAME).sha256
    plain = board.model_copy(update={"surrogate": False})
    assert plain.rules_sha256 != board.rules_sha256
    assert run.result is not None
    forged = run.model_copy(update={"result": run.result.model_copy(update={"validation": 99.0})})
    assert verify(forged, judge)[0]
    moved = run.choices.model_copy(update={"archs": (*run.choices.archs[:-1], int(SPACE.indices[0]))})
    try:
        reasons = verify(run.model_copy(update={"choices": moved}), judge)[0]
    except VerificationError:
        reasons = ["refused"]
    assert reasons
    with pytest.raises(ValueError, match="take outcome = 'drawn'"):
        Board.model_validate(board_content(outcome="seed"))
