"""Boards with costs as objectives, limits, devices and scores, from a run to its verification."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from metanas.errors import InvalidFileError, InvalidValueError, NotMeasuredError, UnknownNameError
from metanas.leaderboard.board import Board
from metanas.leaderboard.climbs import Incumbents
from metanas.leaderboard.hypervolume import hypervolume, scaled
from metanas.leaderboard.pareto import offered, plot_fronts
from metanas.leaderboard.replay import Judge
from metanas.leaderboard.runner import Done, Job, earlier_runs, run_all
from metanas.leaderboard.setting import make_setting
from metanas.leaderboard.submission import read_run
from metanas.leaderboard.summary import as_json, sections
from metanas.leaderboard.verification import verify
from metanas.problem import Constraint, Objective
from metanas.spaces import load_space
from metanas.strategies import find_strategy
from metanas.tables import Metric, Table, metric, write_table

SPACE = load_space("nb201-conv")
INDICES = SPACE.indices


@pytest.fixture(scope="session")
def latencies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a table of latencies and a score of every cell, one row each."""
    rng = np.random.default_rng(5)
    n = len(INDICES)
    guess = np.where(np.arange(n) % 7, rng.normal(size=n), np.nan)
    columns = {
        "latency/phone": (metric("latency/phone"), rng.uniform(1, 10, n)),
        "latency/card": (metric("latency/card"), rng.uniform(1, 5, n)),
        "proxy/guess": (Metric("proxy/guess", "1", "none", ("arch",)), guess),
        "cost/macs": (metric("cost/macs", ("arch",)), rng.uniform(10, 90, n).round()),
    }  # fmt: skip
    path = tmp_path_factory.mktemp("latency") / "latency.h5"
    write_table(
        path, name="made/latency-v1", space="nb201-conv", task="searched", arch_index=INDICES, seeds=(), epochs=(),
        metrics=columns, protocol="", provenance={},
    )  # fmt: skip
    return path


@pytest.fixture
def hardware(content: dict[str, Any], latencies: Path) -> dict[str, Any]:
    return content | {
        "devices": ("phone", "card"),
        "costs": ("latency/{device}", "cost/macs"),
        "columns": {"latency/{device}": str(latencies), "cost/macs": str(latencies)},
        "scores": ("latency/{device}",),
        "report": content["report"] | {"limit": {"metric": "latency/{device}", "at_most": {"phone": 3.0, "card": 2.0}}},
    }


@pytest.fixture
def limited(content: dict[str, Any], latencies: Path) -> dict[str, Any]:
    return content | {
        "constraints": ({"metric": "latency/phone", "at_most": 3.0},),
        "columns": {"latency/phone": str(latencies), "proxy/guess": str(latencies)},
        "scores": ("proxy/guess", "latency/phone"),
    }


def runs_of(board: Board, table: Table, judges: list[Judge], folder: Path) -> list[Done]:
    outcomes = run_all(jobs_of(board, table), judges, processes=1, folder=folder)
    return [entry for entry in outcomes if isinstance(entry, Done)]


def jobs_of(board: Board, table: Table, seeds: int = 2) -> list[Job]:
    devices = board.devices or (None,)
    source = find_strategy("random_search")
    return [
        Job(board, table.path, table.sha256, source, seed, 1, device) for device in devices for seed in range(seeds)
    ]


def test_strategies_see_objectives_costs_limits_and_scores(
    hardware: dict[str, Any], limited: dict[str, Any], table: Table, latencies: Path
) -> None:
    known = Table.open(latencies)
    phone = Judge(Board.model_validate(hardware), table, "phone").setting.problem(1)
    assert phone.objectives == (
        Objective("validation/accuracy"),
        Objective("latency/phone", "minimize"),
        Objective("cost/macs", "minimize"),
    )
    assert phone.constraints == ()
    assert set(phone.scores) == {"latency/phone"}
    assert np.array_equal(phone.scores["latency/phone"][INDICES], known.column("latency/phone"))
    problem = Judge(Board.model_validate(limited), table).setting.problem(1)
    assert problem.constraints == (Constraint("latency/phone", 3.0),)
    assert problem.objective.metric == "validation/accuracy"
    assert np.array_equal(problem.scores["proxy/guess"][INDICES], known.column("proxy/guess"), equal_nan=True)


