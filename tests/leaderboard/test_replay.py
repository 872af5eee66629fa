from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metanas.errors import InvalidFileError, NotMeasuredError, UnknownNameError, VerificationError
from metanas.leaderboard.board import Board
from metanas.leaderboard.replay import Judge
from metanas.leaderboard.statistics import random_regret
from metanas.leaderboard.submission import Choices, Run
from metanas.spaces import load_space
from metanas.tables import Table, metric, write_table

RunOf = Callable[..., Run]
SPACE = load_space("nb201-conv")


def with_choices(run: Run, archs: list[int], epochs: int | tuple[int, ...] = 4) -> Run:
    return run.model_copy(update={"choices": Choices(archs=tuple(archs), epochs=epochs)})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(archs=st.lists(st.sampled_from(SPACE.indices.tolist()), min_size=40, max_size=40))
def test_the_incumbent_is_chosen_by_validation_and_its_test_reported(
    archs: list[int], run_of: RunOf, judge: Judge, table: Table
) -> None:
    """Recompute a run by hand from the table."""
    result, climb = judge.replay(with_choices(run_of(), archs))
    validation = [table.query(index, "validation/accuracy") for index in archs]
    test = [table.query(index, "test/accuracy") for index in archs]
    for count in range(1, 41):
        best = max(range(count), key=lambda i: (validation[i], -i))  # the first of equals
        at = climb.at(np.array([float(count)]))
        assert (at[0][0], at[1][0]) == (validation[best], test[best])
    assert [(point.at, point.test) for point in result.points] == [
        (at, test[max(range(int(at)), key=lambda i: (validation[i], -i))]) for at in (5.0, 40.0)
    ]
    assert result.incumbent == archs[best]
    assert (result.validation, result.test) == (validation[best], test[best])
    assert result.trainings == 40
    assert result.seconds == pytest.approx(sum(table.query(index, "cost/seconds") for index in archs))


def test_the_judge_knows_the_best(judge: Judge, table: Table) -> None:
    validation = table.query(SPACE.indices, "validation/accuracy")
    test = table.query(SPACE.indices, "test/accuracy")
    assert judge.best_validation == validation.max()
    assert judge.best_test == test.max()
    assert judge.optimum_test == test[validation.argmax()]
    assert (judge.mean_validation, judge.mean_test) == pytest.approx((validation.mean(), test.mean()))
    assert judge.units == {"validation": "percent", "test": "percent"}


def test_the_optimum_counts_from_when_it_was_found(run_of: RunOf, judge: Judge, table: Table) -> None:
    run = run_of()
    optimum = int(SPACE.indices[table.query(SPACE.indices, "validation/accuracy").argmax()])
    others = [
        index for index in SPACE.indices.tolist() if SPACE.canonical_indices[index] != SPACE.canonical_indices[optimum]
    ]
    assert judge.replay(with_choices(run, others[:40]))[0].optimum_at is None
    archs = [*others[:17], optimum, *others[17:39]]
    assert judge.replay(with_choices(run, archs))[0].optimum_at == 18
    twin = next(
        i
        for i in SPACE.indices.tolist()
        if SPACE.canonical_indices[i] == SPACE.canonical_indices[optimum] and i != optimum
    )
    assert judge.replay(with_choices(run, [*others[:3], twin, *others[3:39]]))[0].optimum_at == 4


def test_a_minimized_metric_is_minimized(content: dict[str, Any], table: Table, run_of: RunOf) -> None:
    content["objective"] = {"metric": "validation/cross_entropy", "direction": "minimize"}
    judge = Judge(Board.model_validate(content), table)
    losses = table.query(SPACE.indices, "validation/cross_entropy")
    assert judge.best_validation == losses.min()
    assert random_regret(judge, "validation") == pytest.approx(losses.mean() - losses.min())
    run = run_of()
    result, climb = judge.replay(run)
    mine = table.query(np.array(run.choices.archs), "validation/cross_entropy")
    assert result.validation == mine.min()
    assert (np.diff(climb.validation) <= 0).all()
    content["objective"]["direction"] = "maximize"
    with pytest.raises(
        InvalidFileError, match=r"wants to maximize validation/cross_entropy, but table .* says minimize"
    ):
        Judge(Board.model_validate(content), table)


