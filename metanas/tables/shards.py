"""The unit of building: one block of architectures, trained with one seed, in one file.

A shard is written whole or not at all, and says by itself what it belongs to, so that a build can be killed at any
instant and go on later, and shards of different protocols or tasks are never mixed.
"""

from __future__ import annotations

import functools
import json
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from metanas.arch import Arch
from metanas.errors import InvalidFileError, InvalidValueError
from metanas.files import atomic_write
from metanas.spaces import listed, load_space
from metanas.tables.schema import metric

_LOSS = "cross_entropy"  # of a training that diverged it is no number
_FACTS = "facts"
_INDEX = "arch_index"
_NAME = re.compile(r"shards/seed-(\d+)/block-(\d+)\.npz")


class ProtocolLike(Protocol):
    """What the builder must know of a training protocol (:class:`metanas.protocol.Protocol`)."""

    @property
    def text(self) -> str:
        """The TOML text."""

    @property
    def sha256(self) -> str:
        """Hash of the text."""

    @property
    def epochs(self) -> int:
        """Number of epochs."""

    @property
    def block_size(self) -> int:
        """How many architectures are trained together."""


class Key(NamedTuple):
    """Which shard: a seed and the number of a block."""

    seed: int
    block: int

    def path(self, work: Path) -> Path:
        """Return the shard's file in a work folder."""
        return work / "shards" / f"seed-{self.seed:04d}" / f"block-{self.block:04d}.npz"


