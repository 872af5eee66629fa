"""NAS-Bench-Graph as tables: nine data sets of graphs (``metanas import nbgraph``).

Qin et al., "NAS-Bench-Graph: Benchmarking Graph Neural Architecture Search", NeurIPS 2022 Datasets and Benchmarks
(arXiv:2206.09166). The Python package ``nas-bench-graph`` carries a pickle for each data set, ``light/<name>.bench``: a
dict from the key of an architecture to its validation and test performance, latency and number of parameters. The
package is found without importing it and the pickles are read without Python's unpickler
(:mod:`metanas.tables.unpickle`).

The performances are means over trainings that the file does not tell apart, and neither epochs nor seeds are in it: the
tables have neither axis. The latency has no unit in the file; it is read as seconds, on a device that is not stated.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from metanas.arch import Arch
from metanas.errors import InvalidArchError, InvalidFileError, UnknownNameError
from metanas.files import sha256_of
from metanas.spaces import Space, load_space
from metanas.spaces.nbgraph import FAMILY, NODES
from metanas.tables.import_store import Content, Imported, Store, table_names
from metanas.tables.schema import Metric, metric
from metanas.tables.unpickle import loads
from metanas.tables.unpickle_numpy import SCALARS

TABLES = "published/nbgraph-v1"
PACKAGE = "nas_bench_graph"
TASKS = ("cora", "citeseer", "pubmed", "cs", "physics", "photo", "computers", "arxiv", "proteins")
FIELDS = ("valid_perf", "perf", "latency", "para")
_LARGEST = 64 * 2**20  # bytes of a file; the published ones have 2 MB
_ROC_AUC = ("proteins",)  # its labels are many and no classes; the others are accuracies
_ABOUT = {
    "title": "NAS-Bench-Graph: graph networks of four nodes",
    "source": "NAS-Bench-Graph, Qin et al., NeurIPS 2022, https://github.com/THUMNLab/NAS-Bench-Graph",
    "licence": "Apache-2.0",
    "protocol": "Means as published; number of epochs and seeds are not in the file. Latency read as seconds.",
}


def import_nbgraph(
    folder: Path | None = None, *, store: Store, name: str = TABLES, tasks: Sequence[str] = TASKS
) -> list[Imported]:
    """Import data sets, a table for each.

    Args:
        folder: the folder with the ``.bench`` files; that of the installed package if None.
        store: where the tables are put.
        name: what they are called; the data set goes into the name of each, as in ``"published/nbgraph-cora-v1"``.
        tasks: the data sets.

    Raises:
        InvalidFileError: no such file, or one that is not what it should be.
        UnknownNameError: no such data set.
    """
    for task in tasks:
        if task not in TASKS:
            raise UnknownNameError("data set of NAS-Bench-Graph", task, TASKS)
    where = folder if folder is not None else installed()
    names = table_names(name, [(task, None) for task in TASKS])
    made = []
    for task in tasks:
        path = where / f"{task}.bench"
        home = load_space(FAMILY if task != "proteins" else f"{FAMILY}-proteins")
        content, notes = read_bench(path, home, task)
        about = {**_ABOUT, "file": path.name, "file_sha256": sha256_of(path)}
        made.append(store.put(names[task, None], home.name, (task, None), content, about, notes, curve=False))
    return made


def installed() -> Path:
    """Return the folder of the installed package's files, without importing the package.

    Raises:
        InvalidFileError: it is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        msg = "The package nas-bench-graph is not installed: pip install it, or name the folder of its files."
        raise InvalidFileError(msg)
    return Path(spec.submodule_search_locations[0]) / "light"


def read_bench(path: Path, space: Space, task: str) -> tuple[Content, list[str]]:
    """Return the values of a file, a row for each architecture in it, and what is worth noting.

    Raises:
        InvalidFileError: no such file, or one that is not what it should be, with the key.
    """
    try:
        data = path.read_bytes() if path.stat().st_size <= _LARGEST else None
    except OSError as error:
        msg = f"There is no file {path} ({error.strerror})."
        raise InvalidFileError(msg) from error
    if data is None:
        msg = f"{path} has more than {_LARGEST:,} bytes; the published files have 2 MB."
        raise InvalidFileError(msg)
    records = loads(data, SCALARS, source=str(path))
    if not isinstance(records, dict) or not records:
        msg = f"{path} must hold a dict from keys to records, but holds {type(records).__name__}."
        raise InvalidFileError(msg)
    index = np.array([_index(key, space, path) for key in records])
    values = np.array([_record(key, record, path) for key, record in records.items()])
    order = np.argsort(index)
    validation, test, latency, parameters = values[order].T
    quantity = "roc_auc" if task in _ROC_AUC else "accuracy"
    for which, column in (("valid_perf", validation), ("perf", test)):
        if column.min() < 0 or column.max() > 1:
            msg = f"{path}: {which!r} is a fraction, but goes from {column.min():g} to {column.max():g}."
            raise InvalidFileError(msg)
    if min(latency.min(), parameters.min()) <= 0:
        msg = f"{path}: latency and para must be positive, but the least are {latency.min():g}, {parameters.min():g}."
        raise InvalidFileError(msg)
    counts = parameters * 1e6
    whole = np.isclose(counts, np.round(counts), rtol=0, atol=1e-3)
    notes = []
    if not whole.all():
        notes.append(
            f"{task}: {int((~whole).sum()):,} architectures have no whole number of parameters: a mean over trainings "
            f"that differ in it"
        )
    metrics = {
        f"validation/{quantity}": 100 * validation,
        f"test/{quantity}": 100 * test,
        "latency/unstated_device": 1e3 * latency,
        "cost/parameters": np.where(whole, np.round(counts), counts),
    }
    columns = {key: (_metric(key), column) for key, column in metrics.items()}
    return Content(index[order], (), (), columns), notes


def _metric(name: str) -> Metric:
    return Metric(name, "percent", "maximize", ("arch",)) if name.endswith("roc_auc") else metric(name, ("arch",))


def _index(key: Any, space: Space, path: Path) -> int:
    """Return the index of the architecture that a key names: a digit for the tree and one for each operation."""
    if type(key) is not int or not 0 <= key < 10 ** (NODES + 1):
        msg = f"{path}: a key has a digit for the tree and {NODES} for the operations, but got {str(key)[:40]!r}."
        raise InvalidFileError(msg)
    arch = Arch(FAMILY, tuple(map(int, f"{key:0{NODES + 1}d}")))
    try:
        representative = space.canonical(arch)
    except InvalidArchError as error:
        msg = f"{path}, key {key}: {error}"
        raise InvalidFileError(msg) from error
    if representative != arch:
        msg = f"{path}, key {key}: {space.format(arch)} is not the one that stands for its class."
        raise InvalidFileError(msg)
    return space.index(arch)


def _record(key: int, record: Any, path: Path) -> tuple[float, ...]:
    fine = isinstance(record, dict) and set(record) == set(FIELDS)
    values = tuple(record[field] for field in FIELDS) if fine else ()
    if not values or any(type(value) not in (int, float) or not np.isfinite(value) for value in values):
        msg = f"{path}, key {key}: a record has the numbers {', '.join(FIELDS)}, but got {str(record)[:120]}."
        raise InvalidFileError(msg)
    return tuple(float(value) for value in values)
