"""NAS-Bench-Graph as tables: from pickles of the published form, read without unpickling."""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metanas.cli import main
from metanas.errors import InvalidFileError, UnknownNameError
from metanas.harness import Rules, generator, make_problem, search
from metanas.oracles import TableOracle
from metanas.problem import Budget, Objective
from metanas.spaces import load_space
from metanas.strategies import find_strategy
from metanas.tables import Table
from metanas.tables.import_nbgraph import PACKAGE, import_nbgraph
from metanas.tables.import_store import Store

WHOLE, PROTEINS = load_space("nbgraph"), load_space("nbgraph-proteins")
Records = dict[Any, Any]


def records(space: Any, n: int | None = None) -> Records:
    """Return what a file holds: all classes of a space, or the first few, with values that are known."""
    rng = np.random.default_rng(0)
    representatives = np.unique(space.canonical_indices[space.indices])[:n].tolist()
    keys = [space.published_key(space.arch(index)) for index in representatives]
    quality = rng.uniform(0.5, 0.9, len(keys))
    return {
        key: {
            "valid_perf": float(quality[number]),
            "perf": np.float64(quality[number] + rng.normal(0, 0.02)),  # as the published files mix them
            "latency": float(rng.uniform(1e-3, 1e-2)),
            "para": np.float64(rng.integers(10**5, 10**6) / 1e6),
        }
        for number, key in enumerate(keys)
    }


def write(folder: Path, task: str, content: object) -> None:
    (folder / f"{task}.bench").write_bytes(pickle.dumps(content, protocol=3))


def test_values_and_axes(tmp_path: Path) -> None:
    content = records(WHOLE, 200)
    write(tmp_path, "cora", content)
    [made] = import_nbgraph(tmp_path, store=Store(tmp_path / "tables"), tasks=["cora"])
    table = Table.open(made.path)
    assert (table.name, table.space_name, table.task) == ("published/nbgraph-cora-v1", "nbgraph", "cora")
    assert (len(table), table.seeds, table.epochs) == (200, (), ())
    for key, record in content.items():
        arch = WHOLE.arch(int(WHOLE.index(WHOLE.arch(_index(key)))))
        assert table.query(arch, "validation/accuracy") == pytest.approx(100 * record["valid_perf"])
        assert table.query(arch, "test/accuracy") == pytest.approx(100 * record["perf"])
        assert table.query(arch, "latency/unstated_device") == pytest.approx(1e3 * record["latency"])
        assert table.query(arch, "cost/parameters") == round(1e6 * record["para"])


def _index(key: int) -> int:
    """Return the index of a key's architecture, digit by digit."""
    tree, *ops = map(int, f"{key:05d}")
    return int(sum(digit * 9 ** (4 - place) for place, digit in enumerate([tree, *ops])))


def test_a_whole_table_answers_for_all_and_can_be_searched(tmp_path: Path) -> None:
    write(tmp_path, "proteins", records(PROTEINS))
    [made] = import_nbgraph(tmp_path, store=Store(tmp_path / "tables"), tasks=["proteins"])
    table = Table.open(made.path)
    assert len(table) == 2_021
    assert "validation/roc_auc" in table.metrics
    values = table.query(PROTEINS.indices, "validation/roc_auc")
    np.testing.assert_array_equal(
        values, table.query(PROTEINS.canonical_indices[PROTEINS.indices], "validation/roc_auc")
    )
    objective, rules = Objective("validation/roc_auc"), Rules(Budget(trainings=30))
    oracle = TableOracle(table, objective)
    strategy = find_strategy("regularized_evolution").build(make_problem(oracle, objective, rules), generator(0))
    trace = search(strategy, oracle, objective, rules)
    assert len(trace.index) == 30
    np.testing.assert_array_equal(trace.value, table.query(trace.index, "validation/roc_auc"))


def test_parameters_that_are_a_mean_are_noted(tmp_path: Path) -> None:
    content = records(WHOLE, 20)
    next(iter(content.values()))["para"] = 0.1234563333333
    write(tmp_path, "physics", content)
    [made] = import_nbgraph(tmp_path, store=Store(tmp_path / "tables"), tasks=["physics"])
    assert made.notes[0].startswith("physics: 1 architectures have no whole number of parameters")


