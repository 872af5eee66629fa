"""Scores of many architectures as a table: resumable, safe to kill at any instant.

Beside ``scores.h5`` lies the folder ``scores.h5.blocks`` with one file for each seed and block of architectures. What
is in it is not scored again: the same call goes on where it was stopped, and further seeds or scores add what is
missing.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metanas import published
from metanas.errors import InvalidFileError, InvalidValueError, UnknownNameError
from metanas.files import atomic_write, exclusive_lock
from metanas.protocol import Protocol
from metanas.proxies import load_proxy, proxy_names
from metanas.proxies.scoring import EXAMPLES, scores
from metanas.spaces import load_space
from metanas.tables import Metric, Table, write_table
from metanas.tasks import Task

_FOLDER = "benchmark_data/scores"
_REVISION = 1  # of the scores' definitions; blocks of another one are not used


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a table of scores is.

    Attributes:
        done: architectures scored, over all seeds.
        total: architectures to score.
    """

    done: int
    total: int


def load_scores(task: str) -> Table:
    """Return the published scores of a task, one table with every score (``benchmark_data/scores/``).

    Args:
        task: name of the task, as in ``"fashion_mnist-v1"``.

    Raises:
        UnknownNameError: none are published.
        InvalidFileError: the file is altered or cut short.
    """
    path = published.find(f"{_FOLDER}/{task}.h5")
    if path is None:
        raise UnknownNameError("task with published scores", task, scored_tasks())
    return Table(path)


def scored_tasks() -> tuple[str, ...]:
    """Return the names of the tasks whose scores are published, sorted."""
    return tuple(published.files(_FOLDER, ".h5"))


def score_table(
    path: str | os.PathLike[str],
    space: str,
    indices: NDArray[np.integer],
    task: Task,
    protocol: Protocol,
    *,
    seeds: Sequence[int] = (0,),
    names: Sequence[str] | None = None,
    examples: int = EXAMPLES,
    report: Callable[[Progress], None] | None = None,
) -> str:
    """Score architectures and write a table of metrics ``proxy/<score>`` and ``proxy/<score>.seconds``.

    Args:
        path: the table's file, ``….h5``.
        space: name of the search space.
        indices: the architectures, ascending; representatives answer for their functional class.
        task: the task, at its native resolution.
        protocol: fixes the networks around the cells.
        seeds: of initial weights and examples.
        names: of the scores; all if None.
        examples: size of the batch that they look at.
        report: called after each block.

    Returns:
        The SHA-256 of the file.

    Raises:
        UnknownNameError: no such score.
        InvalidValueError: no architectures, or fewer training rows than ``examples``.
        InvalidFileError: the folder of blocks belongs to other scores.
    """
    chosen = tuple(proxy_names() if names is None else names)
    for name in chosen:
        load_proxy(name)  # refuses what there is none of, before anything is computed
    if not len(indices) or not seeds:
        msg = f"A table of scores needs architectures and seeds; got {len(indices)} and {len(seeds)}."
        raise InvalidValueError(msg)
    target = Path(path)
    folder = target.with_name(target.name + ".blocks")
    identity = _identity(space, indices, task, protocol, examples)
    size = protocol.block_size
    starts = range(0, len(indices), size)
    total = len(indices) * len(seeds)
    home = load_space(space)
    found: dict[tuple[int, int], dict[str, NDArray[np.float64]]] = {}
    with exclusive_lock(folder / "lock"):
        done = 0
        for seed in seeds:
            for start in starts:
                file = folder / f"seed-{seed}-{start // size:05d}.npz"
                kept = _read(file, identity)
                missing = [name for name in chosen if name not in kept]
                part = indices[start : start + size]
                if missing:
                    archs = [home.arch(int(index)) for index in part]
                    new = scores(archs, task, protocol, seed=seed, names=missing, examples=examples)
                    kept |= new.values | {f"{name}.seconds": values for name, values in new.seconds.items()}
                    _write(file, identity, kept)
                found[seed, start] = kept
                done += len(part)
                if report is not None:
                    report(Progress(done, total))
    metrics = {}
    for name in chosen:
        for key, unit, direction in ((name, "1", "maximize"), (f"{name}.seconds", "s", "minimize")):
            values = np.stack([np.concatenate([found[seed, start][key] for start in starts]) for seed in seeds], 1)
            alike = load_proxy(name).needs == "architecture" and key == name
            entry = Metric(f"proxy/{key}", unit, direction, ("arch",) if alike else ("arch", "seed"))  # type: ignore[arg-type]
            metrics[entry.name] = (entry, values[:, 0] if alike else values)
    return write_table(
        target,
        name=f"scores/{task.name}",
        space=space,
        task=task.name,
        arch_index=np.asarray(indices),
        seeds=seeds,
        epochs=(),
        metrics=metrics,
        protocol=networks_text(protocol, examples),
        provenance={
            "method": "zero-cost scores of untrained networks by metanas score",
            "examples": examples,
            "task_sha256": task.sha256,
            "definitions": _REVISION,
            "versions": {package: _version(package) for package in ("metanas", "numpy", "torch")},
        },
    )


def networks_text(protocol: Protocol, examples: int) -> str:
    """Return what of a protocol a score depends on, as TOML: the networks; how they are trained is no matter."""
    lines = [f"{key} = {value}" for key, value in protocol.network.model_dump().items()]
    return "\n".join(
        ["# Untrained networks, scored.", 'name = "zero-cost"', f"examples = {examples}", "[network]", *lines, ""]
    )


def _identity(space: str, indices: NDArray[np.integer], task: Task, protocol: Protocol, examples: int) -> str:
    """Return the hash of what decides a score beside its name and its seed."""
    content = {
        "space": space,
        "indices": np.asarray(indices).tolist(),
        "task": task.sha256,
        "networks": networks_text(protocol, examples),
        "block_size": protocol.block_size,
        "definitions": _REVISION,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _read(file: Path, identity: str) -> dict[str, NDArray[np.float64]]:
    if not file.is_file():
        return {}
    with np.load(file, allow_pickle=False) as arrays:
        if "identity" not in arrays.files or str(arrays["identity"]) != identity:
            msg = (
                f"{file} must hold scores of the same architectures, task, protocol and examples, but holds others: "
                f"remove the folder {file.parent}, or write to another file."
            )
            raise InvalidFileError(msg)
        return {name: arrays[name] for name in arrays.files if name != "identity"}


def _write(file: Path, identity: str, content: dict[str, NDArray[np.float64]]) -> None:
    with atomic_write(file) as temporary, temporary.open("wb") as stream:
        np.savez(stream, allow_pickle=False, identity=np.array(identity), **content)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