def test_an_answer_holds_the_costs_of_its_device(hardware: dict[str, Any], table: Table, latencies: Path) -> None:
    known = Table.open(latencies)
    for device in ("phone", "card"):
        oracle = Judge(Board.model_validate(hardware), table, device).oracle
        for index in INDICES[::900].tolist():
            values = oracle.answer(index, 4).values
            assert values[f"latency/{device}"] == known.query(index, f"latency/{device}")
            assert values["cost/macs"] == known.query(index, "cost/macs")
            assert values["validation/accuracy"] == table.query(index, "validation/accuracy")
            assert len(values) == 4  # and cross-entropy: no other device, no test


def test_the_hypervolume_is_of_the_front_by_validation_with_its_test_values(
    hardware: dict[str, Any], table: Table
) -> None:
    judge = Judge(Board.model_validate(hardware), table, "phone")
    trace = judge.setting.search(find_strategy("random_search"), 0, 1)
    climb = judge.climb(trace)
    validation, test = (
        np.column_stack((-judge.values[split], judge.values["latency/phone"], judge.values["cost/macs"]))
        for split in ("validation", "test")
    )
    told = trace.index[trace.told]
    points = validation[told]
    by_hand = [
        index
        for index, point in zip(told.tolist(), points, strict=True)
        if not ((points <= point).all(axis=1) & (points < point).any(axis=1)).any()
    ]
    assert sorted(climb.members) == sorted(by_hand)
    assert climb.validation[-1] == pytest.approx(hypervolume(scaled(validation[by_hand], validation[INDICES])))
    assert climb.test[-1] == pytest.approx(hypervolume(scaled(test[by_hand], test[INDICES])))
    assert (np.diff(climb.validation) > 0).all()
    assert 0 < climb.validation[0] < climb.validation[-1] < judge.best_validation < 1
    assert judge.optimum_test <= judge.best_test


def test_the_incumbent_under_a_limit_keeps_it(hardware: dict[str, Any], limited: dict[str, Any], table: Table) -> None:
    board = Board.model_validate(limited)
    judge = Judge(board, table)
    keeps = judge.setting.known["latency/phone"] <= 3
    trace = judge.setting.search(find_strategy("random_search"), 1, 1)
    climb = judge.climb(trace)
    best = None
    for step, index in enumerate(trace.index.tolist()):
        if keeps[index] and (best is None or judge.values["validation"][index] > judge.values["validation"][best]):
            best = index
        assert climb.arch[step] == (-1 if best is None else best)
        expected = np.nan if best is None else judge.values["test"][best]
        assert climb.test[step] == pytest.approx(expected, nan_ok=True)
    assert judge.best_validation == judge.values["validation"][INDICES][keeps[INDICES]].max()
    # the same figure beside a hypervolume
    both = Judge(Board.model_validate(hardware), table, "phone")
    points = both.limited_points(trace)
    assert [point.test for point in points] == [
        None if np.isnan(value) else value for value in climb.at(np.array(board.report.at))[1].tolist()
    ]


def test_what_one_random_architecture_is_expected_to_reach(
    hardware: dict[str, Any], limited: dict[str, Any], table: Table
) -> None:
    judge = Judge(Board.model_validate(hardware), table, "phone")
    for split, mean in (("validation", judge.mean_validation), ("test", judge.mean_test)):
        values = (-judge.values[split], judge.values["latency/phone"], judge.values["cost/macs"])
        points = np.column_stack([value[INDICES] for value in values])
        alone = [hypervolume(point[None]) for point in scaled(points, points)]
        assert mean == pytest.approx(np.mean(alone))
    judge = Judge(Board.model_validate(limited), table)
    kept = INDICES[judge.setting.known["latency/phone"][INDICES] <= 3.0]
    assert 0 < len(kept) < len(INDICES)
    assert judge.mean_validation == pytest.approx(judge.values["validation"][kept].mean())
    assert judge.mean_test == pytest.approx(judge.values["test"][kept].mean())


