"""NAS-Bench-201's published columns as a table: seeds with gaps, means without seeds, all cells apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from metanas.errors import InvalidValueError, NotMeasuredError
from metanas.tables import Table, metric, write_table

SEEDS = (777, 888, 999)
OPTIMA = {  # best validation mean, best test, and the cell with the best test
    "cifar10": (91.607, 94.373, 6111),
    "cifar100": (73.493, 73.513, 9930),
    "imagenet16-120": (46.733, 47.311, 857),
}


@pytest.fixture(scope="module")
def tables(published_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Table, np.ndarray]]:
    folder = tmp_path_factory.mktemp("nb201")
    made = {}
    with np.load(published_tables / "nb201.npz") as columns:
        for task in OPTIMA:
            validation = columns[f"{task}/val_acc@200"]
            values = {
                "validation/accuracy": (metric("validation/accuracy"), validation[..., None]),
                "test/accuracy": (
                    metric("test/accuracy", ("arch", "epoch")),
                    columns[f"{task}/test_acc_mean@200"][:, None],
                ),
            }
            write_table(
                folder / f"{task}.h5",
                name=f"published/{task}-v1",
                space="nb201",
                task=f"{task}-v1",
                arch_index=np.arange(15625),
                seeds=SEEDS,
                epochs=(200,),
                metrics=values,
                protocol="source = 'NAS-Bench-201'\n",
                provenance={},
            )
            made[task] = (Table.open(folder / f"{task}.h5"), validation)
    return made


@pytest.mark.parametrize("task", OPTIMA)
def test_the_published_optima(tables: dict[str, tuple[Table, np.ndarray]], task: str) -> None:
    table, _ = tables[task]
    validation, test, cell = OPTIMA[task]
    assert table.column("validation/accuracy").max() == pytest.approx(validation, abs=5e-4)
    assert table.column("test/accuracy").max() == pytest.approx(test, abs=5e-4)
    assert int(table.archs[table.column("test/accuracy").argmax()]) == cell


@pytest.mark.parametrize("task", OPTIMA)
def test_no_seed_is_made_up(tables: dict[str, tuple[Table, np.ndarray]], task: str) -> None:
    table, raw = tables[task]
    index = np.arange(15625)
    assert np.array_equal(
        table.query(index, "validation/accuracy", missing="nan"), np.nanmean(raw.astype(float), axis=1)
    )
    for position, seed in enumerate(SEEDS):
        got = table.query(index, "validation/accuracy", seed=seed, missing="nan")
        assert np.array_equal(got, raw[:, position].astype(float), equal_nan=True)
    hole = int(np.flatnonzero(np.isnan(raw[:, 2]))[0])
    with pytest.raises(NotMeasuredError, match="seed 999"):
        table.query(hole, "validation/accuracy", seed=999)
    with pytest.raises(InvalidValueError, match="no axis 'seed'"):
        table.query(hole, "test/accuracy", seed=777)


def test_members_of_one_class_keep_their_own_measurements(tables: dict[str, tuple[Table, np.ndarray]]) -> None:
    table, raw = tables["cifar10"]
    canonical = table.space.canonical_indices
    twin = int(np.flatnonzero(canonical != np.arange(15625))[0])
    assert table.query(twin, "validation/accuracy") == np.nanmean(raw[twin].astype(float))
    assert table.query(twin, "validation/accuracy") != table.query(int(canonical[twin]), "validation/accuracy")
