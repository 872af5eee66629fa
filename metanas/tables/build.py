"""Building a table: train what is missing, block by block, and write each block when it is finished.

Blocks are trained in this process, in several (joblib), or on a Dask cluster; this process alone writes. It may be
killed at any instant: what was written stays, and the same call goes on with what is missing. A value depends on the
architecture's block, the seed, the task and the protocol, never on the number of workers or the order.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from metanas import published
from metanas.errors import InvalidValueError, MetanasError, UnknownNameError
from metanas.extras import require
from metanas.files import exclusive_lock, remove_temporary
from metanas.spaces import load_space
from metanas.tables.shards import Key, Plan, ProtocolLike, Shard, finished, representatives, write_shard
from metanas.tables.worker import Train, same_threads_after, task_of, train_networks, train_shard

BACKENDS = ("local", "dask")
SECONDS_TO_CONNECT = 10


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a build is.

    Attributes:
        key: the shard that was just written; None at the start.
        done: trainings that are on disk.
        total: trainings that were asked for.
        seconds_left: estimated from the speed of this call; None before its first block.
    """

    key: Key | None
    done: int
    total: int
    seconds_left: float | None


def make_plan(
    space: str,
    task: str,
    protocol: ProtocolLike,
    *,
    name: str | None = None,
    indices: Sequence[int] | None = None,
    more: Sequence[int] = (),
) -> Plan:
    """Plan a table.

    Args:
        space: name of the search space.
        task: name of the task, or the path of its card.
        protocol: the training protocol.
        name: name of the table; the family of the space and the task by default, as in ``nb201/fashion_mnist-v1``.
        indices: which architectures, as indices of the space; the representatives of all functional classes if None.
        more: further architectures, in the order of their training.

    Raises:
        UnknownNameError: no such space or task.
        InvalidValueError: an index that does not represent its class.
    """
    home = load_space(space)
    every = representatives(space)
    if indices is not None:
        foreign = sorted({*indices, *more} - set(every))
        if foreign:
            msg = f"Tables hold representatives of functional classes (space.canonical); index {foreign[0]} is none."
            raise InvalidValueError(msg)
        every = tuple(sorted(set(indices) - set(more)))
    loaded = task_of(task)
    family = home.arch(every[0]).space
    return Plan(name or f"{family}/{loaded.name}", space, task, loaded.sha256, protocol, every, tuple(more))


def default_work(plan: Plan) -> Path:
    """Return the folder where a table's shards lie unless another is named."""
    return (published.checkout() or Path.cwd()) / "work" / plan.name


def build(
    plan: Plan,
    work: Path,
    seeds: Sequence[int],
    *,
    train: Train | None = None,
    blocks: int | None = None,
    jobs: int = 1,
    backend: str = "local",
    address: str | None = None,
    report: Callable[[Progress], None] | None = None,
) -> None:
    """Train what is missing of a table and write it to the work folder.

    Args:
        plan: what the table is made of.
        work: the folder of its shards.
        seeds: training seeds.
        train: trains a block: architectures, task, protocol, seed -> values ``(n_archs, n_epochs)`` by metric; networks
            for real if None.
        blocks: only the first few blocks of each seed; all if None.
        jobs: how many blocks are trained at once (with ``dask``: at most; 0 or less for as many as the cluster takes).
        backend: ``"local"`` processes, or a ``"dask"`` cluster.
        address: of the Dask scheduler, as in ``"tcp://host:8786"``.
        report: called at the start and after every block that was written.

    Raises:
        MetanasError: another process builds in the same folder, a worker process died, or (when all others are done)
            blocks could not be trained.
        InvalidFileError: a shard in the folder is damaged or belongs to something else.
        InvalidValueError: an argument out of range.
    """
    _check_arguments(seeds, blocks, jobs, backend, address)
    with exclusive_lock(work / ".lock"):
        remove_temporary(work)
        wanted = plan.keys(seeds, blocks)
        present = set(finished(plan, work))
        todo = [key for key in wanted if key not in present]
        total = sum(len(plan.block(key.block)) for key in wanted)
        left = sum(len(plan.block(key.block)) for key in todo)
        count, started = left, time.perf_counter()
        tell = report or (lambda _: None)
        tell(Progress(None, total - left, total, None))
        failures: dict[Key, str] = {}
        for key, shard in _shards(plan, todo, train or train_networks, jobs, backend, address):
            if isinstance(shard, str):
                failures[key] = shard
                continue
            write_shard(key.path(work), shard)
            left -= len(shard.indices)
            pace = (time.perf_counter() - started) / (count - left)
            tell(Progress(key, total - left, total, pace * left))
        if failures:
            key = min(failures)
            msg = (
                f"{len(failures)} of {len(todo)} blocks could not be trained; the others are kept. "
                f"Seed {key.seed}, block {key.block}: {failures[key]}"
            )
            raise MetanasError(msg)


def _shards(
    plan: Plan, todo: Sequence[Key], train: Train, jobs: int, backend: str, address: str | None
) -> Iterator[tuple[Key, Shard | str]]:
    """Yield shards as they are finished, in any order; a text where a block could not be trained."""
    if not todo:
        return
    if backend == "local" and jobs == 1:
        with same_threads_after(train):
            for key in todo:
                yield train_shard(plan, key, train)
        return
    import joblib
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    with _joblib_backend(backend, address):
        parent = os.getpid() if backend == "local" else None
        calls = (joblib.delayed(train_shard)(plan, key, train, parent) for key in todo)
        n_jobs = jobs if jobs > 0 else -1
        parallel = joblib.Parallel(
            n_jobs=n_jobs, return_as="generator_unordered", batch_size=1, pre_dispatch="2*n_jobs"
        )
        try:
            yield from parallel(calls)
        except TerminatedWorkerError as error:
            msg = (
                "A worker process died (killed, or out of memory). The blocks that were finished are kept; "
                "the same command goes on with the others (with fewer --jobs if memory was short)."
            )
            raise MetanasError(msg) from error


@contextlib.contextmanager
def _joblib_backend(backend: str, address: str | None) -> Iterator[None]:
    import joblib

    if backend == "local":
        yield
        return
    distributed = require("distributed", "distributed", "--backend dask")
    try:
        client = distributed.Client(address, timeout=SECONDS_TO_CONNECT)
    except (OSError, TimeoutError, ValueError) as error:
        msg = f"No Dask scheduler answers at {address} ({error}). Start one (dask scheduler) and name its address."
        raise MetanasError(msg) from error
    with client, joblib.parallel_config(backend="dask", client=client):
        yield


def _check_arguments(seeds: Sequence[int], blocks: int | None, jobs: int, backend: str, address: str | None) -> None:
    if not seeds or len(set(seeds)) != len(seeds) or min(seeds) < 0:
        msg = f"Seeds must be distinct whole numbers from 0 on, and at least one; got {list(seeds)}."
        raise InvalidValueError(msg)
    if backend not in BACKENDS:
        raise UnknownNameError("backend", backend, BACKENDS)
    if (backend == "dask") != (address is not None):
        msg = f"--backend dask and --address belong together; got backend={backend!r}, address={address!r}."
        raise InvalidValueError(msg)
    if blocks is not None and blocks < 1:
        msg = f"blocks >= 1 must hold, but got blocks={blocks}."
        raise InvalidValueError(msg)
    if backend == "local" and jobs < 1:
        msg = f"jobs >= 1 must hold, but got jobs={jobs}."
        raise InvalidValueError(msg)
