"""The published few-shot predictor: other tasks' tables, a few trainings of a new one, and the commands about it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kendalltau

from metanas import published
from metanas.cli import main
from metanas.encodings import encode
from metanas.errors import InvalidFileError, InvalidValueError
from metanas.published_predictors.fewshot import SOURCES, examples, load_few_shot
from metanas.published_predictors.making import make_few_shot
from metanas.published_predictors.store import publish
from metanas.spaces import listed, load_space
from metanas.tables import Table, metric, write_table

SPACE = listed(load_space("nb201"))
CONV = listed(load_space("nb201-conv"))
CLASSES = np.unique(CONV.canonical_indices[CONV.indices])
ACCURACY = "validation/accuracy"
TASKS = ("first-v1", "second-v1", "third-v1", "fourth-v1")


def truth(task: str) -> np.ndarray:
    """Return accuracies that half of what all tasks share decides, and half of the task's own."""
    vectors = encode(CONV, CLASSES, "functional").astype(float)
    own = np.random.default_rng(sum(task.encode()))
    heights = [vectors @ rng.normal(size=vectors.shape[1]) for rng in (np.random.default_rng(0), own)]
    shared, different = ((height - height.mean()) / height.std() for height in heights)
    return 60 + 8 * (shared + 0.5 * different)


