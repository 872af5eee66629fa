"""A build that is killed again and again loses no finished block and corrupts nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from cheap_training import TASK, CheapProtocol, train

from metanas.tables import Table, worker
from metanas.tables.assemble import assemble
from metanas.tables.build import build, make_plan
from metanas.tables.shards import Key, finished

SCRIPT = Path(__file__).parent / "support" / "build_until_killed.py"
REPOSITORY = Path(__file__).parents[2]


@pytest.mark.skipif(os.name != "posix", reason="kills process groups")
@pytest.mark.parametrize(("jobs", "rounds"), [(1, 6), (2, 3)])
def test_kill_9_in_a_loop(tmp_path: Path, jobs: int, rounds: int) -> None:
    plan = make_plan("nb201-conv", TASK, CheapProtocol(block_size=300))
    work, wanted = tmp_path / "work", set(plan.keys((0, 1)))
    rng = np.random.default_rng(jobs)
    said: set[Key] = set()
    kills = 0
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    for _ in range(rounds):
        with subprocess.Popen(
            [sys.executable, str(SCRIPT), str(work), str(jobs)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            first = process.stdout.readline()  # it is at work
            time.sleep(float(rng.uniform(0, 0.1)))
            kills += process.poll() is None
            with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
                os.killpg(process.pid, signal.SIGKILL)  # the builder and its workers, at once
            lines = first + process.stdout.read()
        said |= {Key(*map(int, line.split())) for line in lines.splitlines(keepends=True) if line.endswith("\n")}
        assert said <= set(finished(plan, work))  # each is whole, or reading it would have failed
        if set(finished(plan, work)) == wanted:
            break
    assert kills >= 2
    assert len(said) >= kills  # it got ahead every time
    build(plan, work, (0, 1), train=train)  # what is left, and sweeping up
    assert set(finished(plan, work)) == wanted
    assert list(work.rglob("*.tmp")) == []
    build(plan, tmp_path / "undisturbed", (0, 1), train=train)
    assemble(plan, work, tmp_path / "killed.h5")
    assemble(plan, tmp_path / "undisturbed", tmp_path / "undisturbed.h5")
    killed, undisturbed = Table.open(tmp_path / "killed.h5"), Table.open(tmp_path / "undisturbed.h5")
    assert killed.metrics == undisturbed.metrics
    for name in killed.metrics:
        assert np.array_equal(killed.values(name), undisturbed.values(name)), name


@pytest.mark.skipif(os.name != "posix", reason="kills processes")
def test_workers_end_when_the_builder_alone_is_killed(tmp_path: Path) -> None:
    """Or they would stay, with their memory. They hold the pipe of the builder's output: it ends with the last one."""
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), str(tmp_path / "work"), "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # where joblib's resource tracker tells what it cleaned up
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()  # workers are at work
        process.kill()
        try:
            process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="a zombie is told by /proc")
def test_a_worker_whose_builder_has_ended_does_not_begin() -> None:
    """A killed builder stays a zombie until its parent asks for it; a worker may get its first block only then."""
    with subprocess.Popen([sys.executable, "-c", "pass"], stdout=subprocess.PIPE) as builder:
        assert builder.stdout is not None
        builder.stdout.read()  # it has ended, and was not asked for
        deadline = time.monotonic() + 60
        while worker._runs(builder.pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not worker._runs(builder.pid)
        code = f"from metanas.tables.worker import _end_with; _end_with({builder.pid})"
        late = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, check=False
        )
        assert late.returncode == 1
    assert worker._runs(os.getpid())
    assert not worker._runs(builder.pid)
