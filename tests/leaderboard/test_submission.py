from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from metanas.errors import InvalidFileError
from metanas.leaderboard.submission import Choices, Run, read_run

RunOf = Callable[..., Run]


def test_a_run_is_read_as_it_was_written(run_of: RunOf, tmp_path: Path) -> None:
    run = run_of()
    run.write(tmp_path / "runs" / "run.json")
    assert read_run(tmp_path / "runs" / "run.json") == run
    assert run.seal == run.computed_seal()
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["run.json"]


def test_a_run_stores_choices_and_no_values_of_trials(run_of: RunOf) -> None:
    content = run_of().model_dump(mode="json")
    assert set(content["choices"]) == {"archs", "epochs"}
    assert len(content["choices"]["archs"]) == 40
    assert content["choices"]["epochs"] == 4  # all alike: one number
    sealed = json.dumps({key: value for key, value in content.items() if key != "result"})
    assert "test/" not in sealed
    assert str(content["result"]["test"]) not in sealed


def test_the_seal_covers_every_field_but_itself_and_the_result(run_of: RunOf) -> None:
    run = run_of()
    assert run.model_copy(update={"result": None, "seal": "0" * 64}).computed_seal() == run.seal
    changes = {
        "metanas": "9", "numpy": "9", "code": "0" * 64, "board": "x", "rules_sha256": "0" * 64, "space": "x",
        "task": "x", "table": "x", "table_sha256": "0" * 64,
        "strategy": run.strategy.model_copy(update={"config": {"a": 1}}), "seed": 7,
        "workers": 2, "choices": Choices(archs=run.choices.archs[::-1], epochs=4), "strategy_cpu_seconds": 0.0,
        "schema_version": 2, "device": "pixel3", "columns": {"made/latency-v1": "0" * 64},
    }  # fmt: skip
    assert set(changes) | {"seal", "result"} == set(Run.model_fields)
    for name, value in changes.items():
        assert run.model_copy(update={name: value}).computed_seal() != run.seal, name


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("seed", "0", "seed: Input should be a valid integer"),
        ("seed", -1, "seed: "),
        ("workers", 0, "workers: "),
        ("colour", "red", "colour: Extra inputs"),
        ("choices", {"archs": [1, 2.5], "epochs": 4}, "choices.archs.1: "),
        ("table_sha256", "abc", "table_sha256: String should match"),
        ("schema_version", 2, "schema_version: Input should be 1"),
        ("strategy_cpu_seconds", -1, "strategy_cpu_seconds: "),
    ],
)
def test_a_malformed_field_is_named(run_of: RunOf, tmp_path: Path, field: str, value: object, expected: str) -> None:
    path = tmp_path / "run.json"
    run_of().write(path)
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {field: value}))
    with pytest.raises(InvalidFileError, match=rf"run.json is no run: {expected}"):
        read_run(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"seed": NaN}', "\x00"])
def test_what_is_no_run_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(text)
    with pytest.raises(InvalidFileError, match=r"run\.json"):
        read_run(path)
    with pytest.raises(InvalidFileError, match="cannot be read"):
        read_run(tmp_path / "absent.json")


def test_trials_and_epochs_must_be_as_many() -> None:
    assert Choices(archs=(5, 6), epochs=(1, 2)).trials() == [(5, 1), (6, 2)]
    assert Choices(archs=(5, 6), epochs=4).trials() == [(5, 4), (6, 4)]
    with pytest.raises(InvalidFileError, match="2 trials and 1 epochs"):
        Choices(archs=(5, 6), epochs=(1,)).trials()
