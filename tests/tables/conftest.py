"""Small tables with known values, and the folder of what tests and worker processes import."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from metanas.tables import Table, write_table

sys.path.insert(0, str(Path(__file__).parent / "support"))
from small_tables import Content, make_content


@pytest.fixture
def content() -> Content:
    return make_content()


@pytest.fixture
def make_table(tmp_path: Path) -> Callable[[Content], Table]:
    def make(content: Content) -> Table:
        path = tmp_path / "table.h5"
        write_table(path, **content)
        return Table.open(path)

    return make


@pytest.fixture
def table(content: Content, make_table: Callable[[Content], Table]) -> Table:
    return make_table(content)
