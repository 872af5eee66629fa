from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sound_tables import Content, make_sound

from metanas import charts, extras
from metanas.errors import MetanasError, NotMeasuredError
from metanas.tables import Table, metric, write_table
from metanas.tables.plots import panels, plot_table

Write = Callable[..., Table]
needs_plots = pytest.mark.skipif(not charts.available(), reason="the extra [plots] is not installed")


@pytest.fixture(scope="module")
def content() -> Content:
    return make_sound()


@pytest.fixture
def write(tmp_path: Path, content: Content) -> Write:
    def make(**change: object) -> Table:
        write_table(tmp_path / "table.h5", **content | change)
        return Table(tmp_path / "table.h5")

    return make


def test_pareto_front() -> None:
    costs = np.array([1.0, 2.0, 2.0, 3.0, 4.0, 5.0])
    values = np.array([10.0, 9.0, 12.0, 12.0, 15.0, 14.0])
    assert panels.pareto_front(costs, values).tolist() == [0, 2, 4]
    rng = np.random.default_rng(0)
    costs, values = rng.integers(0, 20, 300).astype(float), rng.integers(0, 20, 300).astype(float)
    front = panels.pareto_front(costs, values)
    assert (np.diff(costs[front]) > 0).all()
    assert (np.diff(values[front]) > 0).all()
    for cost, value in zip(costs, values, strict=True):
        assert ((costs[front] <= cost) & (values[front] >= value)).any()


def test_quantiles_are_architectures() -> None:
    column = np.array([30.0, np.nan, 10.0, 50.0, 20.0, 40.0])
    assert panels.quantile_rows(column, [1.0, 0.5, 0.0]) == [3, 0, 2]


@needs_plots
def test_the_page(write: Write, tmp_path: Path) -> None:
    table = write()
    png, svg = plot_table(table, tmp_path / "plots")
    assert png == tmp_path / "plots" / "made-sound-v1.png"
    assert png.read_bytes().startswith(b"\x89PNG\r\n")
    text = svg.read_text(encoding="utf-8")
    best = int(table.column("validation/accuracy").argmax())
    for shown in (
        "made/sound-v1: 60 architectures of nb201-conv, trained on noto_scripts-v1",
        "mean over the seeds 0, 1, 2, after 4 epochs",
        "multiply-accumulates of one example",
        "Pareto front of",
        "Seeds 1 and 2: Kendall",
        f"Best by validation: {table.column('validation/accuracy')[best]:.1f} %",
        f"architecture {table.archs[best]}, test",
        "conv 3×3",
    ):
        assert shown in text
    assert all(shown not in text for shown in ("NaN", "undefined", "missing"))


@needs_plots
def test_a_table_with_holes_one_epoch_and_validation_only(write: Write, content: Content, tmp_path: Path) -> None:
    values = content["metrics"]["validation/accuracy"][1][..., -1:].copy()
    values[:20, 2], values[5] = np.nan, np.nan
    table = write(epochs=(200,), metrics={"validation/accuracy": (metric("validation/accuracy"), values)})
    text = plot_table(table, tmp_path)[1].read_text(encoding="utf-8")
    assert "NaN" not in text
    assert all(shown not in text for shown in ("epochs</text>", "Pareto", "test"))
    assert "Seeds 1 and 2" in text
    assert "22 of 180 trainings are missing" in text


@needs_plots
def test_one_seed_and_means_without_seeds(write: Write, content: Content, tmp_path: Path) -> None:
    values = content["metrics"]["validation/accuracy"][1]
    for seeds, axes, array in (((7,), ("arch", "seed", "epoch"), values[:, :1]), ((), ("arch", "epoch"), values[:, 0])):
        table = write(seeds=seeds, metrics={"validation/accuracy": (metric("validation/accuracy", axes), array)})
        text = plot_table(table, tmp_path)[1].read_text(encoding="utf-8")
        assert "Kendall" not in text  # there is nothing to compare
        assert "points above the median one" in text
        assert ("seed 7" in text) == bool(seeds)


def test_without_validation_accuracy(write: Write, content: Content, tmp_path: Path) -> None:
    table = write(metrics={name: content["metrics"][name] for name in ("test/accuracy", "cost/macs")})
    with pytest.raises(NotMeasuredError, match="has only test/accuracy, cost/macs"):
        plot_table(table, tmp_path)


def test_without_the_extra_it_says_how_to_install_it(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> object:
        raise ModuleNotFoundError(name=name)

    table = write()
    monkeypatch.setattr(extras.importlib, "import_module", absent)
    with pytest.raises(MetanasError, match=r"The plot of a table needs.*pip install 'metanas\[plots\]'"):
        plot_table(table, tmp_path)
