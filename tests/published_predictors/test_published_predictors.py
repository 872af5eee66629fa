"""Published predictors: trees read without XGBoost, weights that are checked, and ``metanas predict|publish``."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from metanas import published
from metanas.cli import main
from metanas.devices.setting import Cell, DeviceFile, Drift, Host, Setting, write_device
from metanas.encodings import encode
from metanas.errors import InvalidArchError, InvalidFileError, InvalidValueError, UnknownNameError
from metanas.extras import require
from metanas.predictors import make_predictor
from metanas.published_predictors import find_config, published_predictor_names
from metanas.published_predictors.accuracy import AccuracyPredictor, load_accuracy
from metanas.published_predictors.latency import completed, latency_columns
from metanas.published_predictors.making import SETTINGS, make_accuracy, make_latency
from metanas.published_predictors.store import publish
from metanas.published_predictors.trees import Trees
from metanas.published_predictors.ubj import read_ubj
from metanas.spaces import listed, load_space
from metanas.tables import Table, metric, registry, write_table

CONV = listed(load_space("nb201-conv"))
CLASSES = np.unique(CONV.canonical_indices[CONV.indices])


def quality(noise: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    vectors = encode(CONV, CLASSES, "functional").astype(float)
    height = vectors @ np.random.default_rng(0).random(vectors.shape[1])
    return 50 + 10 * (height - height.mean()) / height.std() + rng.normal(0, noise, len(height))


def write(path: Path, name: str, columns: dict[str, np.ndarray], task: str) -> Table:
    trained = "validation/accuracy" in columns
    write_table(
        path,
        name=name,
        space="nb201-conv",
        task=task,
        arch_index=CLASSES,
        seeds=(0,) if trained else (),
        epochs=(1,) if trained else (),
        metrics={key: (metric(key), values[:, None, None] if trained else values) for key, values in columns.items()},
        protocol="",
        provenance={},
    )
    return Table.open(path)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """A table with values of 200 classes."""
    values = quality(1.0, 0)
    values[200:] = np.nan
    return write(
        tmp_path_factory.mktemp("made") / "made.h5", "nb201/made-v1", {"validation/accuracy": values}, "made-v1"
    )


@pytest.fixture(scope="module")
def latencies(tmp_path_factory: pytest.TempPathFactory) -> Table:
    columns = {f"latency/{name}": np.exp(quality(1.0, i) / 20) for i, name in enumerate(("one", "two", "three"))}
    return write(tmp_path_factory.mktemp("made") / "devices.h5", "devices/made-v1", columns, "nb201-standard")


@pytest.fixture(scope="module")
def place(table: Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Publish the accuracy predictor of the made-up table."""
    folder = tmp_path_factory.mktemp("place")
    made = make_accuracy(table)
    publish(made.fields, made.weights, made.card, place=folder)
    return folder


