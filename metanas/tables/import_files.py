"""Reads a file of columns: npz, CSV or Parquet. Nothing is unpickled."""

from __future__ import annotations

import csv
import gzip
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidFileError
from metanas.extras import require

LARGEST = 8 * 2**30  # bytes of all arrays of a file when they are unpacked
LARGEST_TEXT = 2**29  # characters of a CSV file; each cell of it becomes a string, of some 60 bytes
_NOT_MEASURED = {"", "nan", "na", "null", "none"}


def read_columns(path: Path) -> dict[str, NDArray[Any]]:
    """Return the columns of a file by name: numbers, or strings.

    Args:
        path: a file that ends in ``.npz``, ``.csv``, ``.csv.gz`` or ``.parquet``.

    Raises:
        InvalidFileError: another kind of file, or a damaged one, or one with Python objects in it.
        MetanasError: a Parquet file, and ``pyarrow`` is not installed.
    """
    readers = {".npz": _read_npz, ".csv": _read_csv, ".csv.gz": _read_csv, ".parquet": _read_parquet}
    reader = next((reader for ending, reader in readers.items() if path.name.endswith(ending)), None)
    if reader is None:
        msg = f"{path} must end in one of {', '.join(readers)}, for that says how to read it."
        raise InvalidFileError(msg)
    if not path.is_file():
        msg = f"There is no file {path}."
        raise InvalidFileError(msg)
    columns = reader(path)
    if not columns:
        msg = f"{path} has no columns."
        raise InvalidFileError(msg)
    return columns


def _read_npz(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(path) as members:
            size = sum(member.file_size for member in members.infolist())
        if size > LARGEST:
            msg = f"{path} unpacks to {size:,} bytes; {LARGEST:,} are allowed."
            raise InvalidFileError(msg)
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, MemoryError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        if isinstance(error, InvalidFileError):
            raise
        msg = f"{path} is no sound npz file of plain arrays ({error}). Objects in it are not unpickled."
        raise InvalidFileError(msg) from error


def _read_csv(path: Path) -> dict[str, NDArray[Any]]:
    try:
        # gzip.open has the signature of open for text
        opener = gzip.open if path.name.endswith(".gz") else open
        with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(_limited(file, path), strict=True))
    except (OSError, EOFError, UnicodeDecodeError, zlib.error, csv.Error) as error:
        msg = f"{path} is no sound CSV file in UTF-8 ({error})."
        raise InvalidFileError(msg) from error
    if not rows:
        return {}
    head, *body = rows
    if len(set(head)) < len(head):
        twice = next(name for name in head if head.count(name) > 1)
        msg = f"{path} has two columns called {twice!r}."
        raise InvalidFileError(msg)
    for number, row in enumerate(body):
        if len(row) != len(head):
            msg = f"{path} has {len(head)} columns, but row {number} has {len(row)}."
            raise InvalidFileError(msg)
    return {name: np.array([row[i] for row in body], dtype=np.str_) for i, name in enumerate(head)}


def _limited(file: TextIO, path: Path) -> Iterator[str]:
    """Yield the lines of a file, so many characters and no more: a few packed bytes may unpack to any number."""
    left = LARGEST_TEXT
    while line := file.readline(left + 1):
        left -= len(line)
        if left < 0:
            msg = f"{path} holds more than {LARGEST_TEXT:,} characters of text; divide it, or write it as npz."
            raise InvalidFileError(msg)
        yield line


def _read_parquet(path: Path) -> dict[str, NDArray[Any]]:
    parquet = require("pyarrow.parquet", "parquet", "Reading Parquet")
    try:
        table = parquet.read_table(path)
        columns = {}
        for name in table.column_names:
            values = table[name].to_pylist()
            text = any(isinstance(value, str) for value in values)
            fill: object = "" if text else np.nan
            columns[name] = np.array([fill if value is None else value for value in values])
    except (OSError, ValueError) as error:
        msg = f"{path} is no sound Parquet file of plain columns ({error})."
        raise InvalidFileError(msg) from error
    return columns


def numbers(name: str, values: NDArray[Any]) -> NDArray[np.floating]:
    """Return a column as floats; text is read as numbers, nothing and ``nan`` as NaN.

    Raises:
        InvalidFileError: what is no number, with its row.
    """
    if values.dtype in (np.float32, np.float64):
        return values
    if np.issubdtype(values.dtype, np.integer) or values.dtype == np.float16:
        return values.astype(np.float64 if values.dtype.itemsize > 2 else np.float32)
    if values.dtype.kind != "U" or values.ndim != 1:
        msg = f"Column {name!r} must hold numbers, but holds {values.dtype}."
        raise InvalidFileError(msg)
    found = np.empty(len(values))
    for row, text in enumerate(values.tolist()):
        try:
            found[row] = np.nan if text.strip().lower() in _NOT_MEASURED else float(text)
        except ValueError as error:
            msg = f"Column {name!r} must hold numbers, but holds {text[:40]!r} in row {row}."
            raise InvalidFileError(msg) from error
    return found


def texts(name: str, columns: Mapping[str, NDArray[Any]]) -> list[str]:
    """Return a column of strings.

    Raises:
        InvalidFileError: there is no such column, or it holds something else.
    """
    values = columns.get(name)
    if values is None or values.dtype.kind != "U" or values.ndim != 1:
        what = "is not there" if values is None else f"holds {values.dtype} of shape {values.shape}"
        msg = f"Column {name!r} must hold one string a row, but {what}."
        raise InvalidFileError(msg)
    return [str(value) for value in values]
