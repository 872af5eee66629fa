"""Oracles that answer with one training instead of the mean, alone and through the boards."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metanas.errors import NotMeasuredError, UnknownNameError
from metanas.harness import Rules, generator, make_problem, search
from metanas.leaderboard.board import Board
from metanas.leaderboard.replay import Judge
from metanas.leaderboard.runner import Job, make_run
from metanas.leaderboard.setting import make_setting
from metanas.leaderboard.verification import verify
from metanas.oracles import TableOracle
from metanas.outcomes import Outcomes
from metanas.problem import Budget, Objective
from metanas.spaces import load_space
from metanas.strategies import find_strategy
from metanas.tables import Table, metric, write_table

ACCURACY = Objective("validation/accuracy")
SPACE = load_space("nb201-conv")


@pytest.fixture(scope="module")
def table(search_table_path: Path) -> Table:
    return Table.open(search_table_path)


@pytest.fixture(scope="module", params=["seed", "drawn"])
def outcomes(request: pytest.FixtureRequest, table: Table) -> Outcomes:
    return Outcomes(table, TableOracle(table, ACCURACY), request.param)


def test_all_values_of_an_architecture_are_of_one_training(table: Table) -> None:
    oracle = Outcomes(table, TableOracle(table, ACCURACY), "seed").world(5)
    accuracy, loss = table.values("validation/accuracy"), table.values("validation/cross_entropy")
    drawn = set()
    for index in SPACE.indices[::40].tolist():
        row = table.row_of_index[index]
        full = oracle.answer(index, 4)
        (seed,) = np.flatnonzero(accuracy[row, :, -1] == full.values["validation/accuracy"])
        drawn.add(int(seed))
        for at, epochs in enumerate(table.epochs):
            values, curve = oracle.answer(index, epochs)
            assert values["validation/accuracy"] == accuracy[row, seed, at]
            assert values["validation/cross_entropy"] == loss[row, seed, at]
            np.testing.assert_array_equal(curve, accuracy[row, seed, : at + 1])
            assert oracle.seconds(index, epochs) == table.query(index, "cost/seconds", epoch=epochs)
    assert drawn == {0, 1, 2}


def test_a_seed_that_was_not_run_is_never_drawn(table: Table, outcomes: Outcomes) -> None:
    values = [outcomes.world(world).answer(int(table.archs[0]), 4).values for world in range(20)]
    assert np.isnan(table.values("validation/accuracy")[0, 2]).all()
    assert np.isfinite([list(found.values()) for found in values]).all()
    assert len({found["validation/accuracy"] for found in values}) > 1


def test_a_world_does_not_depend_on_the_order_of_asking(outcomes: Outcomes) -> None:
    indices = SPACE.indices[::100].tolist()
    first, second, other = outcomes.world(1), outcomes.world(1), outcomes.world(2)
    forwards = [first.answer(index, 4).values["validation/accuracy"] for index in indices]
    backwards = [second.answer(index, 4).values["validation/accuracy"] for index in indices[::-1]]
    assert forwards == backwards[::-1]
    assert forwards == [first.answer(index, 4).values["validation/accuracy"] for index in indices]
    assert forwards != [other.answer(index, 4).values["validation/accuracy"] for index in indices]


def test_drawn_outcomes_scatter_about_the_mean_as_trainings_do(table: Table) -> None:
    means = TableOracle(table, ACCURACY)
    outcomes = Outcomes(table, means, "drawn")
    off = np.array(
        [
            outcomes.world(world).answer(index, 4).values["validation/accuracy"]
            - means.answer(index, 4).values["validation/accuracy"]
            for world in range(3)
            for index in SPACE.indices[::10].tolist()
        ]
    )
    assert off.std() == pytest.approx(1.0, abs=0.08)  # the table's own noise
    assert off.mean() == pytest.approx(0.0, abs=0.1)


def test_functionally_equal_cells_are_trained_apart(outcomes: Outcomes) -> None:
    oracle = outcomes.world(3)
    classes, counts = np.unique(SPACE.canonical_indices[SPACE.indices], return_counts=True)
    twins = SPACE.indices[SPACE.canonical_indices[SPACE.indices] == classes[counts.argmax()]][:12].tolist()
    assert len({oracle.answer(index, 4).values["validation/accuracy"] for index in twins}) > 1


def test_it_holds_no_test_value(table: Table, outcomes: Outcomes) -> None:
    oracle = outcomes.world(0)
    oracle.answer(int(SPACE.indices[0]), 4)
    seen: set[int] = set()
    todo: list[Any] = [oracle]
    while todo:
        found = todo.pop()
        if id(found) in seen or isinstance(found, (type, str, int, float)) or callable(found):
            continue
        seen.add(id(found))
        assert not isinstance(found, Table)
        if isinstance(found, dict):
            assert not any(str(key).startswith("test/") for key in found)
        todo += gc.get_referents(found)


def test_what_has_no_seeds_has_no_outcomes(table: Table, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'seed'"):
        Outcomes(table, TableOracle(table, ACCURACY), "seeds")  # type: ignore[arg-type]
    values = table.column("validation/accuracy", epoch=4)

    def written(values: np.ndarray, axes: tuple[Any, ...], seeds: tuple[int, ...]) -> Table:
        write_table(
            tmp_path / "table.h5",
            name="made/other-v1",
            space="nb201-conv",
            task="other",
            arch_index=table.archs,
            seeds=seeds,
            epochs=(4,),
            metrics={"validation/accuracy": (metric("validation/accuracy", axes), values)},
            protocol="",
            provenance={},
        )
        return Table.open(tmp_path / "table.h5")

    means = written(values[:, None], ("arch", "epoch"), ())
    for outcome in ("seed", "drawn"):
        with pytest.raises(NotMeasuredError, match="has no seeds"):
            Outcomes(means, TableOracle(means, ACCURACY), outcome)  # type: ignore[arg-type]


def rules(**change: Any) -> dict[str, Any]:
    return {"fidelity": "any", "workers": 2, "repeats": "free", "continuation": "continue"} | change


def content(outcome: str, **change: Any) -> dict[str, Any]:
    return {
        "name": "noisy-v1",
        "title": "made up",
        "space": "nb201-conv",
        "tables": ("made/searched-v1",),
        "label": "mean_of_measured_seeds",
        "seeds": 2,
        "objective": {"metric": "validation/accuracy", "direction": "maximize"},
        "report": {"metric": "test/accuracy", "at": (5.0, 20.0)},
        "budget": {"trainings": 20},
        "rules": rules(),
        "outcome": outcome,
    } | change


@pytest.mark.parametrize("outcome", ["seed", "drawn"])
@pytest.mark.parametrize("strategy", ["random_search", "hyperband"])
def test_runs_are_the_same_again_and_replay_verifies_them(table: Table, outcome: str, strategy: str) -> None:
    board = Board.model_validate(content(outcome))
    judge = Judge(board, table)
    made = []
    for seed in (0, 0, 1):
        run = make_run(Job(board, table.path, table.sha256, find_strategy(strategy), seed, 2))
        made.append(run.model_copy(update={"result": judge.replay(run)[0]}))
    assert made[0].seal == made[0].computed_seal()
    assert (made[0].choices, made[0].result) == (made[1].choices, made[1].result)
    assert made[0].choices != made[2].choices
    assert verify(made[0], judge) == ([], [])
    assert made[0].result is not None
    other = made[0].result.model_copy(update={"test": 99.0})
    reasons, _ = verify(made[0].model_copy(update={"result": other}), judge)
    assert any("test" in reason for reason in reasons)
    replayed = verify(made[2].model_copy(update={"seed": 0}), judge)[0]
    assert any("trial" in reason for reason in replayed)  # of another world


def test_the_incumbent_is_chosen_by_what_was_seen_and_judged_by_means(table: Table) -> None:
    board = Board.model_validate(content("drawn", rules=rules(fidelity="full", workers=1)))
    judge, setting = Judge(board, table), make_setting(board, table)
    run = make_run(Job(board, table.path, table.sha256, find_strategy("random_search"), 0, 1))
    result, _ = judge.replay(run)
    oracle = setting.oracle_of(0)
    seen = {index: oracle.answer(index, 4).values["validation/accuracy"] for index in run.choices.archs}
    assert result.incumbent == max(seen, key=lambda index: seen[index])
    assert result.validation == table.query(result.incumbent, "validation/accuracy")
    assert result.test == table.query(result.incumbent, "test/accuracy")
    assert result.validation != seen[result.incumbent]


def test_a_board_of_means_keeps_its_hash_and_its_answers(table: Table) -> None:
    mean, drawn = (Board.model_validate(content(outcome)) for outcome in ("mean", "drawn"))
    unstated = {name: value for name, value in content("mean").items() if name != "outcome"}
    assert mean.rules_sha256 == Board.model_validate(unstated).rules_sha256 != drawn.rules_sha256
    setting = make_setting(mean, table)
    assert setting.oracle_of(0) is setting.oracle


@pytest.mark.parametrize("change", [{"rules": rules(repeats="charged")}, {"rules": rules(continuation="restart")}])
def test_a_training_is_made_once(change: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="trained once"):
        Board.model_validate(content("drawn", **change))
    assert Board.model_validate(content("mean", **change)).outcome == "mean"


def test_a_search_without_a_board(table: Table, outcomes: Outcomes) -> None:
    found = []
    for _ in range(2):
        oracle = outcomes.world(7)
        once = Rules(Budget(trainings=15), repeats="free")
        strategy = find_strategy("regularized_evolution").build(
            make_problem(oracle, ACCURACY, once), generator("evolution", 0)
        )
        found.append(search(strategy, oracle, ACCURACY, once))
    np.testing.assert_array_equal(found[0].value, found[1].value)