@pytest.fixture
def only(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a copy of that place the only one; return it."""
    copy = tmp_path / "place"
    shutil.copytree(place, copy)
    monkeypatch.setattr(published, "roots", lambda: (copy,))
    return copy


@pytest.mark.parametrize("name", published_predictor_names())
def test_every_published_predictor_is_whole_and_of_the_table_that_is_published(name: str) -> None:
    config, folder = find_config(name)
    for file, sha256 in config.files.items():
        published.verify(folder / file, sha256)
    assert {path.name for path in folder.iterdir()} == {*config.files, "config.toml", "card.md"}
    entries = registry()
    for table, sha256 in config.data.items():
        if table in entries:
            assert entries[table].sha256 == sha256, f"{table} has changed: publish {name} anew"
        assert sha256 in (folder / "card.md").read_text(encoding="utf-8")
    if config.kind == "accuracy":
        predictor = AccuracyPredictor(config, folder)
        assert np.isfinite(
            predictor.predict(predictor.space.sample(np.random.default_rng(i)) for i in range(3)).mean
        ).all()


def test_trees_answer_as_xgboost_does() -> None:
    xgboost = require("xgboost", "predictors", "This test")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 7)).astype(np.float32)
    y = x[:, 0] * x[:, 1] + np.sin(x[:, 2])
    settings = {"max_depth": 5, "base_score": 0.25, "seed": 0, "nthread": 1, "verbosity": 0}
    booster = xgboost.train(settings, xgboost.DMatrix(x, y, nthread=1), 30)
    content = bytes(booster.save_raw("ubj"))
    trees = Trees(content)
    expected = booster.inplace_predict(x, predict_type="margin")
    assert trees(x) == pytest.approx(expected, abs=1e-5)
    assert len(trees(x[:0])) == 0
    with pytest.raises(InvalidFileError, match="vectors of 7"):
        trees(x[:, :6])
    for end in [*range(0, len(content), 997), len(content) - 1]:
        with pytest.raises(InvalidFileError):
            read_ubj(content[:end])
    with pytest.raises(InvalidFileError):
        read_ubj(content + b"}")
    linear = xgboost.train({"booster": "gblinear", "nthread": 1, "verbosity": 0}, xgboost.DMatrix(x, y, nthread=1), 2)
    with pytest.raises(InvalidFileError, match="no model of boosted trees"):
        Trees(bytes(linear.save_raw("ubj")))


def test_the_published_one_predicts_as_the_predictor_that_it_was_made_of(only: Path, table: Table) -> None:
    predictor = load_accuracy("made")
    assert load_accuracy("made-v1").config == predictor.config
    space, y = table.space, table.column("validation/accuracy")
    there = np.isfinite(y)
    # the same seed gives the same members, but for one number that a predictor draws for its fits
    live = make_predictor("xgboost", space, np.random.default_rng(5), **SETTINGS).fit(table.archs[there], y[there])
    mean, std = predictor.predict(CLASSES)
    assert np.corrcoef(mean, live.predict(CLASSES).mean)[0, 1] > 0.98
    assert std is not None
    assert (std > 0).all()
    truth = quality(0.0, 0)[200:]
    assert np.corrcoef(mean[200:], truth)[0, 1] > 0.8
    assert 0.7 < predictor.config.figures["coverage_80"] < 0.9
    measured = predictor.measured(CLASSES)
    assert np.array_equal(measured, y, equal_nan=True)
    twin = next(index for index in CONV.indices if CONV.canonical_indices[index] != index)
    both = np.array([twin, CONV.canonical_indices[twin]])
    assert np.ptp(predictor.predict(both).mean) == 0


def test_another_space_and_another_task_are_refused(only: Path) -> None:
    predictor = load_accuracy("made")
    pooled = load_space("nb201").parse("|avg_pool_3x3~0|+|none~0|none~1|+|none~0|none~1|nor_conv_3x3~2|")
    with pytest.raises(InvalidArchError):
        predictor.predict([pooled])
    with pytest.raises(UnknownNameError, match="Did you mean 'made-v1'"):
        load_accuracy("mad-v1")


@pytest.mark.parametrize("file", ["member-0.ubj.gz", "examples.npz"])
def test_tampered_weights_are_refused(file: str, only: Path) -> None:
    path = only / "predictors" / "accuracy-made-v1" / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InvalidFileError, match="published sha256"):
        load_accuracy("made")
    path.unlink()
    with pytest.raises(InvalidFileError, match="cannot be read"):
        load_accuracy("made")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('kind = "accuracy"', 'kind = "luck"', "kind"),
        ('space = "nb201-conv"', 'colour = "red"\nspace = "nb201-conv"', "colour"),
        ('"member-0.ubj.gz"', '"../member-0.ubj.gz"', "own folder"),
        ('name = "accuracy-made-v1"', 'name = "accuracy-other-v1"', "name of its folder"),
        ('"columns_sha256" = "', '"columns_sha256" = "0', "other inputs"),
    ],
)
def test_a_changed_config_is_refused(old: str, new: str, expected: str, only: Path) -> None:
    path = only / "predictors" / "accuracy-made-v1" / "config.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(InvalidFileError, match=expected):
        load_accuracy("made")


def test_publishing_again_needs_leave_and_gives_the_same_bytes(only: Path, table: Table, latencies: Table) -> None:
    made = make_accuracy(table)
    config, folder = publish(made.fields, made.weights, made.card, place=only)
    assert config.files == tomllib.loads((folder / "config.toml").read_text())["files"]
    other = made.weights | {"examples.npz": b"other"}
    with pytest.raises(InvalidValueError, match="--replace"):
        publish(made.fields, other, made.card, place=only)
    publish(made.fields, other, made.card, place=only, replace=True)
    with pytest.raises(InvalidFileError, match="no plain arrays"):
        load_accuracy("made")
    with pytest.raises(InvalidFileError, match="fitted on validation/accuracy"):
        make_accuracy(latencies)
    with pytest.raises(InvalidValueError, match="have none"):
        make_latency([table])


def test_weights_that_are_not_packed(only: Path, table: Table) -> None:
    made = make_accuracy(table)
    publish(made.fields, made.weights | {"member-0.ubj.gz": b"trees"}, made.card, place=only, replace=True)
    with pytest.raises(InvalidFileError, match="not packed by gzip"):
        load_accuracy("made")


def test_a_pickle_is_no_weights(only: Path) -> None:
    folder = only / "predictors" / "accuracy-made-v1"
    np.savez(folder / "examples.npz", index=np.array([{}], dtype=object))
    text = (folder / "config.toml").read_text()
    old = tomllib.loads(text)["files"]["examples.npz"]
    from metanas.files import sha256_of

    (folder / "config.toml").write_text(text.replace(old, sha256_of(folder / "examples.npz")))
    with pytest.raises(InvalidFileError, match="no plain arrays"):
        load_accuracy("made")


def device_toml(path: Path, latencies: Table, name: str = "mine", n: int = 12) -> Path:
    """Write the calibration of a device that is like the others but twice as slow."""
    values = 2 * np.exp(quality(1.0, 9) / 20)
    rows = np.random.default_rng(0).permutation(len(CLASSES))[:n]
    cells = [
        Cell(arch=CONV.format(CONV.arch(int(CLASSES[r]))), median=values[r], low=values[r], high=values[r])
        for r in rows
    ]
    device = DeviceFile(
        name=name,
        network="nb201-standard",
        space="nb201-conv",
        date="2026-01-01",
        rounds=3,
        setting=Setting(runtime="torch_eager"),
        host=Host(cpu="made up", cores=1, system="none", versions="none"),
        drift=Drift(anchor=cells[0].arch if cells else "none", least=1, median=1, greatest=1, blocks=1),
        cells=tuple(cells),
    )
    write_device(path, device)
    return path


def predicted(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[dict[str, dict[str, float]]]:
    assert main(["predict", *map(str, arguments), "--json"]) == 0
    answers: list[dict[str, dict[str, float]]] = json.loads(capsys.readouterr().out)["answers"]
    return answers


def test_latency_of_a_new_device_from_a_file_and_from_what_is_published(
    only: Path, latencies: Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    device = device_toml(tmp_path / "mine.toml", latencies)
    asked = CLASSES[100:160]
    answers = predicted(capsys, "--device", device, "--sources", latencies.path, *asked)
    truth = 2 * np.exp(quality(1.0, 9) / 20)[100:160]
    means = np.array([answer["predicted"]["mean"] for answer in answers])
    assert np.corrcoef(means, truth)[0, 1] > 0.9
    assert main(["predict", "--device", str(device), "1462"]) == 2
    assert "none are published here" in capsys.readouterr().err.replace("\n", " ")
    assert main(["publish", str(latencies.path), "--place", str(only)]) == 0
    capsys.readouterr()
    again = predicted(capsys, "--device", device, *asked)
    assert [a["predicted"]["mean"] for a in again] == pytest.approx(means, rel=1e-3)
    first = int(CONV.index(CONV.parse(tomllib.loads(device.read_text())["cells"][0]["arch"])))
    [seen] = predicted(capsys, "--device", device, first)
    assert seen["measured"] == pytest.approx(tomllib.loads(device.read_text())["cells"][0]["median"])


def test_predict_says_what_is_measured(only: Path, table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    known, unknown = int(CLASSES[3]), int(CLASSES[300])
    answers = predicted(capsys, "--task", "made", known, CONV.format(CONV.arch(unknown)))
    assert answers[0]["measured"] == pytest.approx(table.query(known, "validation/accuracy"))
    assert answers[1]["measured"] is None
    assert main(["predict", "--task", "made", str(known), str(unknown)]) == 0
    shown = capsys.readouterr().out
    assert "learned from 200 architectures of nb201/made-v1" in shown
    assert " ± " in shown


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["1462"], "--device FILE.toml (latency); one of the three"),
        (["--task", "made", "--device", "x.toml", "1462"], "one of the three"),
        (["--task", "made", "--sources", "x.h5", "1462"], "go with --device"),
        (["--task", "mnist", "1462"], "There is: made-v1"),
        (["--task", "made", "99999"], "99999"),
        (["--task", "made", "|nor_conv_9x9~0|"], "|nor_conv_9x9~0|"),
        (["--device", "nothing.toml", "1462"], "nothing.toml cannot be read: No such file"),
    ],
)
def test_bad_arguments(arguments: list[str], expected: str, only: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", *arguments]) == 2
    assert expected in capsys.readouterr().err.replace("\n", " ")


def test_a_device_with_too_few_measurements_or_no_other_device(
    latencies: Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for n, name, expected in ((1, "mine", "At least two architectures"), (5, "one", "")):
        device = device_toml(tmp_path / "device.toml", latencies, name, n)
        code = main(["predict", "--device", str(device), "--sources", str(latencies.path), "1462"])
        out, error = capsys.readouterr()
        assert code == (2 if expected else 0)
        assert expected in error
        assert expected or "2 other devices" in out.replace("\n", " ")  # its own name is left out


def test_predicting_accuracy_loads_no_library_of_learning(place: Path) -> None:
    code = (
        "import sys\nfrom metanas.cli import main\n"
        "assert main(['predict', '--task', 'made', '1462']) == 0\nprint(*sys.modules)"
    )
    environment = {"METANAS_DATA": str(place), "PYTHONPATH": str(Path(__file__).parents[2])}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    loaded = set(result.stdout.splitlines()[-1].split())
    assert not loaded & {"torch", "sklearn", "xgboost", "scipy", "h5py", "torch_geometric"}


def test_devices_that_measured_a_part_of_the_space_answer_for_all_of_it(
    latencies: Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = latency_columns([latencies])
    some = np.random.default_rng(0).choice(CLASSES, 150, replace=False)
    part = {name: np.full_like(values, np.nan) for name, values in whole.items()}
    for name, values in whole.items():
        part[name][some] = values[some]
    [(name, filled)] = completed(CONV, {"one": part["one"]}).items()
    np.testing.assert_array_equal(filled[some], whole[name][some])
    left = np.setdiff1d(CONV.indices, some)
    assert np.corrcoef(np.log(filled[left]), np.log(whole[name][left]))[0, 1] > 0.8
    columns = {f"latency/{name}": values[CLASSES] for name, values in part.items()}
    half = write(tmp_path / "half.h5", "devices/half-v1", columns, "nb201-standard")
    unseen = int(CLASSES[np.isnan(columns["latency/one"])][5])
    device = device_toml(tmp_path / "mine.toml", latencies)
    [answer] = predicted(capsys, "--device", device, "--sources", half.path, unseen)
    assert answer["predicted"]["mean"] > 0
    made = make_latency([half])
    assert made.fields["figures"]["least_spearman_of_what_was_not_measured"] > 0.5
    assert "set aside" in made.card
    assert "set aside" not in make_latency([latencies]).card
