from __future__ import annotations

import dataclasses
import gc
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FunctionType, ModuleType

import numpy as np
import pytest

from metanas.arch import Arch
from metanas.errors import InvalidArchError, InvalidValueError, NotMeasuredError, StrategyError, UnknownNameError
from metanas.harness import Rules, make_problem, search
from metanas.oracles import TableOracle
from metanas.problem import Budget, Objective, Observation, Problem, Trial
from metanas.spaces import load_space
from metanas.tables import Table, metric, write_table

ACCURACY = Objective("validation/accuracy")


@pytest.fixture
def table(search_table_path: Path) -> Table:
    return Table.open(search_table_path)


@pytest.fixture
def oracle(table: Table) -> TableOracle:
    return TableOracle(table, ACCURACY)


def test_it_answers_validation_by_the_mean_of_the_measured_seeds(table: Table, oracle: TableOracle) -> None:
    space = load_space("nb201-conv")
    for index in space.indices[::500].tolist():
        for position, epochs in enumerate(table.epochs):
            values, curve = oracle.answer(index, epochs)
            assert set(values) == {"validation/accuracy", "validation/cross_entropy"}
            row = table.row_of_index[index]
            by_seed = table.values("validation/accuracy")[row, :, position].astype(np.float64)
            assert values["validation/accuracy"] == pytest.approx(np.nanmean(by_seed), rel=1e-12)
            assert values["validation/accuracy"] == table.query(index, "validation/accuracy", epoch=epochs)
            assert curve is not None
            assert curve.tolist() == [
                table.query(index, "validation/accuracy", epoch=e) for e in table.epochs[: position + 1]
            ]
            assert oracle.seconds(index, epochs) == table.query(index, "cost/seconds", epoch=epochs)


def test_a_seed_that_was_not_run_is_left_out(table: Table) -> None:
    values = table.values("validation/accuracy")
    assert np.isnan(values[:, 2]).any()
    assert not np.isnan(values[:, 2]).all()


def test_costs_are_in_every_answer_and_are_the_architectures_own(table: Table, oracle: TableOracle) -> None:
    latency = np.arange(15_625, dtype=np.float64) + 1
    dear = TableOracle(table, ACCURACY, costs={"latency/made_up": latency})
    assert dear.metrics == (*oracle.metrics, "latency/made_up")
    for index in dear.space.indices[::200].tolist():
        for epochs in table.epochs:
            plain, (values, curve) = oracle.answer(index, epochs), dear.answer(index, epochs)
            assert values == {**plain.values, "latency/made_up": index + 1.0}
            assert np.array_equal(curve, plain.curve)
            assert dear.seconds(index, epochs) == oracle.seconds(index, epochs)
    latency[int(dear.space.indices[7])] = np.nan
    with pytest.raises(NotMeasuredError, match=r"latency/made_up of each of its 4,096"):
        TableOracle(table, ACCURACY, costs={"latency/made_up": latency})


def test_all_members_of_a_class_get_one_answer(oracle: TableOracle) -> None:
    space = load_space("nb201-conv")
    for index in space.indices[::200].tolist():
        representative = int(space.canonical_indices[index])
        assert oracle.answer(index, 4).values == oracle.answer(representative, 4).values


def test_asking_for_test_says_what_is_there(oracle: TableOracle) -> None:
    values, _ = oracle.answer(int(oracle.space.indices[0]), 4)
    with pytest.raises(StrategyError, match=r"validation metrics only.*no 'test/accuracy'"):
        values["test/accuracy"]


def test_a_curve_is_the_strategys_own(oracle: TableOracle) -> None:
    index = int(oracle.space.indices[0])
    curve = oracle.answer(index, 4).curve
    assert curve is not None
    assert curve.base is None  # a view would lead to the curves of all others
    before = curve.copy()
    curve[:] = 0
    again = oracle.answer(index, 4).curve
    assert again is not None
    assert np.array_equal(again, before)


class Once:
    """Asks for one trial again and again."""

    def __init__(self, arch: Arch, epochs: int) -> None:
        self.trial = Trial(arch, epochs)

    def ask(self) -> Trial:
        return self.trial

    def tell(self, observation: Observation) -> None:
        pass


def reachable(roots: Iterable[object]) -> list[object]:
    """Return everything that attributes, items and closures lead to; not through modules and classes."""
    seen: dict[int, object] = {}
    queue = list(roots)
    while queue:
        entry = queue.pop()
        if id(entry) in seen or isinstance(entry, (type, ModuleType, FunctionType)):
            continue
        seen[id(entry)] = entry
        queue += gc.get_referents(entry)
    return list(seen.values())


class Collector:
    """Keeps all that it is handed."""

    def __init__(self, problem: Problem, rng: np.random.Generator) -> None:
        self.handed: list[object] = [problem, rng]
        self.arch = problem.space.arch(int(problem.space.indices[0]))
        self.epochs = problem.max_epochs

    def ask(self) -> Trial:
        return Trial(self.arch, self.epochs)

    def tell(self, observation: Observation) -> None:
        self.handed.append(observation)


