from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_tables import make_content

from metanas.tables import Table, write_table

Run = Callable[..., tuple[int, str, str]]
NAME = "nb201/example-v1"


def test_by_index_and_by_string(run: Run, table: Table) -> None:
    first, second = (int(index) for index in table.archs[:2])
    cell = table.space.format(table.space.arch(second))
    code, out, _ = run("query", NAME, first, cell, "--metric", "test/accuracy", "--epoch", 2, "--seed", 1, "--json")
    assert code == 0
    content = json.loads(out)
    assert (content["table"], content["epoch"], content["seed"]) == (NAME, 2, 1)
    assert content["units"] == {"test/accuracy": "percent"}
    assert [answer["index"] for answer in content["answers"]] == [first, second]
    assert [answer["values"]["test/accuracy"] for answer in content["answers"]] == [
        table.query(index, "test/accuracy", epoch=2, seed=1) for index in (first, second)
    ]
    assert content["answers"][1]["arch"] == cell


def test_all_metrics_for_people(run: Run, table: Table) -> None:
    index = int(table.archs[0])
    code, out, _ = run("query", NAME, index, "--epoch", 1)
    assert code == 0
    rows = {cells[0]: cells[2] for cells in map(_cells, out.splitlines()) if len(cells) == 3}
    assert rows["validation/accuracy"] == f"{table.query(index, 'validation/accuracy', epoch=1):,.6g}"
    assert rows["cost/parameters"] == f"{table.query(index, 'cost/parameters'):,.6g}"  # it has no epochs
    assert "after epoch 1, mean over the measured seeds" in out


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("│┃").replace("┃", "│").split("│")]


def test_the_class_answers_and_says_so(run: Run, table: Table) -> None:
    canonical = table.space.canonical_indices
    twin = next(int(i) for i in table.space.indices if canonical[i] != i and canonical[i] in table.archs)
    answer = json.loads(run("query", NAME, twin, "--metric", "test/accuracy", "--json")[1])["answers"][0]
    assert (answer["index"], answer["answered_by"]) == (twin, canonical[twin])
    assert f"{twin}, answered by {canonical[twin]}" in run("query", NAME, twin)[1]


@pytest.mark.parametrize(
    ("arguments", "code", "match"),
    [
        (["nb201/exmple-v1", "4"], 2, "Did you mean 'nb201/example-v1'"),
        ([NAME, "4", "--metric", "test/acuracy"], 2, "Did you mean 'test/accuracy'"),
        ([NAME, "4", "--epoch", "200"], 2, "There is: 1, 2, 3, 4"),
        ([NAME, "4", "--seed", "777"], 2, "There is: 0, 1, 2"),
        ([NAME, "4", "--seed", "1", "--metric", "cost/parameters"], 2, "has no axis 'seed'"),
        ([NAME, "99999"], 2, "0 <= index < 15625"),
        ([NAME, "|nor_conv_5x5~0|+|none~0|none~1|+|none~0|none~1|none~2|"], 2, "Unknown operation 'nor_conv_5x5'"),
        ([NAME, "four"], 2, "three nodes"),
        (["absent.h5", "4"], 2, "There is no table at absent.h5"),
    ],
)
def test_bad_input(run: Run, table: Table, arguments: list[str], code: int, match: str) -> None:
    got, out, error = run("query", *arguments)
    assert (got, out) == (code, "")
    assert match in error
    assert "Traceback" not in error


def test_not_measured(run: Run, tmp_path: Path) -> None:
    content = make_content()
    for name in ("validation/accuracy", "test/accuracy"):
        content["metrics"][name][1][1] = np.nan
    write_table(tmp_path / "gaps.h5", **content)
    index, absent = int(content["arch_index"][1]), 15000
    code, _, error = run("query", tmp_path / "gaps.h5", index, "--metric", "test/accuracy")
    assert (code, f"index {index}" in error) == (3, True)
    code, out, _ = run("query", tmp_path / "gaps.h5", index, "--json")
    values = json.loads(out)["answers"][0]["values"]
    assert (code, values["test/accuracy"]) == (0, None)
    assert values["test/cross_entropy"] > 0
    assert "not measured" in run("query", tmp_path / "gaps.h5", index)[1]
    space = Table(tmp_path / "gaps.h5").space
    absent = int(space.indices[Table(tmp_path / "gaps.h5").row_of_index[space.indices] < 0][0])
    code, _, error = run("query", tmp_path / "gaps.h5", absent)
    assert (code, f"index {absent}" in error) == (3, True)
