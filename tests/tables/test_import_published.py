"""The published columns come in through ``metanas import columns``: NAS-Bench-201, latencies, HW-NAS-Bench, scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from metanas.errors import UnknownNameError
from metanas.leaderboard.board import load_board
from metanas.leaderboard.replay import Judge
from metanas.leaderboard.runner import open_tables
from metanas.tables import Table, find_entry, load_table
from metanas.tables.import_columns import import_columns
from metanas.tables.import_simple_hpo import PACKAGE, import_simple_hpo
from metanas.tables.import_store import Store

DATA_SETS = ("cifar10", "cifar100", "imagenet16-120")
OPTIMA = {  # best validation, best test, its cell, test of the best in validation
    "cifar10": (91.607, 94.373, 6111, 94.373),
    "cifar100": (73.493, 73.513, 9930, 73.513),
    "imagenet16-120": (46.733, 47.311, 857, 46.20),
}
SEEDS = (777, 888, 999)


@pytest.fixture(scope="module")
def folder(published_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Import everything into a user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        for name in ("nb201", "nb201_latency", "nb201_hw", "nb201_zero_cost"):
            path = published_tables / f"{name}.npz"
            import_columns(path, name=f"published/{name.replace('_', '-')}-v1", store=Store(), map_name=name)
    return folder


@pytest.fixture(autouse=True)
def _cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))


@pytest.fixture
def raw(published_tables: Path) -> dict[str, np.ndarray]:
    with np.load(published_tables / "nb201.npz") as columns:
        return {name: columns[name] for name in columns.files}


def full(data_set: str) -> Table:
    return load_table(f"published/nb201-{data_set}-200ep-v1")


@pytest.mark.parametrize("data_set", DATA_SETS)
def test_the_published_optima_and_counts(data_set: str) -> None:
    validation, test, cell, chosen = OPTIMA[data_set]
    table = full(data_set)
    assert len(table) == 15_625
    assert np.array_equal(table.row_of_index, np.arange(15_625))  # each cell answers for itself
    measured = table.column("validation/accuracy")
    assert not np.isnan(measured).any()
    assert measured.max() == pytest.approx(validation, abs=5e-4)
    tested = table.column("test/accuracy")
    assert (int(tested.argmax()), tested.max()) == (cell, pytest.approx(test, abs=5e-4))
    assert tested[measured.argmax()] == pytest.approx(chosen, abs=6e-3)
    runs = table.measured("validation/accuracy")[:, :, 0].sum(axis=1)
    assert {count: int((runs == count).sum()) for count in (2, 3)} == {2: 15_625 - 8_169, 3: 8_169}


@pytest.mark.parametrize("data_set", DATA_SETS)
def test_every_value_is_the_published_one(data_set: str, raw: dict[str, np.ndarray]) -> None:
    table = full(data_set)
    for position, seed in enumerate(SEEDS):
        column = table.column("validation/accuracy", seed=seed)
        assert np.array_equal(column, raw[f"{data_set}/val_acc@200"][:, position].astype(float), equal_nan=True)
    assert np.array_equal(table.column("test/accuracy"), raw[f"{data_set}/test_acc_mean@200"].astype(float))
    assert table.metrics["test/accuracy"].axes == ("arch", "epoch")
    assert np.array_equal(table.column("cost/seconds"), raw[f"{data_set}/train_seconds@200"].astype(float))
    assert np.allclose(table.column("cost/macs"), raw[f"{data_set}/macs_m"] * 1e6, rtol=1e-6)
    assert np.allclose(table.column("latency/gpu"), raw[f"{data_set}/gpu_latency_s"] * 1e3, rtol=1e-6)
    if data_set != "cifar10":
        by_seed = table.values("test/accuracy_by_seed")[:, :, 0]
        assert np.array_equal(by_seed, raw[f"{data_set}/test_acc@200"], equal_nan=True)


@pytest.mark.parametrize("data_set", DATA_SETS)
def test_twelve_epochs_are_no_beginning_of_two_hundred(data_set: str, raw: dict[str, np.ndarray]) -> None:
    short = load_table(f"published/nb201-{data_set}-12ep-v1")
    assert (short.epochs, short.seeds, full(data_set).epochs) == ((12,), (), (200,))
    assert np.array_equal(short.column("validation/accuracy"), raw[f"{data_set}/val_acc@12"].astype(float))
    assert np.array_equal(short.column("test/accuracy"), raw[f"{data_set}/test_acc@12"].astype(float))
    for table, other in ((short, 200), (full(data_set), 12)):
        with pytest.raises(UnknownNameError, match="epoch of table"):
            table.query(0, "validation/accuracy", epoch=other)
    assert short.protocol_sha256 != full(data_set).protocol_sha256


def test_devices_and_scores(published_tables: Path) -> None:
    latency = load_table("published/nb201-latency-v1")
    assert len(latency.metrics) == 21
    with np.load(published_tables / "nb201_latency.npz") as columns:
        for name in columns.files:
            device = name.removesuffix("/latency_ms")
            assert np.array_equal(latency.column(f"latency/{device}"), columns[name].astype(float))
    with np.load(published_tables / "nb201_hw.npz") as columns:
        for name in columns.files:
            data_set, device, what = name.split("/")
            table = load_table(f"published/nb201-hw-{data_set}-v1")
            column = table.column(f"{what.split('_')[0]}/{device}")
            assert np.array_equal(column, columns[name].astype(float), equal_nan=True)
            assert table.metrics[f"{what.split('_')[0]}/{device}"].unit == ("ms" if "latency" in what else "mJ")
    cells = {
        data_set: load_table(f"published/nb201-zero-cost-{data_set}-v1").measured("proxy/synflow").sum()
        for data_set in DATA_SETS
    }
    assert cells == {"cifar10": 9_445, "cifar100": 725, "imagenet16-120": 9_445}
    scores = load_table("published/nb201-zero-cost-cifar10-v1")
    assert len(scores.metrics) == 13
    notes = load_table("published/nb201-zero-cost-cifar100-v1").provenance["notes"]
    stand_ins = {"epe_nas": "-1e+08", "jacov": "-1e+08", "nwot": "-inf"}
    assert sorted(notes) == [
        f"column 'cifar100/{name}': {value} stands for not measured in 1 rows (first in row 8274)"
        for name, value in stand_ins.items()
    ]
    assert find_entry("published/nb201-zero-cost-cifar10").name == scores.name


def test_the_board_searches_them() -> None:
    board = load_board("published-nb201-v1")
    tables, missing = open_tables(board)
    assert (len(tables), missing) == (3, [])
    for table in tables:
        judge = Judge(board, table)
        validation, test, _, chosen = OPTIMA[table.task]
        found = (judge.best_validation, judge.best_test, judge.optimum_test)
        assert found == pytest.approx((validation, test, chosen), abs=6e-3)


def test_the_package_has_the_same_validation(tmp_path: Path, raw: dict[str, np.ndarray]) -> None:
    try:
        done = import_simple_hpo(store=Store(tmp_path))
    except Exception as error:
        if PACKAGE not in str(error):
            raise
        pytest.skip(f"{PACKAGE} is not installed: pip install 'metanas[published]'")
    for entry in done:
        table = Table.open(entry.path)
        published = raw[f"{entry.task}/val_acc@200"]
        runs = np.sort(table.values("validation/accuracy")[:, :, 0], axis=1)
        assert np.allclose(runs, np.sort(published, axis=1), rtol=1e-6, equal_nan=True)
        assert table.column("validation/accuracy").max() == pytest.approx(OPTIMA[entry.task][0], abs=5e-4)
        assert np.allclose(table.column("cost/seconds"), raw[f"{entry.task}/train_seconds@200"], rtol=1e-6)
