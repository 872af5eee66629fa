"""What is checked: a table's file, read without trust."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidFileError, MetanasError, UnknownNameError
from metanas.spaces import ListedSpace, Space, load_space
from metanas.tables import hdf5
from metanas.tables.lint.finding import Content, Finding
from metanas.tables.registry import Entry

if TYPE_CHECKING:
    from metanas.protocol import Protocol
    from metanas.tasks import Task

BUILT_HERE = "trained by metanas build"  # what the builder states as its method


@dataclass(frozen=True)
class Subject(Content):
    """A table that is checked.

    Attributes:
        path: its file.
        header: all of the file but its values; it may contradict itself.
        entry: its entry in the registry of published tables, if it is one of them.
    """

    path: Path
    header: hdf5.Header
    entry: Entry | None

    @classmethod
    def read(cls, path: Path, entry: Entry | None) -> Subject:
        """Read a table's file.

        Raises:
            InvalidFileError: it cannot be read, or is no table.
        """
        header = hdf5.read_header(path, contradictory=True)
        sizes = {"arch": len(header.arch_index), "seed": len(header.seeds), "epoch": len(header.epochs)}
        used = {axis for metric in header.metrics.values() for axis in metric.axes}
        empty = [axis for axis in used if not sizes[axis]]
        if empty or not used:
            msg = f"{path} is no sound table: it has no {f'{empty[0]}s' if empty else 'metrics'}."
            raise InvalidFileError(msg)
        columns = {
            name: (metric, hdf5.read_values(header.stamp, name, tuple(sizes[axis] for axis in metric.axes), ()))
            for name, metric in header.metrics.items()
        }
        return cls(header.arch_index, header.seeds, header.epochs, columns, path, header, entry)

    @cached_property
    def space(self) -> Space | None:
        """The search space; None if there is none of that name."""
        try:
            return load_space(self.header.space)
        except UnknownNameError:
            return None

    @cached_property
    def classes(self) -> NDArray[np.int64]:
        """Index of the representative of each row's functional class, ``(n,)``; the row's own if it has none."""
        index = self.header.arch_index
        try:
            if isinstance(self.space, ListedSpace):
                found: NDArray[np.int64] = np.asarray(self.space.canonical_indices)[index]
                return np.where(found >= 0, found, index)
            if self.space is not None:
                cells = (self.space.canonical(self.space.arch(int(number))) for number in index)
                return np.array([self.space.index(cell) for cell in cells], dtype=np.int64)
        except (MetanasError, IndexError):
            pass  # an index that the space does not have; another check says so
        return index

    @cached_property
    def built_here(self) -> bool:
        """Whether the table says that it was trained by this project's builder."""
        return self.header.provenance.get("method") == BUILT_HERE

    @cached_property
    def protocol(self) -> Protocol | None:
        """The training protocol, where it is one of this project's kind."""
        from pydantic import ValidationError

        from metanas.protocol import Protocol

        try:
            return Protocol.model_validate({**tomllib.loads(self.header.protocol), "text": self.header.protocol})
        except (tomllib.TOMLDecodeError, ValidationError):
            return None

    @cached_property
    def task(self) -> Task | None:
        """The published task of that name; None if there is none, or not a sound one."""
        from metanas.tasks import load_task

        try:
            return load_task(self.header.task)
        except MetanasError:
            return None


Check = Callable[[Subject], Iterator[Finding]]
