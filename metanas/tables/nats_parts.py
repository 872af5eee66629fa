"""Parts of an import of NATS-Bench: what some cells hold, read once and kept in one file until the tables are written.

All cells together are about 1 GB of numbers, and reading them takes minutes. So they are read part by part, each
written whole or not at all (``.npz``, no pickles), and the tables are put together from the parts one after the other:
memory is that of one table, and an import that was killed goes on with the parts that are missing. A part names the
SHA-256 of each file that it was read from; of a file that has changed since, it is not used.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidFileError
from metanas.files import atomic_write, sha256_of
from metanas.tables.nats_cell import Run, read_cell
from metanas.tables.nats_columns import RunColumns

CELLS = 64  # in a part: about 4 MB
_FORMAT = 1
_HEAD = "head"
Cells = Sequence[tuple[int, Path]]  # index and file, ascending


@dataclass(frozen=True, slots=True)
class Part:
    """A part on disk, checked.

    Attributes:
        path: its file.
        cells: index of each cell, ascending.
        sha256: hash of the file of each cell.
        runs: the runs that have any training among these cells, each with what its arrays are.
    """

    path: Path
    cells: tuple[int, ...]
    sha256: tuple[str, ...]
    runs: Mapping[Run, Mapping[str, Any]]

    def put_into(self, columns: RunColumns, start: int) -> None:
        """Copy what the part holds of a run into the columns of all cells, from row ``start`` on."""
        facts = self.runs.get(columns.run)
        if facts is None:
            return
        rows = slice(start, start + len(self.cells))
        columns.infinite += facts["infinite"]
        with self.path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            for name, seed, array in facts["curves"]:
                columns.curve(name, seed)[rows] = file[array]
            for name, seed, array in facts["scalars"]:
                columns.scalar(name, seed)[rows] = file[array]
            for row, seed, array in facts["clocks"]:
                columns.clocks[start + row, seed] = file[array]


def write_part(path: Path, cells: Cells, texts: Sequence[str], datasets: Sequence[str]) -> int:
    """Read cells and write what they hold.

    Args:
        path: the part's file.
        cells: what to read.
        texts: the string that each of them must be of.
        datasets: of these data sets alone.

    Returns:
        How many cells.

    Raises:
        InvalidFileError: a file that breaks the format, or is of another cell.
    """
    runs: dict[Run, RunColumns] = {}
    hashes = []
    for row, ((index, file), text) in enumerate(zip(cells, texts, strict=True)):
        record = read_cell(file, index)
        if record.text != text:
            msg = f"{file} must be of {text!r}, but is of {record.text!r}."
            raise InvalidFileError(msg)
        hashes.append(record.sha256)
        for run, trainings in record.trainings.items():
            if run.dataset in datasets:
                columns = runs.setdefault(run, RunColumns(run, len(cells)))
                for seed, training in trainings.items():
                    columns.add(row, seed, training)
    arrays: dict[str, NDArray[Any]] = {}
    described = [{"run": list(run), **_described(columns, arrays)} for run, columns in runs.items()]
    head = {"format": _FORMAT, "datasets": list(datasets), "cells": [index for index, _ in cells], "sha256": hashes}
    arrays[_HEAD] = np.array(json.dumps({**head, "runs": described}))
    with atomic_write(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)
    return len(cells)


def _described(columns: RunColumns, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Add the arrays of a run to ``arrays``, and say what each of them is."""

    def add(array: NDArray[Any]) -> str:
        name = f"a{len(arrays)}"
        arrays[name] = array
        return name

    return {
        "infinite": columns.infinite,
        "curves": [(name, seed, add(a)) for name, seeds in columns.curves.items() for seed, a in seeds.items()],
        "scalars": [(name, seed, add(a)) for name, seeds in columns.scalars.items() for seed, a in seeds.items()],
        "clocks": [(row, seed, add(a)) for (row, seed), a in columns.clocks.items()],
    }


def read_part(path: Path, cells: Cells, datasets: Sequence[str]) -> Part | None:
    """Return a part if it is there, whole, and of these cells and data sets as their files are now; else None."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            head = json.loads(str(file[_HEAD]))
        asked = {"format": _FORMAT, "datasets": list(datasets), "cells": [index for index, _ in cells]}
        if {key: head[key] for key in asked} != asked:
            return None
        runs = {Run(*entry["run"]): entry for entry in head["runs"]}
        part = Part(path, tuple(head["cells"]), tuple(head["sha256"]), runs)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
    return part if part.sha256 == tuple(sha256_of(file) for _, file in cells) else None
