"""Every rule finds the one table that breaks it, and no other rule does; sound tables break none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from small_tables import make_content
from sound_tables import Content, as_imported, make_sound

from metanas import published
from metanas.spaces import load_space
from metanas.tables import Metric, Table, find_entry, metric, register, registry, write_table
from metanas.tables.lint import CHECKS, READABLE, Finding, lint
from metanas.tables.lint.copies import excess_of_ties
from metanas.tables.lint.values import rank_correlation

CE = "validation/cross_entropy"
ACCURACY = "validation/accuracy"
Break = Callable[[h5py.File], None]


@pytest.fixture(scope="module")
def built() -> Content:
    return make_sound()


@pytest.fixture
def broken(built: Content, tmp_path: Path) -> Callable[..., tuple[Finding, ...]]:
    """Return what writes a table, breaks its file and lints it."""

    def make(alter: Break, *, imported: bool = True, **change: Any) -> tuple[Finding, ...]:
        path = tmp_path / "broken.h5"
        write_table(path, **(as_imported(built) if imported else built) | change)
        with h5py.File(path, "r+") as file:
            alter(file)
        return lint(path)

    return make


def overfit(file: h5py.File) -> None:
    """What fits better generalizes worse, by both measures."""
    for name, top in (("training/accuracy", 100), ("training/cross_entropy", 6)):
        put(name, ..., lambda values, top=top: top - values)(file)


def put(name: str, at: Any, value: Any) -> Break:
    """Return what writes a value, or what it is made from: a function of the metric's values."""

    def alter(file: h5py.File) -> None:
        values = file[f"metrics/{name}"][()]
        values[at] = value(values) if callable(value) else value
        file[f"metrics/{name}"][...] = values

    return alter


def put_all(names: Sequence[str], at: Any, value: Any) -> Break:
    def alter(file: h5py.File) -> None:
        for name in names:
            put(name, at, value)(file)

    return alter


def copy(source: str, target: str, at: Any = ...) -> Break:
    def alter(file: h5py.File) -> None:
        values = file[f"metrics/{target}"][()]
        values[at] = file[f"metrics/{source}"][()][at]
        file[f"metrics/{target}"][...] = values

    return alter


def column(entry: Metric, make: Callable[[h5py.File], np.ndarray]) -> Break:
    """Return what adds a metric or puts another in its place."""

    def alter(file: h5py.File) -> None:
        values = make(file)
        if entry.name in file["metrics"]:
            del file[f"metrics/{entry.name}"]
        described = json.loads(file.attrs["metrics"])
        described[entry.name] = {"unit": entry.unit, "direction": entry.direction, "axes": entry.axes}
        file.attrs["metrics"] = json.dumps(described)
        dataset = file.create_dataset(f"metrics/{entry.name}", data=values)
        dataset.attrs.update(unit=entry.unit, direction=entry.direction, axes=",".join(entry.axes))

    return alter


def attribute(key: str, value: str) -> Break:
    return lambda file: file.attrs.__setitem__(key, value)


def state(**changes: Any) -> Break:
    """Return what changes the provenance; None takes a key away."""

    def alter(file: h5py.File) -> None:
        stated = json.loads(file.attrs["provenance"]) | changes
        file.attrs["provenance"] = json.dumps({key: value for key, value in stated.items() if value is not None})

    return alter


def protocol(change: Callable[[str], str]) -> Break:
    def alter(file: h5py.File) -> None:
        text = change(file.attrs["protocol"])
        file.attrs["protocol"] = text
        file.attrs["protocol_sha256"] = hashlib.sha256(text.encode()).hexdigest()

    return alter


def values_of(file: h5py.File, name: str) -> np.ndarray:
    return file[f"metrics/{name}"][()].astype(np.float64)


def constant_pace(values: np.ndarray) -> np.ndarray:
    return values[:, :, :1] * np.arange(1, values.shape[2] + 1)


def another_row(file: h5py.File) -> None:
    rows, own = file["row_of_index"][()], file["arch_index"][()]
    index = np.setdiff1d(np.flatnonzero(rows >= 0), own)[0]
    rows[index] = (rows[index] + 1) % len(own)
    file["row_of_index"][...] = rows


