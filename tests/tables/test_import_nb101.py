"""NAS-Bench-101's sample as tables: four budgets apart, the published hash checked, what is wrong refused by row."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from metanas.cli import main
from metanas.errors import InvalidFileError, NotMeasuredError
from metanas.spaces.nb101 import EDGES, SPACE, VERTICES
from metanas.tables import Table
from metanas.tables.import_nb101 import import_nb101
from metanas.tables.import_store import Store

EPOCHS = (4, 12, 36, 108)
Arrays = dict[str, np.ndarray]
CELLS = [
    SPACE.parse(text)
    for text in (
        "output(0)",
        "conv3x3-bn-relu(0)|output(1)",
        "maxpool3x3(0)|output(0,1)",
        "conv1x1-bn-relu(0)|conv3x3-bn-relu(0,1)|output(2)",
        "conv3x3-bn-relu(0)|conv1x1-bn-relu(0)|maxpool3x3(1,2)|output(0,3)",
        "conv3x3-bn-relu(0)|conv1x1-bn-relu(1)|maxpool3x3(2)|conv3x3-bn-relu(3)|conv3x3-bn-relu(4)|output(0,1,5)",
    )
]


@pytest.fixture
def arrays() -> Arrays:
    """Return the arrays of a file, small cells with fewer vertices as the published file has them."""
    rng = np.random.default_rng(0)
    packed, ops = [], []
    for arch in CELLS:
        matrix = SPACE.graph(arch).adjacency()
        kept = [v for v in range(VERTICES) if matrix[v].any() or matrix[:, v].any()]
        small = np.zeros((VERTICES, VERTICES), dtype=np.uint8)
        small[: len(kept), : len(kept)] = matrix[np.ix_(kept, kept)]
        packed.append(np.packbits(small[np.triu_indices(VERTICES, 1)]))
        labels = [-1, *arch.code[len(EDGES) :], -2]
        ops.append([labels[v] for v in kept] + [-3] * (VERTICES - len(kept)))
    n = len(CELLS)
    return {
        "adjacency_upper": np.array(packed),
        "ops": np.array(ops, dtype=np.int8),
        "val_acc": np.sort(rng.uniform(0.1, 0.95, (n, 4)), axis=1).astype(np.float32),
        "epochs": np.array(EPOCHS),
        "training_time_s": rng.uniform(300, 5000, n).astype(np.float32),
        "params": rng.integers(10**5, 10**7, n),
        "hash": np.array([list(bytes.fromhex(SPACE.isomorphism_hash(arch))) for arch in CELLS], dtype=np.uint8),
    }


@pytest.fixture
def imported(tmp_path: Path) -> Callable[[Arrays], dict[int, Table]]:
    def make(content: Arrays) -> dict[int, Table]:
        path = tmp_path / "sample.npz"
        np.savez(path, **content)
        made = import_nb101(path, store=Store(tmp_path / "tables"))
        tables = [Table.open(entry.path) for entry in made]
        return {table.epochs[0]: table for table in tables}

    return make


def test_every_budget_is_a_table_of_its_own(arrays: Arrays, imported: Callable[[Arrays], dict[int, Table]]) -> None:
    tables = imported(arrays)
    assert tuple(tables) == EPOCHS
    for position, (epochs, table) in enumerate(tables.items()):
        assert table.name == f"published/nb101-cifar10-{epochs}ep-v1"
        assert (table.epochs, table.seeds, table.space_name, table.task) == ((epochs,), (), "nb101", "cifar10")
        assert "its own schedule" in table.protocol
        got = table.query(CELLS, "validation/accuracy")
        np.testing.assert_allclose(got, 100 * arrays["val_acc"][:, position], rtol=1e-6)
        np.testing.assert_array_equal(table.query(CELLS, "cost/parameters"), arrays["params"])


def test_seconds_belong_to_the_longest_training_alone(
    arrays: Arrays, imported: Callable[[Arrays], dict[int, Table]]
) -> None:
    tables = imported(arrays)
    np.testing.assert_allclose(tables[108].query(CELLS, "cost/seconds"), arrays["training_time_s"])
    assert all("cost/seconds" not in tables[epochs].metrics for epochs in (4, 12, 36))


def test_other_cells_are_not_measured(arrays: Arrays, imported: Callable[[Arrays], dict[int, Table]]) -> None:
    table = imported(arrays)[4]
    with pytest.raises(NotMeasuredError):
        table.query("maxpool3x3(0)|maxpool3x3(1)|output(2)", "validation/accuracy")


def test_time_parameters_and_hash_may_be_absent(arrays: Arrays, imported: Callable[[Arrays], dict[int, Table]]) -> None:
    few = {name: arrays[name] for name in ("adjacency_upper", "ops", "val_acc", "epochs")}
    assert set(imported(few)[108].metrics) == {"validation/accuracy"}


def _swap_hashes(arrays: Arrays) -> None:
    arrays["hash"] = arrays["hash"][[1, 0, *range(2, len(CELLS))]]


def _isomorphic_twin(arrays: Arrays) -> None:
    twin = SPACE.parse("conv1x1-bn-relu(0)|conv3x3-bn-relu(0)|maxpool3x3(1,2)|output(0,3)")
    assert SPACE.canonical(twin) == SPACE.canonical(CELLS[4])
    for name, array in arrays.items():
        if name != "epochs":
            arrays[name] = np.concatenate([array, array[4:5]])
    arrays["ops"][-1, 1:3] = arrays["ops"][-1, 2:0:-1]
    arrays["val_acc"][-1] += 0.01


def _no_path(arrays: Arrays) -> None:
    arrays["adjacency_upper"][2] = 0
    del arrays["hash"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (_swap_hashes, r"row 0: the cell output\(0\) has the hash"),
        (_isomorphic_twin, "Rows 4 and 6 are the same architecture"),
        (_no_path, "row 2: A cell needs a path"),
        (lambda arrays: arrays.update(val_acc=arrays["val_acc"] * 100), r"fraction, but has .* unit = 'percent'"),
        (lambda arrays: arrays.update(more=arrays["params"]), "'more': no rule of the map fits it"),
        (lambda arrays: arrays.pop("ops"), "has no 'ops'"),
        (lambda arrays: arrays.update(ops=arrays["ops"][:, :6]), r"'ops' must hold integers of shape \(6, 7\)"),
        (lambda arrays: arrays.update(ops=arrays["ops"].astype(float)), "'ops' must hold integers"),
        (lambda arrays: arrays.update(hash=arrays["hash"].astype(np.uint16)), r"'hash' must hold bytes"),
        (lambda arrays: arrays.update(epochs=arrays["epochs"][::-1]), "'epochs' must ascend"),
        (lambda arrays: arrays.update(epochs=arrays["epochs"][:3]), r"'val_acc' must have the shape \(6, 3\)"),
        (lambda arrays: arrays["ops"].__setitem__((1, 0), 0), "row 1: 'ops' are input"),
        (lambda arrays: arrays["ops"].__setitem__((5, 2), 3), "row 5: A code of 'nb101'"),
        (lambda arrays: arrays["adjacency_upper"].__setitem__((3, 2), 255), "row 3: 'adjacency_upper' has bits beyond"),
    ],
)
def test_what_is_wrong_is_refused_with_its_row(
    change: Callable[[Arrays], object],
    complaint: str,
    arrays: Arrays,
    imported: Callable[[Arrays], dict[int, Table]],
    tmp_path: Path,
) -> None:
    change(arrays)
    with pytest.raises(InvalidFileError, match=complaint):
        imported(arrays)
    assert not list(tmp_path.rglob("*.h5"))


def test_a_file_of_objects_is_not_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "sample.npz"
    np.savez(path, ops=np.array([{}], dtype=object))
    with pytest.raises(InvalidFileError, match="not unpickled"):
        import_nb101(path, store=Store(tmp_path))


def test_the_published_sample(published_tables: Path, imported: Callable[[Arrays], dict[int, Table]]) -> None:
    """Every fifth cell; the hashes of all are tested with the space."""
    with np.load(published_tables / "nb101_20k.npz", allow_pickle=False) as file:
        arrays = {name: file[name] if name == "epochs" else file[name][::5] for name in file.files}
    tables = imported(arrays)
    for position, epochs in enumerate(EPOCHS):
        table = tables[epochs]
        assert len(table) == 4_001
        column = np.sort(table.column("validation/accuracy"))
        np.testing.assert_allclose(column, np.sort(100 * arrays["val_acc"][:, position]), rtol=1e-6)


def test_the_command(
    arrays: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("METANAS_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    np.savez(tmp_path / "sample.npz", **arrays)
    assert main(["import", "nb101", str(tmp_path / "sample.npz")]) == 0
    said = capsys.readouterr().out
    for epochs in EPOCHS:
        assert f"published/nb101-cifar10-{epochs}ep-v1: {len(CELLS)} architectures on cifar10" in said
    assert "Lint: 4 of 4 tables sound" in said
    cell = SPACE.format(CELLS[2])
    assert main(["query", "published/nb101-cifar10-36ep", cell, "--metric", "validation/accuracy", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["answers"]
    assert row["values"]["validation/accuracy"] == pytest.approx(100 * arrays["val_acc"][2, 2], rel=1e-6)
    other = SPACE.format(SPACE.parse("conv1x1-bn-relu(0)|output(1)"))
    assert main(["query", "published/nb101-cifar10-36ep", other, "--metric", "validation/accuracy"]) == 3
    arguments = ["--name", "mine/cells-v1", "--out", str(tmp_path / "out"), "--json"]
    capsys.readouterr()
    assert main(["import", "nb101", str(tmp_path / "sample.npz"), *arguments]) == 0
    made = json.loads(capsys.readouterr().out)
    assert [entry["table"] for entry in made] == [f"mine/cells-{epochs}ep-v1" for epochs in EPOCHS]
    assert all(entry["sound"] and Path(entry["path"]).is_file() for entry in made)
    np.savez(tmp_path / "sample.npz", **arrays | {"hash": arrays["hash"][::-1]})
    assert main(["import", "nb101", str(tmp_path / "sample.npz"), *arguments]) == 2
    assert "row 0: the cell" in capsys.readouterr().err