class Harm:
    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, ("true",))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({0: Harm()}, r"(posix|nt)\.system"),
        ([], "must hold a dict"),
        ({}, "must hold a dict"),
        ({"0": {}}, "a key has a digit for the tree"),
        ({True: {}}, "a key has a digit for the tree"),
        ({123456: {}}, "a key has a digit for the tree"),
        ({90000: {}}, r"key 90000: .* has a tree, 0 to 8"),
        ({88888: {}}, "key 88888: .* 4 skips"),
        ({1: {}}, None),
        ({10: {}}, "is not the one that stands for its class"),
        ({1: {"valid_perf": 0.5, "perf": 0.5, "latency": 0.1}}, "a record has the numbers"),
        ({1: {"valid_perf": 0.5, "perf": float("nan"), "latency": 0.1, "para": 1.0}}, "a record has the numbers"),
        ({1: {"valid_perf": 0.5, "perf": "0.5", "latency": 0.1, "para": 1.0}}, "a record has the numbers"),
        ({1: {"valid_perf": 0.5, "perf": 50.0, "latency": 0.1, "para": 1.0}}, "'perf' is a fraction"),
        ({1: {"valid_perf": 0.5, "perf": 0.5, "latency": 0.0, "para": 1.0}}, "must be positive"),
    ],
)
def test_what_is_wrong_is_refused(content: object, complaint: str | None, tmp_path: Path) -> None:
    write(tmp_path, "cora", content)
    with pytest.raises(InvalidFileError, match=complaint or "a record has the numbers"):
        import_nbgraph(tmp_path, store=Store(tmp_path / "tables"), tasks=["cora"])
    assert not list(tmp_path.rglob("*.h5"))


def test_a_missing_file_and_an_unknown_data_set(tmp_path: Path) -> None:
    with pytest.raises(InvalidFileError, match=r"There is no file .*pubmed\.bench"):
        import_nbgraph(tmp_path, store=Store(tmp_path), tasks=["pubmed"])
    with pytest.raises(UnknownNameError, match="Did you mean 'cora'"):
        import_nbgraph(tmp_path, store=Store(tmp_path), tasks=["core"])


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("METANAS_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for task in ("cora", "computers"):
        write(tmp_path, task, records(WHOLE, 200))
    write(tmp_path, "proteins", records(PROTEINS, 100))
    assert main(["import", "nbgraph", str(tmp_path), "--task", "computers", "--task", "proteins"]) == 0
    said = capsys.readouterr().out
    assert "published/nbgraph-computers-v1: 200 architectures on computers" in said
    assert "published/nbgraph-proteins-v1: 100 architectures on proteins" in said
    assert "cora" not in said
    key, record = next(iter(records(WHOLE, 200).items()))
    cell = WHOLE.format(WHOLE.arch(_index(key)))
    assert main(["query", "published/nbgraph-computers", cell, "--metric", "test/accuracy"]) == 0
    assert f"{100 * record['perf']:.6g}" in capsys.readouterr().out
    assert main(["import", "nbgraph", str(tmp_path)]) == 2
    assert "There is no file" in capsys.readouterr().err
    arguments = ["--task", "cora", "--name", "mine/graphs-v1", "--out", str(tmp_path / "out"), "--json"]
    assert main(["import", "nbgraph", str(tmp_path), *arguments]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert (entry["table"], entry["architectures"], entry["sound"]) == ("mine/graphs-cora-v1", 200, True)


def test_the_installed_package(tmp_path: Path) -> None:
    if importlib.util.find_spec(PACKAGE) is None:
        pytest.skip("nas-bench-graph is not installed")
    made = import_nbgraph(store=Store(tmp_path), tasks=("computers", "arxiv", "proteins"))
    assert [entry.rows for entry in made] == [26_206, 26_206, 2_021]
    assert PACKAGE not in sys.modules
    for entry in made[:-1]:
        table = Table.open(entry.path)
        assert not np.isnan(table.query(WHOLE.indices, "validation/accuracy")).any()
    assert not np.isnan(Table.open(made[-1].path).query(PROTEINS.indices, "validation/roc_auc")).any()