def test_points_before_the_first_training_has_ended_are_none(
    content: dict[str, Any], table: Table, run_of: RunOf
) -> None:
    content["budget"] = {"seconds": 400.0}
    content["report"]["at"] = (1.0, 100.0, 400.0)
    board = Board.model_validate(content)
    judge = Judge(board, table)
    archs = SPACE.indices[:200].tolist()
    clock = np.cumsum([table.query(index, "cost/seconds") for index in archs])
    asked = int((clock < 400).sum()) + 1  # the last one is still under way
    result, climb = judge.replay(with_choices(run_of(), archs[:asked]))
    assert result.points[0].validation is None
    assert result.points[0].test is None
    assert result.points[1].validation == max(
        table.query(index, "validation/accuracy") for index, end in zip(archs, clock, strict=False) if end <= 100
    )
    assert result.trainings == asked - 1
    assert result.seconds == pytest.approx(clock[asked - 2])
    assert climb.spent.tolist() == pytest.approx(clock[: asked - 1].tolist())


def test_a_budget_too_short_for_one_training_gives_no_incumbent(
    content: dict[str, Any], table: Table, run_of: RunOf
) -> None:
    content["budget"] = {"seconds": 1.0}
    content["report"]["at"] = (1.0,)
    result, _ = Judge(Board.model_validate(content), table).replay(with_choices(run_of(), SPACE.indices[:1].tolist()))
    assert (result.incumbent, result.validation, result.test, result.optimum_at) == (None,) * 4
    assert (result.trainings, result.seconds) == (0, None)


@pytest.mark.parametrize(
    ("archs", "epochs", "expected"),
    [
        (SPACE.indices[:39].tolist(), 4, "fewer trials than its budget buys"),
        (SPACE.indices[:41].tolist(), 4, "buys 40 of these trials, but the run has 41"),
        ([-1] * 40, 4, "0 <= index"),
        ([99_999] * 40, 4, "0 <= index"),
        ([int(np.setdiff1d(np.arange(15_625), SPACE.indices)[0])] * 40, 4, "A code of 'nb201-conv'"),
        (SPACE.indices[:40].tolist(), 3, "trial 1: asks for 3 epochs, but every trial here is a full training"),
        (SPACE.indices[:40].tolist(), (4,) * 39, "40 trials and 39 epochs"),
    ],
)
def test_choices_against_the_rules_are_refused(
    archs: list[int], epochs: int | tuple[int, ...], expected: str, run_of: RunOf, judge: Judge
) -> None:
    with pytest.raises((VerificationError, InvalidFileError), match=expected):
        judge.replay(with_choices(run_of(), archs, epochs))


def test_a_table_without_the_boards_metric_is_refused(content: dict[str, Any], table: Table) -> None:
    content["report"]["metric"] = "test/cross_entropy"
    with pytest.raises(UnknownNameError, match="test/cross_entropy"):
        Judge(Board.model_validate(content), table)


def test_a_table_with_a_hole_in_test_is_refused(board: Board, tmp_path: Path) -> None:
    index = np.unique(SPACE.canonical_indices[SPACE.indices])
    rng = np.random.default_rng(0)
    columns = {f"{split}/accuracy": rng.uniform(10, 90, (len(index), 1, 1)) for split in ("validation", "test")}
    columns["test/accuracy"][3] = np.nan
    write_table(
        tmp_path / "hole.h5", name="made/hole-v1", space="nb201-conv", task="hole", arch_index=index, seeds=(0,),
        epochs=(1,), metrics={name: (metric(name), values) for name, values in columns.items()}, protocol="",
        provenance={},
    )  # fmt: skip
    with pytest.raises(NotMeasuredError, match=r"made/hole-v1 has no test/accuracy for \d+ architectures"):
        Judge(board, Table.open(tmp_path / "hole.h5"))
