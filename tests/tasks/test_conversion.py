"""Making a task of one's own arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metanas.errors import InvalidValueError
from metanas.tasks import distinct, linked_groups, load_task, write_task


def card(**changes: Any) -> dict[str, Any]:
    """Fields of a card for 3 classes of 4x4 images."""
    return {
        "title": 'Blobs, "quoted" – and not',
        "domain": "made up",
        "description": "Two lines\nand a \\ backslash.",
        "source": {
            "package": "none",
            "version": "1",
            "registry": "none",
            "licence": "CC0-1.0",
            "attribution": "nobody",
            "conversion": "none",
        },
        "input": {"kind": "image", "shape": [1, 4, 4], "storage": "values", "normalise": "channel"},
        "labels": {"classes": ["a", "b", "c"]},
        "split": {"unit": "row", "seed": 5, "training": 50, "validation": 25, "test": 25},
    } | changes


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(0).integers(256, size=(60, 1, 4, 4), dtype=np.uint8)


Y = np.arange(60) % 3


def test_what_is_written_can_be_loaded(tmp_path: Path, x: np.ndarray) -> None:
    path = tmp_path / "blobs-v1.toml"
    made = write_task(path, card(), x, Y)
    task = load_task(str(path))
    assert task.card == made
    assert task.card.title == 'Blobs, "quoted" – and not'
    assert task.card.description == "Two lines\nand a \\ backslash."
    assert {part: len(rows) for part, rows in task.split.items()} == {"training": 30, "validation": 15, "test": 15}
    rows = x[task.split["training"]]
    np.testing.assert_allclose(task.x, (x - rows.mean()) / rows.std(), rtol=1e-5, atol=1e-6)
    assert sorted(entry.name for entry in tmp_path.rglob("*")) == ["blobs-v1.npz", "blobs-v1.toml", "data"]


def test_writing_twice_gives_the_same_bytes(tmp_path: Path, x: np.ndarray) -> None:
    for place in ("first", "second"):
        write_task(tmp_path / place / "blobs-v1.toml", card(), x, Y)
    for name in ("blobs-v1.toml", "data/blobs-v1.npz"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_one_hot_sequences_are_packed_and_come_back(tmp_path: Path) -> None:
    codes = np.random.default_rng(0).integers(5, size=(60, 12))  # 4 stands for a position where all are 0
    x = (codes[:, None] == np.arange(4)[:, None]).astype(np.uint8)
    form = {"kind": "sequence", "shape": [4, 12], "storage": "one-hot", "normalise": "none"}
    path = tmp_path / "letters-v1.toml"
    write_task(path, card(input=form), x, Y)
    np.testing.assert_array_equal(load_task(str(path)).x, x.astype(np.float32))
    with np.load(tmp_path / "data" / "letters-v1.npz") as file:
        np.testing.assert_array_equal(file["x"], codes)


def test_groups_are_kept_whole(tmp_path: Path, x: np.ndarray) -> None:
    groups = np.arange(60) // 3
    split = {"unit": "page", "seed": 0, "training": 2, "validation": 1, "test": 1}
    path = tmp_path / "pages-v1.toml"
    write_task(path, card(split=split), x, Y, groups)
    parts = load_task(str(path)).split.values()
    assert sum(len(np.unique(groups[rows])) for rows in parts) == 20


def test_an_example_in_two_parts_is_refused(tmp_path: Path, x: np.ndarray) -> None:
    x[30:] = x[:30]
    with pytest.raises(InvalidValueError, match=r"No example may lie in two parts, but \d+ do"):
        write_task(tmp_path / "twice-v1.toml", card(), x, Y)
    kept = distinct(x, Y)
    np.testing.assert_array_equal(kept, np.arange(30))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "y", "groups", "complaint"),
    [
        ({}, Y[:-1], None, r"x must be \(59, 1, 4, 4\)"),
        ({}, Y + 1, None, r"y below 3, but.*reaches 3"),
        ({}, Y, Y, r"must be 'row' without groups"),
        ({"labels": {"classes": ["a", "b", "c", "d"]}}, Y, None, r"part 0 lacks the classes \[3\]"),
        ({"input": card()["input"] | {"storage": "one-hot"}}, Y, None, r"one-hot input has only 0 and 1"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    tmp_path: Path, x: np.ndarray, changes: dict[str, Any], y: np.ndarray, groups: np.ndarray | None, complaint: str
) -> None:
    with pytest.raises(InvalidValueError, match=complaint):
        write_task(tmp_path / "bad-v1.toml", card(**changes), x, y, groups)
    assert not list(tmp_path.iterdir())


def test_repeats_with_several_labels_are_dropped_altogether() -> None:
    x = np.array([[1], [2], [1], [3], [2]])
    np.testing.assert_array_equal(distinct(x, np.array([0, 0, 0, 0, 1])), [0, 3])


def test_near_duplicates_link_their_groups() -> None:
    x = np.array([[0.0, 0], [0.1, 0], [5, 5], [9, 9], [9, 9.1], [5, 5.1]])
    groups = np.array([7, 7, 3, 2, 5, 2])
    linked = linked_groups(x, groups, 0.2)
    assert len(np.unique(linked)) == 2
    assert linked[0] == linked[1] != linked[2]
    assert len(set(linked[2:])) == 1  # 3 and 2 by rows 2 and 5, 2 and 5 by rows 3 and 4
    np.testing.assert_array_equal(np.unique(linked_groups(x, groups, 0.0)).size, 4)
