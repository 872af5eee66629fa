from __future__ import annotations

import json
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metanas import extras
from metanas.errors import MetanasError
from metanas.leaderboard import panels, plots
from metanas.leaderboard.replay import Judge
from metanas.leaderboard.runner import Done, Job, run_all
from metanas.leaderboard.statistics import Curve, Entrant, normalized_curve, random_regret
from metanas.leaderboard.summary import sections


def curve(*means: float) -> Curve:
    mean = np.array(means)
    return Curve(at=np.arange(1.0, len(means) + 1), mean=mean, low=mean * 0.9, high=mean * 1.1)


def test_the_grid_is_whole_for_trainings_and_ends_at_the_limit() -> None:
    whole = panels.budget_grid(300, whole=True)
    assert whole[0] == 1
    assert whole[-1] == 300
    assert (np.diff(whole) >= 1).all()
    assert np.array_equal(whole, np.round(whole))
    assert panels.budget_grid(50.0, whole=False)[[0, -1]].tolist() == pytest.approx([0.05, 50.0])


def test_labels_at_the_ends_do_not_overlap_and_keep_their_order() -> None:
    low, high = 0.01, 10.0
    ends = {"a": 0.0, "b": 0.011, "c": 0.0111, "d": 5.0, "e": 9.9, "f": 10.0}
    places = panels.label_places({label: curve(end) for label, end in ends.items()}, low, high, 300)
    pixels = [300 * np.log(places[label] / low) / np.log(high / low) for label in ends]
    assert (np.diff(pixels) >= 12.9).all()
    assert pixels[0] >= 0
    assert pixels[-1] <= 300.01
    assert abs(pixels[3] - 300 * np.log(5.0 / low) / np.log(high / low)) < 14


def test_a_regret_of_nought_has_a_place_on_a_logarithmic_axis() -> None:
    low, high = panels._range([curve(10.0, 1.0, 0.0)], 0.0)
    assert 0 < low < 1
    assert high > 10
    assert panels._range([curve(0.0, 0.0)], 0.0) == (0.1, 1.0)


def test_the_plot_is_written_as_png_and_svg(job: Callable[..., Job], judge: Judge, tmp_path: Path) -> None:
    pytest.importorskip("altair", reason="the extra [plots] is not installed")
    pytest.importorskip("vl_convert", reason="the extra [plots] is not installed")
    jobs = [job(name, seed) for name in ("random_search", "local_search") for seed in range(2)]
    done = [entry for entry in run_all(jobs, [judge], processes=1, folder=tmp_path) if isinstance(entry, Done)]
    tables = [(section.judge, section.entrants) for section in sections([judge], done)]
    png, svg = plots.plot_regret(tables, tmp_path / "regret")
    assert png.read_bytes().startswith(b"\x89PNG\r\n")
    text = svg.read_text()
    for shown in (
        "random_search",
        "local_search",
        "made/searched-v1: test",
        "validation regret",
        "trainings",
        "made-v1",
    ):
        assert shown in text
    assert "NaN" not in text
    assert sorted(path.name for path in tmp_path.glob("regret*")) == ["regret.png", "regret.svg"]


