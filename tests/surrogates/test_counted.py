"""Costs that a surrogate counts: the table is a sample of one that measured the whole space."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import metanas
from metanas.errors import InvalidFileError
from metanas.surrogates.card import card
from metanas.surrogates.counted import COUNTED, Counted
from metanas.surrogates.figures import figures
from metanas.surrogates.fitting import MetricModel, fit
from metanas.surrogates.store import open_surrogate, surrogate_path, write_surrogate
from metanas.tables import Table, write_table

SECONDS = "cost/seconds"


@pytest.fixture(scope="module")
def whole() -> Table:
    return metanas.load_table("nb201/udhr_langid-v1")


def sample(whole: Table, path: Path, more: float = 0.0, protocol: str | None = None, task: str | None = None) -> Table:
    """Write 60 rows of a table; ``more`` is added to a cost of the first."""
    rows = np.sort(np.random.default_rng(0).permutation(len(whole))[:60])
    metrics = {name: (whole.metrics[name], whole.values(name)[rows].astype(float)) for name in (*COUNTED, SECONDS)}
    metrics[COUNTED[0]][1][0] += more
    write_table(
        path,
        name="made/sample-v1",
        space=whole.space_name,
        task=task or whole.task,
        arch_index=whole.archs[rows],
        seeds=whole.seeds,
        epochs=whole.epochs,
        metrics=metrics,
        protocol=whole.protocol if protocol is None else protocol,
        provenance={},
    )
    return Table.open(path)


def test_costs_of_what_was_not_trained_are_exact(whole: Table, tmp_path: Path) -> None:
    table = sample(whole, tmp_path / "sample.h5")
    fitted = fit(table, members=("ridge",))
    found = {name: figures(table, name, model) for name, model in fitted.models.items()}
    assert "Counted from the network, not predicted: `cost/macs`, `cost/parameters`." in card(fitted, found)
    assert found[COUNTED[0]]["r2"] == 1 > found[SECONDS]["r2"]
    write_surrogate(fitted, surrogate_path(table.path), found)
    surrogate = open_surrogate(table.path)
    for name in COUNTED:
        value, std, measured = surrogate.query(whole.archs, name)
        assert np.array_equal(value, whole.column(name))
        assert measured.sum() == 60
        assert (std[~measured] == 0).all()


@pytest.mark.parametrize("change", [{"more": 1.0}, {"protocol": ""}, {"protocol": 'name = "other-v1"'}, {"task": "no"}])
def test_costs_of_other_networks_are_predicted(whole: Table, tmp_path: Path, change: dict[str, str]) -> None:
    table = sample(whole, tmp_path / "sample.h5", **change)  # type: ignore[arg-type]
    fitted = fit(table, members=("ridge",), metrics=COUNTED[:1])
    assert isinstance(fitted.models[COUNTED[0]], MetricModel)


def test_as_many_as_there_are_classes(whole: Table) -> None:
    space = whole.space
    with pytest.raises(InvalidFileError, match="has 1011 classes, but"):
        Counted(space, np.arange(2), np.ones((2, 1)), np.ones(1010))  # type: ignore[arg-type]
