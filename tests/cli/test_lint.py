from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest

from metanas import published
from metanas.tables import register, write_table

sys.path.insert(0, str(Path(__file__).parents[1] / "tables" / "support"))
from sound_tables import Content, make_sound

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def content() -> Content:
    return make_sound()


@pytest.fixture
def sound(content: Content, tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Publish a table that breaks no rule, the only one; tasks and protocols are found where they are."""
    others = published.roots()
    monkeypatch.setattr(published, "roots", lambda: (place, *others))
    monkeypatch.setattr("metanas.tables.table_names", lambda: ("made/sound-v1",))
    write_table(tmp_path / "built.h5", **content)
    return register(tmp_path / "built.h5", "# made/sound-v1\n").path


@pytest.mark.parametrize("arguments", [(), ("made/sound-v1",), ("made/sound",)])
def test_sound_tables(run: Run, sound: Path, arguments: tuple[str, ...]) -> None:
    assert run("lint", *arguments) == (0, "made/sound-v1: sound\n", "")
    assert json.loads(run("lint", *arguments, "--json")[1]) == [
        {"table": "made/sound-v1", "sound": True, "findings": []}
    ]


def test_errors_give_an_exit_code(run: Run, sound: Path, tmp_path: Path) -> None:
    path = tmp_path / "broken.h5"
    path.write_bytes(sound.read_bytes())
    with h5py.File(path, "r+") as file:
        file["metrics/validation/cross_entropy"][3, 1, 2] = -1
        arch = int(file["arch_index"][3])
    code, out, _ = run("lint", path, "made/sound-v1")
    assert code == 2
    lines = out.splitlines()
    assert lines[0] == f"{path}: 1 error, 1 warning"
    assert lines[1].startswith("  error values_in_range: 'validation/cross_entropy' (nats) must be finite")
    assert lines[1].endswith(f"(validation/cross_entropy, architecture {arch}, seed 1, epoch 3)")
    assert lines[2].startswith("  warning file_is_the_published_one: ")
    assert lines[3] == "made/sound-v1: sound"
    code, out, _ = run("lint", path, "--json")
    assert code == 2
    (table,) = json.loads(out)
    assert (table["table"], table["sound"]) == (str(path), False)
    first = table["findings"][0]
    assert next(iter(first)) == "rule"
    assert {key: first[key] for key in ("rule", "severity", "arch", "seed", "epoch", "value", "count")} == {
        "rule": "values_in_range", "severity": "error", "arch": arch, "seed": 1, "epoch": 3, "value": -1.0, "count": 1,
    }  # fmt: skip


def test_warnings_do_not(run: Run, sound: Path, content: Content, tmp_path: Path) -> None:
    path = tmp_path / "another.h5"
    write_table(path, **content | {"name": "made/other-v1", "provenance": {"source": "a", "task_sha256": "0"},
                                   "task": "elsewhere", "protocol": "source = 'a'\n"})  # fmt: skip
    code, out, _ = run("lint", path)
    assert code == 0
    assert out.splitlines()[0] == f"{path}: 1 warning"


def test_a_file_that_is_no_table_is_a_finding_and_an_unknown_name_a_mistake(
    run: Run, sound: Path, tmp_path: Path
) -> None:
    code, out, error = run("lint", tmp_path / "absent.h5")
    assert (code, error) == (2, "")
    assert "error readable: There is no table at" in out
    code, out, error = run("lint", "made/soundd-v1")
    assert (code, out) == (2, "")
    assert "Did you mean 'made/sound-v1'" in error


def test_nothing_is_published(run: Run, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "roots", lambda: (place,))
    assert "metanas build --help" in run("lint")[1]
    assert run("lint", "--json")[:2] == (0, "[]\n")