def layers(panel: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return the layers of a panel with marks of a kind."""
    return [layer for layer in panel["layer"] if layer["mark"]["type"] == kind]


def rows(chart: dict[str, Any], layer: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(chart["datasets"][layer["data"]["name"]])
    return found


def names(chart: dict[str, Any], panel: dict[str, Any]) -> list[str]:
    """Return the names at the curves' ends."""
    return [row["name"] for layer in layers(panel, "text") for row in rows(chart, layer) if "name" in row]


def renamed(judge: Judge, table: str, device: str | None = None) -> Judge:
    other = copy(judge)
    other.table, other.device = table, device
    other.label = table if device is None else f"{table}, {device}"
    return other


@pytest.fixture
def drawn(job: Callable[..., Job], judge: Judge, tmp_path: Path) -> tuple[Judge, tuple[Entrant, ...]]:
    """A panel of two strategies, three runs each."""
    pytest.importorskip("altair", reason="the extra [plots] is not installed")
    jobs = [job(name, seed) for name in ("random_search", "local_search") for seed in range(3)]
    done = [entry for entry in run_all(jobs, [judge], processes=1, folder=tmp_path) if isinstance(entry, Done)]
    [section] = sections([judge], done)
    return section.judge, section.entrants


@pytest.mark.parametrize("n_tables", [1, 2])
def test_one_or_two_tables_have_a_row_each_of_both_splits(
    n_tables: int, drawn: tuple[Judge, tuple[Entrant, ...]]
) -> None:
    chart = plots.regret_chart([drawn] * n_tables).to_dict()
    assert [len(row["hconcat"]) for row in chart["vconcat"]] == [2] * n_tables
    for row in chart["vconcat"]:
        titles = [panel["title"]["text"] for panel in row["hconcat"]]
        assert titles == ["made/searched-v1: validation", "made/searched-v1: test"]
        for panel in row["hconcat"]:
            assert len(names(chart, panel)) == 2
            assert "percentage points" in layers(panel, "area")[0]["encoding"]["y"]["title"]
            assert (panel["width"], panel["height"]) == (400, 300)
    assert "Mean of 3 runs" in chart["title"]["subtitle"][0]


@pytest.mark.parametrize("n_tables", [3, 5])
def test_more_tables_have_a_row_over_all_and_a_small_panel_each(
    n_tables: int, drawn: tuple[Judge, tuple[Entrant, ...]]
) -> None:
    judge, entrants = drawn
    tables = [(renamed(judge, f"made/task{number}-v1"), entrants) for number in range(n_tables)]
    order = ["local_search", "random_search"]
    chart = plots.regret_chart(tables, order).to_dict()
    first, grid = chart["vconcat"]
    assert [panel["title"]["text"] for panel in first["hconcat"]] == [
        f"Mean over {n_tables} tables: validation",
        f"Mean over {n_tables} tables: test",
    ]
    points = np.arange(1.0, 41.0)
    for panel, split in zip(first["hconcat"], ("validation", "test"), strict=True):
        assert sorted(names(chart, panel)) == ["1  local_search", "2  random_search"]
        [band] = layers(panel, "area")
        assert band["encoding"]["y"]["title"] == f"{split} regret (1 = one random training)"
        floor = band["encoding"]["y"]["scale"]["domain"][0]
        for entry in entrants:
            wanted = normalized_curve([(judge, entry)] * n_tables, split, points)
            mine = [row for row in rows(chart, band) if row["strategy"] == entry.label]
            assert [row["at"] for row in mine] == points.tolist()
            assert [row["mean"] for row in mine] == pytest.approx(np.maximum(wanted.mean, floor))
            assert [row["high"] for row in mine] == pytest.approx(np.maximum(wanted.high, floor))
    assert (len(grid["concat"]), grid["columns"]) == (n_tables, 4)
    assert [panel["title"]["text"] for panel in grid["concat"]] == [f"task{number}" for number in range(n_tables)]
    assert "test regret (percentage points) over trainings" in grid["title"]["text"]
    for panel in grid["concat"]:
        assert layers(panel, "text") == []
        [line] = [layer for layer in layers(panel, "line") if "color" in layer["encoding"]]
        assert line["encoding"]["color"] == layers(first["hconcat"][1], "line")[0]["encoding"]["color"]
    text = " ".join(chart["title"]["subtitle"])
    assert "the expected regret of one random architecture there (best minus mean of the space)" in text
    assert "some tables" not in text


def test_what_did_not_run_on_every_table_is_grey_and_not_in_the_mean(
    drawn: tuple[Judge, tuple[Entrant, ...]],
) -> None:
    judge, entrants = drawn
    alone = [entry for entry in entrants if entry.label == "random_search"]
    chart = plots.regret_chart([drawn, drawn, (judge, alone)], ["local_search", "random_search"]).to_dict()
    first, grid = chart["vconcat"]
    assert names(chart, first["hconcat"][1]) == ["2  random_search"]
    lines = layers(grid["concat"][0], "line")
    assert {line["mark"].get("color"): {row["strategy"] for row in rows(chart, line)} for line in lines} == {
        panels.GREY: {"local_search"},
        None: {"random_search"},
    }
    assert "Without runs on some tables, and not in the first row: 1." in chart["title"]["subtitle"]
    nowhere = plots.regret_chart([(judge, alone), drawn, (judge, [e for e in entrants if e not in alone])]).to_dict()
    assert [len(row["hconcat"]) for row in nowhere["vconcat"]] == [2, 2, 2]


def test_the_plot_over_all_tables_is_written(drawn: tuple[Judge, tuple[Entrant, ...]], tmp_path: Path) -> None:
    pytest.importorskip("vl_convert", reason="the extra [plots] is not installed")
    judge, entrants = drawn
    tables = [(renamed(judge, f"made/task{number}-v1"), entrants) for number in range(3)]
    png, svg = plots.plot_regret(tables, tmp_path / "regret")
    assert png.read_bytes().startswith(b"\x89PNG\r\n")
    text = svg.read_text()
    for shown in ("Mean over 3 tables: test", "task2", "local_search", "1 = one random training"):
        assert shown in text
    assert "NaN" not in text


def test_short_names_of_tables(judge: Judge) -> None:
    several = [renamed(judge, "nb201/quickdraw60-v1"), renamed(judge, "published/nb201-cifar10-200ep-v1", "pixel3")]
    assert plots.short_names(several) == ["quickdraw60", "nb201-cifar10-200ep, pixel3"]
    alike = [renamed(judge, "nb201/quickdraw60-v1"), renamed(judge, "nb201-sampled/quickdraw60-v1")]
    assert plots.short_names(alike) == ["nb201/quickdraw60-v1", "nb201-sampled/quickdraw60-v1"]


def test_normalized_regret_is_that_of_one_random_training_at_one(
    job: Callable[..., Job], judge: Judge, tmp_path: Path
) -> None:
    jobs = [job("random_search", seed) for seed in range(60)]
    done = [entry for entry in run_all(jobs, [judge], processes=1, folder=tmp_path) if isinstance(entry, Done)]
    entrant: Entrant = sections([judge], done)[0].entrants[0]
    whole = judge.setting.oracle.space.indices
    for split, best in (("validation", judge.best_validation), ("test", judge.best_test)):
        drawn = best - judge.values[split][whole].mean()
        assert random_regret(judge, split) == pytest.approx(drawn)
        grid = np.array([1.0, 40.0])
        column = 1 if split == "test" else 0
        reached = np.array([climb.at(grid)[column] for climb in entrant.climbs.values()])
        curve = normalized_curve([(judge, entrant), (judge, entrant)], split, grid)
        np.testing.assert_allclose(curve.mean, (best - reached).mean(axis=0) / drawn)
        error = (best - reached).std(axis=0, ddof=1) / 60**0.5 / drawn
        np.testing.assert_allclose(curve.high - curve.mean, 1.96 * error / 2**0.5)  # two tables: their mean
        assert curve.low[0] < 1 < curve.high[0]
        assert curve.mean[1] < 0.6


def test_of_many_the_best_of_each_family_stand_out_and_all_from_outside() -> None:
    order = ["guided", "bo_wl", "mine", "tpe", "guided,batch=5", "genetic", "theirs", "random_search", "local_search"]
    places = {label: number for number, label in enumerate(order, start=1)}
    assert plots.highlighted(places) == ["guided", "bo_wl", "mine", "genetic", "theirs", "random_search"]
    few = {label: places[label] for label in order[:7]}
    assert plots.highlighted(few) == order[:7]


def test_the_others_are_drawn_in_grey(
    job: Callable[..., Job], judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("altair", reason="the extra [plots] is not installed")
    pytest.importorskip("vl_convert", reason="the extra [plots] is not installed")
    monkeypatch.setattr(plots, "_FEW", 1)
    names = ("random_search", "local_search", "genetic")
    done = [
        entry
        for entry in run_all([job(name, 0) for name in names], [judge], processes=1, folder=tmp_path)
        if isinstance(entry, Done)
    ]
    found = sections([judge], done)
    text = plots.plot_regret([(found[0].judge, found[0].entrants)], tmp_path / "regret")[1].read_text()
    order = [standing.label for standing in found[0].standings]
    hidden = next(label for label in reversed(order) if label != "genetic")
    shown = next(label for label in order if label != "genetic")
    assert panels.GREY in text
    assert f"{order.index(shown) + 1}  {shown}" in text
    assert "in grey all others (1)" in text
    assert f"  {hidden}<" not in text


def test_without_the_extra_it_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, judge: Judge, tmp_path: Path
) -> None:
    def absent(name: str) -> object:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(extras.importlib, "import_module", absent)
    with pytest.raises(MetanasError, match=r"pip install 'metanas\[plots\]'"):
        plots.plot_regret([(judge, [])], tmp_path / "regret")


def test_a_panel_in_which_no_run_has_a_value_yet() -> None:
    nothing = np.empty(0)
    assert panels._range([Curve(nothing, nothing, nothing, nothing)], 2.0) == pytest.approx((1.6, 2.1))


def test_places_are_those_of_the_order_over_all_tables() -> None:
    assert plots.places_of([], ["b", "a"]) == {"b": 1, "a": 2}
