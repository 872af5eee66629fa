"""Tables of scores: what they hold, and how they go on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from metanas.errors import InvalidFileError, InvalidValueError, UnknownNameError
from metanas.protocol import Protocol, load_protocol
from metanas.proxies import score_table, scores, store
from metanas.proxies.store import Progress
from metanas.spaces import load_space
from metanas.tables import Table
from metanas.tasks import Task, load_task

NAMES = ("params", "l2_norm", "naswot")


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task("optdigits")


@pytest.fixture
def protocol() -> Protocol:
    return load_protocol("small-v1").model_copy(update={"block_size": 2})


def rows() -> np.ndarray:
    space = load_space("nb201-conv")
    return np.unique(space.canonical_indices[space.indices])[[0, 50, 100, 150, 200]]


def test_a_table_holds_the_scores_of_every_seed(tmp_path: Path, task: Task, protocol: Protocol) -> None:
    seen: list[Progress] = []
    path, index = tmp_path / "s.h5", rows()
    score_table(path, "nb201-conv", index, task, protocol, seeds=(0, 3), names=NAMES, examples=8, report=seen.append)
    assert seen[-1] == Progress(10, 10)
    table = Table(path)
    assert (table.name, table.seeds, len(table)) == (f"scores/{task.name}", (0, 3), 5)
    space = load_space("nb201-conv")
    archs = [space.arch(int(number)) for number in index]
    for seed in (0, 3):
        own = scores(archs, task, protocol, seed=seed, names=NAMES, examples=8)
        for name in ("l2_norm", "naswot"):
            found = table.query(index, f"proxy/{name}", seed=seed, missing="nan")
            np.testing.assert_allclose(found, own.values[name])
    assert table.metrics["proxy/params"].axes == ("arch",)
    np.testing.assert_array_equal(table.column("proxy/params"), own.values["params"])
    assert (table.values("proxy/naswot.seconds") >= 0).all()


def test_it_goes_on_where_it_was_stopped(
    tmp_path: Path, task: Task, protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stop(Exception):
        pass

    def stop(progress: Progress) -> None:
        if progress.done >= 4:
            raise Stop

    path = tmp_path / "s.h5"
    arguments = ("nb201-conv", rows(), task, protocol)
    with pytest.raises(Stop):
        score_table(path, *arguments, names=("l2_norm",), examples=8, report=stop)
    assert not path.exists()
    counted: list[tuple[int, tuple[str, ...]]] = []

    def counting(archs, *rest, names, **options):  # type: ignore[no-untyped-def]
        counted.append((len(archs), tuple(names)))
        return scores(archs, *rest, names=names, **options)

    monkeypatch.setattr(store, "scores", counting)
    score_table(path, *arguments, names=("l2_norm",), examples=8)
    assert counted == [(1, ("l2_norm",))]  # the last block alone
    first = path.read_bytes()
    counted.clear()
    score_table(path, *arguments, names=("l2_norm", "params"), examples=8)
    assert counted == [(2, ("params",)), (2, ("params",)), (1, ("params",))]
    counted.clear()
    score_table(path, *arguments, names=("l2_norm",), examples=8)
    assert not counted
    assert path.read_bytes() == first


def test_blocks_of_other_scores_are_refused(tmp_path: Path, task: Task, protocol: Protocol) -> None:
    path = tmp_path / "s.h5"
    score_table(path, "nb201-conv", rows(), task, protocol, names=("l2_norm",), examples=8)
    with pytest.raises(InvalidFileError, match="remove the folder"):
        score_table(path, "nb201-conv", rows(), task, protocol, names=("l2_norm",), examples=9)
    with pytest.raises(UnknownNameError, match="l2_norm"):
        score_table(path, "nb201-conv", rows(), task, protocol, names=("l2norm",))
    with pytest.raises(InvalidValueError, match="needs architectures and seeds"):
        score_table(path, "nb201-conv", rows()[:0], task, protocol)
