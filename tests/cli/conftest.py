"""One published table, in the only place that there is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from metanas import published
from metanas.cli import main
from metanas.tables import Table, register, write_table

sys.path.insert(0, str(Path(__file__).parents[1] / "tables" / "support"))
from small_tables import make_content

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs the command line: arguments -> exit code, standard output, standard error."""

    def run_with(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        out, error = capsys.readouterr()
        return code, out, error

    return run_with


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty place for published content, before all others."""
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.setenv("METANAS_DATA", str(place))
    return place


@pytest.fixture
def table(tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> Table:
    """Publish a table of 50 architectures in that place, which is then the only one."""
    monkeypatch.setattr(published, "roots", lambda: (place,))
    write_table(tmp_path / "built.h5", **make_content())
    return Table(register(tmp_path / "built.h5", "# nb201/example-v1\n").path)
