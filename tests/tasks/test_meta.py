"""The split of the tasks for meta-learning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from metanas.errors import InvalidFileError, UnknownNameError
from metanas.tasks import load_meta_split, load_task, task_names
from metanas.tasks.meta import MetaSplit

PARTS: dict[str, Any] = {
    "name": "own-v1",
    "reason": "a test",
    "train": ("a-v1", "b-v1"),
    "validation": ("c-v1",),
    "test": ("d-v1",),
}


def test_every_task_is_in_one_part() -> None:
    split = load_meta_split()
    assert sorted((*split.train, *split.validation, *split.test)) == sorted(task_names())


def test_each_part_has_images_and_sequences_and_the_test_domains_are_new() -> None:
    split = load_meta_split()
    kinds = [{load_task(name).card.input.kind for name in part} for part in (split.train, split.validation, split.test)]
    assert kinds == [{"image", "sequence"}] * 3
    domains = [{load_task(name).card.domain for name in part} for part in (split.train, split.test)]
    assert not domains[0] & domains[1]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"test": ("a-v1",)}, "'a-v1' is there more often"),
        ({"together": (("b-v1", "c-v1"),)}, "share data"),
        ({"test": ()}, "at least 1"),
        ({"tests": ()}, "not permitted"),
    ],
)
def test_an_impossible_split(change: dict[str, Any], match: str) -> None:
    with pytest.raises(ValidationError, match=match):
        MetaSplit(**{**PARTS, **change})


def test_bad_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "benchmark_data" / "meta"
    folder.mkdir(parents=True)
    monkeypatch.setenv("METANAS_DATA", str(tmp_path))
    (folder / "broken-v1.toml").write_text("train = [")
    with pytest.raises(InvalidFileError, match=r"broken-v1.toml is no readable TOML"):
        load_meta_split("broken-v1")
    shown = {key: f'"{value}"' if isinstance(value, str) else str(list(value)) for key, value in PARTS.items()}
    lines = [f"{key} = {value}" for key, value in shown.items()]
    (folder / "own-v1.toml").write_text("\n".join(lines))
    with pytest.raises(UnknownNameError, match="task 'a-v1'"):
        load_meta_split("own-v1")
    with pytest.raises(UnknownNameError, match="meta-v1"):
        load_meta_split("meta-v0")
