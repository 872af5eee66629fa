"""Writing files so that a kill at any instant leaves the old file or the new one, never half of one."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from metanas.errors import MetanasError

try:
    import fcntl
except ImportError:  # not a POSIX system: two writers at once are then not noticed
    fcntl = None  # type: ignore[assignment]

TEMPORARY_SUFFIX = ".tmp"


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside ``path``; when the block ends well, move it to ``path``, complete and on disk.

    The folder is made if it is absent. If the block raises, the temporary file is removed and ``path`` is untouched.

    Args:
        path: the file to write.

    Yields:
        The temporary file to write to, in the same folder. It exists and is empty.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f".{target.name}.{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"
    temporary.touch(exist_ok=False)
    try:
        yield temporary
        move_into_place(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def move_into_place(temporary: Path, target: Path) -> None:
    """Put a complete file under its own name in the same folder, once its bytes are on disk."""
    _sync(temporary)
    temporary.replace(target)
    _sync_folder(target.parent)


def atomic_write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` (UTF-8, newlines as they are) to ``path`` atomically."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(text.encode())


def remove_temporary(folder: Path) -> int:
    """Remove what killed writers left in ``folder`` and below; return how many files. Only under a lock."""
    stale = sorted(folder.rglob(f".*{TEMPORARY_SUFFIX}"))
    for path in stale:
        path.unlink(missing_ok=True)
    return len(stale)


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Hold a lock file that the system itself releases when this process ends, however it ends.

    Raises:
        MetanasError: another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                msg = f"One process at a time may write to {path.parent}, and another one does. Wait for it to end."
                raise MetanasError(msg) from error
        yield


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make the renaming itself durable, where the system lets a folder be opened."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
