"""A sample of NAS-Bench-101 as tables (``metanas import nb101``).

Ying et al., "NAS-Bench-101: Towards Reproducible Neural Architecture Search", ICML 2019 (arXiv:1902.09635). The file is
an ``.npz`` with a cell a row: ``adjacency_upper``, the packed bits of the upper triangle of the 7x7 adjacency matrix
row by row; ``ops``, −1 for the input, 0 to 2 for an operation, −2 for the output, −3 where a smaller cell has no
vertex; ``val_acc``, a fraction for each of ``epochs``; ``training_time_s`` of the longest training, ``params``, and
``hash``, the published isomorphism hash. The last three may be absent.

**Four budgets, four tables.** The authors trained every cell with 4, 12, 36 and 108 epochs, each time from scratch with
a learning-rate schedule of that length. The accuracy at 12 epochs is no point of the training of 108, and nothing of it
can be continued. A table's epoch axis is a learning curve; so each budget is a table of its own, with one epoch, as in
every import of separate runs (:mod:`metanas.tables.import_map`).

The hash of every cell is computed and compared with the published one: a row that was put together wrongly cannot pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metanas.arch import Arch
from metanas.errors import InvalidArchError, InvalidFileError
from metanas.files import sha256_of
from metanas.spaces.nb101 import EDGES, NAME, SPACE, VERTICES
from metanas.tables.import_columns import import_arrays
from metanas.tables.import_files import read_columns
from metanas.tables.import_map import Architectures, ColumnMap, Rule
from metanas.tables.import_store import Imported, Store

TABLES = "published/nb101-cifar10-v1"
_INPUT, _OUTPUT, _NOTHING = -1, -2, -3
_PROTOCOL = (
    "Training from scratch on cifar10 for that number of epochs, with a learning-rate schedule of that length. The "
    "authors trained every cell three times; here is one of these trainings, and which one is not recorded."
)


def import_nb101(path: Path, *, store: Store, name: str = TABLES) -> list[Imported]:
    """Import the cells of a file, a table for each number of epochs.

    Args:
        path: the file.
        store: where the tables are put.
        name: what they are called; the number of epochs goes into the name of each, as in
            ``"published/nb101-cifar10-108ep-v1"``.

    Returns:
        The tables, fewest epochs first.

    Raises:
        InvalidFileError: a file, column or row that is not what it should be.
        InvalidValueError: values that no table may hold.
    """
    columns = dict(read_columns(path))
    _check_shapes(columns, path)
    archs = _read_cells(columns.pop("adjacency_upper"), columns.pop("ops"), path)
    if "hash" in columns:
        _check_hashes(archs, columns.pop("hash"), path)
    epochs = tuple(columns.pop("epochs").tolist())
    columns["index"] = np.array([SPACE.index(arch) for arch in archs])
    source = {"file": path.name, "file_sha256": sha256_of(path)}
    return import_arrays(columns, _map(columns, epochs), name=name, store=store, source=source)


def _map(columns: Mapping[str, NDArray[Any]], epochs: tuple[int, ...]) -> ColumnMap:
    rules = (
        Rule(column="val_acc", metric="validation/accuracy", unit="fraction", epochs=epochs),
        Rule(column="training_time_s", metric="cost/seconds", unit="s", epoch=epochs[-1]),
        Rule(column="params", metric="cost/parameters", unit="1"),
    )
    return ColumnMap(
        space=NAME,
        title=f"NAS-Bench-101, {len(columns['index']):,} sampled cells",
        source="NAS-Bench-101, Ying et al., ICML 2019, https://github.com/google-research/nasbench",
        licence="Apache-2.0",
        protocol=_PROTOCOL,
        task="cifar10",
        architecture=Architectures(form="index", column="index"),
        columns=tuple(rule for rule in rules if rule.column in columns),
    )


def _check_shapes(columns: Mapping[str, NDArray[Any]], path: Path) -> None:
    needed = ("adjacency_upper", "ops", "val_acc", "epochs")
    missing = [name for name in needed if name not in columns]
    if missing:
        msg = f"{path} must hold {', '.join(needed)}, but has no {missing[0]!r}; it has {', '.join(columns)}."
        raise InvalidFileError(msg)
    n = len(columns["ops"]) if columns["ops"].ndim else 0
    shapes = {"adjacency_upper": (n, -(-len(EDGES) // 8)), "ops": (n, VERTICES), "hash": (n, 16)}
    kinds = {"adjacency_upper": "u", "ops": "iu", "hash": "u", "epochs": "iu"}
    for name, shape in {**shapes, "epochs": (columns["epochs"].size,)}.items():
        array = columns.get(name)
        if array is not None and (array.shape != shape or array.dtype.kind not in kinds[name] or not array.size):
            msg = f"{path}: {name!r} must hold integers of shape {shape}, but has {array.dtype} of {array.shape}."
            raise InvalidFileError(msg)
    for name in ("adjacency_upper", "hash"):
        if name in columns and columns[name].dtype != np.uint8:
            msg = f"{path}: {name!r} must hold bytes (uint8), but has {columns[name].dtype}."
            raise InvalidFileError(msg)
    epochs = columns["epochs"].tolist()
    if epochs != sorted(set(epochs)):
        msg = f"{path}: 'epochs' must ascend without repeats, but got {epochs}."
        raise InvalidFileError(msg)


def _read_cells(packed: NDArray[np.uint8], ops: NDArray[np.integer], path: Path) -> list[Arch]:
    bits = np.unpackbits(packed, axis=1)
    if bits[:, len(EDGES) :].any():
        row = int(np.argmax(bits[:, len(EDGES) :].any(axis=1)))
        msg = f"{path}, row {row}: 'adjacency_upper' has bits beyond the {len(EDGES)} of the upper triangle."
        raise InvalidFileError(msg)
    upper = np.triu_indices(VERTICES, 1)
    archs = []
    for row, (edges, labels) in enumerate(zip(bits[:, : len(EDGES)], ops.tolist(), strict=True)):
        n = VERTICES - labels.count(_NOTHING)
        matrix = np.zeros((VERTICES, VERTICES), dtype=np.int8)
        matrix[upper] = edges
        framed = n >= 2 and (labels[0], labels[n - 1]) == (_INPUT, _OUTPUT) and set(labels[n:]) <= {_NOTHING}
        if not framed or matrix[:, n:].any():
            msg = f"{path}, row {row}: 'ops' are input ({_INPUT}), operations, output ({_OUTPUT}); got {labels}."
            raise InvalidFileError(msg)
        try:
            archs.append(SPACE.from_matrix(matrix[:n, :n], labels[1 : n - 1]))
        except InvalidArchError as error:
            msg = f"{path}, row {row}: {error}"
            raise InvalidFileError(msg) from error
    return archs


def _check_hashes(archs: list[Arch], hashes: NDArray[np.uint8], path: Path) -> None:
    for row, (arch, digest) in enumerate(zip(archs, hashes, strict=True)):
        computed, published = SPACE.isomorphism_hash(arch), digest.tobytes().hex()
        if computed != published:
            msg = f"{path}, row {row}: the cell {SPACE.format(arch)} has the hash {computed}, not {published}."
            raise InvalidFileError(msg)