SPLITS = ("training", "validation", "test")
TRAININGS = ("cost/seconds", *(f"{split}/{name}" for split in SPLITS for name in ("accuracy", "cross_entropy")))
TEST = ("test/accuracy", "test/cross_entropy")
NORM = Metric("training/gradient_norm", "1", "none")
SCORE = Metric("proxy/nwot", "1", "maximize", ("arch",))
COUNTED = Metric("cost/parameters_counted", "1", "minimize", ("arch",))
MEAN = Metric("validation/accuracy_mean", "percent", "maximize", ("arch", "epoch"))

# rule, how to break it, whether the table is one of the builder's, severity, and where the finding is
CASES: list[tuple[str, Break, bool, str, dict[str, Any]]] = [
    ("values_in_range", put(CE, (3, 1, 2), -1), False, "error", {"seed": 1, "epoch": 3, "value": -1.0}),
    ("values_in_range", put(CE, (3, 1, 2), np.inf), False, "error", {"seed": 1, "epoch": 3, "value": None}),
    (
        "no_value_stands_in",
        column(SCORE, lambda file: np.where(np.arange(60) % 20 == 7, -1e8, np.linspace(1, 2, 60))),
        False,
        "warning",
        {"metric": SCORE.name, "value": -1e8, "count": 3},
    ),
    (
        "no_value_stands_in",
        column(SCORE, lambda file: np.where(np.arange(60) % 20 == 7, 1e9, np.linspace(1, 2, 60))),
        False,
        "warning",
        {"metric": SCORE.name, "value": 1e9, "count": 3},
    ),
    ("percent_are_no_fractions", put(ACCURACY, ..., lambda v: v / 100), False, "error", {"metric": ACCURACY}),
    (
        "costs_are_of_the_architecture",
        column(metric("cost/macs", ("arch", "epoch")), lambda file: values_of(file, "cost/macs")[:, None].repeat(4, 1)),
        False,
        "error",
        {"metric": "cost/macs"},
    ),
    ("counts_are_whole", put("cost/macs", ..., lambda v: v / 1e6), False, "error", {"metric": "cost/macs"}),
    ("seconds_grow", put("cost/seconds", (4, 0, 2), lambda v: v[4, 0, 1]), False, "error", {"seed": 0, "epoch": 3}),
    ("seconds_grow", put("cost/seconds", (..., 0), 0), False, "error", {"epoch": 1, "count": 180}),
    ("seconds_are_measured", put("cost/seconds", ..., constant_pace), False, "warning", {"count": 180}),
    (
        "curves_go_on",
        column(NORM, lambda file: values_of(file, CE) * [1, 1, 1, -1]),
        False,
        "error",
        {"metric": NORM.name, "epoch": 4},
    ),
    (
        "summaries_agree",
        column(MEAN, lambda file: values_of(file, ACCURACY).mean(axis=1) + 0.1),
        False,
        "error",
        {"metric": MEAN.name, "count": 240},
    ),
    ("ranks_agree", put("test/cross_entropy", ..., lambda v: 6 - v), False, "error", {"metric": "test/cross_entropy"}),
    ("ranks_agree", overfit, False, "warning", {"metric": "validation/accuracy"}),
    ("splits_differ", copy(CE, "test/cross_entropy"), False, "error", {"metric": "test/cross_entropy"}),
    (
        "splits_differ",
        column(metric("test/cross_entropy", ("arch", "epoch")), lambda file: values_of(file, CE).mean(axis=1).round(2)),
        False,
        "error",
        {"metric": "test/cross_entropy"},
    ),
    (
        "splits_differ",
        copy(CE, "test/cross_entropy", (slice(5, 15), 2)),
        False,
        "error",
        {"seed": 2, "count": 10, "metric": "test/cross_entropy"},
    ),
    ("seeds_differ", put(CE, (slice(None), 2), lambda v: v[:, 1]), False, "error", {"metric": CE, "seed": 2}),
    ("seeds_differ", put(CE, (slice(5, 15), 2), lambda v: v[5:15, 1]), False, "error", {"seed": 2, "count": 10}),
    ("seeds_differ", put("cost/seconds", ..., lambda v: v[:, :1]), False, "error", {"metric": "cost/seconds"}),
    (
        "seeds_are_not_filled_in",
        put(CE, (slice(5, 15), 2), lambda v: v[5:15, :2].mean(axis=1)),
        False,
        "error",
        {"metric": CE, "seed": 2, "count": 10},
    ),
    ("architectures_differ", put(CE, 7, lambda v: v[3]), False, "error", {"metric": CE, "count": 1}),
    ("curves_are_whole", put(CE, (5, 1, 2), np.nan), False, "error", {"metric": CE, "seed": 1, "epoch": 3}),
    ("metrics_have_the_same_holes", put(CE, (5, 1), np.nan), False, "error", {"metric": CE, "seed": 1}),
    ("metrics_have_the_same_holes", put_all(TEST, (5, 1), np.nan), False, "warning", {"seed": 1}),
    ("trained_architectures_have_costs", put("cost/macs", 4, np.nan), True, "error", {"metric": "cost/macs"}),
    ("trained_architectures_have_costs", put("cost/macs", 4, np.nan), False, "warning", {"metric": "cost/macs"}),
    (
        "stated_costs_are_the_counted",
        column(COUNTED, lambda file: values_of(file, "cost/parameters") + 28_000 * (np.arange(60) % 10 == 3)),
        False,
        "warning",
        {"metric": "cost/parameters", "count": 6},
    ),
    ("holes_are_declared", put_all(TRAININGS, (5, 1), np.nan), False, "warning", {"seed": 1, "count": 1}),
    ("holes_are_declared", state(trainings=170), True, "error", {"value": 180.0}),
    ("header_agrees_with_itself", attribute("protocol_sha256", "0" * 64), False, "error", {}),
    ("axes_are_in_order", lambda file: file["epochs"].write_direct(np.array([1, 2, 4, 3])), False, "error", {}),
    ("axes_are_in_order", lambda file: file["seeds"].write_direct(np.array([0, 1, 1])), False, "error", {}),
    ("architectures_are_of_the_space", attribute("space", "nb2o1"), False, "error", {}),
    ("rows_answer_for_their_class", another_row, False, "error", {"count": 1}),
    (
        "columns_are_described_alike",
        lambda file: file[f"metrics/{CE}"].attrs.__setitem__("unit", "bits"),
        False,
        "error",
        {"metric": CE},
    ),
    ("protocol_is_the_published_one", protocol(lambda text: text + "# more\n"), True, "error", {}),
    ("protocol_is_the_published_one", protocol(lambda _: "twelve epochs"), False, "error", {}),
    (
        "curves_end_where_the_protocol_does",
        lambda file: file["epochs"].write_direct(np.array([1, 2, 3, 5])),
        True,
        "error",
        {"epoch": 5},
    ),
    ("task_is_the_published_one", state(task_sha256="0" * 64), True, "error", {}),
    ("task_is_the_published_one", attribute("task", "another-v1"), True, "warning", {}),
    ("metadata_is_complete", state(cpu=None), True, "error", {}),
    ("metadata_is_complete", state(source=None), False, "error", {}),
    ("metadata_is_complete", attribute("task", " "), False, "error", {}),
    ("metadata_is_complete", attribute("name", "sound"), False, "error", {}),
    ("accuracies_count_the_rows", put(ACCURACY, (3, 1, 2), lambda v: v[3, 1, 2] + 0.01), True, "error", {"epoch": 3}),
    ("accuracies_count_the_rows", put(ACCURACY, ..., lambda v: (v * 1744 / 1743)), True, "error", {"count": 720}),
    ("costs_are_those_of_the_networks", put("cost/parameters", 3, 1.0), True, "error", {"value": 1.0}),
    ("the_machine_was_steady", state(drift={"relative": 0.3}), False, "warning", {"value": 0.3}),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "alter", "by_builder", "severity", "where"), CASES, ids=[case[0] for case in CASES])
