from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from metanas.tables import Table

Run = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("by_file", [False, True])
def test_the_files_are_named_after_the_table(run: Run, table: Table, tmp_path: Path, by_file: bool) -> None:
    pytest.importorskip("altair", reason="the extra [plots] is not installed")
    pytest.importorskip("vl_convert", reason="the extra [plots] is not installed")
    code, out, _ = run("plot", table.path if by_file else "nb201/example", "--out", tmp_path / "pictures")
    files = [tmp_path / "pictures" / f"nb201-example-v1.{suffix}" for suffix in ("png", "svg")]
    assert (code, out.split()) == (0, list(map(str, files)))
    assert all(file.stat().st_size > 10_000 for file in files)


def test_an_unknown_table(run: Run, table: Table) -> None:
    code, out, error = run("plot", "nb201/exmple-v1")
    assert (code, out) == (2, "")
    assert "Did you mean 'nb201/example-v1'" in error