def test_nothing_that_a_strategy_is_handed_leads_to_test(table: Table) -> None:
    oracle = TableOracle(table, ACCURACY)
    rules = Rules(Budget(trainings=3))
    collector = Collector(make_problem(oracle, ACCURACY, rules), np.random.default_rng(0))
    search(collector, oracle, ACCURACY, rules)
    tests = {value for epoch in table.epochs for value in table.column("test/accuracy", epoch=epoch).tolist()}
    for roots in (collector.handed, [oracle]):  # not even the oracle, which is not handed out
        for entry in reachable(roots):
            assert not isinstance(entry, Table)
            assert not (isinstance(entry, float) and entry in tests)
            if isinstance(entry, np.ndarray) and entry.dtype.kind == "f":
                assert not tests & set(entry.ravel().tolist())
    assert any(isinstance(entry, np.ndarray) for entry in reachable([oracle]))
    leaking = [*collector.handed, {"table": table}]
    assert any(isinstance(entry, Table) for entry in reachable(leaking))  # the search would have found it


def test_a_problem_and_an_observation_have_no_other_fields() -> None:
    assert [field.name for field in dataclasses.fields(Problem)] == [
        *("space", "objectives", "max_epochs", "budget", "workers", "knowledge", "data"),
        *("constraints", "epochs", "scores", "repeats"),
    ]
    assert Observation._fields == ("trial", "values", "curve", "seconds")


@pytest.mark.parametrize("name", ["test/accuracy", "cost/seconds"])
def test_only_validation_can_be_the_objective(table: Table, name: str) -> None:
    objective = Objective("validation/accuracy")
    object.__setattr__(objective, "metric", name)  # round the objective's own check
    with pytest.raises(InvalidValueError, match="validation metrics only"):
        TableOracle(table, objective)


def test_unknown_metrics_and_epochs_are_named(table: Table) -> None:
    with pytest.raises(UnknownNameError, match=r"validation/accurac'.*Did you mean 'validation/accuracy'"):
        TableOracle(table, Objective("validation/accurac"))
    with pytest.raises(UnknownNameError, match=r"epoch of table made/searched-v1 '7'.*1, 2, 3, 4"):
        TableOracle(table, ACCURACY, max_epochs=7)


def test_a_full_training_may_end_earlier_than_the_table(table: Table) -> None:
    oracle = TableOracle(table, ACCURACY, max_epochs=2)
    assert oracle.epochs == (1, 2)
    index = int(oracle.space.indices[0])
    assert oracle.answer(index, 2).values["validation/accuracy"] == table.query(index, "validation/accuracy", epoch=2)


def test_a_table_with_a_hole_cannot_be_searched(tmp_path: Path) -> None:
    space = load_space("nb201-conv")
    index = np.unique(space.canonical_indices[space.indices])
    values = np.random.default_rng(0).uniform(10, 90, size=(len(index), 2, 1))

    def written(**changes: object) -> Table:
        content: dict[str, object] = {
            "name": "made/hole-v1", "space": "nb201-conv", "task": "hole", "arch_index": index, "seeds": (0, 1),
            "epochs": (1,), "metrics": {"validation/accuracy": (metric("validation/accuracy"), values)},
            "protocol": "", "provenance": {},
        }  # fmt: skip
        write_table(tmp_path / "hole.h5", **(content | changes))  # type: ignore[arg-type]
        return Table.open(tmp_path / "hole.h5")

    oracle = TableOracle(written(), ACCURACY)
    assert not oracle.timed
    assert np.isnan(oracle.seconds(int(index[0]), 1))
    assert oracle.answer(int(index[0]), 1).curve is None  # one epoch is no curve

    holed = values.copy()
    holed[17] = np.nan
    with pytest.raises(NotMeasuredError, match=r"needs validation/accuracy of every one of its 4,096"):
        TableOracle(written(metrics={"validation/accuracy": (metric("validation/accuracy"), holed)}), ACCURACY)
    fewer = {"arch_index": index[1:], "metrics": {"validation/accuracy": (metric("validation/accuracy"), values[1:])}}
    with pytest.raises(NotMeasuredError, match="made/hole-v1 lacks"):
        TableOracle(written(**fewer), ACCURACY)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Table]:
    """Write a table of nb201-conv with epochs 1, 2, 4 and one seed, the values by (row, epoch) or by row."""
    space = load_space("nb201-conv")
    index = np.unique(space.canonical_indices[space.indices])

    def written(**columns: np.ndarray) -> Table:
        metrics = {}
        for name, values in columns.items():
            name = name.replace("_", "/", 1)
            axes = ("arch", "epoch") if np.ndim(values) == 2 else ("arch",)
            metrics[name] = (metric(name, axes), values)
        write_table(
            tmp_path / "sparse.h5", name="made/sparse-v1", space="nb201-conv", task="sparse", arch_index=index,
            seeds=(), epochs=(1, 2, 4), metrics=metrics, protocol="", provenance={},
        )  # fmt: skip
        return Table.open(tmp_path / "sparse.h5")

    written.index = index  # type: ignore[attr-defined]
    return written