def test_a_table_that_breaks_one_rule(
    broken: Callable[..., tuple[Finding, ...]],
    rule: str,
    alter: Break,
    by_builder: bool,
    severity: str,
    where: dict[str, Any],
) -> None:
    findings = broken(alter, imported=not by_builder)
    assert {finding.rule for finding in findings} == {rule}
    finding = findings[0]
    assert finding.severity == severity
    assert {key: getattr(finding, key) for key in where} == where
    assert finding.message[0].isupper() or finding.message[0] == "'"
    assert finding.message.endswith((".", ")"))


def test_every_rule_is_broken_here() -> None:
    elsewhere = {
        *("file_is_the_published_one", "members_of_a_class_agree", "members_of_a_class_cost_the_same"),
    }
    assert {case[0] for case in CASES} | elsewhere == {check.__name__ for check in CHECKS}


@pytest.mark.parametrize("imported", [False, True])
def test_sound_tables(broken: Callable[..., tuple[Finding, ...]], imported: bool) -> None:
    assert broken(lambda _: None, imported=imported) == ()


def test_a_finding_says_which_architecture(broken: Callable[..., tuple[Finding, ...]], built: Content) -> None:
    (finding,) = broken(put(CE, (3, 1, 2), -1))
    assert finding.arch == built["arch_index"][3]
    assert str(finding).endswith(f"({CE}, architecture {finding.arch}, seed 1, epoch 3)")


