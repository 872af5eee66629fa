"""TOML files that come from outside: read, checked against a model of what they must hold, and written.

Whatever is wrong with one is said in a line: that it is no TOML, or which fields are wrong and why.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from metanas.errors import InvalidFileError, MetanasError

if TYPE_CHECKING:  # the registry of tables is read without pydantic, which takes a while to import
    from pydantic import BaseModel, ValidationError

M = TypeVar("M", bound="BaseModel")

_SHOWN = 6  # fields that are wrong, of those that are


def read_toml(path: Path) -> dict[str, Any]:
    """Read a file; raise :class:`~metanas.errors.InvalidFileError` if it is absent or no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}."
        raise InvalidFileError(msg) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"{path} is no readable TOML: {error}."
        raise InvalidFileError(msg) from error


def read_model(path: Path, model: type[M], what: str) -> M:
    """Read a file and check it.

    Args:
        path: the file.
        model: what it must hold.
        what: it is, for messages: ``"board"``.

    Raises:
        InvalidFileError: it is absent, no TOML, or some field is wrong; says which.
    """
    return checked(read_toml(path), model, path, what)


def checked(content: Mapping[str, Any], model: type[M], path: Path, what: str) -> M:
    """Return what a file holds as a model of it; raises and takes arguments as :func:`read_model`."""
    from pydantic import ValidationError

    try:
        return model.model_validate_json(json.dumps(content, default=str))  # lists become tuples, dates texts
    except ValidationError as error:
        raise InvalidFileError(explained(error, path, what)) from error
    except MetanasError as error:
        msg = f"{path} is no {what}: {error}"
        raise InvalidFileError(msg) from error


def explained(error: ValidationError, path: Path, what: str) -> str:
    """Return what is wrong with a file, field by field; unknown fields first, they are the likely slips."""
    entries = sorted(error.errors(), key=lambda entry: entry["type"] != "extra_forbidden")
    parts = [f"{'.'.join(map(str, entry['loc'])) or 'whole'}: {entry['msg']}" for entry in entries[:_SHOWN]]
    more = f"; and {len(entries) - len(parts)} more" if len(entries) > len(parts) else ""
    return f"{path} is no {what}: {'; '.join(parts)}{more}."


def as_toml(fields: Mapping[str, Any]) -> str:
    """Write fields as TOML: plain ones first, then dictionaries as tables, then tuples of dictionaries."""
    tables = {key: value for key, value in fields.items() if isinstance(value, dict)}
    arrays = {key: value for key, value in fields.items() if isinstance(value, tuple) and _of_tables(value)}
    lines = [f"{key} = {_value(value)}" for key, value in fields.items() if key not in tables and key not in arrays]
    for key, entries in tables.items():
        lines += ["", f"[{key}]", *(f"{name} = {_value(value)}" for name, value in entries.items())]
    for key, rows in arrays.items():
        for row in rows:
            lines += ["", f"[[{key}]]", *(f"{name} = {_value(value)}" for name, value in row.items())]
    return "\n".join(lines) + "\n"


def _of_tables(value: tuple[object, ...]) -> bool:
    return all(isinstance(entry, dict) for entry in value)


def _value(value: str | float | Sequence[float]) -> str:
    return json.dumps(value, ensure_ascii=False)  # strings, numbers and lists of them: alike in JSON and TOML
