"""Tables that answer for architectures as they are written: equal functions may differ there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from metanas.errors import InvalidFileError, InvalidValueError, NotMeasuredError
from metanas.spaces import load_space
from metanas.tables import Table, metric, write_table
from metanas.tables.lint import lint

SPACE = load_space("nb201")
PLAIN = SPACE.index(SPACE.parse("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|"))
REPRESENTATIVE = SPACE.index(SPACE.canonical(SPACE.arch(PLAIN)))
DEAD = SPACE.index(
    SPACE.parse("|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|skip_connect~1|none~2|")
)  # and a dead one
STRANGER = SPACE.index(SPACE.parse("|nor_conv_1x1~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|"))
NAME = "latency/phone"


def write(path: Path, index: list[int], **change: Any) -> Table:
    content: dict[str, Any] = {
        "name": "devices/phone-v1", "space": "nb201", "task": "nb201-standard", "arch_index": sorted(index),
        "seeds": (), "epochs": (), "protocol": "rounds = 3\n", "provenance": {"method": "measured"}, "as_written": True,
        "metrics": {NAME: (metric(NAME), np.arange(1.0, len(index) + 1))},
    }  # fmt: skip
    write_table(path, **content | change)
    return Table.open(path)


def test_the_cells_are_one_function_written_otherwise() -> None:
    assert SPACE.cell(SPACE.arch(DEAD)) == SPACE.cell(SPACE.arch(PLAIN)) != SPACE.cell(SPACE.arch(STRANGER))
    assert DEAD != REPRESENTATIVE


def test_a_row_answers_for_itself_alone(tmp_path: Path) -> None:
    table = write(tmp_path / "table.h5", [REPRESENTATIVE])
    assert table.as_written
    assert table.query(REPRESENTATIVE, NAME) == 1
    message = rf"index {DEAD}.*as they are written.*holds the representative, {REPRESENTATIVE}\."
    for asked in (DEAD, SPACE.format(SPACE.arch(DEAD)), [DEAD, REPRESENTATIVE]):
        with pytest.raises(NotMeasuredError, match=message):
            table.query(asked, NAME)
    np.testing.assert_array_equal(table.query([DEAD, REPRESENTATIVE], NAME, missing="nan"), [np.nan, 1])
    assert table.rows([DEAD, REPRESENTATIVE]).tolist() == [-1, 0]
    with pytest.raises(NotMeasuredError, match=r"not for their functional class\.$"):
        table.query(STRANGER, NAME)
    assert lint(table.path) == ()


def test_other_tables_answer_for_the_class(tmp_path: Path) -> None:
    table = write(tmp_path / "table.h5", [REPRESENTATIVE], as_written=False)
    assert not table.as_written
    assert table.query(DEAD, NAME) == 1
    with pytest.raises(NotMeasuredError) as caught:
        table.query(STRANGER, NAME)
    assert "as they are written" not in str(caught.value)


def test_two_of_a_class_may_have_rows_of_their_own(tmp_path: Path) -> None:
    cost = metric("cost/macs", ("arch",))
    change = {"metrics": {"cost/macs": (cost, np.array([5.0, 7.0]))}}
    table = write(tmp_path / "table.h5", [DEAD, REPRESENTATIVE], **change)
    assert lint(table.path) == ()  # dead operations count, and the table says so
    by_class = write(tmp_path / "class.h5", [DEAD, REPRESENTATIVE], as_written=False, **change)
    assert [finding.rule for finding in lint(by_class.path)] == ["members_of_a_class_cost_the_same"]


def test_a_row_for_another_is_found(tmp_path: Path) -> None:
    path = write(tmp_path / "table.h5", [REPRESENTATIVE]).path
    with h5py.File(path, "r+") as file:
        file["row_of_index"][DEAD] = 0
    (finding,) = lint(path)
    assert finding.rule == "rows_answer_for_their_class"
    assert "by row -1 (−1: by none), its own" in finding.message


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="no list of its architectures"):
        write(tmp_path / "table.h5", [0], space="nb101", arch_index=[load_space("nb101").index(sample())])
    path = write(tmp_path / "table.h5", [REPRESENTATIVE]).path
    with h5py.File(path, "r+") as file:
        file.attrs["answers"] = "perhaps"
    with pytest.raises(InvalidFileError, match="answers = 'perhaps"):
        Table.open(path)


def sample() -> Any:
    space = load_space("nb101")
    return space.canonical(space.sample(np.random.default_rng(0)))