def test_holes_that_the_table_states(broken: Callable[..., tuple[Finding, ...]]) -> None:
    def alter(file: h5py.File) -> None:
        put_all(TRAININGS, (slice(5, 9), 2), np.nan)(file)
        state(trainings=176, trainings_missing=4)(file)

    assert broken(alter, imported=False) == ()


def test_some_epochs_may_be_left_out_by_all(broken: Callable[..., tuple[Finding, ...]]) -> None:
    left_out = put_all(TEST, (..., slice(0, 3)), np.nan)
    assert broken(left_out) == ()

    def alter(file: h5py.File) -> None:
        left_out(file)
        copy(CE, "test/cross_entropy", (slice(0, 60, 2), 1, 3))(file)

    assert [(finding.rule, finding.seed) for finding in broken(alter)] == [("splits_differ", 1)]


def test_means_without_seeds_may_have_holes(tmp_path: Path, built: Content) -> None:
    """Not the seeds but architectures are missing then; of scores without training, nothing need be said."""
    values = built["metrics"][ACCURACY][1].mean(axis=1, dtype=np.float64)
    values[5:8] = np.nan
    score = Metric("proxy/nwot", "1", "maximize", ("arch",))
    for metrics, rules in (
        ({ACCURACY: (metric(ACCURACY, ("arch", "epoch")), values)}, ["holes_are_declared"]),
        ({score.name: (score, values[:, 0])}, []),
    ):
        epochs = built["epochs"] if rules else ()
        write_table(tmp_path / "a.h5", **as_imported(built) | {"metrics": metrics, "seeds": (), "epochs": epochs})
        findings = lint(tmp_path / "a.h5")
        assert [finding.rule for finding in findings] == rules
        assert all("Not measured are 3 of 60 architectures;" in finding.message for finding in findings)
        assert all((finding.seed, finding.arch) == (None, built["arch_index"][5]) for finding in findings)


def test_a_training_that_diverged(broken: Callable[..., tuple[Finding, ...]], built: Content) -> None:
    def alter(file: h5py.File) -> None:
        put(CE, (5, 1, slice(2, None)), np.nan)(file)
        state(diverged={f"{CE} seed 1": [int(built["arch_index"][5])]})(file)

    assert broken(alter, imported=False) == ()


def test_networks_that_learn_nothing_may_agree(broken: Callable[..., tuple[Finding, ...]]) -> None:
    """The share of one class, whatever the seed; the same in a stratified validation and test split."""
    accuracies = [f"{split}/accuracy" for split in ("training", "validation", "test")]
    assert broken(put_all(accuracies, slice(0, 20), 5.0)) == ()


def test_equal_accuracies_are_no_copy_where_cross_entropies_differ(broken: Callable[..., tuple[Finding, ...]]) -> None:
    assert broken(put(ACCURACY, 7, lambda v: v[3])) == ()
    found = broken(put_all((ACCURACY, CE), 7, lambda v: v[3]))
    assert [each.metric for each in found if each.rule == "architectures_differ"] == [ACCURACY, CE]


@pytest.mark.parametrize("found_by", ["seeds_differ", "seeds_are_not_filled_in", "splits_differ"])
def test_single_values_are_compared_with_chance(
    broken: Callable[..., tuple[Finding, ...]], built: Content, found_by: str
) -> None:
    """Without curves, single accuracies agree now and then; copies are told from that by their number."""
    last = {
        name: (entry, values[..., -1:] if "epoch" in entry.axes else values)
        for name, (entry, values) in built["metrics"].items()
    }
    half = slice(0, 60, 2)
    breaks = {
        "seeds_differ": put(ACCURACY, (half, 2), lambda v: v[half, 1]),
        "seeds_are_not_filled_in": put(ACCURACY, (half, 2), lambda v: v[half, :2].mean(axis=1)),
        "splits_differ": copy(ACCURACY, "test/accuracy", (half, 1)),
    }
    one_epoch = {"metrics": last, "epochs": (4,)}
    assert broken(lambda _: None, **one_epoch) == ()
    (finding,) = broken(breaks[found_by], **one_epoch)
    assert (finding.rule, finding.severity) == (found_by, "error")


