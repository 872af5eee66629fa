"""Building on a Dask cluster."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import numpy as np
import pytest
from cheap_training import TASK, CheapProtocol, train

import metanas.tables.build
from metanas.errors import MetanasError
from metanas.tables import Table
from metanas.tables.assemble import assemble
from metanas.tables.build import build, make_plan


def test_a_cluster_gives_the_same_values(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    plan = make_plan("nb201-conv", TASK, CheapProtocol())
    build(plan, tmp_path / "here", (0,), train=train)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None, host="127.0.0.1", protocol="tcp"
    ) as cluster:
        build(plan, tmp_path / "there", (0,), train=train, backend="dask", address=cluster.scheduler_address, jobs=0)
    tables = []
    for work in ("here", "there"):
        assemble(plan, tmp_path / work, tmp_path / f"{work}.h5")
        tables.append(Table.open(tmp_path / f"{work}.h5"))
    for name in tables[0].metrics:
        assert np.array_equal(tables[0].values(name), tables[1].values(name)), name


def test_no_scheduler_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(metanas.tables.build, "SECONDS_TO_CONNECT", 1)
    plan = make_plan("nb201-conv", TASK, CheapProtocol())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(MetanasError, match=f"No Dask scheduler answers at {address}"):
            build(plan, tmp_path, (0,), train=train, backend="dask", address=address)


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan("nb201-conv", TASK, CheapProtocol())
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MetanasError, match=r"pip install 'metanas\[distributed\]'"):
        build(plan, tmp_path, (0,), train=train, backend="dask", address="tcp://127.0.0.1:1")