def test_runs_on_devices_are_kept_ranked_and_verified(hardware: dict[str, Any], table: Table, tmp_path: Path) -> None:
    board = Board.model_validate(hardware)
    judges = [Judge(board, table, device) for device in board.devices]
    done = runs_of(board, table, judges, tmp_path)
    paths = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("seed-*.json"))
    assert paths == [
        f"made-searched-v1,{device}/random_search/seed-00{seed}.json" for device in ("card", "phone") for seed in (0, 1)
    ]
    run = read_run(tmp_path / paths[0])
    assert run.device == "card"
    assert run.columns == {"made/latency-v1": Table.open(board.columns["cost/macs"]).sha256}
    assert run.result is not None
    assert run.result.incumbent is None
    assert len(run.result.front) > 1
    assert verify(run, judges[1]) == ([], [])
    reasons, _ = verify(run, judges[0])
    assert any("the device is 'card'" in reason for reason in reasons)
    result = run.result.model_copy(update={"front": run.result.front[::-1]})
    assert any(
        "the result's front" in reason for reason in verify(run.model_copy(update={"result": result}), judges[1])[0]
    )
    assert len(earlier_runs(tmp_path, judges, 1, without=set())) == 4

    found = sections(judges, done)
    assert [section.judge.device for section in found] == ["phone", "card"]
    content = as_json(found, [], [], 1)
    json.dumps(content, allow_nan=False)
    entry = content["tables"][0]
    assert (entry["device"], entry["figure"]) == ("phone", "hypervolume of the front")
    assert entry["limit"]["at_most"] == 3.0
    under = [point["mean"] for point in entry["strategies"][0]["under_limit"]]
    mine = [done[seed].result.limited[1].test for seed in (0, 1)]
    assert under[1] == (pytest.approx(np.mean(mine)) if None not in mine else None)  # type: ignore[arg-type]


def test_what_a_front_offers_at_a_cost(hardware: dict[str, Any], table: Table) -> None:
    judge = Judge(Board.model_validate(hardware), table, "phone")
    members = INDICES[[3, 900, 2000, 3500]]
    costs = judge.values["latency/phone"][members]
    order = np.argsort(costs)
    grid = np.array([costs.min() - 0.1, costs[order[1]], 10.0])
    shown = offered(judge, members, "latency/phone", grid)
    assert np.isnan(shown[0])
    cheap = members[order[:2]]
    assert shown[1] == judge.values["test"][cheap[np.argmax(judge.values["validation"][cheap])]]
    assert shown[2] == judge.values["test"][members[np.argmax(judge.values["validation"][members])]]
    assert np.isnan(offered(judge, members[:0], "latency/phone", grid)).all()


def test_fronts_are_drawn_as_png_and_svg(hardware: dict[str, Any], table: Table, tmp_path: Path) -> None:
    pytest.importorskip("altair", reason="the extra [plots] is not installed")
    pytest.importorskip("vl_convert", reason="the extra [plots] is not installed")
    board = Board.model_validate(
        hardware | {"devices": ("phone",), "report": {"metric": "test/accuracy", "at": (5.0, 40.0)}}
    )
    judge = Judge(board, table, "phone")
    done = runs_of(board, table, [judge], tmp_path)
    panels = [(section.judge, section.entrants) for section in sections([judge], done)]
    png, svg = plot_fronts(panels, tmp_path / "front")
    assert png.read_bytes().startswith(b"\x89PNG\r\n")
    text = svg.read_text()
    for shown in ("random_search", "made/searched-v1, phone", "latency/phone", "cost/macs", "test/accuracy"):
        assert shown in text
    assert "NaN" not in text

    _, svg = plot_fronts(panels * 3, tmp_path / "many")
    text = svg.read_text()
    assert text.count(">made/searched-v1, phone<") == 2 * 3  # a block for each cost, without titles of axes
    for shown in ("By latency<", "By cost/macs<"):
        assert shown in text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"devices": ()}, "devices must be named"),
        ({"devices": ("phone", "phone")}, "devices must be named, each once"),
        ({"devices": ("phone",)}, "must name every device"),
        ({"costs": ("test/accuracy",)}, "costs"),
        ({"costs": ("cost/seconds",)}, "costs"),
        ({"costs": ("cost/macs", "cost/parameters", "latency/{device}")}, "costs"),
        ({"constraints": ({"metric": "cost/macs", "at_most": 3.0},)}, "not both"),
        ({"costs": ()}, "report.limit is for a board with costs"),
    ],
)
def test_a_board_that_contradicts_itself_is_refused(
    changes: dict[str, Any], expected: str, hardware: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError, match=expected):
        Board.model_validate(hardware | changes)


def test_costs_need_full_trainings(hardware: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"need rules\.fidelity = 'full'"):
        Board.model_validate(hardware | {"rules": hardware["rules"] | {"fidelity": "any"}})


