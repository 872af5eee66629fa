"""The registry of published tables: name -> file, size, hash, card (``benchmark_data/registry.toml``)."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from metanas import published
from metanas.errors import InvalidFileError, UnknownNameError
from metanas.tables.table import Table

FOLDER = "benchmark_data"
FILE = "registry.toml"
_FIELDS = {"file": str, "sha256": str, "bytes": int, "card": str}
_VERSION = re.compile(r"(.+)-v(\d+)")


@dataclass(frozen=True, slots=True)
class Entry:
    """A published table.

    Attributes:
        name: name of the table, as in ``"nb201/fashion_mnist-v1"``.
        path: its file.
        sha256: hash of the file.
        bytes: size of the file.
        card: path of its card.
    """

    name: str
    path: Path
    sha256: str
    bytes: int
    card: Path

    def check_size(self) -> None:
        """Raise ``InvalidFileError`` if the file is absent or has another size than the registry says."""
        size = self.path.stat().st_size if self.path.is_file() else None
        if size != self.bytes:
            found = "is not there" if size is None else f"has {size:,} bytes"
            msg = f"{self.path} must have {self.bytes:,} bytes but {found}; restore it (git checkout, install again)."
            raise InvalidFileError(msg)

    def verify(self) -> None:
        """Raise ``InvalidFileError`` if the bytes of the file are not the published ones."""
        self.check_size()
        published.verify(self.path, self.sha256)


def registry() -> dict[str, Entry]:
    """Return every published table by name, sorted.

    Raises:
        InvalidFileError: a registry file that is malformed.
    """
    entries: dict[str, Entry] = {}
    for folder in published.folders(FOLDER):
        path = folder / FILE
        if path.is_file():
            for name, entry in read_registry(path).items():
                entries.setdefault(name, entry)
    return dict(sorted(entries.items()))


def table_names() -> tuple[str, ...]:
    """Return the names of all published tables, sorted."""
    return tuple(registry())


def find_entry(name: str) -> Entry:
    """Return the registry's entry; a name without ``-vN`` means the latest version.

    Raises:
        UnknownNameError: no such table.
    """
    entries = registry()
    if name in entries:
        return entries[name]
    versions = [(int(m[2]), key) for key in entries if (m := _VERSION.fullmatch(key)) and m[1] == name]
    if not versions:
        raise UnknownNameError("table", name, entries)
    return entries[max(versions)[1]]


def load_table(name: str) -> Table:
    """Open a published table, as in ``load_table("nb201/fashion_mnist-v1")``.

    The size of the file is compared with the registry; the hash by ``Entry.verify`` or ``metanas tables --verify``.

    Raises:
        UnknownNameError: no such table.
        InvalidFileError: a file that is not the published one.
    """
    entry = find_entry(name)
    entry.check_size()
    table = Table(entry.path)
    if table.name != entry.name:
        msg = f"{entry.path} is registered as {entry.name!r} but says that it is {table.name!r}."
        raise InvalidFileError(msg)
    return table


def read_registry(path: Path) -> dict[str, Entry]:
    """Read one registry file; paths in it are relative to its folder.

    Raises:
        InvalidFileError: it is no TOML, or an entry has unknown, absent or malformed fields.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"{path} is no readable TOML: {error}."
        raise InvalidFileError(msg) from error
    tables = content.pop("tables", {})
    if content or not isinstance(tables, dict):
        msg = f"{path} must hold sections [tables.<name>] alone, but has {', '.join(content) or repr(tables)}."
        raise InvalidFileError(msg)
    return {name: _entry(path, name, fields) for name, fields in tables.items()}


def _entry(path: Path, name: str, fields: object) -> Entry:
    if not isinstance(fields, dict) or set(fields) != set(_FIELDS):
        got = ", ".join(fields) if isinstance(fields, dict) else repr(fields)
        msg = f"Table {name!r} in {path} must have the fields {', '.join(_FIELDS)}, but has: {got}."
        raise InvalidFileError(msg)
    for key, kind in _FIELDS.items():
        if not isinstance(fields[key], kind):
            msg = f"{key} of table {name!r} in {path} must be a {kind.__name__}, but is {fields[key]!r}."
            raise InvalidFileError(msg)
    if not re.fullmatch(r"[0-9a-f]{64}", fields["sha256"]):
        msg = f"sha256 of table {name!r} in {path} must be 64 hexadecimal digits, but is {fields['sha256']!r}."
        raise InvalidFileError(msg)
    for key in ("file", "card"):
        if Path(fields[key]).is_absolute() or ".." in Path(fields[key]).parts:
            msg = f"{key} of table {name!r} in {path} must lie in the registry's folder, but is {fields[key]!r}."
            raise InvalidFileError(msg)
    folder = path.parent
    return Entry(name, folder / fields["file"], fields["sha256"], fields["bytes"], folder / fields["card"])
