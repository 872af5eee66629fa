"""Brings published files home: resumed, verified, whole or not at all.

A file grows under a hidden name beside its place (``.<name>.part``) and moves there when its SHA-256 is right, so that
a file under its own name is always the published one. A download that was cut short, killed, or stopped by a full disk
goes on where it stopped. One process at a time downloads a file; others wait for it and find it done.

Nothing is downloaded but by :func:`fetch`.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from metanas import published
from metanas.errors import InvalidFileError, MetanasError
from metanas.files import exclusive_lock, move_into_place, sha256_of
from metanas.sources import RemoteFile, Source, find_source

Report = Callable[[RemoteFile, int], None]  # the file, and how many of its bytes are here

PARTIAL_SUFFIX = ".part"
_CHUNK = 2**20
_FAILURES = 4  # connections in a row that brought nothing new
_POLL_SECONDS = 0.2


class _CutShort(Exception):  # noqa: N818, RUF100
    """The connection ended before the file did; asking again may help."""


def home(source: Source) -> Path:
    """Return the folder that a source's files go to if no other is named: ``METANAS_DATA``'s, else the user's cache."""
    named = os.environ.get(published.ENVIRONMENT_VARIABLE)
    return (Path(named) if named else published.cache()) / "sources" / source.name


def fetch(
    name: str | Source,
    folder: str | os.PathLike[str] | None = None,
    *,
    report: Report | None = None,
    timeout: float = 30.0,
    pause: float = 1.0,
) -> Path:
    """Download the files of a source that are not here yet, and verify every one of them.

    Args:
        name: a source of the register, or one made by hand.
        folder: where to; :func:`home` if None.
        report: is told about progress.
        timeout: seconds to wait for the other side before the connection counts as cut.
        pause: seconds before asking again after a connection that brought nothing; doubled each time.

    Returns:
        The folder that holds the files.

    Raises:
        UnknownNameError: no such source.
        InvalidFileError: the address answers with other bytes than the published ones.
        MetanasError: a source without a stable address (the message says how to get it), an address that does not
            answer, or a disk that is full. What has arrived is kept, and the next call goes on from there.
    """
    source = find_source(name) if isinstance(name, str) else name
    if not source.files:
        msg = f"{source.title} has no stable address to download from. {source.how.strip()}"
        raise MetanasError(msg)
    place = Path(folder) if folder is not None else home(source)
    for file in source.files:
        _fetch_file(file, place / file.path, report or _ignore, timeout, pause)
    return place


def is_here(source: Source, folder: Path | None = None) -> bool:
    """Return whether all files of a source lie in their place, by name and size; :func:`fetch` verifies the bytes."""
    place = folder or home(source)
    paths = [(place / file.path, file.bytes) for file in source.files]
    return bool(paths) and all(path.is_file() and path.stat().st_size == size for path, size in paths)


def _ignore(file: RemoteFile, size: int) -> None:
    """Take no notice of progress."""


def _fetch_file(file: RemoteFile, target: Path, report: Report, timeout: float, pause: float) -> None:
    partial = target.with_name(f".{target.name}{PARTIAL_SUFFIX}")
    with _turn(target.with_name(f".{target.name}.lock")):
        if target.is_file() and target.stat().st_size == file.bytes and sha256_of(target) == file.sha256:
            report(file, file.bytes)
            return
        resumed = _size(partial) > 0
        _complete(file, partial, report, timeout, pause)
        found = sha256_of(partial)
        if found != file.sha256 and resumed:  # what lay here was perhaps of another file
            partial.unlink()
            _complete(file, partial, report, timeout, pause)
            found = sha256_of(partial)
        if found != file.sha256:
            partial.unlink()
            msg = (
                f"{file.url} must have the published sha256 {file.sha256}, but has {found}. It was not kept. Either it "
                f"was altered on the way, or its publishers changed it: do not use it unseen."
            )
            raise InvalidFileError(msg)
        move_into_place(partial, target)


