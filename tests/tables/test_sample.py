"""Tables of all cells without pooling and a sample of those with it, which go on from tables of ``nb201-conv``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from metanas.arch import Arch
from metanas.errors import InvalidValueError, NotMeasuredError
from metanas.spaces import load_space
from metanas.tables import Table
from metanas.tables.assemble import assemble
from metanas.tables.build import build, make_plan
from metanas.tables.sample import pooled_classes, sampled_plan

TASK = "optdigits-v1"


class CheapProtocol:
    """A protocol that nobody trains by."""

    text, sha256, epochs, block_size = "cheap", "0" * 64, 2, 100


def train(archs: Sequence[Arch], task: Any, protocol: Any, seed: int) -> dict[str, NDArray[Any]]:
    own = np.array([load_space("nb201").index(arch) for arch in archs], dtype=np.float64)
    return {"validation/accuracy": np.stack([own / 200 + seed, own / 200 + seed + 1], 1)}


def test_all_classes_with_pooling_are_drawn_once() -> None:
    whole, part = load_space("nb201").canonical_indices, load_space("nb201-conv").canonical_indices
    assert sorted(pooled_classes()) == np.setdiff1d(whole, part[part >= 0]).tolist()


def test_a_sample_goes_on_where_the_table_without_pooling_ended(tmp_path: Path) -> None:
    part = make_plan("nb201-conv", TASK, CheapProtocol())
    build(part, tmp_path, (0,), train=train)
    small, large = (sampled_plan(TASK, CheapProtocol(), size) for size in (130, 150))
    assert (small.name, small.n_blocks, large.n_blocks) == ("nb201-sampled/optdigits-v1", 13, 13)
    trained: list[int] = []

    def note(archs: Sequence[Arch], *rest: Any) -> dict[str, NDArray[Any]]:
        trained.extend(load_space("nb201").index(arch) for arch in archs)
        return train(archs, *rest)

    build(small, tmp_path, (0,), train=note)
    assert trained == list(pooled_classes()[:130])
    assemble(small, tmp_path, tmp_path / "table.h5")
    table = Table.open(tmp_path / "table.h5")
    assert (table.space.name, len(table), table.provenance["trainings_missing"]) == ("nb201", 1141, 0)
    assert table.archs.tolist() == sorted({*part.indices, *trained})
    np.testing.assert_allclose(table.values("validation/accuracy")[:, 0, -1], table.archs / 200 + 1)
    with pytest.raises(NotMeasuredError):
        table.query(load_space("nb201").arch(pooled_classes()[140]), "validation/accuracy")

    assemble(part, tmp_path, tmp_path / "part.h5")  # what the sample added is not of this table
    assert len(Table.open(tmp_path / "part.h5")) == 1011


@pytest.mark.parametrize("size", [0, 4034])
def test_a_sample_that_cannot_be(size: int) -> None:
    with pytest.raises(InvalidValueError, match="1 to 4,033"):
        sampled_plan(TASK, CheapProtocol(), size)
