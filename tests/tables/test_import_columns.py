"""Plain columns become tables; whatever is wrong with them is refused, or flagged, with its row."""

from __future__ import annotations

import gzip
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metanas import published
from metanas.errors import InvalidFileError, InvalidValueError, NotMeasuredError, UnknownNameError
from metanas.spaces import load_space
from metanas.tables import Table, import_files, load_table
from metanas.tables.import_columns import import_columns
from metanas.tables.import_files import read_columns
from metanas.tables.import_map import load_map, map_names
from metanas.tables.import_store import Imported, Store

SPACE = load_space("nb201")
ROWS = np.array([7, 3, 15_624, 0, 4321, 99, 100, 101, 102, 103])
N = len(ROWS)
HEAD = """
space = "nb201"
title = "Measurements of a test"
[architecture]
form = "index"
column = "cell"
"""
VALIDATION = """
[[columns]]
column = "{task}/val_acc@{epoch}"
metric = "validation/accuracy"
unit = "percent"
seeds = [777, 888]
"""


def values(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(20, 90, shape or (N,))


class Files:
    """Writes files and imports them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(folder / "out")

    def npz(self, **columns: Any) -> Path:
        path = self.folder / "columns.npz"
        np.savez(path, **columns)
        return path

    def csv(self, text: str) -> Path:
        path = self.folder / "columns.csv"
        path.write_text(text, encoding="utf-8")
        return path

    def map(self, text: str) -> str:
        path = self.folder / "map.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    def bring(self, path: Path, text: str | None = None, **options: Any) -> list[Imported]:
        chosen = {"map_name": self.map(text)} if text is not None else {"space": "nb201"}
        return import_columns(path, name="mine/some-v1", **{"store": self.store, **chosen, **options})


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_columns_that_are_called_as_metrics_need_no_map(files: Files) -> None:
    path = files.npz(
        index=ROWS,
        **{
            "toy/validation/accuracy@200#0": values(0),
            "toy/validation/accuracy@200#1": np.where(np.arange(N) == 4, np.nan, values(1)),
            "toy/test/accuracy@200": values(2),
            "toy/cost/parameters": np.arange(N) + 100,
            "toy/latency/pixel3": values(3),
            "toy/energy/pixel3": values(4),
            "toy/proxy/nwot": -values(5),
        },
    )
    (done,) = files.bring(path)
    table = Table.open(done.path)
    assert (done.name, table.name, table.task, table.seeds, table.epochs) == (
        "mine/some-v1",
        "mine/some-v1",
        "toy",
        (0, 1),
        (200,),
    )
    assert (done.rows, done.path) == (N, files.folder / "out" / "mine" / "some-v1.h5")
    cells = ROWS.tolist()
    assert np.array_equal(table.query(cells, "validation/accuracy", seed=0), values(0))
    assert table.query(cells[4], "validation/accuracy") == values(0)[4]  # the mean over what was measured
    with pytest.raises(NotMeasuredError, match="seed 1"):
        table.query(cells[4], "validation/accuracy", seed=1)
    assert table.metrics["test/accuracy"].axes == ("arch", "epoch")  # a mean over seeds that nobody named
    with pytest.raises(InvalidValueError, match="no axis 'seed'"):
        table.query(cells[0], "test/accuracy", seed=0)
    assert np.array_equal(table.query(cells, "cost/parameters"), np.arange(N) + 100)
    assert table.metrics["latency/pixel3"].unit == "ms"
    assert np.array_equal(table.query(cells, "proxy/nwot"), -values(5))


def test_an_absent_architecture_is_not_answered_by_its_twin(files: Files) -> None:
    canonical = np.asarray(SPACE.canonical_indices)
    twin = int(np.flatnonzero(canonical != np.arange(15_625))[0])
    (done,) = files.bring(files.npz(index=canonical[[twin]], **{"toy/validation/accuracy@9": np.array([50.0])}))
    table = Table.open(done.path)
    assert table.query(int(canonical[twin]), "validation/accuracy") == 50
    with pytest.raises(NotMeasuredError):
        table.query(twin, "validation/accuracy")


def test_csv_with_written_architectures(files: Files) -> None:
    archs = [SPACE.format(SPACE.arch(int(i))) for i in ROWS]
    lines = ["arch,toy/validation/accuracy@2#0,toy/test/accuracy@2"]
    lines += [f"{arch},{50 + i / 3},{'' if i == 2 else 40 + i}" for i, arch in enumerate(archs)]
    path = files.csv("\n".join(lines) + "\n")
    zipped = path.with_name("columns.csv.gz")
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    for given in (path, zipped):
        (done,) = files.bring(given, store=Store(files.folder / given.suffix[1:]))
        table = Table.open(done.path)
        assert table.query(7, "validation/accuracy") == 50.0
        assert table.query(3, "validation/accuracy") == 50 + 1 / 3  # every digit that was written
        assert np.isnan(table.query(15_624, "test/accuracy", missing="nan"))


OPS = """
space = "nb201"
title = "ops"
[architecture]
form = "ops"
column = "ops"
operations = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
template = "|{0}~0|+|{1}~0|{2}~1|+|{3}~0|{4}~1|{5}~2|"
[[columns]]
column = "acc"
task = "toy"
epoch = 5
metric = "validation/accuracy"
"""


@pytest.mark.parametrize("form", ["numbers", "names", "digits", "listed"])
def test_operations(files: Files, form: str) -> None:
    codes = [SPACE.arch(int(i)).code for i in ROWS]
    names = tomllib.loads(OPS)["architecture"]["operations"]
    written: Any = {
        "numbers": np.array(codes, np.int8),
        "names": np.array([[names[op] for op in code] for code in codes]),
        "digits": np.array(["".join(map(str, code)) for code in codes]),
        "listed": np.array([", ".join(names[op] for op in code) for code in codes]),
    }[form]
    (done,) = files.bring(files.npz(ops=written, acc=values(0)), OPS)
    assert np.array_equal(Table.open(done.path).query(ROWS.tolist(), "validation/accuracy"), values(0))


@pytest.mark.parametrize(
    ("ops", "match"),
    [
        (np.full((N, 6), 5), r"6 operations of 0=none, .* but row 0 has the unknown operation '5'"),
        (np.full((N, 5), 1), "row 0 has 5 operations"),
        (np.full(N, 1), r"must hold the operations of each row, but has the shape \(10,\)"),
        (np.array(["111111"] * 3 + ["11x111"] + ["111111"] * 6), "row 3 has the unknown operation"),
        (np.full((N, 6), -1), "unknown operation '-1'"),
    ],
)
def test_unknown_operations(files: Files, ops: np.ndarray, match: str) -> None:
    with pytest.raises(InvalidFileError, match=match):
        files.bring(files.npz(ops=ops, acc=values(0)), OPS)


@pytest.mark.parametrize(
    ("index", "match"),
    [
        (np.append(ROWS[:-1], 15_625), r"Column 'cell', row 9: .*15,?625"),
        (np.append(ROWS[:-1], -1), "Column 'cell', row 9"),
        (ROWS + 0.5, "one index a row, but holds 7.5 in row 0"),
        (np.where(np.arange(N) == 2, np.nan, ROWS), "holds .*nan.* in row 2"),
    ],
)
def test_indices_outside_the_space(files: Files, index: np.ndarray, match: str) -> None:
    with pytest.raises(InvalidFileError, match=match):
        files.bring(files.npz(cell=index, **{"toy/val_acc@5": values(0, N, 2)}), HEAD + VALIDATION)


def test_an_unknown_written_architecture(files: Files) -> None:
    good = SPACE.format(SPACE.arch(1))
    bad = good.replace("nor_conv_1x1", "conv_7x7").replace("nor_conv_3x3", "conv_7x7")
    with pytest.raises(InvalidFileError, match=r"Column 'arch', row 1: Unknown operation 'conv_7x7'"):
        files.bring(files.csv(f"arch,toy/validation/accuracy@2\n{good},50\n{bad},60\n"))


def test_twelve_and_two_hundred_epochs_are_two_tables_and_no_curve(files: Files) -> None:
    path = files.npz(
        cell=ROWS,
        **{f"{task}/val_acc@{epoch}": values(epoch, N, 2) for task in ("a", "b") for epoch in (12, 200)},
        **{"a/macs": np.arange(N) + 1.0},
    )
    macs = '[[columns]]\ncolumn = "{task}/macs"\nmetric = "cost/macs"\nunit = "million"\n'
    done = {entry.name: Table.open(entry.path) for entry in files.bring(path, HEAD + VALIDATION + macs)}
    assert {name: (table.task, table.epochs) for name, table in done.items()} == {
        "mine/some-a-12ep-v1": ("a", (12,)),
        "mine/some-a-200ep-v1": ("a", (200,)),
        "mine/some-b-12ep-v1": ("b", (12,)),
        "mine/some-b-200ep-v1": ("b", (200,)),
    }
    short = done["mine/some-a-12ep-v1"]
    assert np.array_equal(short.query(ROWS.tolist(), "validation/accuracy", seed=888), values(12, N, 2)[:, 1])
    with pytest.raises(UnknownNameError, match="epoch of table"):
        short.query(7, "validation/accuracy", epoch=200)
    assert "a run of its own" in short.protocol
    for epoch in (12, 200):  # what the architecture costs at all goes with every run of its task
        assert done[f"mine/some-a-{epoch}ep-v1"].query(3, "cost/macs") == 2e6
        assert "cost/macs" not in done[f"mine/some-b-{epoch}ep-v1"].metrics


def test_epochs_are_a_curve_where_the_map_says_so(files: Files) -> None:
    path = files.npz(cell=ROWS, **{f"toy/val_acc@{epoch}": values(epoch, N, 2) for epoch in (2, 1, 3)})
    (done,) = files.bring(path, "curve = true\n" + HEAD + VALIDATION)
    table = Table.open(done.path)
    assert table.epochs == (1, 2, 3)
    for epoch in table.epochs:
        assert np.array_equal(
            table.query(ROWS.tolist(), "validation/accuracy", epoch=epoch, seed=777), values(epoch, N, 2)[:, 0]
        )


def test_epochs_as_an_axis(files: Files) -> None:
    rule = '[[columns]]\ncolumn = "acc"\ntask = "toy"\nepochs = [4, 12]\nseed = 0\nmetric = "validation/accuracy"\n'
    with pytest.raises(InvalidFileError, match=r"must have the shape \(10, 2\) .*, but has \(10, 3\)"):
        files.bring(files.npz(cell=ROWS, acc=values(0, N, 3)), HEAD + rule)
    done = files.bring(files.npz(cell=ROWS, acc=values(0, N, 2)), HEAD + rule)
    assert [Table.open(entry.path).epochs for entry in done] == [(4,), (12,)]


@pytest.mark.parametrize(
    ("unit", "raw", "stored"),
    [("fraction", 0.5, 50.0), ("percent", 50.0, 50.0)],
)
def test_units_are_converted(files: Files, unit: str, raw: float, stored: float) -> None:
    path = files.npz(cell=ROWS, **{"toy/val_acc@1": np.full((N, 2), raw) + values(0, N, 2) / 1e4})
    (done,) = files.bring(path, (HEAD + VALIDATION).replace('"percent"', f'"{unit}"'))
    assert Table.open(done.path).query(7, "validation/accuracy") == pytest.approx(stored, abs=1)


def accuracies(change: Any = None) -> np.ndarray:
    found = values(0, N, 2)
    if change is not None:
        found[change[0]] = change[1]
    return found


@pytest.mark.parametrize(
    ("column", "text", "match"),
    [
        (accuracies() / 100, VALIDATION, r"is in percent, but at most 0\.\d+ \(row \d\)"),
        (accuracies(((6, 1), 1.5)) / 100, VALIDATION.replace("percent", "fraction"), None),
        (accuracies((slice(None), 0.5)) + np.eye(N, 2), VALIDATION.replace("percent", "fraction"), "has 1.5 in row 0"),
        (np.full((N, 2), np.nan), VALIDATION, "holds no value, only NaN in all 10 rows"),
        (values(0, N, 3), VALIDATION, r"must have the shape \(10, 2\) .*, but has \(10, 3\)"),
        (values(0, N), VALIDATION, r"must have the shape \(10, 2\) .*, but has \(10,\)"),
        (values(0, N - 1, 2), VALIDATION, r"must have the shape \(10, 2\) .*, but has \(9, 2\)"),
        (accuracies(((6, 1), -1)), VALIDATION, r"NaN where nothing was measured"),
        (accuracies(((6, 1), np.inf)), VALIDATION, r"NaN where nothing was measured"),
        (accuracies(((6, 1), 101)), VALIDATION, r"within \[0, 100\]"),
        (np.array(["50"] * N), VALIDATION, r"must have the shape"),
        (np.full((N, 2), "50"), VALIDATION, r"must hold numbers, but holds <U2"),
        (values(0, N)[:, None] * np.ones(2), VALIDATION, "same values for seed 777 and seed 888"),
    ],
)
def test_columns_that_are_not_what_the_map_says(files: Files, column: Any, text: str, match: str | None) -> None:
    path = files.npz(cell=ROWS, **{"toy/val_acc@1": column})
    if match is None:
        files.bring(path, HEAD + text)
        return
    with pytest.raises((InvalidFileError, InvalidValueError), match=match):
        files.bring(path, HEAD + text)
    assert not (files.folder / "out").exists() or not list((files.folder / "out").rglob("*.h5"))


def test_text_that_is_no_number(files: Files) -> None:
    with pytest.raises(InvalidFileError, match="must hold numbers, but holds '4O' in row 1"):
        files.bring(files.csv("index,toy/validation/accuracy@1\n1,40\n2,4O\n"))


def test_what_stands_for_not_measured_is_said_and_counted(files: Files) -> None:
    column = accuracies(((6, 1), -1))
    (done,) = files.bring(
        files.npz(cell=ROWS, **{"toy/val_acc@1": column}), HEAD + VALIDATION + "not_measured = [-1]\n"
    )
    assert done.notes == ("column 'toy/val_acc@1': -1 stands for not measured in 1 rows (first in row 6)",)
    table = Table.open(done.path)
    assert table.provenance["notes"] == list(done.notes)
    assert np.isnan(table.query(int(ROWS[6]), "validation/accuracy", seed=888, missing="nan"))


def test_fractions_among_percent_are_flagged_with_the_row(files: Files) -> None:
    (done,) = files.bring(files.npz(cell=ROWS, **{"toy/val_acc@1": accuracies(((5, 0), 0.9))}), HEAD + VALIDATION)
    assert done.notes == (
        "column 'toy/val_acc@1': 1 rows hold at most 1 percent (first row 5): chance, or fractions among percent?",
    )


def test_an_architecture_twice(files: Files) -> None:
    rows = np.append(ROWS, ROWS[3])
    column = np.append(accuracies(), accuracies()[3:4], axis=0)
    (done,) = files.bring(files.npz(cell=rows, **{"toy/val_acc@1": column}), HEAD + VALIDATION)
    assert done.notes == ("1 rows repeat an earlier one (first: row 10); kept once",)
    assert Table.open(done.path).query(0, "validation/accuracy", seed=777) == column[3, 0]
    column[10, 1] += 1
    with pytest.raises(
        InvalidFileError, match=r"Rows 3 and 10 are the same architecture \(index 0\) but differ in column"
    ):
        files.bring(files.npz(cell=rows, **{"toy/val_acc@1": column}), HEAD + VALIDATION)


TEST = '[[columns]]\ncolumn = "{task}/held_out@{epoch}"\nmetric = "test/accuracy"\nunit = "percent"\n'


def test_test_given_as_validation(files: Files) -> None:
    named = HEAD + VALIDATION.replace("val_acc", "test_acc")
    with pytest.raises(InvalidFileError, match=r"says 'test' and the map says 'validation/accuracy': which is it\?"):
        files.bring(files.npz(cell=ROWS, **{"toy/test_acc@1": accuracies()}), named)
    named = HEAD + VALIDATION.replace('"validation/', '"test/')
    with pytest.raises(InvalidFileError, match=r"says 'val' and the map says 'test/accuracy'"):
        files.bring(files.npz(cell=ROWS, **{"toy/val_acc@1": accuracies()}), named)
    columns = {"toy/val_acc@1": accuracies(), "toy/held_out@1": accuracies().mean(axis=1)}
    with pytest.raises(InvalidFileError, match="'test/accuracy' is the mean over seeds of 'validation/accuracy'"):
        files.bring(files.npz(cell=ROWS, **columns), HEAD + VALIDATION + TEST)
    with pytest.raises(InvalidValueError, match="must not stand for another"):
        files.bring(
            files.npz(cell=ROWS, **{"toy/val_acc@1": accuracies(), "toy/held_out@1": accuracies()}),
            HEAD + VALIDATION + TEST + "seeds = [777, 888]\n",
        )
    columns["toy/held_out@1"] = values(9)
    assert len(files.bring(files.npz(cell=ROWS, **columns), HEAD + VALIDATION + TEST)) == 1


def test_every_column_is_taken_by_one_rule_or_ignored_with_a_reason(files: Files) -> None:
    columns = {"toy/val_acc@1": accuracies(), "toy/comment": np.array(["x"] * N)}
    path = files.npz(cell=ROWS, **columns)
    with pytest.raises(InvalidFileError, match=r"Column 'toy/comment': no rule of the map fits it\. .* ignore it"):
        files.bring(path, HEAD + VALIDATION)
    twice = VALIDATION.replace("{task}/val_acc@{epoch}", "toy/{name}@{epoch}") + 'task = "toy"\n'
    ignored = '\n[ignore]\n"{task}/comment" = "free text"\n'
    with pytest.raises(InvalidFileError, match="two rules of the map"):
        files.bring(path, HEAD + VALIDATION + twice + ignored)
    with pytest.raises(InvalidFileError, match=r"a rule for '\{task\}/held_out@\{epoch\}', but no column"):
        files.bring(path, HEAD + VALIDATION + TEST + ignored)
    assert len(files.bring(path, HEAD + VALIDATION + ignored)) == 1


def test_two_columns_of_one_metric(files: Files) -> None:
    other = VALIDATION.replace("val_acc", "val_again")
    path = files.npz(cell=ROWS, **{"toy/val_acc@1": accuracies(), "toy/val_again@1": values(3, N, 2)})
    with pytest.raises(InvalidFileError, match="are both 'validation/accuracy' of the same seed and epoch"):
        files.bring(path, HEAD + VALIDATION + other)
    unlike = other.replace("seeds = [777, 888]\n", "")
    path = files.npz(cell=ROWS, **{"toy/val_acc@1": accuracies(), "toy/val_again@1": values(3)})
    with pytest.raises(InvalidFileError, match="differ in axes or unit"):
        files.bring(path, HEAD + VALIDATION + unlike)
    more = other.replace("[777, 888]", "[999]")
    (done,) = files.bring(
        files.npz(cell=ROWS, **{"toy/val_acc@1": accuracies(), "toy/val_again@1": values(3)}),
        HEAD + VALIDATION + more.replace("seeds = [999]", "seed = 999"),
    )
    assert Table.open(done.path).seeds == (777, 888, 999)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (("form", "from"), r"architecture\.from: Extra inputs"),
        (('unit = "percent"', 'unit = "kilo"'), "is in one of percent, fraction, not in 'kilo'"),
        (("validation/accuracy", "validation/f1"), "has no usual unit and direction: give both"),
        (("{task}/val_acc@{epoch}", "{data}/val_acc@{epoch}"), "a pattern has each of"),
        (("seeds = [777, 888]", "seeds = [777, 888]\nseed = 3"), "is said 2 times"),
        (("validation/accuracy", "validation/{name}"), r"has a \{name\} that the column"),
        (('unit = "percent"', 'direction = "minimize"'), "the direction of 'validation/accuracy' is 'maximize'"),
        (('form = "index"', 'form = "row"'), "a column is named for every form but 'row'"),
        (("title", "titel"), "titel: Extra inputs"),
        (("[777, 888]", '"777"'), "columns.0.seeds"),
        (("space =", "space"), "is no readable TOML"),
    ],
)
def test_malformed_maps(files: Files, change: tuple[str, str], match: str) -> None:
    text = (HEAD + VALIDATION).replace(*change)
    assert text != HEAD + VALIDATION
    with pytest.raises(InvalidFileError, match=match):
        files.bring(files.npz(cell=ROWS, **{"toy/val_acc@1": accuracies()}), text)


def test_maps_by_name() -> None:
    assert {"nb201", "nb201_hw", "nb201_latency", "nb201_zero_cost"} <= set(map_names())
    for name in map_names():
        assert load_map(name).space
    with pytest.raises(UnknownNameError, match="Did you mean 'nb201'"):
        load_map("nb2001")


@pytest.mark.parametrize(
    ("name", "data", "match"),
    [
        ("a.npz", b"PK\x03\x04 cut short", "no sound npz"),
        ("a.npz", b"", "no sound npz"),
        ("a.csv", b"a,b\n1\n", "2 columns, but row 0 has 1"),
        ("a.csv", b"a,a\n1,2\n", "two columns called 'a'"),
        ("a.csv", b"\xff\xfe\n", "no sound CSV"),
        ("a.csv", b"", "has no columns"),
        ("a.csv.gz", b"a,b", "no sound CSV"),
        ("a.xlsx", b"", "must end in one of .npz"),
        ("a.csv", None, "There is no file"),
    ],
)
def test_files_that_are_none(tmp_path: Path, name: str, data: bytes | None, match: str) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(InvalidFileError, match=match):
        import_columns(tmp_path / name, name="mine/a-v1", store=Store(tmp_path), space="nb201")


@pytest.mark.parametrize("line", [b"1,50\n", b"1" * 100])
def test_a_few_bytes_that_unpack_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: bytes) -> None:
    monkeypatch.setattr(import_files, "LARGEST_TEXT", 10_000)
    path = tmp_path / "bomb.csv.gz"
    path.write_bytes(gzip.compress(b"index,toy/validation/accuracy@200\n" + line * 10_000))
    assert path.stat().st_size < 2_000
    with pytest.raises(InvalidFileError, match="holds more than 10,000 characters of text"):
        read_columns(path)
    path.write_bytes(gzip.compress(b"index,toy/validation/accuracy@200\n" + line[:5] * 100 + b"\n")[:-20])
    with pytest.raises(InvalidFileError, match="no sound CSV"):
        read_columns(path)


def test_arrays_that_unpack_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_files, "LARGEST", 10_000)
    np.savez_compressed(tmp_path / "bomb.npz", index=np.zeros(10_000))
    with pytest.raises(InvalidFileError, match="10,000 are allowed"):
        read_columns(tmp_path / "bomb.npz")


def test_objects_in_an_npz_are_not_unpickled(files: Files) -> None:
    path = files.npz(index=ROWS, evil=np.array([{}] * N, dtype=object))
    with pytest.raises(InvalidFileError, match=r"Objects in it are not unpickled"):
        files.bring(path)


def test_no_architecture_and_no_space(files: Files) -> None:
    path = files.npz(cells=ROWS, **{"toy/validation/accuracy@1": values(0)})
    with pytest.raises(InvalidFileError, match=r"no column 'arch' or 'index' .*--map"):
        files.bring(path)
    with pytest.raises(InvalidFileError, match="--space nb201"):
        files.bring(path, space=None)
    with pytest.raises(InvalidFileError, match="The map is of space 'nb201', but --space says 'nb201-conv'"):
        files.bring(path, HEAD + VALIDATION, space="nb201-conv")
    with pytest.raises(InvalidFileError, match="The architecture column 'cell' is not there"):
        files.bring(path, HEAD + VALIDATION)


def test_tables_go_to_the_cache_and_never_to_the_checkout(
    files: Files, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = files.npz(index=ROWS, **{"toy/validation/accuracy@1": values(0)})
    (done,) = files.bring(path, store=Store())
    assert done.path == published.cache() / "benchmark_data" / "mine" / "some-v1.h5"
    assert done.path.is_relative_to(tmp_path)
    table = load_table("mine/some")
    assert (table.sha256, table.query(7, "validation/accuracy")) == (done.sha256, values(0)[0])
    assert done.path.with_suffix(".md").read_text(encoding="utf-8").startswith("# mine/some-v1\n")
    assert files.bring(path, store=Store())[0].sha256 == done.sha256  # the same again is no conflict
    path = files.npz(index=ROWS, **{"toy/validation/accuracy@1": values(1)})
    with pytest.raises(InvalidValueError, match="published with another content"):
        files.bring(path, store=Store())
    assert files.bring(path, store=Store(replace=True))[0].sha256 != done.sha256


def test_a_file_that_is_there_is_not_overwritten_unasked(files: Files) -> None:
    path = files.npz(index=ROWS, **{"toy/validation/accuracy@1": values(0)})
    [made] = files.bring(path)
    assert files.bring(path)[0].sha256 == made.sha256  # the same once more
    path = files.npz(index=ROWS, **{"toy/validation/accuracy@1": values(1)})
    with pytest.raises(InvalidValueError, match="is there already"):
        files.bring(path)
    assert Table(made.path).sha256 == made.sha256
    assert files.bring(path, store=Store(files.folder / "out", replace=True))


@pytest.mark.parametrize("name", ["some", "mine/some", "mine/Some-v1", "../some-v1", "mine/some-v0"])
def test_names(files: Files, name: str) -> None:
    path = files.npz(index=ROWS, **{"toy/validation/accuracy@1": values(0)})
    with pytest.raises(InvalidValueError, match="named family/name-vN"):
        import_columns(path, name=name, store=files.store, space="nb201")


def test_parquet(files: Files) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = files.folder / "columns.parquet"
    accuracy = [None if i == 2 else float(value) for i, value in enumerate(values(0))]
    parquet.write_table(pyarrow.table({"index": ROWS, "toy/validation/accuracy@1": accuracy}), path)
    (done,) = files.bring(path)
    table = Table.open(done.path)
    assert table.query(7, "validation/accuracy") == values(0)[0]
    assert np.isnan(table.query(15_624, "validation/accuracy", missing="nan"))
