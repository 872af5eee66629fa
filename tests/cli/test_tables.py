from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from metanas import published
from metanas.tables import Table, metric, register, write_table
from metanas.tables.card import card

Run = Callable[..., tuple[int, str, str]]


def test_the_list(run: Run, table: Table) -> None:
    code, out, _ = run("tables")
    assert code == 0
    row = next(line for line in out.splitlines() if "nb201/example-v1" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")][1:6] == [
        "nb201-conv",
        "example-v1",
        "50",
        "0, 1, 2",
        "4",
    ]
    assert json.loads(run("tables", "--json")[1]) == [
        {
            "name": "nb201/example-v1",
            "space": "nb201-conv",
            "task": "example-v1",
            "architectures": 50,
            "seeds": [0, 1, 2],
            "epochs": [1, 2, 3, 4],
            "bytes": table.path.stat().st_size,
            "surrogate": False,
        }
    ]


def test_nothing_is_published(run: Run, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "roots", lambda: (place,))
    assert "metanas build --help" in run("tables")[1]
    assert run("tables", "--json")[1] == "[]\n"
    code, _, error = run("tables", "nb201/example-v1")
    assert (code, error) == (2, "Error: Unknown table 'nb201/example-v1'. There is: none.\n")


@pytest.mark.parametrize("by_file", [False, True])
def test_one_table(run: Run, table: Table, by_file: bool) -> None:
    name = table.path if by_file else "nb201/example"
    code, out, _ = run("tables", name)
    assert code == 0
    row = next(line for line in out.splitlines() if "validation/cross_entropy" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        *("validation/cross_entropy", "validation", "nats", "minimize", "arch, seed, epoch", "100.0%")
    ]
    assert "core seconds: 1.5" in out
    assert f"sha256: {table.sha256}" in out
    content = json.loads(run("tables", name, "--json")[1])
    assert [metric["name"] for metric in content["metrics"]] == list(table.metrics)
    assert content["provenance"] == table.provenance
    assert content["sha256"] == table.sha256
    assert content["protocol"] == table.protocol


def test_the_card(run: Run, table: Table) -> None:
    assert run("tables", "nb201/example-v1", "--card") == (0, card(table), "")
    code, _, error = run("tables", "--card")
    assert (code, "--card is of one table" in error) == (2, True)


def test_verify(run: Run, table: Table) -> None:
    assert run("tables", "--verify") == (0, "nb201/example-v1: sound\n", "")
    assert run("tables", "nb201/example", "--verify")[0] == 0
    data = bytearray(table.path.read_bytes())
    data[len(data) // 2] ^= 1
    table.path.write_bytes(data)
    for arguments in (("tables", "--verify"), ("tables", "nb201/example-v1", "--verify")):
        code, out, _ = run(*arguments)
        assert code == 2
        assert "must have the published sha256" in out
    code, out, _ = run("tables", "--verify", "--json")
    assert code == 2
    assert [(row["table"], row["sound"]) for row in json.loads(out)] == [("nb201/example-v1", False)]
    assert run("tables", table.path, "--verify")[0] == 2


def test_a_damaged_table(run: Run, table: Table) -> None:
    table.path.write_bytes(table.path.read_bytes()[:5000])
    for name in ("nb201/example-v1", table.path):
        code, out, error = run("tables", name)
        assert (code, out) == (2, "")
        assert error.startswith("Error: ")
        assert "Traceback" not in error


def test_a_table_without_trainings(run: Run, table: Table, tmp_path: Path) -> None:
    path = tmp_path / "latency.h5"
    write_table(
        path,
        name="nb201/latency-v1",
        space="nb201",
        task="cifar10",
        arch_index=np.arange(3),
        seeds=(),
        epochs=(),
        metrics={"latency/pixel3": (metric("latency/pixel3"), np.array([1.5, 2.5, np.nan]))},
        protocol="",
        provenance={},
    )
    register(path, "# latency\n")
    assert [cell.strip() for cell in run("tables")[1].splitlines()[-2].strip("│").split("│")][3:6] == ["3", "–", "–"]
    assert "seeds –; epochs –" in run("tables", path)[1]
    out = run("query", path, 1)[1]
    assert out.startswith("nb201/latency-v1\n1: |")
    assert "2.5" in out
