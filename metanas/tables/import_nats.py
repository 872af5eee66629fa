"""NATS-Bench's official directories of the topology space (``NATS-tss-v1_0-3ffb9-simple``) as tables.

Dong et al. 2021, arXiv:2009.00437. Every data set and every length of training is a table of its own: the trainings
with 12 epochs are not the beginning of those with 200, but separate runs with a schedule of their own.

Values are as the files have them, by seed and epoch, NaN where nothing was evaluated; never another split's, seed's or
epoch's. Two things the files state are kept but said for what they are: seconds of training and evaluation are the
same for every epoch and seed of a cell (they were derived from a benchmark of one training), so that ``cost/seconds``
has no axis of seeds; and where the trainings of one cell disagree about its parameters or MACs, none is believed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain, product
from pathlib import Path

import numpy as np

from metanas.errors import InvalidFileError, InvalidValueError, UnknownNameError
from metanas.spaces import load_space
from metanas.spaces.base import listed
from metanas.tables.import_store import Imported, Store, table_names
from metanas.tables.nats_cell import SETS, SUFFIX, CellRecord, Run, read_cell, read_pickle
from metanas.tables.nats_columns import RunColumns, protocol

SPACE = "nb201"
TABLES = "published/nats-v1"
LENGTHS = (12, 200)  # epochs of the published trainings
META = f"meta{SUFFIX}"
_AT_ONCE = 64  # cells that a worker reads before it hands them over
Report = Callable[[int, int], None]  # cells read, cells in all


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

    All values are held until they are written: about 1 GB for all 15,625 cells, a quarter for one data set.

    Args:
        folder: the directory, with ``meta.pickle.pbz2`` and a file for each cell that is there.
        store: where the tables are put.
        name: what they are called; data set and epochs go into the name of each, as in
            ``"published/nats-cifar100-200ep-v1"``.
        datasets: the data sets to take in.
        jobs: processes to read with.
        report: is told about progress.

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
    table_names(name, list(product(SETS, LENGTHS)))  # a malformed name is refused before anything is read
    files = cell_files(folder)
    texts = _texts(folder / META)
    indices = sorted(files)
    runs: dict[Run, RunColumns] = {}
    digest = hashlib.sha256()
    for row, record in enumerate(_records(files, indices, tuple(datasets), jobs)):
        if record.text != texts[record.index]:
            msg = f"{files[record.index]} must be of {texts[record.index]!r}, but is of {record.text!r}."
            raise InvalidFileError(msg)
        digest.update(f"{record.index} {record.sha256}\n".encode())
        for run, trainings in record.trainings.items():
            columns = runs.setdefault(run, RunColumns(run, len(indices)))
            for seed, training in trainings.items():
                columns.add(row, seed, training)
        if report is not None:
            report(row + 1, len(indices))
    if not runs:
        msg = f"{folder} holds no training of {', '.join(datasets)}."
        raise InvalidFileError(msg)
    lengths = sorted({*LENGTHS, *(run.epochs for run in runs)})
    names = table_names(name, list(product(SETS, lengths)))
    about = {
        "source": "NATS-Bench, Dong et al. 2021, arXiv:2009.00437, https://github.com/D-X-Y/NATS-Bench",
        "licence": "MIT",
        "file": folder.name,
        "file_sha256": digest.hexdigest(),  # of the numbers and hashes of all files
    }
    imported = []
    order = list(SETS)
    for run in sorted(runs, key=lambda run: (order.index(run.dataset), run.epochs)):
        content, notes = runs.pop(run).content(np.array(indices))
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


def _records(
    files: Mapping[int, Path], indices: Sequence[int], datasets: tuple[str, ...], jobs: int
) -> Iterator[CellRecord]:
    """Read cells in the order of their indices."""
    from joblib import Parallel, delayed

    if jobs < 1:
        msg = f"jobs must be at least 1, but got {jobs}."
        raise InvalidValueError(msg)
    parts = [
        [(index, files[index]) for index in indices[start : start + _AT_ONCE]]
        for start in range(0, len(indices), _AT_ONCE)
    ]
    if jobs == 1:
        return chain.from_iterable(_read(part, datasets) for part in parts)
    read = Parallel(n_jobs=jobs, return_as="generator", pre_dispatch=2 * jobs)
    return chain.from_iterable(read(delayed(_read)(part, datasets) for part in parts))


def _read(part: list[tuple[int, Path]], datasets: tuple[str, ...]) -> list[CellRecord]:
    found = []
    for index, path in part:
        record = read_cell(path, index)
        wanted = {run: trainings for run, trainings in record.trainings.items() if run.dataset in datasets}
        found.append(CellRecord(record.index, record.text, wanted, record.sha256))
    return found
