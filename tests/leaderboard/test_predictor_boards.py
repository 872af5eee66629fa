"""Boards of predictors on made-up tables: targets, figures, runs, what verification refuses, the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import kendalltau

from metanas.cli import main
from metanas.encodings import encode
from metanas.errors import InvalidFileError, InvalidValueError, PredictorError, UnknownNameError
from metanas.leaderboard import predictor_verification
from metanas.leaderboard.predictor_board import PredictorBoard, load_predictor_board, predictor_board_names
from metanas.leaderboard.predictor_figures import figures
from metanas.leaderboard.predictor_report import predictor_json, predictor_sections
from metanas.leaderboard.predictor_run import (
    PredictorRun,
    pack,
    read_predictor_run,
    scored,
    unpack,
)
from metanas.leaderboard.predictor_runner import PredictorJob, make_predictor_run, run_predictors
from metanas.leaderboard.predictor_source import find_predictor
from metanas.leaderboard.predictor_target import Target, targets_of
from metanas.leaderboard.predictor_verification import verify_predictor_run
from metanas.spaces import listed, load_space
from metanas.tables import Table, metric, write_table

CONV = listed(load_space("nb201-conv"))
CLASSES = np.unique(CONV.canonical_indices[CONV.indices])


def content(**changes: object) -> dict[str, Any]:
    return {
        "name": "made-v1",
        "title": "made up",
        "kind": "accuracy",
        "space": "nb201-conv",
        "tables": ("made/a-v1",),
        "label": "mean_of_measured_seeds",
        "metric": "validation/accuracy",
        "report": "test/accuracy",
        "figure": "tau",
        "shots": (4, 20),
        "examples": "drawn",
        "scored": "others",
        "seeds": 2,
    } | changes


def quality(noise: float, seed: int) -> np.ndarray:
    """Return a value of every class that depends on its function, and noise."""
    rng = np.random.default_rng(seed)
    vectors = encode(CONV, CLASSES, "functional").astype(float)
    height = vectors @ np.random.default_rng(0).random(vectors.shape[1])
    return 50 + 10 * (height - height.mean()) / height.std() + rng.normal(0, noise, len(height))


def make_table(folder: Path, name: str, columns: dict[str, np.ndarray]) -> Table:
    path = folder / f"{name}.h5"
    trained = any(column.startswith("validation/") for column in columns)
    write_table(
        path,
        name=f"made/{name}-v1",
        space="nb201-conv",
        task=name,
        arch_index=CLASSES,
        seeds=(0,) if trained else (),
        epochs=(1,) if trained else (),
        metrics={
            column: (metric(column), values[:, None, None] if trained else values) for column, values in columns.items()
        },
        protocol="",
        provenance={},
    )
    return Table.open(path)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> list[Table]:
    """Three tasks of which two are kin; one class of the first has no value."""
    folder = tmp_path_factory.mktemp("tables")
    made = []
    for number, name in enumerate("abc"):
        validation, test = quality(1.0, number), quality(2.0, 10 + number)
        if not number:
            validation[7] = np.nan
        made.append(make_table(folder, name, {"validation/accuracy": validation, "test/accuracy": test}))
    return made


@pytest.fixture(scope="module")
def devices(tmp_path_factory: pytest.TempPathFactory) -> Table:
    values = {f"latency/{name}": np.exp(quality(2.0, i) / 20) for i, name in enumerate(("cpu_a", "cpu_b", "gpu"))}
    return make_table(tmp_path_factory.mktemp("devices"), "devices", values)


def job(board: PredictorBoard, tables: list[Table], text: str, target: str, seed: int = 0) -> PredictorJob:
    files = tuple((table.path.resolve(), table.sha256) for table in tables)
    return PredictorJob(board, files, target, find_predictor(text), seed)


@pytest.fixture(scope="module")
def board() -> PredictorBoard:
    return PredictorBoard.model_validate(content())


@pytest.fixture(scope="module")
def target(board: PredictorBoard, tables: list[Table]) -> Target:
    return targets_of(board, tables[:1])[0]


@pytest.fixture(scope="module")
def run(board: PredictorBoard, tables: list[Table]) -> PredictorRun:
    return make_predictor_run(job(board, tables[:1], "ridge", "made/a-v1"))


@pytest.mark.parametrize("name", predictor_board_names())
def test_every_published_board_is_valid_and_has_its_page(name: str) -> None:
    board = load_predictor_board(name)
    assert board.name == name
    page = Path(__file__).parents[2] / "leaderboards" / name / "protocol.md"
    assert page.read_text(encoding="utf-8").startswith(f"# {name}: ")


def test_the_default_board_asks_what_its_page_says() -> None:
    board = load_predictor_board("predictor-v1")
    assert (board.shots, board.seeds, board.scored) == ((20, 50, 100, 200, 400), 10, "others")
    published = load_predictor_board("published-predictor-v1")
    assert (published.shots, published.scored) == ((78, 156, 469, 781, 1563), "all")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"colour": "red"}, "Extra inputs"),
        ({"shots": (20, 4)}, "shots must ascend"),
        ({"shots": (0, 4)}, "must be at least 1"),
        ({"kind": "devices", "metric": "latency/{device}", "report": "latency/{device}"}, "splits name the devices"),
        ({"splits": {"x": ("a",)}}, "splits name the devices"),
        ({"metric": "latency/{device}"}, "must occur in metric"),
        ({"metric": "test/accuracy"}, "validation"),
        ({"seeds": 0}, "greater than 0"),
    ],
)
def test_a_board_that_makes_no_sense_is_refused(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        PredictorBoard.model_validate(content(**changes))


def test_a_file_that_is_no_board_says_which_field_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text('name = "x-v1"\ncolour = "red"\n')
    with pytest.raises(InvalidFileError, match="colour: Extra inputs"):
        load_predictor_board(str(path))
    with pytest.raises(UnknownNameError, match="Did you mean 'predictor-v1'"):
        load_predictor_board("predictor-v2")


def test_the_rules_hash_covers_what_decides(board: PredictorBoard) -> None:
    free = content(title="other", tables=("x/y-v1",), seeds=7)
    assert PredictorBoard.model_validate(free).rules_sha256 == board.rules_sha256
    for change in ({"shots": (4, 21)}, {"scored": "all"}, {"examples": "chosen"}, {"figure": "spearman"}):
        assert PredictorBoard.model_validate(content(**change)).rules_sha256 != board.rules_sha256


def test_what_has_no_value_is_no_candidate_and_draws_are_nested(board: PredictorBoard, target: Target) -> None:
    assert len(target.candidates) == len(CLASSES) - 1
    assert CLASSES[7] not in target.candidates
    few, more = target.draw(board, 3, 10), target.draw(board, 3, 50)
    assert np.array_equal(few, more[:10])
    assert not np.array_equal(few, target.draw(board, 4, 10))
    with pytest.raises(InvalidValueError, match="too few to learn from"):
        target.draw(board, 0, len(CLASSES))


def test_figures_by_their_definition(board: PredictorBoard, target: Target) -> None:
    rng = np.random.default_rng(0)
    mean = target.label + rng.normal(0, 5, len(target.label))
    examples = target.candidates[:100]
    got = figures(board, target, examples, mean, np.full(len(mean), 5.0))
    label, answer, test = target.label[100:], mean[100:], target.report[100:]
    assert got.tau == pytest.approx(kendalltau(answer, label).statistic)
    best = np.argsort(label)[-round(0.1 * len(label)) :]
    assert got.top_tau == pytest.approx(kendalltau(answer[best], label[best]).statistic)
    assert got.regret == pytest.approx(test.max() - test[answer.argmax()])
    assert 0.7 < got.coverage < 0.9
    assert figures(board, target, examples, np.ones(len(mean)), None).tau == 0
    whole = PredictorBoard.model_validate(content(scored="all"))
    assert figures(whole, target, examples, mean, None).tau == pytest.approx(kendalltau(mean, target.label).statistic)


def test_a_regret_of_latency_is_how_much_slower(devices: Table) -> None:
    board = device_board()
    target = targets_of(board, [devices])[0]
    slow = figures(board, target, target.candidates[:5], -target.label, None)
    right = figures(board, target, target.candidates[:5], target.label, None)
    assert right.regret == 0
    assert slow.regret == pytest.approx(np.ptp(target.label[5:]))
    assert (right.spearman, slow.spearman) == pytest.approx((1, -1))


def test_a_run_is_the_same_again_and_sound(board: PredictorBoard, tables: list[Table], target: Target) -> None:
    first, second = (make_predictor_run(job(board, tables[:1], "ridge", "made/a-v1", 1)) for _ in range(2))
    assert [fit.mean for fit in first.fits] == [fit.mean for fit in second.fits]
    assert first.fits[0].examples == tuple(target.draw(board, 1, 4).tolist())
    assert verify_predictor_run(first, board, target) == ([], [])


def test_every_predictor_learns_from_the_same_examples(
    board: PredictorBoard, tables: list[Table], run: PredictorRun
) -> None:
    other = make_predictor_run(job(board, tables[:1], "extra_trees,trees=5", "made/a-v1"))
    assert [fit.examples for fit in other.fits] == [fit.examples for fit in run.fits]


def test_one_that_cannot_learn_from_so_few_declines(board: PredictorBoard, tables: list[Table], target: Target) -> None:
    made = make_predictor_run(job(board, tables[:1], "xgboost,members=1,rounds=5", "made/a-v1"))
    assert list(made.declined) == ["4"]
    assert "At least 5" in made.declined["4"]
    assert [fit.n for fit in made.fits] == [20]
    assert verify_predictor_run(made, board, target) == ([], [])


def changed_fit(run: PredictorRun, **changes: object) -> PredictorRun:
    return sealed(run.model_copy(update={"fits": (run.fits[0], run.fits[1].model_copy(update=changes))}))


def sealed(run: PredictorRun) -> PredictorRun:
    return run.model_copy(update={"seal": run.computed_seal()})


def nicer(run: PredictorRun) -> PredictorRun:
    entry = run.figures[1]
    return run.model_copy(update={"figures": (run.figures[0], entry.model_copy(update={"tau": entry.tau + 1e-4}))})


CHEATS: dict[str, tuple[Callable[[PredictorRun, Target], PredictorRun], str]] = {
    "a nicer figure": (lambda run, _: nicer(run), "tau with 20 examples is stated as"),
    "predictions that are the labels": (
        lambda run, target: changed_fit(run, mean=pack(target.label)),
        "the mean that 'ridge' with seed 0 and 20 examples predicts differs",
    ),
    "another table": (lambda run, _: sealed(run.model_copy(update={"table_sha256": "0" * 64})), "hash of the table"),
    "another configuration": (
        lambda run, _: sealed(
            run.model_copy(update={"predictor": run.predictor.model_copy(update={"config": {"penalties": [1.0]}})})
        ),
        "differs by up to",
    ),
    "chosen examples": (
        lambda run, target: changed_fit(run, examples=tuple(target.candidates[:20].tolist())),
        "not those that seed 0 draws",
    ),
    "an example twice": (
        lambda run, _: changed_fit(run, examples=(run.fits[1].examples[0],) * 20),
        "20 different examples",
    ),
    "a missing fit": (lambda run, _: sealed(run.model_copy(update={"fits": run.fits[:1]})), "asks for"),
    "an edited seal": (lambda run, _: run.model_copy(update={"seed": 1}), "the seal"),
    "a short prediction": (lambda run, _: changed_fit(run, mean=pack(np.ones(3))), "finite predictions"),
    "another board": (lambda run, _: sealed(run.model_copy(update={"rules_sha256": "1" * 64})), "board's rules"),
    "an unknown predictor": (
        lambda run, _: sealed(run.model_copy(update={"predictor": run.predictor.model_copy(update={"name": "magic"})})),
        "is not built in",
    ),
}


def test_predictions_that_are_close_enough_must_rank_alike_too(
    run: PredictorRun, board: PredictorBoard, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor_verification, "_ALIKE", 1e9)
    change, _ = CHEATS["predictions that are the labels"]
    changed = change(run, target)
    changed = sealed(changed.model_copy(update={"figures": scored(board, target, changed.fits)}))
    reasons, _ = verify_predictor_run(changed, board, target)
    assert any("fitted again, reaches" in reason for reason in reasons), reasons
    assert verify_predictor_run(run, board, target) == ([], [])


@pytest.mark.parametrize("cheat", CHEATS)
def test_a_changed_run_is_refused(cheat: str, run: PredictorRun, board: PredictorBoard, target: Target) -> None:
    change, expected = CHEATS[cheat]
    reasons, _ = verify_predictor_run(change(run, target), board, target)
    assert any(expected in reason for reason in reasons), reasons


def test_packed_numbers_come_back() -> None:
    values = np.array([1.5, -2.25, 1e-3], dtype=np.float32).astype(float)
    assert np.array_equal(unpack(pack(values), 3), values)
    for wrong in ("§", pack(np.array([np.nan, 1, 2]))):
        with pytest.raises(InvalidFileError):
            unpack(wrong, 3)


def test_a_run_comes_back_from_its_file(run: PredictorRun, tmp_path: Path) -> None:
    run.write(tmp_path / "run.json")
    assert read_predictor_run(tmp_path / "run.json") == run
    (tmp_path / "run.json").write_text('{"kind": "predictor", "luck": 1}')
    with pytest.raises(InvalidFileError, match="luck: Extra inputs"):
        read_predictor_run(tmp_path / "run.json")


def test_runs_that_are_there_are_not_made_again(board: PredictorBoard, tables: list[Table], tmp_path: Path) -> None:
    jobs = [job(board, tables[:1], "ridge", "made/a-v1", seed) for seed in range(2)]
    first = list(run_predictors(jobs, processes=1, folder=tmp_path))
    again = list(run_predictors(jobs, processes=1, folder=tmp_path))
    assert first == again  # even the seconds
    path = next(tmp_path.rglob("seed-000.json"))
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))  # no longer what its seal says
    assert next(run_predictors(jobs[:1], processes=1, folder=tmp_path)).seed == 0


def test_standings_are_paired(board: PredictorBoard, tables: list[Table], target: Target) -> None:
    texts = ("ridge", "extra_trees,trees=5")
    runs = [make_predictor_run(job(board, tables[:1], text, "made/a-v1", seed)) for text in texts for seed in range(3)]
    [section] = predictor_sections(board, [target], runs)
    taus = {
        text: np.array([[e.tau for e in r.figures] for r in runs[3 * i : 3 * i + 3]]) for i, text in enumerate(texts)
    }
    first, second = section.standings
    assert first.rank <= second.rank
    assert first.rank + second.rank == pytest.approx(3)
    assert first.means["tau"] == pytest.approx(taus[first.label].mean(axis=0))
    assert first.errors["tau"] == pytest.approx(taus[first.label].std(axis=0, ddof=1) / np.sqrt(3))
    difference = (taus[first.label] - taus[second.label]).mean(axis=1)
    assert second.behind == pytest.approx((difference.mean(), difference.std(ddof=1) / np.sqrt(3)))
    text = json.dumps(predictor_json(board, [section], [], []), allow_nan=False)
    assert json.loads(text)["groups"][0]["predictors"][0]["predictor"] == first.label


def test_a_new_task_is_predicted_from_others_even_without_examples(tables: list[Table]) -> None:
    board = PredictorBoard.model_validate(
        content(kind="tasks", shots=(0, 5), examples="chosen", tables=("made/a-v1", "made/b-v1", "made/c-v1"))
    )
    found = targets_of(board, tables)
    assert [target.source_names for target in found] == [
        ("made/b-v1", "made/c-v1"),
        ("made/a-v1", "made/c-v1"),
        ("made/a-v1", "made/b-v1"),
    ]
    run = make_predictor_run(job(board, tables, "transfer_gp,encoding=functional", "made/b-v1"))
    assert [fit.n for fit in run.fits] == [0, 5]
    assert all(entry.tau > 0.7 for entry in run.figures)  # kin but for noise
    assert set(run.sources) == {"made/a-v1", "made/c-v1"}
    assert verify_predictor_run(run, board, found[1]) == ([], [])
    plain = make_predictor_run(job(board, tables, "ridge", "made/b-v1"))
    assert "has no prior" in plain.declined["0"]
    with pytest.raises(InvalidValueError, match="two tasks at least"):
        targets_of(board, tables[:1])


def device_board(**changes: object) -> PredictorBoard:
    devices = {"kind": "devices", "metric": "latency/{device}", "report": "latency/{device}", "figure": "spearman"}
    splits = {"splits": {"cpus": ("cpu_*",), "gpus": ("gpu",)}, "examples": "chosen", "logarithm": True, "shots": (6,)}
    return PredictorBoard.model_validate(content(**{**devices, **splits, **changes}))


def test_devices_of_a_split_are_left_out_together(devices: Table) -> None:
    board = device_board()
    found = targets_of(board, [devices])
    assert [(target.name, target.source_names) for target in found] == [
        ("cpus,cpu_a", ("latency/gpu",)),
        ("cpus,cpu_b", ("latency/gpu",)),
        ("gpus,gpu", ("latency/cpu_a", "latency/cpu_b")),
    ]
    runs = [
        make_predictor_run(job(board, [devices], text, target.name))
        for target in found
        for text in ("transfer_gp", "ridge")
    ]
    assert all(verify_predictor_run(run, board, found[i // 2]) == ([], []) for i, run in enumerate(runs))
    assert runs[4].figures[0].spearman > 0.9
    assert runs[0].fits[0].examples != runs[1].fits[0].examples  # one chooses, the other has them drawn
    sections = predictor_sections(board, found, runs)
    assert [section.name for section in sections] == ["cpus", "gpus", "all"]
    with pytest.raises(UnknownNameError, match="tpu"):
        targets_of(device_board(splits={"x": ("tpu",)}), [devices])
    with pytest.raises(InvalidValueError, match="have no other"):
        targets_of(device_board(splits={"x": ("*",)}), [devices])
    with pytest.raises(InvalidValueError, match="no device of its splits"):
        targets_of(device_board(splits={"x": ("tpu*",)}), [devices])


MINE = """
import numpy as np
from metanas.predictors.base import Prediction, as_indices, check_examples


