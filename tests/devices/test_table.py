"""Tables of latencies: what they say of themselves, whom they answer for, and blocks in which the machine drifted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from metanas.devices.card import card
from metanas.devices.measure import drift_of, measure, set_aside, times_set_aside
from metanas.devices.networks import Family, small_family, standard_family
from metanas.devices.reference import class_representatives
from metanas.devices.setting import Setting
from metanas.devices.table import repeatability, write_latencies
from metanas.errors import InvalidValueError, NotMeasuredError
from metanas.nets.skeleton import Skeleton
from metanas.nets.standard_cost import model_bytes, peak_activation_bytes, standard_cost
from metanas.spaces import load_space
from metanas.tables import Table, register
from metanas.tables.lint import lint

SPACE = load_space("nb201")
SMALL = small_family("small", Skeleton((1, 8, 8), 10, 4, stem_kernel=1))
SETTING = Setting(runtime="torch_eager")
INDEX = class_representatives(conv=False, pooled=40)


def table_of(path: Path, family: Family, medians: tuple[float, ...] = (2.0, 2.1, 2.0)) -> Table:
    values = np.random.default_rng(0).uniform(1, 9, len(INDEX))
    found = {"index": INDEX[::-1], "median": values, "low": 0.9 * values, "high": 1.2 * values, "timed": values}
    drift = drift_of("anchor", np.array(medians), remeasured=1)
    again = {"cells": 5, "spearman": 0.99, "median_difference": 0.01, "greatest_difference": 0.05}
    write_latencies(path, "phone", SPACE, family, SETTING, found, drift, 9, again=again)
    return Table.open(path)


def test_rows_are_the_measured_values(tmp_path: Path) -> None:
    table = table_of(tmp_path / "phone.h5", standard_family())
    values = np.random.default_rng(0).uniform(1, 9, len(INDEX))
    np.testing.assert_array_equal(table.query(INDEX[::-1], "latency/phone"), values)
    np.testing.assert_array_equal(table.query(INDEX[::-1], "latency/phone.timed"), values)
    assert lint(table.path) == ()
    first = SPACE.arch(int(INDEX[0]))
    costs = [table.query(first, f"cost/{name}") for name in ("parameters", "macs", "model_bytes")]
    assert costs == [*standard_cost(first), model_bytes(first)]
    assert table.query(first, "cost/peak_activation_bytes") == peak_activation_bytes(first)
    assert table.provenance["drift"] == {
        "anchor": "anchor", "least": 2.0, "median": 2.0, "greatest": 2.1, "blocks": 3, "remeasured": 1, "relative": 0.05
    }  # fmt: skip
    assert "rounds = 9" in table.protocol


def test_cells_as_written_answer_for_themselves_and_pruned_ones_for_their_class(tmp_path: Path) -> None:
    written, pruned = (table_of(tmp_path / f"{family.name}.h5", family) for family in (standard_family(), SMALL))
    members = np.flatnonzero(SPACE.canonical_indices == INDEX[0])
    other = int(members[members != INDEX[0]][0])
    assert pruned.query(other, "latency/phone") == pruned.query(int(INDEX[0]), "latency/phone")
    with pytest.raises(NotMeasuredError, match=f"holds the representative, {INDEX[0]}"):
        written.query(other, "latency/phone")
    assert "pruned, so that a row answers for its whole functional class" in card(pruned)


def test_the_card_says_how_it_was_measured(tmp_path: Path) -> None:
    table = table_of(tmp_path / "phone.h5", standard_family())
    text = card(table)
    assert text.startswith("# devices/phone-v1\n")
    for part in ("40 architectures", "as they are written", "Measured, not modelled", "relative 0.05", "spearman 0.99",
                 "rounds = 9", "| latency/phone | ms | ", "| 30.0 % |"):  # fmt: skip
        assert part in text
    entry = register(table.path, text, place=tmp_path / "place")
    assert lint(entry.path, entry) == ()


def test_a_machine_that_drifted_is_a_reason_to_look(tmp_path: Path) -> None:
    table = table_of(tmp_path / "phone.h5", standard_family(), (2.0, 2.6, 2.0))
    (finding,) = lint(table.path)
    assert (finding.rule, finding.severity, finding.value) == ("the_machine_was_steady", "warning", 0.3)


def test_two_measurements_are_compared() -> None:
    values = np.array([1.0, 2.0, 4.0])
    first = {"index": np.array([5.0, 3.0, 9.0]), "median": values, "timed": values}
    second = {"index": np.array([9.0, 5.0]), "median": np.array([5.0, 1.1]), "timed": np.array([1.0, 2.0])}
    found = repeatability(first, second)
    assert found == {
        "cells": 2, "spearman": 1.0, "spearman_as_timed": -1.0, "median_difference": 0.175, "greatest_difference": 0.25
    }  # fmt: skip


def test_a_block_in_which_the_machine_drifted_is_measured_anew(tmp_path: Path) -> None:
    cells, setting = INDEX[:6], Setting(runtime="torch_eager")

    def run() -> dict[str, np.ndarray]:
        return measure(SPACE, cells, SMALL, setting, tmp_path, anchor=int(cells[0]), rounds=1, block=2)

    before = run()
    assert set_aside(tmp_path, np.array([1.0, 1.04, 1.0]), most=0.05) == 0
    assert set_aside(tmp_path, np.array([1.0, 1.3, 1.0])) == 1
    after = run()
    kept = [0, 1, 4, 5]
    np.testing.assert_array_equal(before["timed"][kept], after["timed"][kept])
    assert (before["timed"][2:4] != after["timed"][2:4]).any()
    assert set_aside(tmp_path, np.array([1.0, 1.3, 1.0])) == 1
    assert times_set_aside(tmp_path) == 2


def test_the_drawn_classes_are_always_the_same() -> None:
    many, few = class_representatives(conv=False, pooled=1000), class_representatives(conv=False, pooled=10)
    assert set(few) < set(many)
    whole = class_representatives(conv=True, pooled=4033)
    np.testing.assert_array_equal(np.sort(whole), np.unique(SPACE.canonical_indices))
    np.testing.assert_array_equal(SPACE.canonical_indices[whole[:1011]], whole[:1011])
    with pytest.raises(InvalidValueError, match="4,033 classes with pooling"):
        class_representatives(conv=False, pooled=5000)
