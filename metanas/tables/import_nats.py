"""NATS-Bench's official directories of the topology space (``NATS-tss-v1_0-3ffb9-simple``) as tables.

Dong et al. 2021, arXiv:2009.00437. Every data set and every length of training is a table of its own: the trainings
with 12 epochs are not the beginning of those with 200, but separate runs with a schedule of their own.

Values are as the files have them, by seed and epoch, NaN where nothing was evaluated; never another split's, seed's or
epoch's. Two things the files state are kept but said for what they are: seconds of training and evaluation are the
same for every epoch and seed of a cell (they were derived from a benchmark of one training), so that ``cost/seconds``
has no axis of seeds; and where the trainings of one cell disagree about its parameters or MACs, none is believed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np

from metanas.errors import InvalidFileError, InvalidValueError, UnknownNameError
from metanas.files import exclusive_lock, remove_temporary
from metanas.spaces import load_space
from metanas.spaces.base import listed
from metanas.tables.import_store import Imported, Store, table_names
from metanas.tables.nats_cell import SETS, SUFFIX, read_pickle
from metanas.tables.nats_columns import RunColumns, protocol
from metanas.tables.nats_parts import CELLS, Part, read_part, write_part

SPACE = "nb201"
TABLES = "published/nats-v1"
LENGTHS = (12, 200)  # epochs of the published trainings
META = f"meta{SUFFIX}"
_PARTS = ".parts"
_LOCK = ".lock"
Report = Callable[[int, int], object]  # cells read, cells in all


def import_nats(
    folder: Path,
    *,
    store: Store,
    name: str = TABLES,
    datasets: Sequence[str] = tuple(SETS),
    jobs: int = 1,
    report: Report | None = None,
) -> list[Imported]:
    """Read every cell of a directory and write a table for each data set and length of training.

    Cells are read in parts, which are kept in a folder beside the tables until these are written: the same call after a
    kill goes on with the parts that are missing. For all 15,625 cells the parts take about 1 GB of disk; memory is that
    of one table at a time.

    Args:
        folder: the directory, with ``meta.pickle.pbz2`` and a file for each cell that is there.
        store: where the tables are put.
        name: what they are called; data set and epochs go into the name of each, as in
            ``"published/nats-cifar100-200ep-v1"``.
        datasets: the data sets to take in.
        jobs: processes to read with.
        report: is told about progress; of cells that were read before, at once.

    Returns:
        The tables, by data set and length.

    Raises:
        InvalidFileError: no such directory, or a file in it that breaks the format.
        InvalidValueError: values that no table may hold.
        UnknownNameError: a data set that NATS-Bench does not have.
    """
    for dataset in datasets:
        if dataset not in SETS:
            raise UnknownNameError("data set", dataset, SETS)
    if jobs < 1:
        msg = f"jobs must be at least 1, but got {jobs}."
        raise InvalidValueError(msg)
    table_names(name, list(product(SETS, LENGTHS)))  # a malformed name is refused before anything is read
    files = cell_files(folder)
    texts = _texts(folder / META)
    work = _work(store, folder, datasets)
    try:
        with exclusive_lock(work / _LOCK):
            remove_temporary(work)
            parts = _read(files, texts, tuple(datasets), work, jobs, report or (lambda done, total: None))
            imported = _put_together(folder, parts, store, name, datasets)
            for part in parts:
                part.path.unlink()
    finally:
        _clear(work)
    return imported


def _put_together(
    folder: Path, parts: Sequence[Part], store: Store, name: str, datasets: Sequence[str]
) -> list[Imported]:
    """Write the tables, one after the other."""
    runs = {run for part in parts for run in part.runs}
    if not runs:
        msg = f"{folder} holds no training of {', '.join(datasets)}."
        raise InvalidFileError(msg)
    lengths = sorted({*LENGTHS, *(run.epochs for run in runs)})
    names = table_names(name, list(product(SETS, lengths)))
    digest = hashlib.sha256()
    for part in parts:
        for index, sha256 in zip(part.cells, part.sha256, strict=True):
            digest.update(f"{index} {sha256}\n".encode())
    about = {
        "source": "NATS-Bench, Dong et al. 2021, arXiv:2009.00437, https://github.com/D-X-Y/NATS-Bench",
        "licence": "MIT",
        "file": folder.name,
        "file_sha256": digest.hexdigest(),  # of the numbers and hashes of all files
    }
    indices = np.array([index for part in parts for index in part.cells])
    imported = []
    order = list(SETS)
    for run in sorted(runs, key=lambda run: (order.index(run.dataset), run.epochs)):
        columns, start = RunColumns(run, len(indices)), 0
        for part in parts:
            part.put_into(columns, start)
            start += len(part.cells)
        content, notes = columns.content(indices)
        title = f"NATS-Bench, topology space: {run.dataset}, {run.epochs} epochs"
        facts = {"title": title, **about, "protocol": protocol(run)}
        key = (run.dataset.lower(), run.epochs)
        imported.append(store.put(names[run], SPACE, key, content, facts, notes, curve=True))
    return imported


def cell_files(folder: Path) -> dict[int, Path]:
    """Return the files of a directory by the index of their cell.

    Raises:
        InvalidFileError: it is no such directory, or holds a cell twice or one that the space does not have.
    """
    if not (folder / META).is_file():
        msg = (
            f"{folder} must be a directory of NATS-Bench with {META} and a file for each cell (000000{SUFFIX} …), as "
            f"NATS-tss-v1_0-3ffb9-simple is. An archive has to be unpacked first."
        )
        raise InvalidFileError(msg)
    files: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        number = path.name.removesuffix(SUFFIX)
        if path.name == number or not (number.isascii() and number.isdecimal()):
            continue
        if int(number) in files:
            msg = f"{folder} holds cell {int(number)} twice: {files[int(number)].name} and {path.name}. Remove one."
            raise InvalidFileError(msg)
        files[int(number)] = path
    size = len(listed(load_space(SPACE)))
    wrong = [path for number, path in files.items() if number >= size]
    if wrong or not files:
        what = f"{wrong[0].name} is none of them" if wrong else "there is none"
        msg = f"{folder} must hold cells of the topology space, 0 to {size - 1}, but {what}."
        raise InvalidFileError(msg)
    return files


def _texts(path: Path) -> list[str]:
    """Return the string of every cell by index, and check that the numbering is ours."""
    content, _ = read_pickle(path)
    texts = content.get("meta_archs") if isinstance(content, dict) else None
    ours = _our_texts()
    if texts != ours:
        msg = f"{path} must list the {len(ours):,} cells of the topology space in NATS-Bench's order, and does not."
        raise InvalidFileError(msg)
    return ours


@cache
def _our_texts() -> list[str]:
    space = listed(load_space(SPACE))
    return [space.format(space.arch(int(index))) for index in space.indices]


def _read(
    files: Mapping[int, Path], texts: Sequence[str], datasets: tuple[str, ...], work: Path, jobs: int, report: Report
) -> list[Part]:
    """Return the parts, in order; those that are there already are not read again."""
    from joblib import Parallel, delayed

    indices = sorted(files)
    chunks = [
        [(index, files[index]) for index in indices[start : start + CELLS]] for start in range(0, len(indices), CELLS)
    ]
    paths = [work / f"part-{number:04}.npz" for number in range(len(chunks))]
    parts = [read_part(path, cells, datasets) for path, cells in zip(paths, chunks, strict=True)]
    done = sum(len(part.cells) for part in parts if part is not None)
    report(done, len(indices))
    missing = [number for number, part in enumerate(parts) if part is None]
    arguments = (
        (paths[number], chunks[number], [texts[index] for index, _ in chunks[number]], datasets) for number in missing
    )
    if jobs == 1:
        counts = (write_part(*each) for each in arguments)
    else:
        counts = Parallel(n_jobs=jobs, return_as="generator", pre_dispatch=2 * jobs)(
            delayed(write_part)(*each) for each in arguments
        )
    for count in counts:
        done += count
        report(done, len(indices))
    for number in missing:
        parts[number] = read_part(paths[number], chunks[number], datasets)
    whole = [part for part in parts if part is not None]
    if len(whole) < len(parts):
        msg = "Files of cells changed while they were read. Import again when they no longer do."
        raise InvalidFileError(msg)
    return whole


def _work(store: Store, folder: Path, datasets: Sequence[str]) -> Path:
    """Return the folder of the parts: beside the tables, another one for each directory and choice of data sets."""
    identity = json.dumps([str(folder.resolve()), list(datasets)])
    return store.place / _PARTS / f"nats-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


def _clear(work: Path) -> None:
    """Leave nothing behind unless there are parts to go on with."""
    if not any(work.glob("part-*.npz")):
        (work / _LOCK).unlink(missing_ok=True)
        for folder in (work, work.parent, work.parent.parent):
            with contextlib.suppress(OSError):  # it is not empty
                folder.rmdir()