class Middle:
    def __init__(self, space, rng, *, scores=None, wrong=False):
        self.space, self.wrong = space, wrong

    def fit(self, archs, y):
        self.mean = check_examples(self.space, archs, y)[1].mean()
        return self

    def predict(self, archs):
        n = len(as_indices(self.space, archs))
        return Prediction(np.full(n, np.nan if self.wrong else self.mean), None)
"""


def test_a_predictor_from_a_file_its_settings_and_its_faults(
    board: PredictorBoard, tables: list[Table], target: Target, tmp_path: Path
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    made = make_predictor_run(job(board, tables[:1], f"{path}:Middle", "made/a-v1"))
    assert made.predictor.source == "mine.py:Middle"
    assert [entry.tau for entry in made.figures] == [0, 0]
    reasons, [remark] = verify_predictor_run(made, board, target)
    assert not reasons
    assert "was not given" in remark
    assert verify_predictor_run(made, board, target, [find_predictor(f"{path}:Middle")]) == ([], [])
    with pytest.raises(PredictorError, match="finite numbers"):
        make_predictor_run(job(board, tables[:1], f"{path}:Middle,wrong=true", "made/a-v1"))
    with pytest.raises(PredictorError, match="failed while it was built"):
        make_predictor_run(job(board, tables[:1], f"{path}:Middle,colour=red", "made/a-v1"))
    with pytest.raises(UnknownNameError, match="Did you mean 'Middle'"):
        find_predictor(f"{path}:Midle")
    with pytest.raises(UnknownNameError, match="Did you mean 'ridge'"):
        find_predictor("rigde")
    path.write_text("from metanas.tables import load_table\n" + MINE)
    with pytest.raises(PredictorError, match=r"a predictor may not import metanas\.tables"):
        find_predictor(f"{path}:Middle,wrong=false")


def test_the_command_line(tables: list[Table], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toml = tmp_path / "board.toml"
    lines = [f"{key} = {json.dumps(value)}" for key, value in content(seeds=2).items()]
    toml.write_text("\n".join(lines))
    table = str(tables[0].path)
    call = ["rank", "--board", str(toml), "--table", table, "--jobs", "1", "--out", str(tmp_path / "runs")]
    assert main([*call, "--predictor", "ridge", "--no-plots"]) == 0
    assert main([*call, "--predictor", "extra_trees,trees=5"]) == 0
    shown = capsys.readouterr().out
    assert "made-v1 on made/a-v1: tau after so many examples" in shown
    assert shown.count("extra_trees,trees=5") == 1
    assert shown.count("ridge") >= 2  # ranked with what lies there
    folder = tmp_path / "runs" / "made-v1"
    assert (folder / "predictors.svg").is_file()
    assert len(json.loads((folder / "summary.json").read_text())["groups"][0]["predictors"]) == 2
    check = ["verify", str(folder), "--board", str(toml), "--table", table]
    assert main(check) == 0
    assert "4 of 4 runs are sound" in capsys.readouterr().out
    path = next(folder.rglob("seed-001.json"))
    path.write_text(path.read_text().replace('"tau": 0.', '"tau": 0.9'))
    assert main(check) == 5
    assert "is stated as" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--seeds", "0"], "--seeds must be at least 1"),
        (["--board", "anytime-v1"], "Unknown board of predictors"),
        (["--predictor", "ridge", "--predictor", "ridge"], "occurs twice"),
        (["--predictor", "nothing.py:X"], "There is no file nothing.py"),
        (["--table", "nb201/nothing-v1"], "Unknown table"),
    ],
)
def test_bad_arguments(arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rank", *arguments]) in (2, 4)
    assert expected in capsys.readouterr().err.replace("\n", " ")
