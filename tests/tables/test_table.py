from __future__ import annotations

import os
import pickle
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_tables import Content, make_content

from metanas.arch import Arch
from metanas.errors import InvalidArchError, InvalidFileError, InvalidValueError, NotMeasuredError, UnknownNameError
from metanas.files import sha256_of
from metanas.spaces import load_space
from metanas.tables import Table, metric, write_table

SPACE = load_space("nb201-conv")
ACCURACY = "validation/accuracy"


def test_what_was_written_is_read(table: Table, content: Content) -> None:
    assert (table.name, table.task, table.space_name) == ("nb201/example-v1", "example-v1", "nb201-conv")
    assert table.space is SPACE
    assert (table.seeds, table.epochs) == ((0, 1, 2), (1, 2, 3, 4))
    assert table.protocol == content["protocol"]
    assert table.provenance == content["provenance"]
    assert np.array_equal(table.archs, content["arch_index"])
    assert len(table) == 50
    assert table.metrics == {name: entry for name, (entry, _) in sorted(content["metrics"].items(), key=_by_split)}
    for name, (_, values) in content["metrics"].items():
        assert np.array_equal(table.values(name), values)


def _by_split(item: tuple[str, Any]) -> tuple[int, str]:
    return (["training", "validation", "test", "cost"].index(item[0].split("/")[0]), item[0])


def test_scalar_queries(table: Table, content: Content) -> None:
    values = content["metrics"][ACCURACY][1].astype(np.float64)
    index = int(table.archs[7])
    arch = SPACE.arch(index)
    for _ in range(2):  # cold and warm
        for given_as in (index, np.int32(index), arch, SPACE.format(arch), f"  {SPACE.format(arch)}\n"):
            assert table.query(given_as, ACCURACY, epoch=2, seed=1) == values[7, 1, 1]
            assert table.query(given_as, ACCURACY, seed=2) == values[7, 2, -1]
            assert table.query(given_as, ACCURACY) == pytest.approx(values[7, :, -1].mean(), rel=1e-14)
    assert type(table.query(index, ACCURACY)) is float
    assert table.query(index, "cost/parameters") == content["metrics"]["cost/parameters"][1][7]


def test_vectorized_queries_equal_scalar_ones(table: Table) -> None:
    index = table.archs[[3, 3, 49, 0]]
    archs = [SPACE.arch(int(i)) for i in index]
    one_by_one = [table.query(arch, ACCURACY, epoch=3) for arch in archs]
    forms: list[Any] = [index, index.astype(np.int16), index.tolist(), tuple(index.tolist()), archs, list(index)]
    forms += [[SPACE.format(arch) for arch in archs], [archs[0], int(index[1]), SPACE.format(archs[2]), index[3]]]
    for form in forms:
        got = table.query(form, ACCURACY, epoch=3)
        assert got.dtype == np.float64
        assert got.tolist() == one_by_one
    assert table.query([], ACCURACY).shape == (0,)


@given(index=st.sampled_from(SPACE.indices.tolist()))
def test_every_member_of_a_class_gives_the_same_answer(index: int, full_table: Table) -> None:
    canonical = int(SPACE.canonical_indices[index])
    assert full_table.query(index, ACCURACY) == full_table.query(canonical, ACCURACY)
    assert full_table.rows([index]) == full_table.rows([SPACE.canonical(SPACE.arch(index))])
    assert full_table.archs[full_table.rows([index])[0]] == canonical


@pytest.fixture(scope="session")
def full_table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    path = tmp_path_factory.mktemp("full") / "table.h5"
    write_table(path, **make_content(n=1011))
    return Table.open(path)


def test_a_gap_is_never_filled(content: Content, make_table: Callable[[Content], Table]) -> None:
    values = content["metrics"][ACCURACY][1]
    values[4, 1] = np.nan
    values[5] = np.nan
    table = make_table(content)
    one, none = int(table.archs[4]), int(table.archs[5])
    assert table.query(one, ACCURACY) == pytest.approx(values[4, [0, 2], -1].astype(np.float64).mean(), rel=1e-14)
    with pytest.raises(NotMeasuredError, match=rf"{ACCURACY} of seed 1 .*index {one}"):
        table.query(one, ACCURACY, seed=1)
    with pytest.raises(NotMeasuredError, match=rf"{ACCURACY} @2 of any seed .*index {none}"):
        table.query(none, ACCURACY, epoch=2)
    with pytest.raises(NotMeasuredError, match=rf"for 2 of the asked .*index {none}, {none}\)"):
        table.query([none, one, none], ACCURACY)
    assert np.isnan(table.query(none, ACCURACY, missing="nan"))
    got = table.query([none, one], ACCURACY, missing="nan")
    assert np.isnan(got).tolist() == [True, False]
    assert table.query(none, "test/accuracy") > 0  # only that metric has the gap
    assert table.measured(ACCURACY).sum() == values.size - 4 - 12