@contextlib.contextmanager
def _turn(lock: Path) -> Iterator[None]:
    """Wait until no other process holds the lock, and hold it."""
    with contextlib.ExitStack() as held:
        while True:
            try:
                held.enter_context(exclusive_lock(lock))
                break
            except MetanasError:
                time.sleep(_POLL_SECONDS)
        yield


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _complete(file: RemoteFile, partial: Path, report: Report, timeout: float, pause: float) -> None:
    """Ask for the rest of a file until it is all there."""
    failures, furthest = 0, _size(partial)
    while _size(partial) != file.bytes or not partial.exists():
        try:
            _download(file, partial, report, timeout)
        except _CutShort as error:
            arrived = _size(partial)
            failures = failures + 1 if arrived <= furthest else 0
            furthest = max(furthest, arrived)
            if failures >= _FAILURES:
                msg = (
                    f"{file.url} does not answer, or not to the end: {error}. {arrived:,} of {file.bytes:,} bytes are "
                    f"kept; ask again later, and it goes on from there."
                )
                raise MetanasError(msg) from error
            if failures:
                time.sleep(pause * 2 ** (failures - 1))


def _download(file: RemoteFile, partial: Path, report: Report, timeout: float) -> None:
    """Append to ``partial`` what one connection brings; raise :class:`_CutShort` if it is not the rest."""
    have = _size(partial)
    if have > file.bytes:
        partial.unlink()
        have = 0
    _check_room(partial.parent, file, have)
    request = urllib.request.Request(file.url, headers={"User-Agent": "metanas", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # nothing from there on: what is here is of another file
            partial.unlink(missing_ok=True)
        if error.code == 416 or error.code >= 500 or error.code in (408, 429):
            msg = f"it answers {error.code} ({error.reason})"
            raise _CutShort(msg) from error
        msg = f"{file.url} answers {error.code} ({error.reason}); see the publishers' page for a new address."
        raise MetanasError(msg) from error
    except (OSError, http.client.HTTPException) as error:
        raise _CutShort(str(error)) from error
    with response:
        start = _start_of(response, have)
        length = response.headers.get("Content-Length")
        if length is not None and start + int(length) != file.bytes:
            msg = (
                f"{file.url} must have {file.bytes:,} bytes, but has {start + int(length):,}. It is another file, or a "
                f"web page about it; see the publishers' page."
            )
            raise InvalidFileError(msg)
        with partial.open("r+b" if start else "wb", buffering=0) as output:
            output.seek(start)
            for chunk in _chunks(response):
                start += len(chunk)
                if start > file.bytes:
                    msg = f"{file.url} must have {file.bytes:,} bytes, but goes on after them. It is another file."
                    raise InvalidFileError(msg)
                _write(output.fileno(), chunk, file)
                report(file, start)
    if start < file.bytes:
        msg = "the connection was cut"
        raise _CutShort(msg)


def _start_of(response: http.client.HTTPResponse, have: int) -> int:
    """Return from which byte on the answer is: some servers know no ranges and begin anew."""
    stated = response.headers.get("Content-Range", "")
    return have if response.status == 206 and stated.startswith(f"bytes {have}-") else 0


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while True:
        try:
            chunk = response.read1(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _CutShort(str(error) or type(error).__name__) from error
        if not chunk:
            return
        yield chunk


def _check_room(folder: Path, file: RemoteFile, have: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < file.bytes - have:
        raise _no_room(file, f"{folder} has {free:,} bytes free")


def _write(handle: int, chunk: bytes, file: RemoteFile) -> None:
    view = memoryview(chunk)
    try:
        while view:
            view = view[os.write(handle, view) :]
    except OSError as error:
        raise _no_room(file, error.strerror or str(error)) from error


def _no_room(file: RemoteFile, reason: str) -> MetanasError:
    msg = (
        f"{file.path} needs {file.bytes:,} bytes of disk, and cannot be written: {reason}. Make room, or name another "
        f"folder (--to), and ask again: it goes on where it stopped."
    )
    return MetanasError(msg)