def test_members_of_a_class(tmp_path: Path) -> None:
    """Members that differ by no more than their trainings are as they should be; else the spread is reported."""
    space, rng = load_space("nb201-conv"), np.random.default_rng(0)
    classes = space.canonical_indices[space.indices]
    large = np.flatnonzero(np.bincount(classes) >= 4)[:30]
    index = np.sort(np.concatenate([space.indices[classes == one][:4] for one in large]))
    quality = {one: rng.normal(60, 5) for one in large}
    mean = np.array([quality[one] for one in space.canonical_indices[index]])[:, None, None]
    for off, rules in ((0.0, set()), (4.0, {"members_of_a_class_agree"})):
        content = {
            split: mean + rng.normal(0, 1, (len(index), 3, 2)) + rng.normal(0, off, (len(index), 1, 1))
            for split in ("validation/accuracy", "test/accuracy")
        }
        write_table(
            tmp_path / "members.h5",
            **make_content()
            | {
                "arch_index": index,
                "epochs": (1, 2),
                "metrics": {name: (metric(name), values) for name, values in content.items()},
                "provenance": {"source": "elsewhere"},
            },
        )
        found = lint(tmp_path / "members.h5")
        assert {finding.rule for finding in found} == rules
        assert all(finding.severity == "warning" and 3 < (finding.value or 0) < 5 for finding in found)


def test_dead_operations_that_were_counted(tmp_path: Path, built: Content) -> None:
    space = load_space("nb201-conv")
    index, classes = space.indices[:400], space.canonical_indices[space.indices[:400]]
    live = np.array([len(space.cell(space.arch(int(one))).atoms) for one in index], dtype=np.float64)
    written = np.array([sum(op > 1 for op in space.arch(int(one)).code) for one in index], dtype=np.float64)
    for counted, count in ((live, 0), (written, None)):
        content = {name: (metric(name, ("arch",)), 1000 + counted) for name in ("cost/parameters", "cost/macs")}
        several = sum(np.ptp(counted[classes == one]) > 0 for one in np.unique(classes))
        facts = {"arch_index": index, "metrics": content, "provenance": {"source": "elsewhere"}}
        write_table(tmp_path / "costs.h5", **built | facts)
        found = [finding for finding in lint(tmp_path / "costs.h5") if finding.rule.startswith("members")]
        assert [finding.count for finding in found] == ([] if count == 0 else [several, several])
        assert all(finding.severity == "warning" and finding.arch in index for finding in found)
    assert several > 10


def test_a_mean_beside_its_seeds(tmp_path: Path) -> None:
    """Where a mean over seeds was published beside the seeds, it is their mean, or someone should look."""
    content = make_content()
    values = content["metrics"][ACCURACY][1].astype(np.float64)
    for off, rows, severity in ((0.0, 1, None), (0.1, 1, "warning"), (0.1, len(values), "error")):
        mean = np.nanmean(values, axis=1)
        mean[:rows, :rows] += off
        metrics = {
            ACCURACY: (metric(ACCURACY, ("arch", "epoch")), np.minimum(mean, 100)),
            f"{ACCURACY}_by_seed": (Metric(f"{ACCURACY}_by_seed", "percent", "maximize"), values),
        }
        write_table(tmp_path / "mean.h5", **content | {"metrics": metrics, "provenance": {"source": "elsewhere"}})
        found = [finding for finding in lint(tmp_path / "mean.h5") if finding.rule == "summaries_agree"]
        assert [finding.severity for finding in found] == ([severity] if severity else [])
        if found:
            assert (found[0].metric, found[0].arch) == (ACCURACY, int(content["arch_index"][0]))