def test_a_class_without_a_row_is_not_measured(table: Table) -> None:
    absent = int(SPACE.indices[table.row_of_index[SPACE.indices] < 0][0])
    for form in (absent, SPACE.arch(absent), [absent], np.array([absent])):
        with pytest.raises(NotMeasuredError, match=f"index {absent}"):
            table.query(form, ACCURACY)
        assert np.isnan(table.query(form, ACCURACY, missing="nan")).all()
    assert table.rows([absent]).tolist() == [-1]


OUTSIDE = int(np.flatnonzero(SPACE.canonical_indices < 0)[0])


@pytest.mark.parametrize("missing", ["error", "nan"])
@pytest.mark.parametrize(
    ("arch", "match"),
    [
        (-1, "0 <= index < 15625"),
        (15625, "0 <= index < 15625"),
        (OUTSIDE, "0=none"),
        (Arch("nb101", (1, 2)), "got one of 'nb101'"),
        (Arch("nb201", (4, 0, 0, 0, 0, 0)), "0=none"),
        ("|nor_conv_5x5~0|+|none~0|none~1|+|none~0|none~1|none~2|", "'nor_conv_5x5'.*allows: none, skip_connect"),
        ("", "three nodes"),
    ],
)
def test_what_is_not_of_the_space(table: Table, arch: Any, match: str, missing: Any) -> None:
    for form in (arch, [arch], [int(table.archs[0]), arch]):
        for _ in range(2):
            with pytest.raises(InvalidArchError, match=match):
                table.query(form, ACCURACY, missing=missing)


@pytest.mark.parametrize("arch", [None, 1.0, True, [1.5], [True], [None], [[1]], np.array([1.0]), np.array([[1]])])
def test_what_is_no_architecture(table: Table, arch: Any) -> None:
    table.query(int(table.archs[1]), ACCURACY)
    with pytest.raises((InvalidValueError, TypeError)):
        table.query(arch, ACCURACY)


def test_names_that_are_not_there_are_answered_by_those_that_are(table: Table) -> None:
    index = int(table.archs[0])
    with pytest.raises(UnknownNameError, match=r"'validation/acuracy'\. Did you mean 'validation/accuracy'"):
        table.query(index, "validation/acuracy")
    with pytest.raises(UnknownNameError, match=r"Unknown epoch of table nb201/example-v1 '9'.*1, 2, 3, 4"):
        table.query(index, ACCURACY, epoch=9)
    with pytest.raises(UnknownNameError, match=r"Unknown seed .*0, 1, 2"):
        table.query([index], ACCURACY, seed=7)
    with pytest.raises(InvalidValueError, match=r"'cost/parameters' .* has no axis 'epoch'"):
        table.query(index, "cost/parameters", epoch=1)
    with pytest.raises(InvalidValueError, match="missing must be 'error' or 'nan'"):
        table.query([index], ACCURACY, missing="zero")


def test_a_mean_has_no_seeds(content: Content, make_table: Callable[[Content], Table]) -> None:
    mean = content["metrics"]["test/accuracy"][1].mean(axis=1)
    content["metrics"]["test/accuracy"] = (metric("test/accuracy", ("arch", "epoch")), mean)
    table = make_table(content)
    assert table.query(int(table.archs[2]), "test/accuracy") == mean[2, -1]
    with pytest.raises(InvalidValueError, match="no axis 'seed'"):
        table.query(int(table.archs[2]), "test/accuracy", seed=0)


def test_the_users_random_state_is_left_alone(table: Table) -> None:
    state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    again = Table.open(table.path)
    assert again.query(table.archs, ACCURACY).tolist() == again.query(table.archs, ACCURACY).tolist()
    assert random.getstate() == state
    assert all(np.array_equal(a, b) for a, b in zip(np.random.get_state(), numpy_state, strict=True))  # noqa: NPY002


def test_columns_are_kept_and_cannot_be_written_to(table: Table) -> None:
    column = table.column(ACCURACY, seed=1)
    assert column is table.column(ACCURACY, seed=1)
    assert np.array_equal(column, table.values(ACCURACY)[:, 1, -1].astype(np.float64))
    for array in (column, table.archs, table.row_of_index):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_a_table_goes_to_another_process_by_its_path(table: Table) -> None:
    index = int(table.archs[0])
    again = pickle.loads(pickle.dumps(table))
    assert again.query(index, ACCURACY) == table.query(index, ACCURACY)
    assert len(pickle.dumps(table)) < 500