def write(path: Path, task: str, rows: np.ndarray | None = None, protocol: str = "", seeds: int = 2) -> Table:
    rows = np.arange(len(CLASSES)) if rows is None else rows
    values = truth(task)[rows, None, None] + np.random.default_rng(1).normal(0, 1, (len(rows), seeds, 1))
    write_table(
        path,
        name=f"nb201/{task}",
        space="nb201-conv",
        task=task,
        arch_index=CLASSES[rows],
        seeds=range(seeds),
        epochs=(1,),
        metrics={ACCURACY: (metric(ACCURACY), values)},
        protocol=protocol,
        provenance={},
    )
    return Table.open(path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    fewshot = make_few_shot([write(folder / f"{task}.h5", task) for task in TASKS])
    publish(fewshot.fields, fewshot.weights, fewshot.card, place=folder)
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = tmp_path / "place"
    shutil.copytree(made, copy)
    monkeypatch.setattr(published, "roots", lambda: (copy, *ROOTS))
    return copy


ROOTS = published.roots()


def test_a_few_trainings_of_a_new_task_rank_all_others(place: Path, tmp_path: Path) -> None:
    predictor = load_few_shot("fewshot-v1")
    chosen = predictor.propose("fifth-v1", 12)
    assert len(set(SPACE.canonical_indices[chosen])) == 12
    assert np.array_equal(chosen[:5], predictor.propose("fifth-v1", 5))
    rows = np.searchsorted(CLASSES, np.sort(chosen))
    task, archs, values = examples([write(tmp_path / "few.h5", "fifth-v1", rows)], SPACE)
    assert task == "fifth-v1"
    others = np.setdiff1d(np.arange(len(CLASSES)), rows)
    said = predictor.fit(task, archs, values).predict(CLASSES[others])
    few = kendalltau(said.mean, truth(task)[others]).statistic
    prior = kendalltau(predictor._predictor(task).prior(CLASSES[others]), truth(task)[others]).statistic
    assert few > prior + 0.05 > 0.5
    assert said.std is not None
    assert np.mean(np.abs(said.mean - truth(task)[others]) < 2 * said.std) > 0.7


def test_figures_and_sources(place: Path) -> None:
    config = load_few_shot("fewshot-v1").config
    assert config.examples == 4 * len(CLASSES)
    assert 0.4 < config.figures["tau_from_0_trainings"] < config.figures["tau_from_20_trainings"] < 1
    assert set(config.data) == {f"nb201/{task}" for task in TASKS}


def test_the_asked_task_is_no_source_of_itself(place: Path) -> None:
    predictor = load_few_shot("fewshot-v1")
    assert predictor.others("second-v1") == ["first-v1", "third-v1", "fourth-v1"]
    known, unknown = (predictor._predictor(task).prior(CLASSES) for task in ("second-v1", "fifth-v1"))
    assert not np.allclose(known, unknown)


def test_examples_are_means_over_tables_and_seeds(tmp_path: Path) -> None:
    a = write(tmp_path / "a.h5", "fifth-v1", np.array([3, 8]))
    b = write(tmp_path / "b.h5", "fifth-v1", np.array([8, 20]), seeds=1)
    _, archs, values = examples([a, b], SPACE)
    assert np.array_equal(archs, CLASSES[[3, 8, 20]])
    trained = [*a.values(ACCURACY)[1, :, 0], b.values(ACCURACY)[0, 0, 0]]
    assert values[1] == pytest.approx(np.mean(trained))


def test_examples_are_of_the_space_and_by_functional_class(tmp_path: Path) -> None:
    twins = next(
        np.flatnonzero(SPACE.canonical_indices == c) for c in CLASSES if (SPACE.canonical_indices == c).sum() == 3
    )
    path = tmp_path / "as-written.h5"
    write_table(
        path,
        name="nb201/fifth-v1",
        space="nb201",
        task="fifth-v1",
        arch_index=[*twins, CLASSES[-1]],
        seeds=(0,),
        epochs=(1,),
        metrics={ACCURACY: (metric(ACCURACY), np.array([10.0, 20.0, 30.0, 50.0])[:, None, None])},
        protocol="",
        provenance={},
        as_written=True,
    )
    _, archs, values = examples([Table.open(path)], SPACE)
    assert archs.tolist() == sorted({int(SPACE.canonical_indices[twins[0]]), int(CLASSES[-1])})
    assert sorted(values) == [20.0, 50.0]
    with pytest.raises(InvalidFileError, match="architectures of 'nb101'"):
        examples([Table.open(path)], load_space("nb101"))  # type: ignore[arg-type]


def test_predictors_of_one_source_do_not_change_each_other() -> None:
    from metanas.predictors.task_gp import TaskGP

    columns = {task: np.full(len(SPACE.canonical_indices), np.nan) for task in TASKS[:2]}
    for task, column in columns.items():
        column[CLASSES] = truth(task) + np.random.default_rng(0).normal(0, 1 + 5 * (task == TASKS[1]), len(CLASSES))
    first = TaskGP(SPACE, np.random.default_rng(0), sources=columns[TASKS[0]][:, None])
    before = first.variances
    assert TaskGP(SPACE, np.random.default_rng(0), sources=columns[TASKS[1]][:, None]).variances != before
    assert first.variances == before


def test_bad_examples_and_bad_sources(place: Path, tmp_path: Path) -> None:
    one = write(tmp_path / "one.h5", "fifth-v1", np.array([3]))
    other = write(tmp_path / "other.h5", "sixth-v1", np.array([3, 4]))
    longer = write(tmp_path / "longer.h5", "fifth-v1", np.array([3, 4]), protocol="twice as long")
    with pytest.raises(InvalidValueError, match="At least two architectures"):
        examples([one], SPACE)
    with pytest.raises(InvalidValueError, match="one task and one protocol"):
        examples([one, other], SPACE)
    with pytest.raises(InvalidValueError, match="one task and one protocol"):
        examples([one, longer], SPACE)
    with pytest.raises(InvalidValueError, match="at least three tasks"):
        make_few_shot([Table.open(place / "first-v1.h5"), Table.open(place / "second-v1.h5")])
    with pytest.raises(InvalidValueError, match="one table for each"):
        make_few_shot([Table.open(place / "first-v1.h5")] * 3)
    weights = place / "predictors" / "fewshot-v1" / SOURCES
    content = bytearray(weights.read_bytes())
    content[-30] ^= 1
    weights.write_bytes(content)
    with pytest.raises(InvalidFileError, match="published sha256"):
        load_few_shot("fewshot-v1")


def test_from_ten_trainings_to_the_best(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = load_few_shot("fewshot-v1").propose("fifth-v1", 10)
    write(tmp_path / "few.h5", "fifth-v1", np.searchsorted(CLASSES, np.sort(chosen)))
    assert main(["predict", "--examples", str(tmp_path / "few.h5"), "--best", "5", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    means = [answer["predicted"]["mean"] for answer in said["answers"]]
    assert means == sorted(means, reverse=True)
    assert len({answer["index"] for answer in said["answers"]}) == 5
    assert "10 trained architectures and 4 other tasks" in said["by"]
    assert main(["predict", "--examples", str(tmp_path / "few.h5"), str(chosen[0])]) == 0
    assert " no" not in capsys.readouterr().out.splitlines()[-2]  # it was trained, and is shown as measured


def test_training_what_is_proposed_and_what_is_named(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build = ["build", "--task", "optdigits", "--seeds", "0", "--work"]
    assert main([*build, str(tmp_path / "few"), "--few-shot", "2"]) == 0
    table = Table.open(next((tmp_path / "few").glob("*.h5")))
    assert table.name == "nb201-few2/optdigits-v1"
    assert set(table.archs) == set(load_few_shot("fewshot-v1").propose("optdigits-v1", 2))
    twin = next(i for i in CONV.indices if CONV.canonical_indices[i] != i)
    assert main([*build, str(tmp_path / "named"), "--arch", str(twin)]) == 0
    table = Table.open(next((tmp_path / "named").glob("*.h5")))
    assert table.archs.tolist() == [CONV.canonical_indices[twin]]
    capsys.readouterr()
    assert main([*build, str(tmp_path / "few"), "--few-shot", "2", "--arch", "82"]) == 2
    assert "give one of them" in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--task", "fashion_mnist"], "Name architectures, or say how many"),
        (["--task", "fashion_mnist", "--best", "3", "82"], "one of the two"),
        (["--task", "fashion_mnist", "--examples", "nb201/name_gender-v1", "82"], "one of the three"),
        (["--examples", "nothing.h5", "82"], "nothing.h5"),
    ],
)
def test_bad_arguments(arguments: list[str], expected: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", *arguments]) == 2
    assert expected in capsys.readouterr().err.replace("\n", " ")