def test_epochs_at_which_the_objective_was_not_measured_are_left_out(write: Callable[..., Table]) -> None:
    rng = np.random.default_rng(1)
    n = len(write.index)  # type: ignore[attr-defined]
    accuracy, loss = rng.uniform(10, 90, size=(n, 3)), rng.uniform(1, 2, size=(n, 3))
    accuracy[:, 0] = np.nan
    loss[:, 1] = np.nan
    table = write(validation_accuracy=accuracy, validation_cross_entropy=loss)
    oracle = TableOracle(table, ACCURACY)
    assert oracle.epochs == (2, 4)
    index = int(write.index[7])  # type: ignore[attr-defined]
    values, curve = oracle.answer(index, 2)
    assert dict(values) == {"validation/accuracy": accuracy[7, 1]}  # the loss was not measured then
    assert curve is not None
    assert curve.shape == (1,)
    values, curve = oracle.answer(index, 4)
    assert set(values) == {"validation/accuracy", "validation/cross_entropy"}
    assert curve is not None
    assert curve.tolist() == accuracy[7, 1:].tolist()
    with pytest.raises(NotMeasuredError, match=r"holds no validation/accuracy .*after 1 epochs"):
        TableOracle(table, ACCURACY, max_epochs=1)
    rules = Rules(Budget(trainings=3), fidelity="any")
    with pytest.raises(StrategyError, match=r"asks for 1 epochs, but there are values after \(2, 4\)|1 <= epochs"):
        search(Once(oracle.space.arch(index), 1), oracle, ACCURACY, rules)

    accuracy[:, 2] = np.nan  # measured nowhere at the last epoch either: a full training ends before
    shorter = write(validation_accuracy=accuracy, validation_cross_entropy=loss)
    assert TableOracle(shorter, ACCURACY).epochs == (2,)
    with pytest.raises(NotMeasuredError, match="holds no validation/accuracy"):
        TableOracle(write(validation_accuracy=np.full((n, 3), np.nan), validation_cross_entropy=loss), ACCURACY)


def test_a_value_of_the_finished_training_is_no_answer_to_an_early_stop(write: Callable[..., Table]) -> None:
    rng = np.random.default_rng(2)
    n = len(write.index)  # type: ignore[attr-defined]
    index = int(write.index[7])  # type: ignore[attr-defined]
    curves, final = rng.uniform(10, 90, size=(n, 3)), rng.uniform(1, 2, size=n)
    oracle = TableOracle(write(validation_accuracy=curves, validation_cross_entropy=final), ACCURACY)
    assert oracle.epochs == (1, 2, 4)
    assert set(oracle.answer(index, 2).values) == {"validation/accuracy"}
    assert oracle.answer(index, 4).values["validation/cross_entropy"] == final[7]
    shorter = TableOracle(write(validation_accuracy=curves, validation_cross_entropy=final), ACCURACY, max_epochs=2)
    assert set(shorter.answer(index, 2).values) == {"validation/accuracy"}

    # an objective without epochs is of the whole training, whatever epochs the others have
    table = write(validation_accuracy=curves[:, 2], validation_cross_entropy=curves / 50)
    whole = TableOracle(table, ACCURACY)
    assert whole.epochs == (4,)
    assert set(whole.answer(index, 4).values) == {"validation/accuracy", "validation/cross_entropy"}
    assert whole.answer(index, 4).curve is None
    with pytest.raises(NotMeasuredError, match="after 2 epochs"):
        TableOracle(table, ACCURACY, max_epochs=2)

    # seconds of the whole training are not those of an early stop
    timed = TableOracle(write(validation_accuracy=curves, cost_seconds=final), ACCURACY)
    assert timed.timed
    assert timed.epochs == (4,)
    assert timed.seconds(index, 4) == final[7]


def test_a_table_of_other_architectures_is_refused(table: Table) -> None:
    """Their indices overlap: nothing else would tell."""
    assert TableOracle(table, ACCURACY, space=load_space("nb201-conv")).epochs == table.epochs
    with pytest.raises(
        InvalidValueError, match=r"search is over 'nbgraph', but table made/searched-v1 holds .* 'nb201'"
    ):
        TableOracle(table, ACCURACY, space=load_space("nbgraph"))


def test_an_architecture_outside_the_space_is_refused(oracle: TableOracle) -> None:
    pooling = Arch("nb201", (4, 0, 0, 0, 0, 0))
    for arch in (pooling, Arch("nb101", (0,) * 6), Arch("nb201", (0,) * 5), Arch("nb201", (9,) * 6)):
        with pytest.raises(InvalidArchError):
            oracle.index(arch)


def test_equal_codes_of_other_number_types_are_one_architecture(oracle: TableOracle) -> None:
    plain = Arch("nb201", (0, 1, 2, 3, 0, 1))
    index = oracle.space.index(plain)
    assert oracle.index(Arch("nb201", tuple(np.array(plain.code, dtype=np.int8)))) == index
    assert oracle.index(plain) == index
    with pytest.raises(InvalidArchError):
        oracle.index(Arch("nb201", (0.5, 1, 2, 3, 0, 1)))  # type: ignore[arg-type]