def test_a_file_that_is_no_table(tmp_path: Path, built: Content) -> None:
    path = tmp_path / "table.h5"
    assert [finding.rule for finding in lint(path)] == [READABLE]
    write_table(path, **built)
    path.write_bytes(path.read_bytes()[:5000])
    (finding,) = lint(path)
    assert (finding.rule, finding.severity) == (READABLE, "error")
    assert "was cut short" in finding.message


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty place for published tables, before all others; tasks and protocols are found where they are."""
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.setenv("METANAS_DATA", str(place))
    others = published.roots()
    monkeypatch.setattr(published, "roots", lambda: (place, *others))
    return place


def test_a_published_table(built: Content, place: Path, tmp_path: Path) -> None:
    path = tmp_path / "built.h5"
    write_table(path, **built)
    entry = register(path, "# made/sound-v1\n")
    assert lint(entry.path, entry) == ()
    assert lint(path) == ()
    entry.card.write_text("# another\n")
    (finding,) = lint(entry.path, entry)
    assert (finding.rule, finding.severity) == ("file_is_the_published_one", "error")
    assert "begin with '# made/sound-v1'" in finding.message
    register(path, "# made/sound-v1\n", replace=True)
    with h5py.File(entry.path, "r+") as file:
        file.attrs["note"] = "altered"
    (finding,) = lint(entry.path, entry)
    assert (finding.rule, finding.severity) == ("file_is_the_published_one", "error")
    write_table(path, **built | {"provenance": built["provenance"] | {"cpu": ["two"]}})
    (finding,) = lint(path)
    assert (finding.rule, finding.severity) == ("file_is_the_published_one", "warning")
    assert "this one is another" in finding.message


OWN = [name for name in registry() if not find_entry(name).path.is_relative_to(published.cache())]


@pytest.mark.parametrize("name", OWN)
def test_every_published_table_is_sound(name: str) -> None:
    entry = find_entry(name)
    overfitted = [found for found in lint(entry.path, entry) if found.rule == "ranks_agree"]
    assert [found for found in lint(entry.path, entry) if found not in overfitted] == []
    assert {found.severity for found in overfitted} <= {"warning"}


def test_rank_correlation() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    x = rng.integers(0, 9, 200).astype(float)
    y = x + rng.integers(0, 9, 200)
    assert rank_correlation(x, y) == pytest.approx(stats.kendalltau(x, y).statistic)
    y[:190] = np.nan
    assert rank_correlation(x, y) == 1.0  # too few to complain
    assert -1 <= rank_correlation(-np.arange(3000.0), np.arange(3000.0)) < -0.999


@pytest.mark.parametrize("data_set", ["cifar10", "cifar100", "imagenet16-120"])
def test_real_seeds_and_those_that_readers_made_up(published_tables: Path, data_set: str) -> None:
    """In the published table seeds agree as chance gives; a reader's seed 999 answers with that of 888, or the mean."""
    with np.load(published_tables / "nb201.npz") as file:
        seeds = file[f"{data_set}/val_acc@200"].astype(np.float64)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert excess_of_ties(seeds[:, a], seeds[:, b]) == 0
    made_up = np.isnan(seeds[:, 2])
    for stand_in in (seeds[:, 1], seeds[:, :2].mean(axis=1)):
        filled = np.where(made_up, stand_in, seeds[:, 2])
        assert excess_of_ties(filled, stand_in) > 0.4 * made_up.sum()


def test_the_published_table_has_no_errors(published_tables: Path, tmp_path: Path) -> None:
    with np.load(published_tables / "nb201.npz") as file:
        columns = {name: file[f"cifar100/{name}"] for name in ("val_acc@200", "test_acc@200", "test_acc_mean@200")}
    path = tmp_path / "cifar100.h5"
    write_table(
        path,
        name="published/cifar100-v1",
        space="nb201",
        task="cifar100",
        arch_index=np.arange(15625),
        seeds=(777, 888, 999),
        epochs=(200,),
        metrics={
            "validation/accuracy": (metric("validation/accuracy"), columns["val_acc@200"][..., None]),
            "test/accuracy": (metric("test/accuracy"), columns["test_acc@200"][..., None]),
            "test/accuracy_mean": (
                Metric("test/accuracy_mean", "percent", "maximize", ("arch", "epoch")),
                columns["test_acc_mean@200"][:, None],
            ),
        },
        protocol="source = 'NAS-Bench-201'\n",
        provenance={"source": "NAS-Bench-201", "trainings_missing": int(np.isnan(columns["val_acc@200"]).sum())},
    )
    assert lint(path) == ()
    assert len(Table(path)) == 15625
