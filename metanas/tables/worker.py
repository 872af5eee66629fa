"""What trains one block, in whichever process that is."""

from __future__ import annotations

import contextlib
import datetime
import functools
import importlib.metadata
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import metanas
from metanas.arch import Arch
from metanas.errors import InvalidValueError, MetanasError
from metanas.extras import require
from metanas.spaces import load_space
from metanas.tables.shards import Key, Plan, ProtocolLike, Shard, archs_of, make_shard
from metanas.tasks import Task, load_task

Values = Mapping[str, NDArray[Any]]
Train = Callable[[Sequence[Arch], Task, ProtocolLike, int], Values]


def train_networks(archs: Sequence[Arch], task: Task, protocol: Any, seed: int) -> Values:
    """Train a block for real (one torch thread), and count parameters and multiply-accumulates."""
    torch = require("torch", "train", "Training networks")
    require("numba", "train", "Training networks")
    from metanas.nets.skeleton import cost
    from metanas.training import train_block

    torch.set_num_threads(1)
    size = protocol.network.resolution
    shape = (task.shape[0], size, size) if len(task.shape) == 3 else task.shape  # as it enters the network
    skeleton = protocol.skeleton(shape, task.n_classes)
    counts = [cost(load_space(arch.space).cell(arch), skeleton) for arch in archs]
    columns = {
        "cost/parameters": np.array([parameters for parameters, _ in counts], dtype=np.float64),
        "cost/macs": np.array([macs for _, macs in counts], dtype=np.float64),
    }
    return {**train_block(archs, task, protocol, seed), **columns}


def train_shard(plan: Plan, key: Key, train: Train, parent: int | None = None) -> tuple[Key, Shard | str]:
    """Train one block, wherever this runs.

    Args:
        plan: what the table is made of.
        key: which block and seed.
        train: trains it.
        parent: the process that this one works for and ends with, if it is a local worker.

    Returns:
        The key, and the shard or, if training says that something is wrong, what it says: one block that cannot be
        trained must not stop the others.
    """
    if parent is not None:
        _end_with(parent)
    task = task_of(plan.task)
    if task.sha256 != plan.task_sha256:
        msg = f"Task {plan.task!r} differs between the workers and the process that builds; install the same version."
        raise InvalidValueError(msg)
    started, used = time.perf_counter(), time.thread_time()
    try:
        values = train(archs_of(plan, key.block), task, plan.protocol, key.seed)
        facts = {
            "task": task.name,
            "seconds": round(time.perf_counter() - started, 3),
            "core_seconds": round(time.thread_time() - used, 3),  # of this thread, the one that trains
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "cpu": cpu_name(),
            "versions": versions(),
        }
        return key, make_shard(plan, key, values, facts)
    except MetanasError as error:
        return key, str(error)


@functools.cache
def _end_with(parent: int) -> None:
    """Watch the parent: a worker of a builder that was killed would otherwise stay for minutes, with its memory."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    if os.getppid() == parent:
        threading.Thread(target=watch, daemon=True).start()
    elif not _runs(parent):  # it was killed before this process had anything to do
        os._exit(1)
    # Otherwise a backend put a process in between, which has to end this one.


def _runs(process: int) -> bool:
    """Return whether a process runs; one that has ended and that nobody has asked for (a zombie) does not."""
    if os.name != "posix":
        return True  # there is no way to ask that harms nobody
    try:
        os.kill(process, 0)
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except OSError:  # of somebody else, or a system without this folder
        return True
    return state != "Z"


@functools.lru_cache(maxsize=1)
def task_of(name: str) -> Task:
    """Load a task once a process."""
    return load_task(name)


def versions() -> dict[str, str]:
    """Return the versions that a training depends on."""
    found = {"python": platform.python_version(), "metanas": metanas.__version__}
    for package in ("numpy", "torch", "numba", "llvmlite"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


@functools.cache
def cpu_name(path: Path = Path("/proc/cpuinfo")) -> str:
    """Return the name of the processor, as the system gives it, and what tells it from others of that name.

    Values are the same to the last bit on processors of one kind; a hypervisor may call several kinds by one name.
    """
    found: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            what, _, value = line.partition(":")
            found.setdefault(what.strip(), value.strip())
    kind = ", ".join(f"{what.removeprefix('cpu ')} {found[what]}" for what in ("cpu family", "model") if what in found)
    name = found.get("model name") or platform.processor() or platform.machine()
    return f"{name} ({kind})" if kind else name


@contextlib.contextmanager
def same_threads_after(train: Train) -> Iterator[None]:
    """Training sets torch to one thread; give the caller's process its own number back."""
    torch = require("torch", "train", "Training networks") if train is train_networks else None
    before = torch.get_num_threads() if torch is not None else 0
    try:
        yield
    finally:
        if torch is not None:
            torch.set_num_threads(before)
