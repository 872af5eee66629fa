from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_tables import Content

from metanas.errors import InvalidValueError, UnknownNameError
from metanas.files import sha256_of
from metanas.tables import Table, metric, write_table


def test_the_same_content_gives_the_same_bytes(content: Content, tmp_path: Path) -> None:
    first = write_table(tmp_path / "a.h5", **content)
    content["metrics"] = dict(reversed(content["metrics"].items()))
    assert write_table(tmp_path / "deeper" / "b.h5", **content) == first
    assert first == sha256_of(tmp_path / "a.h5") == sha256_of(tmp_path / "deeper" / "b.h5")
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["a.h5", "b.h5"]


def test_a_failure_leaves_the_old_table(content: Content, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    before = write_table(path, **content)
    with pytest.raises(TypeError, match="serializable"):
        write_table(path, **content | {"provenance": {"date": object()}})
    content["metrics"]["test/accuracy"][1][0] = -1
    with pytest.raises(InvalidValueError, match="test/accuracy"):
        write_table(path, **content)
    assert Table.open(path).sha256 == before


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"space": "nb2o1"}, UnknownNameError, "search space"),
        ({"arch_index": np.arange(50)}, InvalidValueError, "index 0 is none|must be an architecture"),
        ({"arch_index": np.arange(50.0)}, InvalidValueError, "array of integers"),
        ({"arch_index": np.zeros(50, int)}, InvalidValueError, "ascend without repeats"),
        ({"seeds": (0, 1, 1)}, InvalidValueError, "seeds must be distinct"),
        ({"seeds": (0, 1, -1)}, InvalidValueError, "not negative"),
        ({"epochs": (2, 1, 3, 4)}, InvalidValueError, "ascend"),
        ({"epochs": ()}, InvalidValueError, "at least one"),
        ({"metrics": {}}, InvalidValueError, "must have a metric"),
    ],
)
def test_malformed_content(content: Content, tmp_path: Path, change: Content, error: Any, match: str) -> None:
    with pytest.raises(error, match=match):
        write_table(tmp_path / "a.h5", **content | change)
    assert list(tmp_path.iterdir()) == []


def test_values_are_numbers(content: Content, tmp_path: Path) -> None:
    content["metrics"]["cost/parameters"] = (metric("cost/parameters", ("arch",)), np.array(["1"] * 50))
    with pytest.raises(InvalidValueError, match="float32, float64 or integers"):
        write_table(tmp_path / "a.h5", **content)


def test_precision_is_kept(content: Content, tmp_path: Path) -> None:
    write_table(tmp_path / "a.h5", **content)
    table = Table.open(tmp_path / "a.h5")
    assert table.values("test/accuracy").dtype == np.float32
    assert table.values("cost/seconds").dtype == np.float64
    assert table.values("cost/parameters").dtype == np.float64


def test_without_seeds_or_epochs(content: Content, tmp_path: Path) -> None:
    content["metrics"] = {"latency/pixel3": (metric("latency/pixel3"), np.arange(1.0, 51.0))}
    write_table(tmp_path / "a.h5", **content | {"seeds": (), "epochs": ()})
    table = Table.open(tmp_path / "a.h5")
    assert (table.seeds, table.epochs) == ((), ())
    assert table.query(int(table.archs[4]), "latency/pixel3") == 5.0
    with pytest.raises(InvalidValueError, match="no axis 'seed'"):
        table.query(int(table.archs[4]), "latency/pixel3", seed=0)
