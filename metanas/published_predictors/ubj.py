"""Universal Binary JSON as XGBoost writes its models (https://ubjson.org, draft 12), read without XGBoost."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from metanas.errors import InvalidFileError

_NUMBERS = {"i": ">i1", "U": ">u1", "I": ">i2", "l": ">i4", "L": ">i8", "d": ">f4", "D": ">f8"}
_DEPTH = 64  # of nested containers: a model has a dozen


def read_ubj(content: bytes) -> Any:
    """Return what the bytes hold: dicts, lists, strings, numbers, and arrays of one type as NumPy arrays.

    Raises:
        InvalidFileError: they are no such format, or cut short.
    """
    try:
        value, end = _value(content, 1, chr(content[0]), 0)
    except (IndexError, KeyError, ValueError, struct.error, UnicodeDecodeError) as error:
        msg = f"These bytes are no UBJ of a model: {error!r}."
        raise InvalidFileError(msg) from error
    if end != len(content):
        msg = f"The model's UBJ must end after {end} bytes, but there are {len(content)}."
        raise InvalidFileError(msg)
    return value


def _value(content: bytes, at: int, kind: str, depth: int) -> tuple[Any, int]:
    """Return the value of a kind that begins at a position, and the position after it."""
    if depth > _DEPTH:
        msg = "containers are nested too deep"
        raise ValueError(msg)
    if kind in _NUMBERS:
        dtype = np.dtype(_NUMBERS[kind])
        return np.frombuffer(content, dtype, 1, at)[0].item(), at + dtype.itemsize
    if kind == "S":
        return _text(content, at)
    if kind in "TFZ":
        return {"T": True, "F": False, "Z": None}[kind], at
    return _object(content, at, depth) if kind == "{" else _array(content, at, kind, depth)


def _length(content: bytes, at: int) -> tuple[int, int]:
    length, end = _value(content, at + 1, chr(content[at]), _DEPTH)
    if not isinstance(length, int) or length < 0:
        msg = f"a length is {length}"
        raise ValueError(msg)
    return length, end


def _text(content: bytes, at: int) -> tuple[str, int]:
    length, start = _length(content, at)
    if start + length > len(content):
        msg = "a text is cut short"
        raise ValueError(msg)
    return content[start : start + length].decode(), start + length


def _object(content: bytes, at: int, depth: int) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    while chr(content[at]) != "}":
        key, at = _text(content, at)
        found[key], at = _value(content, at + 1, chr(content[at]), depth + 1)
    return found, at + 1


def _array(content: bytes, at: int, kind: str, depth: int) -> tuple[Any, int]:
    if kind != "[":
        msg = f"there is no value of the kind {kind!r}"
        raise ValueError(msg)
    if chr(content[at]) == "$":
        dtype = np.dtype(_NUMBERS[chr(content[at + 1])])
        if chr(content[at + 2]) != "#":
            msg = "an array of one type has no length"
            raise ValueError(msg)
        length, start = _length(content, at + 3)
        return np.frombuffer(content, dtype, length, start), start + length * dtype.itemsize
    items: list[Any] = []
    if chr(content[at]) == "#":
        length, at = _length(content, at + 1)
        for _ in range(length):
            item, at = _value(content, at + 1, chr(content[at]), depth + 1)
            items.append(item)
        return items, at
    while chr(content[at]) != "]":
        item, at = _value(content, at + 1, chr(content[at]), depth + 1)
        items.append(item)
    return items, at + 1