def test_what_the_tables_lack_is_said(hardware: dict[str, Any], limited: dict[str, Any], table: Table) -> None:
    with pytest.raises(InvalidValueError, match=r"on the devices \('phone', 'card'\), but got 'watch'"):
        Judge(Board.model_validate(hardware), table, "watch")
    with pytest.raises(InvalidValueError, match="but got None"):
        Judge(Board.model_validate(hardware), table)
    with pytest.raises(UnknownNameError, match="'latency/phone'"):
        Judge(Board.model_validate(limited | {"columns": {}, "scores": ()}), table)
    holed = limited | {"constraints": ({"metric": "proxy/guess", "at_most": 1.0},), "scores": ()}
    with pytest.raises(NotMeasuredError, match="proxy/guess"):
        Judge(Board.model_validate(holed), table)
    tight = limited | {"constraints": ({"metric": "latency/phone", "at_most": 0.5},)}
    with pytest.raises(NotMeasuredError, match="No architecture of table made/searched-v1 keeps the limits"):
        Judge(Board.model_validate(tight), table)


def test_columns_of_another_space_are_refused(limited: dict[str, Any], table: Table, tmp_path: Path) -> None:
    path, other = tmp_path / "other.h5", load_space("nb101")
    cell = other.index(other.canonical(other.sample(np.random.default_rng(0))))
    columns = {"latency/phone": (metric("latency/phone"), np.ones(1))}
    write_table(
        path, name="made/other-v1", space="nb101", task="searched", arch_index=np.array([cell]), seeds=(), epochs=(),
        metrics=columns, protocol="", provenance={},
    )  # fmt: skip
    board = Board.model_validate(limited | {"columns": {"latency/phone": str(path)}, "scores": ()})
    with pytest.raises(InvalidFileError, match="is of 'nb101'"):
        Judge(board, table)


def test_latencies_of_cells_as_written_are_read_by_class(limited: dict[str, Any], table: Table, tmp_path: Path) -> None:
    """Only the representatives were measured, dead operations and all."""
    path, own = tmp_path / "device.h5", np.unique(SPACE.canonical_indices[INDICES])
    values = np.random.default_rng(6).uniform(1, 10, len(own))
    write_table(
        path, name="made/device-v1", space="nb201", task="searched", arch_index=own, seeds=(), epochs=(),
        metrics={"latency/phone": (metric("latency/phone"), values)}, protocol="", provenance={}, as_written=True,
    )  # fmt: skip
    content = limited | {"columns": {"latency/phone": str(path)}, "scores": ("latency/phone",)}
    with pytest.raises(NotMeasuredError, match="latency/phone"):
        Judge(Board.model_validate(content), table)
    board = Board.model_validate(content | {"by_class": True})
    assert board.rules_sha256 != Board.model_validate(content).rules_sha256
    known = make_setting(board, table).known["latency/phone"]
    by_index = dict(zip(own.tolist(), values.tolist(), strict=True))
    assert known[INDICES].tolist() == [by_index[twin] for twin in SPACE.canonical_indices[INDICES].tolist()]


def test_rules_with_costs_have_a_hash_of_their_own(
    content: dict[str, Any], hardware: dict[str, Any], limited: dict[str, Any]
) -> None:
    hashes = {Board.model_validate(entry).rules_sha256 for entry in (content, hardware, limited)}
    assert len(hashes) == 3
    assert Board.model_validate(content | {"costs": (), "devices": ()}).rules_sha256 in hashes


def test_the_incumbent_is_the_first_of_equals_and_is_looked_up_after_a_full_training() -> None:
    validation, test = np.array([10.0, 30.0, 30.0]), np.array([1.0, 2.0, 3.0])
    follow = Incumbents(np.arange(3), validation, test, (1.0, 1.0), np.ones(3, dtype=bool))
    spent, seen = np.array([1.0, 2.0, 3.0, 4.0]), np.array([8.0, 20.0, 20.0, 30.0])  # early values, then 2 to the end
    climb = follow.climb(spent, np.array([0, 1, 2, 2]), seen)
    assert climb.arch.tolist() == [0, 1, 1, 2]
    assert climb.validation.tolist() == [10.0, 30.0, 30.0, 30.0]
    assert climb.test.tolist() == [1.0, 2.0, 2.0, 3.0]
    assert (follow.best_validation, follow.optimum_test, follow.best_test) == (30.0, 2.0, 3.0)
