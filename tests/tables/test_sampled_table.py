"""Tables of a space without a list of its architectures: rows are found by the canonical architecture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from small_tables import Content

from metanas.arch import Arch
from metanas.errors import InvalidArchError, InvalidFileError, InvalidValueError, NotMeasuredError
from metanas.oracles import TableOracle
from metanas.problem import Objective
from metanas.spaces.nb101 import SIZE, SPACE
from metanas.tables import Table, metric, write_table

N = 40


def cells() -> list[Arch]:
    """Cells of different classes, none of them a representative."""
    rng = np.random.default_rng(0)
    found: dict[Arch, Arch] = {}
    while len(found) < N:
        arch = SPACE.sample(rng)
        if SPACE.canonical(arch) != arch:
            found.setdefault(SPACE.canonical(arch), arch)
    return list(found.values())


CELLS = cells()
STRANGER = SPACE.parse("maxpool3x3(0)|maxpool3x3(1)|output(0,1,2)")


def row_of(arch: Arch) -> int:
    """Return the row by going through all classes."""
    return sorted(SPACE.index(SPACE.canonical(cell)) for cell in CELLS).index(SPACE.index(SPACE.canonical(arch)))


@pytest.fixture
def content() -> Content:
    rng = np.random.default_rng(1)
    accuracy = rng.uniform(10, 90, (N, 1)).astype(np.float32)
    accuracy[3] = np.nan
    return {
        "name": "nb101/example-v1",
        "space": "nb101",
        "task": "example-v1",
        "arch_index": sorted(SPACE.index(SPACE.canonical(cell)) for cell in CELLS),
        "seeds": (),
        "epochs": (108,),
        "metrics": {
            "validation/accuracy": (metric("validation/accuracy", ("arch", "epoch")), accuracy),
            "cost/parameters": (metric("cost/parameters", ("arch",)), rng.integers(100, 1000, N)),
        },
        "protocol": "",
        "provenance": {},
    }


def test_every_form_of_a_cell_is_answered_by_its_class(table: Table) -> None:
    column = table.column("cost/parameters")
    assert table.row_of_index is None
    for cell in CELLS:
        expected = column[row_of(cell)]
        for form in (cell, SPACE.index(cell), SPACE.format(cell), SPACE.canonical(cell), np.int64(SPACE.index(cell))):
            assert table.query(form, "cost/parameters") == expected
            assert table.query(form, "cost/parameters") == expected  # warm


def test_many_at_once(table: Table) -> None:
    expected = table.column("cost/parameters")[[row_of(cell) for cell in CELLS]]
    indices = np.array([SPACE.index(cell) for cell in CELLS])
    mixed = [SPACE.format(cell) if i % 3 else cell for i, cell in enumerate(CELLS)]
    np.testing.assert_array_equal(table.query(indices, "cost/parameters"), expected)
    np.testing.assert_array_equal(table.query(mixed, "cost/parameters"), expected)
    np.testing.assert_array_equal(table.query(table.archs, "cost/parameters"), table.column("cost/parameters"))
    np.testing.assert_array_equal(table.rows(indices), [row_of(cell) for cell in CELLS])
    assert table.query([], "cost/parameters").shape == (0,)


def test_a_cell_that_was_not_sampled_is_not_measured(table: Table) -> None:
    index = SPACE.index(STRANGER)
    for one in (STRANGER, index, SPACE.format(STRANGER)):
        with pytest.raises(NotMeasuredError, match=f"index {index}"):
            table.query(one, "cost/parameters")
        assert np.isnan(table.query(one, "cost/parameters", missing="nan"))
    asked = [CELLS[0], STRANGER]
    with pytest.raises(NotMeasuredError, match=f"for 1 of the asked architectures .index {index}"):
        table.query(asked, "cost/parameters")
    np.testing.assert_array_equal(np.isnan(table.query(asked, "cost/parameters", missing="nan")), [False, True])
    assert table.rows(asked).tolist() == [row_of(CELLS[0]), -1]
    hole = int(table.archs[3])
    with pytest.raises(NotMeasuredError):
        table.query(hole, "validation/accuracy")


@pytest.mark.parametrize("index", [-1, 0, SIZE])
def test_no_cell_at_all_is_refused(table: Table, index: int) -> None:
    for missing in ("error", "nan"):
        with pytest.raises(InvalidArchError):
            table.query(index, "cost/parameters", missing=missing)
        with pytest.raises(InvalidArchError):
            table.query(np.array([int(table.archs[0]), index]), "cost/parameters", missing=missing)
    with pytest.raises(InvalidArchError):
        table.rows([index])


def test_a_search_over_a_sample_is_refused_and_says_what_is_missing(table: Table) -> None:
    message = r"423,624 cells .* table nb101/example-v1 holds 40 sampled ones"
    with pytest.raises(NotMeasuredError, match=message):
        TableOracle(table, Objective("validation/accuracy"))


def test_rows_must_be_representatives(content: Content, tmp_path: Path) -> None:
    content["arch_index"] = sorted(SPACE.index(cell) for cell in CELLS)
    with pytest.raises(InvalidValueError, match=r"Rows in 'nb101' are representatives of their class; \d+ is one of"):
        write_table(tmp_path / "table.h5", **content)
    content["arch_index"] = range(N)
    with pytest.raises(InvalidArchError):
        write_table(tmp_path / "table.h5", **content)


def test_the_file_is_small_and_the_same_for_the_same_content(content: Content, tmp_path: Path) -> None:
    hashes = {write_table(tmp_path / f"{number}.h5", **content) for number in range(2)}
    assert len(hashes) == 1
    with h5py.File(tmp_path / "0.h5") as file:
        assert "row_of_index" not in file
        assert file.attrs["rows_by"] == "canonical"
    assert (tmp_path / "0.h5").stat().st_size < 100_000


@pytest.mark.parametrize("change", ["descending", "unknown"])
def test_an_altered_file_is_refused(
    change: str, content: Content, make_table: Callable[[Content], Table], tmp_path: Path
) -> None:
    path = make_table(content).path
    with h5py.File(path, "r+") as file:
        if change == "descending":
            index = file["arch_index"][()][::-1].copy()
            del file["arch_index"]
            file["arch_index"] = index
        else:
            file.attrs["rows_by"] = "guess"
    with pytest.raises(InvalidFileError):
        Table.open(path)
