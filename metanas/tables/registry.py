"""The registry of published tables: name -> file, size, hash, card (``benchmark_data/registry.toml``)."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from metanas import published
from metanas.errors import InvalidFileError, InvalidValueError, UnknownNameError
from metanas.files import atomic_write, atomic_write_text, exclusive_lock
from metanas.tables.table import Table
from metanas.toml import read_toml

FOLDER = "benchmark_data"
FILE = "registry.toml"
_LOCK = ".lock"  # two that register at once would each write what they read, and one entry be lost
_FIELDS = {"file": str, "sha256": str, "bytes": int, "card": str}
_HEAD = """\
# The published tables: name -> file, SHA-256, size in bytes, card (paths relative to this folder).
# `metanas build … --register` writes the entries; `metanas tables --verify` checks the files against them.
"""
_SURROGATES = """\
# What `metanas surrogate fit` has learned from them, by the name of the table.
"""
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


def surrogates() -> dict[str, Entry]:
    """Return the published surrogates by the name of their table, sorted; see :mod:`metanas.surrogates`.

    Raises:
        InvalidFileError: a registry file that is malformed.
    """
    entries: dict[str, Entry] = {}
    for folder in published.folders(FOLDER):
        path = folder / FILE
        if path.is_file():
            for name, entry in read_surrogates(path).items():
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


def open_table(name: str, *, verify: bool = False) -> Table:
    """Open a published table by its name, or any table by the path of its ``.h5`` file.

    Args:
        name: name or path.
        verify: also compare the bytes of a published table with the registry's hash.

    Raises:
        UnknownNameError: no such table.
        InvalidFileError: a file that is not the published one, or no table.
    """
    if name.endswith(".h5"):
        return Table(name)
    if verify:
        find_entry(name).verify()
    return load_table(name)


def register(path: Path, card: str, *, replace: bool = False, place: Path | None = None) -> Entry:
    """Publish a table: copy its file and card to the folder of published tables and write its registry entry.

    The folder is the one that ``METANAS_DATA`` names, the checkout's, or the user's cache, whichever is first there,
    unless another place is given.

    Args:
        path: the table's file.
        card: text of its card (Markdown).
        replace: allow another content under a name that is published already.
        place: where content lies, as in :mod:`metanas.published`.

    Raises:
        InvalidFileError: the file is no table.
        InvalidValueError: the name is published with another content, and ``replace`` is not set.
        MetanasError: another process registers something at this moment.
    """
    table = Table(path)
    folder = (place or published.writable()) / FOLDER
    with exclusive_lock(folder / _LOCK):
        return _register(table, path, card, folder, replace=replace)


def _register(table: Table, path: Path, card: str, folder: Path, *, replace: bool) -> Entry:
    index = folder / FILE
    entries = read_registry(index) if index.is_file() else {}
    known = entries.get(table.name)
    if known is not None and known.sha256 != table.sha256 and not replace:
        msg = f"Table {table.name} is published with another content. Name a new version, or replace it (--replace)."
        raise InvalidValueError(msg)
    entry = Entry(
        table.name, folder / f"{table.name}.h5", table.sha256, path.stat().st_size, folder / f"{table.name}.md"
    )
    with atomic_write(entry.path) as temporary:
        shutil.copyfile(path, temporary)
    published.verify(entry.path, entry.sha256)
    atomic_write_text(entry.card, card)
    entries[table.name] = entry
    learned = read_surrogates(index) if index.is_file() else {}
    atomic_write_text(index, _registry_text(entries, learned, folder))
    return entry


def register_surrogate(entry: Entry, folder: Path) -> None:
    """Write the registry's entry of a surrogate whose files lie in the folder.

    Args:
        entry: with the name of the table.
        folder: a place's folder of tables.

    Raises:
        InvalidFileError: a registry file that is malformed.
    """
    index = folder / FILE
    with exclusive_lock(folder / _LOCK):
        entries = read_registry(index) if index.is_file() else {}
        learned = read_surrogates(index) if index.is_file() else {}
        atomic_write_text(index, _registry_text(entries, learned | {entry.name: entry}, folder))


def _registry_text(entries: dict[str, Entry], learned: dict[str, Entry], folder: Path) -> str:
    parts = [_HEAD, *_sections("tables", entries, folder)]
    return "\n".join([*parts, *([_SURROGATES] if learned else []), *_sections("surrogates", learned, folder)])


def _sections(kind: str, entries: dict[str, Entry], folder: Path) -> list[str]:
    return [
        f'[{kind}."{name}"]\n'
        f'file = "{entry.path.relative_to(folder).as_posix()}"\n'
        f'sha256 = "{entry.sha256}"\n'
        f"bytes = {entry.bytes}\n"
        f'card = "{entry.card.relative_to(folder).as_posix()}"\n'
        for name, entry in sorted(entries.items())
    ]


def read_registry(path: Path) -> dict[str, Entry]:
    """Read one registry file; paths in it are relative to its folder.

    Raises:
        InvalidFileError: it is no TOML, or an entry has unknown, absent or malformed fields.
    """
    return _read(path)["tables"]


def read_surrogates(path: Path) -> dict[str, Entry]:
    """Read the surrogates of one registry file, by the name of their table; raises as :func:`read_registry`."""
    return _read(path)["surrogates"]


def _read(path: Path) -> dict[str, dict[str, Entry]]:
    content = read_toml(path)
    kinds = {kind: content.pop(kind, {}) for kind in ("tables", "surrogates")}
    if content or not all(isinstance(entries, dict) for entries in kinds.values()):
        got = ", ".join(content) or repr(kinds)
        msg = f"{path} must hold sections [tables.<name>] and [surrogates.<name>] alone, but has {got}."
        raise InvalidFileError(msg)
    return {
        kind: {name: _entry(path, name, fields) for name, fields in entries.items()} for kind, entries in kinds.items()
    }


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
