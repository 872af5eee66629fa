from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metanas.arch import Arch
from metanas.encodings import encode, encoding_columns, encoding_names
from metanas.errors import InvalidArchError, UnknownNameError
from metanas.spaces import ListedSpace, load_space, space_names

NB201 = load_space("nb201")
SPACES = [load_space(name) for name in ("nb201", "nb201-conv", "nb101", "nbgraph")]
CELL = "|nor_conv_3x3~0|+|skip_connect~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|"


def drawn(space, n: int, seed: int = 0) -> list[Arch]:
    rng = np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(n)]


def test_there_are_the_four_encodings() -> None:
    assert encoding_names() == ("adjacency", "functional", "onehot", "path")


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
@pytest.mark.parametrize("name", encoding_names())
def test_a_row_depends_on_its_architecture_alone(space, name: str) -> None:
    archs = drawn(space, 30)
    matrix = encode(space, archs, name)
    assert matrix.dtype == np.float32
    assert matrix.shape == (30, len(encoding_columns(space, name)))
    assert np.isfinite(matrix).all()
    assert len(np.unique(matrix, axis=0)) > 15
    shuffled = np.random.default_rng(1).permutation(30)
    indices = np.array([space.index(arch) for arch in archs])
    np.testing.assert_array_equal(encode(space, indices[shuffled], name), matrix[shuffled])
    np.testing.assert_array_equal(encode(space, [archs[3]], name)[0], matrix[3])


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
@pytest.mark.parametrize("name", encoding_names())
def test_columns_have_names_of_their_own(space, name: str) -> None:
    names = encoding_columns(space, name)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", encoding_names())
def test_no_architectures_have_no_rows(name: str) -> None:
    assert encode(NB201, [], name).shape == (0, len(encoding_columns(NB201, name)))


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_functionally_equal_architectures_have_equal_functional_encodings(space, seed: int) -> None:
    arch = drawn(space, 1, seed)[0]
    same = [other for other in space.neighbours(arch) if space.canonical(other) == space.canonical(arch)]
    rows = encode(space, [arch, space.canonical(arch), *same], "functional")
    assert (rows == rows[0]).all()


def test_the_functional_encoding_tells_nearly_all_classes_apart() -> None:
    conv = load_space("nb201-conv")
    assert isinstance(conv, ListedSpace)
    assert len(np.unique(encode(conv, conv.indices, "functional"), axis=0)) == 1011


def test_the_functional_encoding_of_one_cell_by_hand() -> None:
    """The cell is x + c1(a) + c3'(x + pool(a)) with a = c3(x): paths x; c3,c1; c3'; c3,pool,c3'."""
    cell = NB201.parse(
        "|nor_conv_3x3~0|+|skip_connect~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|"
    )
    values = dict(
        zip(encoding_columns(NB201, "functional"), encode(NB201, [cell], "functional")[0].tolist(), strict=True)
    )
    expected = {
        "n[nor_conv_1x1]": 1,
        "n[nor_conv_3x3]": 2,
        "n:terms": 7,
        "n:weights": 19,
        "term[nor_conv_3x3,1,nor_conv_3x3]": 1,
        "term[input,0,nor_conv_3x3]": 2,
        "path[]": 1,
        "path[nor_conv_3x3>pool>nor_conv_3x3]": 1,
        "path[pool]": 0,
        "share[]": 1 / 3,
        "share[nor_conv_3x3]": 1 / 6,
        "min:length": 0,
        "max:length": 2,
        "mean:length": 5 / 4,
        "expected:length": 7 / 6,
        "max:field": 7,
        "sum:nor_conv_3x3": 4,
        "shape:depth": 2,
        "shape:input_out": 3,
        "shape:residual": 1,
        "shape:pooled": 0,
        "shape:empty": 0,
    }
    assert {name: values[name] for name in expected} == pytest.approx(expected)


def test_a_cell_that_passes_nothing_on_is_empty() -> None:
    cell = NB201.parse("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    for name in ("functional", "path", "adjacency"):
        values = dict(zip(encoding_columns(NB201, name), encode(NB201, [cell], name)[0].tolist(), strict=True))
        assert {column for column, value in values.items() if value} == (
            {"shape:empty"} if name == "functional" else set()
        )


def test_the_path_encoding_of_one_cell_by_hand() -> None:
    names = np.array(encoding_columns(NB201, "path"))
    there = set(names[encode(NB201, [NB201.parse(CELL)], "path")[0] == 1])
    assert there == {
        "input>skip_connect>output",
        "input>nor_conv_3x3>nor_conv_1x1>output",
        "input>skip_connect>nor_conv_3x3>output",
        "input>nor_conv_3x3>avg_pool_3x3>nor_conv_3x3>output",
    }


def test_published_sizes_of_the_path_encoding() -> None:
    """White et al. give 3^0 + … + 3^5 = 364 paths for NAS-Bench-101."""
    assert len(encoding_columns(load_space("nb101"), "path")) == 364


def test_the_one_hot_encoding_has_one_for_each_decision() -> None:
    assert encode(NB201, NB201.indices, "onehot").shape == (15625, 30)
    assert (encode(NB201, NB201.indices, "onehot").sum(axis=1) == 6).all()


def test_the_adjacency_leaves_out_what_is_dead() -> None:
    cell = NB201.parse("|nor_conv_3x3~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|")
    names = np.array(encoding_columns(NB201, "adjacency"))
    assert set(names[encode(NB201, [cell], "adjacency")[0] == 1]) == {"0->4", "4->7", "4=nor_conv_1x1"}


@pytest.mark.parametrize("archs", [[load_space("nb101").sample(np.random.default_rng(0))], np.array([15625])])
def test_another_spaces_architectures_are_refused(archs: Sequence[Arch]) -> None:
    with pytest.raises(InvalidArchError):
        encode(NB201, archs, "functional")


def test_an_unknown_encoding_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="'functional'"):
        encode(NB201, np.array([0]), "function")
    with pytest.raises(UnknownNameError, match="'path'"):
        encoding_columns(NB201, "paths")


def test_every_space_is_encoded() -> None:
    for name in space_names():
        space = load_space(name)
        assert all(len(encode(space, drawn(space, 2), encoding)) == 2 for encoding in encoding_names())