@dataclass(frozen=True)
class Plan:
    """What a table will be made of.

    Attributes:
        name: name of the table.
        space: name of the search space.
        task: name of the task (or the path of its card).
        task_sha256: identity of the task.
        protocol: the training protocol.
        indices: index in the space of each architecture, ascending, ``(n,)``.
        more: further architectures in the order of their training, in blocks of their own: more can follow, and the
            blocks before them stay as they are.
    """

    name: str
    space: str
    task: str
    task_sha256: str
    protocol: ProtocolLike
    indices: tuple[int, ...]
    more: tuple[int, ...] = ()

    @property
    def everything(self) -> tuple[int, ...]:
        """Indices of all architectures, ascending: the rows of the table."""
        return tuple(sorted((*self.indices, *self.more)))

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        size = self.protocol.block_size
        return -(-len(self.indices) // size) - (-len(self.more) // size)

    def block(self, number: int) -> tuple[int, ...]:
        """Return the indices of a block: consecutive ones, in order."""
        size = self.protocol.block_size
        first = -(-len(self.indices) // size)
        part, start = (self.indices, number) if number < first else (self.more, number - first)
        return part[start * size : (start + 1) * size]

    def keys(self, seeds: Sequence[int], blocks: int | None = None) -> list[Key]:
        """Return the shards of all blocks, or of the first few, seed by seed."""
        count = self.n_blocks if blocks is None else min(blocks, self.n_blocks)
        return [Key(seed, block) for seed in seeds for block in range(count)]


@dataclass(frozen=True)
class Shard:
    """Values of one block and seed, ``(n_archs, n_epochs)`` or ``(n_archs,)`` by metric, and how they came about."""

    indices: tuple[int, ...]
    values: Mapping[str, NDArray[np.floating]]
    facts: Mapping[str, Any]


def representatives(space: str) -> tuple[int, ...]:
    """Return the indices of the representatives of all functional classes of a space, ascending."""
    canonical = listed(load_space(space)).canonical_indices
    return tuple(np.unique(canonical[canonical >= 0]).tolist())


def archs_of(plan: Plan, block: int) -> list[Arch]:
    """Return the architectures of a block."""
    space = load_space(plan.space)
    return [space.arch(index) for index in plan.block(block)]


def make_shard(plan: Plan, key: Key, values: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> Shard:
    """Check what a training returned and make a shard of it.

    Raises:
        InvalidValueError: an array of another shape or type, or a value that is not finite. Only a cross-entropy may
            be none (the training diverged), and the accuracy where it is: they become NaN, and the shard says so.
    """
    indices = plan.block(key.block)
    shapes = {1: (len(indices),), 2: (len(indices), plan.protocol.epochs)}
    checked: dict[str, NDArray[np.floating]] = {}
    diverged: dict[str, list[int]] = {}
    for name, given in values.items():
        array = np.asarray(given)
        if array.shape != shapes.get(array.ndim) or not np.issubdtype(array.dtype, np.number):
            msg = f"Training must give {name!r} in the shape {shapes[2]} or {shapes[1]}, but gave {array.shape}."
            raise InvalidValueError(msg)
        entry = metric(name)
        array = array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)
        broken = ~np.isfinite(array)
        if broken.any():
            where = [indices[row] for row in np.unique(np.nonzero(broken)[0])]
            loss = values.get(f"{entry.split}/{_LOSS}") if entry.quantity == "accuracy" else None
            if entry.quantity != _LOSS and (loss is None or (broken & np.isfinite(loss)).any()):
                msg = (
                    f"Training must give finite numbers, but {name!r} of seed {key.seed} is none for index {where[0]}."
                )
                raise InvalidValueError(msg)
            array, diverged[name] = np.where(broken, np.float32(np.nan), array), where
        checked[name] = array
    identity = {
        "space": plan.space,
        "task_sha256": plan.task_sha256,
        "protocol_sha256": plan.protocol.sha256,
        "seed": key.seed,
        "diverged": diverged,
    }
    return Shard(indices, checked, {**facts, **identity})


def write_shard(path: Path, shard: Shard) -> None:
    """Write a shard atomically."""
    arrays: dict[str, NDArray[Any]] = {
        _INDEX: np.array(shard.indices, dtype=np.int64),
        _FACTS: np.array(json.dumps(shard.facts, sort_keys=True)),
        **shard.values,
    }
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def read_shard(path: Path, plan: Plan, key: Key) -> Shard:
    """Read a shard and check that it belongs to the plan.

    Raises:
        InvalidFileError: it is damaged, or of another space, task, protocol or block.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        facts = json.loads(str(arrays.pop(_FACTS)))
        indices = tuple(arrays.pop(_INDEX).tolist())
        differing = _differences(facts, indices, plan, key)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        msg = f"The shard {path} is damaged ({error}). Delete it; the block is then trained again."
        raise InvalidFileError(msg) from error
    if differing:
        msg = (
            f"The shard {path} is of another {', '.join(differing)} than the table being built. "
            f"Name another work folder (--work), or delete this one to build anew."
        )
        raise InvalidFileError(msg)
    return Shard(indices, arrays, facts)


@functools.cache
def _family(space: str) -> str:
    """Return what the architectures of a space are called, whose indices the parts of one space share."""
    return listed(load_space(space)).arch(representatives(space)[0]).space


def _differences(facts: Mapping[str, Any], indices: tuple[int, ...], plan: Plan, key: Key) -> list[str]:
    expected = {
        "space": (_family(facts["space"]), _family(plan.space)),
        "task": (facts["task_sha256"], plan.task_sha256),
        "protocol": (facts["protocol_sha256"], plan.protocol.sha256),
        "seed": (facts["seed"], key.seed),
        "block of architectures": (indices, plan.block(key.block)),
    }
    return [what for what, (found, wanted) in expected.items() if found != wanted]


def finished(plan: Plan, work: Path) -> dict[Key, Shard]:
    """Read and check the shards that are on disk, seed by seed, block by block; those of a larger plan are left out.

    Raises:
        InvalidFileError: one is damaged or belongs to something else.
    """
    found = (_NAME.fullmatch(path.relative_to(work).as_posix()) for path in work.glob("shards/*/*.npz"))
    keys = sorted(Key(int(match[1]), int(match[2])) for match in found if match and int(match[2]) < plan.n_blocks)
    return {key: read_shard(key.path(work), plan, key) for key in keys}
