"""``metanas build``, with real training of a few very small networks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from metanas.tables import Table
from metanas.tables.build import make_plan
from metanas.tables.worker import train_networks

Run = Callable[..., tuple[int, str, str]]

TASK = "noto_scripts-v1"
PROTOCOL = """\
name = "tiny-v1"
block_size = 6

[network]
resolution = 4
channels = 2

[training]
examples = 128
epochs = 2
batch = 64
learning_rate = 0.05
"""


@pytest.fixture
def protocol(tmp_path: Path) -> Path:
    path = tmp_path / "tiny-v1.toml"
    path.write_text(PROTOCOL)
    return path


def test_from_training_to_query(run: Run, tmp_path: Path, protocol: Path) -> None:
    pytest.importorskip("torch")
    from metanas.protocol import load_protocol
    from metanas.tasks import load_task

    work = tmp_path / "work"
    common = ("build", "--task", TASK, "--protocol", protocol, "--work", work)
    code, out, error = run(*common, "--seeds", "0", "--blocks", 1)
    assert code == 0
    assert "6 trainings; 1,005 are missing" in out
    assert "0 of 6 trainings\n6 of 6 trainings 0:00:00 left\n" in error
    code, out, _ = run(*common, "--seeds", "1", "--blocks", 1, "--json")
    assert code == 0
    result = json.loads(out)
    assert result == {
        "table": f"nb201/{TASK}",
        "file": str(work / f"{TASK}.h5"),
        "sha256": Table(work / f"{TASK}.h5").sha256,
        "seeds": [0, 1],
        "trainings": 12,
        "trainings_missing": 2010,
    }
    table = Table(result["file"])
    plan = make_plan("nb201-conv", TASK, load_protocol(str(protocol)))
    archs = [table.space.arch(index) for index in plan.block(0)]
    alone = train_networks(archs, load_task(TASK), plan.protocol, 1)
    for name, values in alone.items():
        stored = table.values(name)[:6]
        if name != "cost/seconds":  # measured, and so never twice the same
            assert np.array_equal(stored[:, 1] if stored.ndim == 3 else stored, values), name
    assert "torch" in table.provenance["versions"]
    assert table.provenance["core_seconds"] > 0
    code, out, _ = run(
        "query", result["file"], plan.indices[3], "--metric", "validation/accuracy", "--seed", 1, "--json"
    )
    assert json.loads(out)["answers"][0]["values"]["validation/accuracy"] == alone["validation/accuracy"][3, -1]
    code, _, error = run(*common, "--assemble", "--register")
    assert (code, "2,010 trainings are missing" in error) == (2, True)
    code, out, _ = run(*common, "--assemble", "--seeds", "1", "--json")
    assert json.loads(out)["seeds"] == [1]


@pytest.mark.parametrize(
    ("arguments", "code", "match"),
    [
        (["--task", TASK], 2, "--seeds must say"),
        (["--task", TASK, "--seeds", "0,0"], 2, "--seeds takes distinct numbers"),
        (["--task", "noto-v1", "--seeds", "0"], 2, "Unknown task 'noto-v1'"),
        (["--task", TASK, "--seeds", "0", "--space", "nb202"], 2, "Unknown search space 'nb202'. Did you mean 'nb201'"),
        (["--task", TASK, "--seeds", "0", "--backend", "spark"], 2, "Unknown backend 'spark'"),
        (["--task", TASK, "--seeds", "0", "--backend", "dask"], 2, "--backend dask and --address belong together"),
        (["--task", TASK, "--seeds", "0", "--jobs", "0"], 2, "jobs >= 1"),
        (["--task", TASK, "--seeds", "0", "--replace"], 2, "--replace belongs to --register"),
        (["--task", TASK, "--assemble"], 3, "no finished block"),
        (["--task", TASK, "--seeds", "9", "--extend", "nb201/fashion_mnist-v1"], 2, "is of another task"),
        (["--task", TASK, "--seeds", "9", "--extend", "nb201/fashion"], 2, "Unknown table 'nb201/fashion'"),
    ],
)
def test_bad_input(run: Run, tmp_path: Path, protocol: Path, arguments: list[str], code: int, match: str) -> None:
    got, out, error = run("build", "--protocol", protocol, "--work", tmp_path / "work", *arguments)
    assert (got, out) == (code, "")
    assert match in error
    assert not list(tmp_path.rglob("*.npz"))


def test_an_unknown_protocol_names_those_that_are_there(run: Run, place: Path) -> None:
    (place / "benchmark_data" / "protocols").mkdir(parents=True)
    for name in ("small-v1", "large-v1"):
        (place / "benchmark_data" / "protocols" / f"{name}.toml").write_text(PROTOCOL.replace("tiny-v1", name))
    code, _, error = run("build", "--task", TASK, "--seeds", 0, "--protocol", "huge-v9")
    assert (code, "large-v1" in error, "small-v1" in error) == (2, True, True)
    code, _, error = run("build", "--task", TASK, "--seeds", 0, "--protocol", "smal-v1")
    assert (code, "Did you mean 'small-v1'" in error) == (2, True)


def test_registering_a_complete_table(
    run: Run, tmp_path: Path, place: Path, protocol: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cheap_training import train

    monkeypatch.setattr("metanas.tables.build.train_networks", train)
    protocol.write_text(PROTOCOL.replace("block_size = 6", "block_size = 400"))
    arguments = (
        "build",
        "--task",
        TASK,
        "--protocol",
        protocol,
        "--work",
        tmp_path / "work",
        "--name",
        "nb201/mine-v1",
    )
    code, out, _ = run(*arguments, "--seeds", "0,1", "--register")
    assert code == 0
    published_path = place / "benchmark_data" / "nb201" / "mine-v1.h5"
    assert str(published_path) in out
    assert run("tables", "nb201/mine-v1", "--verify")[0] == 0
    assert published_path.with_suffix(".md").read_text().startswith("# nb201/mine-v1\n")
    code, _, error = run(*arguments, "--seeds", "2", "--register")
    assert (code, "published with another content" in error) == (2, True)
    assert run(*arguments, "--seeds", "2", "--register", "--replace")[0] == 0
    assert json.loads(run("tables", "nb201/mine-v1", "--json")[1])["seeds"] == [0, 1, 2]
