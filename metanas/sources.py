"""The register of published benchmarks: where each is had, under which licence, with which bytes.

It is data: ``benchmark_data/sources.toml``. A source whose files have a stable address lists them with SHA-256 and
size, and ``metanas fetch`` brings them; any other says in words how to get it. Nothing here opens a connection.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from metanas import published
from metanas.errors import InvalidFileError, UnknownNameError
from metanas.toml import read_toml

FOLDER = "benchmark_data"
FILE = "sources.toml"

_TEXTS = ("title", "licence", "page", "how", "then")
_REQUIRED = ("title", "licence", "page")
_FILE_FIELDS = {"path": str, "url": str, "sha256": str, "bytes": int}
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a source.

    Attributes:
        path: where it goes, below the folder of the source.
        url: its address, http or https.
        sha256: of its bytes.
        bytes: its size.
    """

    path: str
    url: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Source:
    """A published benchmark.

    Attributes:
        name: as ``metanas fetch`` takes it.
        title: what it is.
        licence: under which its publishers give it.
        page: the publishers' page.
        how: how to get it, where no file has a stable address; else empty.
        then: the command that makes tables of it, ``{folder}`` standing for where it lies; may be empty.
        files: the files with a stable address.
    """

    name: str
    title: str
    licence: str
    page: str
    how: str
    then: str
    files: tuple[RemoteFile, ...]

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.bytes for file in self.files)


def sources() -> dict[str, Source]:
    """Return every known source by name, sorted; a place searched earlier hides a later one's entry of that name.

    Raises:
        InvalidFileError: a register that is malformed.
    """
    found: dict[str, Source] = {}
    for folder in published.folders(FOLDER):
        if (folder / FILE).is_file():
            for name, source in read_sources(folder / FILE).items():
                found.setdefault(name, source)
    return dict(sorted(found.items()))


def find_source(name: str) -> Source:
    """Return a source; raise ``UnknownNameError`` if the register has none of that name."""
    known = sources()
    if name not in known:
        raise UnknownNameError("source", name, known)
    return known[name]


def read_sources(path: Path) -> dict[str, Source]:
    """Read one register.

    Raises:
        InvalidFileError: it is no TOML, or an entry has unknown, absent or malformed fields.
    """
    content = read_toml(path)
    entries = content.pop("sources", {})
    if content or not isinstance(entries, dict):
        msg = f"{path} must hold sections [sources.<name>] alone, but has {', '.join(content) or repr(entries)}."
        raise InvalidFileError(msg)
    return {name: _source(name, fields, f"Source {name!r} in {path}") for name, fields in entries.items()}


def _source(name: str, fields: Any, where: str) -> Source:
    if not isinstance(fields, dict) or not _NAME.fullmatch(name):
        msg = f"{where} must be a section named with a-z, 0-9, '.' and '-'."
        raise InvalidFileError(msg)
    unknown = set(fields) - {*_TEXTS, "files"}
    if unknown:
        msg = f"{where} may have the fields {', '.join((*_TEXTS, 'files'))}, but has: {', '.join(sorted(unknown))}."
        raise InvalidFileError(msg)
    texts = {key: fields.get(key, "") for key in _TEXTS}
    for key, text in texts.items():
        if not isinstance(text, str) or (key in _REQUIRED and not text.strip()):
            msg = f"{where} must have a text {key!r}, but has {text!r}."
            raise InvalidFileError(msg)
    listed = fields.get("files", [])
    if not isinstance(listed, list) or bool(listed) == bool(texts["how"].strip()):
        msg = f"{where} must have either files with a stable address or a text 'how' that says how to get it."
        raise InvalidFileError(msg)
    files = tuple(_file(entry, where) for entry in listed)
    if len({file.path for file in files}) < len(files):
        msg = f"{where} has two files of the same path."
        raise InvalidFileError(msg)
    return Source(name, **texts, files=files)


def _file(fields: Any, where: str) -> RemoteFile:
    if not isinstance(fields, dict) or set(fields) != set(_FILE_FIELDS):
        got = ", ".join(fields) if isinstance(fields, dict) else repr(fields)
        msg = f"A file of {where} must have the fields {', '.join(_FILE_FIELDS)}, but has: {got}."
        raise InvalidFileError(msg)
    for key, kind in _FILE_FIELDS.items():
        if type(fields[key]) is not kind:
            msg = f"{key} of a file of {where} must be a {kind.__name__}, but is {fields[key]!r}."
            raise InvalidFileError(msg)
    if not re.fullmatch(r"[0-9a-f]{64}", fields["sha256"]) or fields["bytes"] < 0:
        msg = f"A file of {where} must have a sha256 of 64 hexadecimal digits and a size, but has {fields}."
        raise InvalidFileError(msg)
    relative = Path(fields["path"])
    if relative.is_absolute() or ".." in relative.parts or not relative.name or relative.name.startswith("."):
        msg = f"The path of a file of {where} must lie in the source's folder, but is {fields['path']!r}."
        raise InvalidFileError(msg)
    if urlsplit(fields["url"]).scheme not in ("http", "https"):
        msg = f"The address of a file of {where} must begin with https:// or http://, but is {fields['url']!r}."
        raise InvalidFileError(msg)
    return RemoteFile(**fields)
