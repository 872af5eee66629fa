"""Every mistake that was found in published tables is refused when a table is written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from metanas.errors import InvalidValueError, UnknownNameError
from metanas.tables import Metric, metric
from metanas.tables.lint import Content
from metanas.tables.lint.content import check_columns

N, SEEDS, EPOCHS = 20, (0, 1, 2), (1, 2, 3, 4)


@pytest.fixture
def columns() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    shape = (N, len(SEEDS), len(EPOCHS))
    return {
        "validation/accuracy": (metric("validation/accuracy"), rng.uniform(10, 90, shape)),
        "test/accuracy": (metric("test/accuracy"), rng.uniform(10, 90, shape)),
        "validation/cross_entropy": (metric("validation/cross_entropy"), rng.uniform(0, 3, shape)),
        "cost/seconds": (metric("cost/seconds"), np.cumsum(rng.uniform(1, 2, shape), axis=-1)),
        "cost/parameters": (metric("cost/parameters", ("arch",)), np.arange(N) + 10.0),
    }


def check(
    columns: dict[str, Any], n: int = N, seeds: tuple[int, ...] = SEEDS, epochs: tuple[int, ...] = EPOCHS
) -> None:
    check_columns(Content(np.arange(n), seeds, epochs, columns))


def test_sound_columns_pass_with_gaps(columns: dict[str, Any]) -> None:
    columns["validation/accuracy"][1][3, 1:] = np.nan
    columns["cost/seconds"][1][3, 1:] = np.nan
    check(columns)


@pytest.mark.parametrize("value", [-1.0, np.inf, -np.inf, 100.5])
def test_no_stand_in_for_not_measured(columns: dict[str, Any], value: float) -> None:
    columns["validation/accuracy"][1][7, 1, 2] = value
    where = r"'validation/accuracy'.*NaN where nothing was measured.*architecture 7, seed 1, epoch 3"
    with pytest.raises(InvalidValueError, match=where):
        check(columns)


def test_test_is_no_copy_of_validation(columns: dict[str, Any]) -> None:
    columns["test/accuracy"] = (columns["test/accuracy"][0], columns["validation/accuracy"][1].copy())
    with pytest.raises(InvalidValueError, match="one split must not stand for another"):
        check(columns)


def test_a_split_does_not_stand_for_another_where_that_is_missing(columns: dict[str, Any]) -> None:
    validation, test = columns["validation/accuracy"][1], columns["test/accuracy"][1]
    test[3:10, 2] = validation[3:10, 2]
    check(columns)  # of seven, one cannot say so
    test[10, 2] = validation[10, 2]
    with pytest.raises(InvalidValueError, match=r"same values for 8 architectures.*architecture 3, seed 2"):
        check(columns)


def test_rounding_hides_no_copy(columns: dict[str, Any]) -> None:
    columns["test/accuracy"][1][:] = columns["validation/accuracy"][1].round(1)
    with pytest.raises(InvalidValueError, match="one split must not stand for another"):
        check(columns)


def test_a_seed_does_not_answer_with_another_ones_numbers(columns: dict[str, Any]) -> None:
    values = columns["validation/accuracy"][1]
    values[:, 2] = values[:, 1]
    values[:5, 2] = np.nan  # where it says that it was not run, it may
    with pytest.raises(InvalidValueError, match="same values for seed 1 and seed 2"):
        check(columns)


def test_a_missing_seed_is_not_filled_in_with_the_mean_of_the_others(columns: dict[str, Any]) -> None:
    values = columns["validation/accuracy"][1]
    values[5:13, 1] = values[5:13][:, [0, 2]].mean(axis=1)
    with pytest.raises(
        InvalidValueError, match=r"seed 1 is the mean of the other seeds for 8 .*architecture 5, seed 1"
    ):
        check(columns)
    values[5, 1] = np.nan
    values[:4] = 10.0  # untrained networks, all at chance
    check(columns)


def test_times_that_are_the_same_for_all_seeds_have_no_seed_axis(columns: dict[str, Any]) -> None:
    values = columns["cost/seconds"][1]
    values[:] = np.arange(1, 5)
    with pytest.raises(InvalidValueError, match="leave out the axis 'seed'"):
        check(columns)
    columns["cost/seconds"] = (metric("cost/seconds", ("arch", "epoch")), values[:, 0])
    check(columns)


def test_seconds_grow_with_epochs(columns: dict[str, Any]) -> None:
    columns["cost/seconds"][1][4, 0, 2] = columns["cost/seconds"][1][4, 0, 1]
    with pytest.raises(InvalidValueError, match=r"cumulative.*architecture 4, seed 0, epoch 3"):
        check(columns)


@pytest.mark.parametrize("quantity", ["parameters", "macs"])
def test_parameters_do_not_change_with_training(columns: dict[str, Any], quantity: str) -> None:
    values = np.full((N, len(EPOCHS)), 5.0)
    columns[f"cost/{quantity}"] = (metric(f"cost/{quantity}", ("arch", "epoch")), values)
    with pytest.raises(InvalidValueError, match="depends on the architecture alone"):
        check(columns)


def test_shapes_follow_from_axes(columns: dict[str, Any]) -> None:
    columns["test/accuracy"] = (metric("test/accuracy", ("arch", "epoch")), columns["test/accuracy"][1])
    with pytest.raises(InvalidValueError, match=r"arch, epoch must have the shape \(20, 4\), but got \(20, 3, 4\)"):
        check(columns)


def test_a_column_goes_by_its_metrics_name(columns: dict[str, Any]) -> None:
    columns["test/accuracy"] = columns.pop("validation/accuracy")
    with pytest.raises(InvalidValueError, match="must hold the metric of that name"):
        check(columns)


def test_a_few_equal_values_are_a_coincidence() -> None:
    values = np.array([[10.0], [20.0]])
    few = {name: (metric(name, ("arch", "epoch")), values) for name in ("validation/accuracy", "test/accuracy")}
    check(few, 2, (0,), (1,))


def test_units_and_directions_are_fixed() -> None:
    assert metric("test/accuracy") == Metric("test/accuracy", "percent", "maximize", ("arch", "seed", "epoch"))
    assert (metric("test/accuracy").split, metric("test/accuracy").quantity) == ("test", "accuracy")
    with pytest.raises(InvalidValueError, match=r"stored in percent \(maximize\), not in 1 \(maximize\)"):
        Metric("test/accuracy", "1", "maximize")
    with pytest.raises(InvalidValueError, match="minimize"):
        Metric("test/cross_entropy", "nats", "maximize")


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        (("accuracy", "percent", "maximize"), InvalidValueError, "split/quantity"),
        (("valid/accuracy", "percent", "maximize"), UnknownNameError, "Did you mean 'validation'"),
        (("test/f1", "percent", "up"), UnknownNameError, "direction"),
        (("test/f1", "percent", "maximize", ("seed", "arch")), InvalidValueError, "in order"),
        (("test/f1", "percent", "maximize", ("arch", "fold")), InvalidValueError, "axes"),
    ],
)
def test_malformed_metrics(arguments: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        Metric(*arguments)


def test_an_unusual_quantity_needs_its_unit() -> None:
    with pytest.raises(UnknownNameError, match="quantity"):
        metric("test/f1")
    assert Metric("test/log_odds", "1", "maximize", ("arch",)).quantity == "log_odds"
    odds = Metric("test/log_odds", "1", "maximize", ("arch",))
    check({"test/log_odds": (odds, np.array([-2.0]))}, 1, (0,), (1,))


def test_what_needs_no_training() -> None:
    assert metric("latency/pixel3") == Metric("latency/pixel3", "ms", "minimize", ("arch",))
    assert metric("energy/edgegpu").unit == "mJ"
    assert Metric("proxy/parameters", "million", "maximize", ("arch", "seed")).split == "proxy"  # a score, not a count
    with pytest.raises(InvalidValueError, match=r"stored in ms \(minimize\), not in s"):
        Metric("latency/pixel3", "s", "minimize", ("arch",))
    with pytest.raises(InvalidValueError, match="without training and has no epochs"):
        Metric("proxy/nwot", "1", "maximize", ("arch", "epoch"))
    with pytest.raises(UnknownNameError, match="quantity 'nwot'"):
        metric("proxy/nwot")


@pytest.mark.parametrize("value", [0.0, -1.0, np.inf])
@pytest.mark.parametrize("name", ["latency/edgetpu", "energy/edgetpu"])
def test_a_device_that_cannot_run_it_has_measured_nothing(name: str, value: float) -> None:
    values = np.array([1.5, np.nan, value])
    with pytest.raises(InvalidValueError, match=r"NaN where nothing was measured.*architecture 2"):
        check({name: (metric(name), values)}, 3, (), ())
    check({name: (metric(name), values[:2])}, 2, (), ())
    check({"proxy/p": (Metric("proxy/p", "1", "maximize", ("arch",)), -values[:2])}, 2, (), ())
