"""Surrogates as files: ``<table>.surrogate.npz`` beside the table, arrays and a header in JSON, no pickles.

A surrogate belongs to the very bytes of its table: what maps scores to values, what is measured and what the noise is
are read from the table itself.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metanas import published
from metanas.errors import InvalidFileError, UnknownNameError
from metanas.files import atomic_write, atomic_write_text, sha256_of
from metanas.spaces import ListedSpace
from metanas.surrogates.coefficients import inputs_sha256, read_coefficients
from metanas.surrogates.counted import Counted
from metanas.surrogates.curves import Directions
from metanas.surrogates.fitting import Fitted, MetricModel, Model, examples
from metanas.surrogates.table import SurrogateTable
from metanas.tables import Table, find_entry
from metanas.tables.registry import FOLDER, Entry, register_surrogate, surrogates

SUFFIX, CARD_SUFFIX = ".surrogate.npz", ".surrogate.md"
_FORMAT = 1
_HEADER = "header"

Arrays = Mapping[str, NDArray[Any]]


def surrogate_path(table: Path) -> Path:
    """Return where the surrogate of a table's file lies."""
    return table.with_name(table.name.removesuffix(".h5") + SUFFIX)


def load_surrogate(name: str) -> SurrogateTable:
    """Open a published table with its surrogate.

    Raises:
        UnknownNameError: no such table, or it has no surrogate.
        InvalidFileError: a file that is not the published one.
    """
    table = find_entry(name)
    table.check_size()
    learned = surrogates()
    if table.name not in learned:
        kind = "table with a surrogate (metanas surrogate fit TABLE makes one)"
        raise UnknownNameError(kind, table.name, learned)
    entry = learned[table.name]
    published.verify(entry.path, entry.sha256)
    return open_surrogate(table.path, entry.path)


def open_surrogate(table: str | os.PathLike[str], path: Path | None = None) -> SurrogateTable:
    """Open a table's file with the surrogate beside it, or with another file's.

    Raises:
        InvalidFileError: there is none, or it is of another table, or of another version of metanas.
    """
    measured, where = Table.open(table), path or surrogate_path(Path(table))
    arrays = _read_arrays(where)
    try:
        header = json.loads(arrays[_HEADER].tobytes())
        if header["format"] != _FORMAT:
            msg = f"{where} has the format {header['format']}, but {_FORMAT} is read; fit it again."
            raise InvalidFileError(msg)
        if header["table_sha256"] != measured.sha256:
            msg = f"{where} was fitted to another content of {header['table']!r}; fit it again (metanas surrogate fit)."
            raise InvalidFileError(msg)
        models = {
            name: _read_model(measured, name, number, arrays, header)
            for number, name in enumerate(header["metrics"])
            if name in measured.metrics
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InvalidFileError):
            raise
        msg = f"{where} is no surrogate of metanas: {error!r}."
        raise InvalidFileError(msg) from error
    return SurrogateTable(measured, models, sha256_of(where))


def write_surrogate(fitted: Fitted, path: Path, figures: Mapping[str, Mapping[str, float]]) -> str:
    """Write a surrogate; the same content gives the same bytes.

    Args:
        fitted: the surrogate.
        path: its file.
        figures: of each metric, for the header.

    Returns:
        The SHA-256 of the file.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for number, model in enumerate(fitted.models.values()):
        arrays |= {f"{number}/{key}": array for key, array in model.arrays().items()}
    space = fitted.table.space
    header = {
        "format": _FORMAT,
        "table": fitted.table.name,
        "table_sha256": fitted.table.sha256,
        "space": fitted.table.space_name,
        "inputs_sha256": None if isinstance(space, ListedSpace) else inputs_sha256(space),
        "seed": fitted.seed,
        "members": list(fitted.members),
        "metrics": {
            name: {"examples": len(model.rows), "weights": list(model.weights), "figures": dict(figures.get(name, {}))}
            for name, model in fitted.models.items()
        },
        "made": {name: _version(name) for name in ("metanas", "numpy")},
    }
    arrays[_HEADER] = np.frombuffer(json.dumps(header, sort_keys=False).encode(), dtype=np.uint8)
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    with atomic_write(path) as temporary:
        temporary.write_bytes(file.getvalue())
    return sha256_of(path)


def publish(
    fitted: Fitted, figures: Mapping[str, Mapping[str, float]], card: str, *, place: Path | None = None
) -> Entry:
    """Write the surrogate of a published table with its card, beside the table, and its entry into the registry.

    Args:
        fitted: the surrogate.
        figures: of each metric.
        card: Markdown.
        place: where content lies, as in :mod:`metanas.published`; where the table lies if None.

    Raises:
        UnknownNameError: the table is not published.
    """
    table = find_entry(fitted.table.name)
    folder = place / FOLDER if place else _folder_of(table.path)
    path, where = (folder / f"{fitted.table.name}{suffix}" for suffix in (SUFFIX, CARD_SUFFIX))
    sha256 = write_surrogate(fitted, path, figures)
    atomic_write_text(where, card)
    entry = Entry(fitted.table.name, path, sha256, path.stat().st_size, where)
    register_surrogate(entry, folder)
    return entry


def _folder_of(path: Path) -> Path:
    return next(folder for folder in published.folders(FOLDER) if path.is_relative_to(folder))


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        msg = f"{path} is no readable surrogate: {error}. Fit one: metanas surrogate fit TABLE"
        raise InvalidFileError(msg) from error


def _read_model(table: Table, name: str, number: int, arrays: Arrays, header: Mapping[str, Any]) -> Model:
    space = table.space
    if not isinstance(space, ListedSpace) and header["inputs_sha256"] != inputs_sha256(space):
        msg = f"The surrogate of {table.name} was fitted on other inputs than this version gives; fit it again."
        raise InvalidFileError(msg)
    own = {key.partition("/")[2]: array for key, array in arrays.items() if key.startswith(f"{number}/")}
    epochs, rows, values = examples(table, name)
    if "counted" in own and isinstance(space, ListedSpace):
        return Counted(space, rows, values, own["counted"])
    directions = Directions(own.pop("vectors"), own.pop("rest"))
    return MetricModel(epochs, rows, values, directions, read_coefficients(space, own))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # a checkout that is on the path but not installed
        return "unknown"


__all__ = ["load_surrogate", "open_surrogate", "publish", "surrogate_path", "write_surrogate"]
