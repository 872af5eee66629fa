from __future__ import annotations

import numpy as np
import pytest

import metanas
from metanas.errors import InvalidValueError, UnknownNameError
from metanas.spaces import load_space
from metanas.tables.kinship import by_class, goodness, kinship


def test_a_table_is_its_own_kin_and_directions_are_turned() -> None:
    table = metanas.load_table("nb201/fashion_mnist-v1")
    accuracy, loss = goodness(table), goodness(table, "validation/cross_entropy")
    found = kinship([("accuracy", accuracy), ("loss", loss), ("reversed", -accuracy)])
    assert found.tau[0, 1] > 0.6
    assert found.tau[0, 2] == pytest.approx(-1, abs=0.02)  # ties count for neither
    assert found.tau[1, 0] == found.tau[0, 1]
    assert (found.shared == len(table)).all()


def test_only_shared_architectures_are_compared() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, 100))
    second[:60] = first[:60]
    first[:30], second[60:] = np.nan, np.nan
    found = kinship([("a", first), ("b", second)])
    assert found.shared.tolist() == [[70, 30], [30, 60]]
    assert found.tau[0, 1] == 1
    second[:45] = np.nan
    assert np.isnan(kinship([("a", first), ("b", second)]).tau[0, 1])


def test_a_column_of_all_architectures_is_averaged_over_classes() -> None:
    space = load_space("nb201")
    values = np.arange(len(space), dtype=float)
    means = by_class("nb201", values)
    representative = np.bincount(space.canonical_indices).argmax()  # of the largest class
    members = np.flatnonzero(space.canonical_indices == representative)
    assert len(members) > 10
    assert means[representative] == pytest.approx(values[members].mean())
    assert int((~np.isnan(means)).sum()) == 5044
    values[members] = np.nan
    assert np.isnan(by_class("nb201", values)[representative])


def test_what_cannot_be_compared_is_refused() -> None:
    table = metanas.load_table("nb201/fashion_mnist-v1")
    with pytest.raises(UnknownNameError):
        goodness(table, "validation/f1")
    with pytest.raises(InvalidValueError, match="lengths"):
        kinship([("a", np.zeros(30)), ("b", np.zeros(31))])
    with pytest.raises(InvalidValueError, match="one value for each index"):
        by_class("nb201", np.zeros(3))