def test_opening_reads_no_values(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    original = h5py.Dataset.__getitem__
    monkeypatch.setattr(h5py.Dataset, "__getitem__", lambda self, key: (read.append(self.name), original(self, key))[1])
    again = Table.open(table.path)
    assert sorted(read) == ["/arch_index", "/epochs", "/row_of_index", "/seeds"]
    again.query(int(table.archs[0]), ACCURACY)
    again.query(int(table.archs[1]), ACCURACY)
    assert read[4:] == ["/metrics/validation/accuracy"]


def test_all_cells_of_a_published_table_answer_for_themselves(
    content: Content, make_table: Callable[[Content], Table]
) -> None:
    """Where members of one class were trained apart, each has a row; the representative answers for the rest."""
    representative = int(np.bincount(SPACE.canonical_indices[SPACE.indices]).argmax())  # of the largest class
    members = np.flatnonzero(SPACE.canonical_indices == representative)[:2]
    rows = np.union1d(members, [representative])
    content["arch_index"] = rows
    content["metrics"] = {"test/accuracy": (metric("test/accuracy", ("arch",)), np.arange(len(rows)) + 1.0)}
    table = make_table(content)
    assert table.query(rows, "test/accuracy").tolist() == [row + 1.0 for row in range(len(rows))]
    others = np.setdiff1d(np.flatnonzero(SPACE.canonical_indices == representative), rows)
    assert set(table.query(others, "test/accuracy")) == {table.query(representative, "test/accuracy")}


# Files that are not what they should be


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidFileError, match=r"no table at .*absent\.h5"):
        Table.open(tmp_path / "absent.h5")


@pytest.mark.parametrize("part", [0.0, 0.01, 0.3, 0.7, 0.99])
def test_a_truncated_file(table: Table, part: float) -> None:
    size = table.path.stat().st_size
    os.truncate(table.path, int(size * part))
    with pytest.raises(InvalidFileError, match=rf"{re.escape(str(table.path))} is no sound table"):
        Table.open(table.path)


def test_another_kind_of_file(table: Table) -> None:
    table.path.write_text("arch,accuracy\n0,93.2\n" * 100)
    with pytest.raises(InvalidFileError, match="no sound table"):
        Table.open(table.path)
    with h5py.File(table.path, "w") as file:
        file["something"] = [1, 2]
    with pytest.raises(InvalidFileError, match="no sound table"):
        Table.open(table.path)


def test_an_altered_value_is_found_when_it_is_read(table: Table) -> None:
    with h5py.File(table.path) as file:
        chunk = file["metrics/validation/accuracy"].id.get_chunk_info(3)
    data = bytearray(table.path.read_bytes())
    data[chunk.byte_offset + chunk.size // 2] ^= 0x10
    table.path.write_bytes(data)
    again = Table.open(table.path)
    assert again.query(int(table.archs[0]), ACCURACY, epoch=1) > 0  # another chunk
    with pytest.raises(InvalidFileError, match="altered"):
        again.query(int(table.archs[0]), ACCURACY)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda file: file.attrs.__setitem__("schema_version", 2), "schema 2"),
        (lambda file: file.attrs.__delitem__("task"), "no sound table"),
        (lambda file: file.attrs.__setitem__("provenance", "{"), "no sound table"),
        (lambda file: file.attrs.__setitem__("protocol", "epochs = 5\n"), "protocol_sha256 is not the hash"),
        (lambda file: file["row_of_index"].__setitem__(0, 4000), "row_of_index does not fit"),
        (lambda file: file["arch_index"].__setitem__(0, -5), "leaves the index range"),
        (lambda file: file.__delitem__("seeds"), "no sound table"),
        (lambda file: file.attrs.__setitem__("metrics", "{}"), "it has no metrics"),
        (lambda file: file.attrs.__setitem__("metrics", file.attrs["metrics"].replace("percent", "1")), "in percent"),
        (lambda file: file.attrs.__setitem__("metrics", file.attrs["metrics"].replace("axes", "axis")), "no sound"),
        (lambda file: file.attrs.__setitem__("metrics", '{"test/accuracy": 3}'), "no sound table"),
    ],
)
def test_contradictions_in_a_file(table: Table, change: Callable[[h5py.File], None], match: str) -> None:
    with h5py.File(table.path, "r+") as file:
        change(file)
    with pytest.raises(InvalidFileError, match=match):
        Table.open(table.path)


def test_values_of_another_shape_or_absent(table: Table) -> None:
    with h5py.File(table.path, "r+") as file:
        del file["metrics/test/accuracy"]
        file["metrics/test/accuracy"] = np.zeros((50, 3))
        del file["metrics/cost/seconds"]
    again = Table.open(table.path)
    with pytest.raises(InvalidFileError, match=r"test/accuracy has the shape \(50, 3\) and not \(50, 3, 4\)"):
        again.query(int(table.archs[0]), "test/accuracy")
    with pytest.raises(InvalidFileError, match="no sound table"):
        again.query(int(table.archs[0]), "cost/seconds")


def test_two_versions_of_a_file_are_never_mixed(table: Table, content: Content) -> None:
    table.query(int(table.archs[0]), ACCURACY)
    write_table(table.path, **content | {"provenance": {"another": "build"}})
    for ask in (lambda: table.query(int(table.archs[0]), "test/accuracy"), lambda: table.sha256):
        with pytest.raises(InvalidFileError, match="changed since it was opened"):
            ask()


def test_sha256_is_that_of_the_file(table: Table) -> None:
    assert table.sha256 == sha256_of(table.path)
