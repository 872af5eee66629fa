from __future__ import annotations

import stat
from pathlib import Path

import pytest

from metanas.errors import MetanasError
from metanas.files import atomic_write, atomic_write_text, exclusive_lock, remove_temporary, sha256_of


def test_writes_all_of_it_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    atomic_write_text(path, "Kendall τ\n")
    assert path.read_bytes() == "Kendall τ\n".encode()
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]


def test_the_target_is_untouched_until_the_end_and_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")

    def write_half() -> None:
        with atomic_write(path) as temporary:
            temporary.write_text("ne")
            assert path.read_text() == "old"
            assert temporary.parent == path.parent
            message = "disk full"
            raise OSError(message)

    with pytest.raises(OSError, match="disk full"):
        write_half()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.txt"]


def test_permissions_are_those_of_an_ordinary_file(tmp_path: Path) -> None:
    ordinary, atomic = tmp_path / "ordinary", tmp_path / "atomic"
    ordinary.write_text("x")
    atomic_write_text(atomic, "x")
    assert stat.S_IMODE(atomic.stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)


def test_removes_what_killed_writers_left_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in (".a.npz.0123.tmp", "deep/.b.npz.4567.tmp", "a.npz", "mine.tmp"):
        (tmp_path / name).write_text("x")
    assert remove_temporary(tmp_path) == 2
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["a.npz", "mine.tmp"]


def test_one_holder_of_a_lock_at_a_time(tmp_path: Path) -> None:
    with (
        exclusive_lock(tmp_path / ".lock"),
        pytest.raises(MetanasError, match="One process at a time"),
        exclusive_lock(tmp_path / ".lock"),
    ):
        pass
    with exclusive_lock(tmp_path / ".lock"):
        pass


def test_sha256_is_the_known_one(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
