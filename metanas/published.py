"""Finds what is published (tables, tasks, protocols, boards …); the only module that knows where it lies.

The folders ``benchmark_data``, ``tasks``, ``predictors`` and ``leaderboards`` are looked for, in this order, in

1. the folder that the environment variable ``METANAS_DATA`` names,
2. ``metanas/_published``, the content of an installed wheel,
3. the checkout that this package is in,
4. the user's cache.

What an earlier place holds hides what a later one holds under the same name.
"""

from __future__ import annotations

import os
from pathlib import Path

from metanas.errors import InvalidFileError, UnknownNameError
from metanas.files import sha256_of

ENVIRONMENT_VARIABLE = "METANAS_DATA"
_PACKAGE = Path(__file__).resolve().parent


def checkout() -> Path | None:
    """Return the folder of the source checkout that this package is in, or None for an installed wheel."""
    top = _PACKAGE.parent
    return top if (top / "pyproject.toml").is_file() else None


def cache() -> Path:
    """Return the user's cache folder (it need not exist)."""
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".cache") / "metanas"


def roots() -> tuple[Path, ...]:
    """Return the existing places where content may lie, in the order of search."""
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    candidates = (Path(named) if named else None, _PACKAGE / "_published", checkout(), cache())
    return tuple(root for root in candidates if root is not None and root.is_dir())


def folders(name: str) -> tuple[Path, ...]:
    """Return the folder called ``name`` in every place that has it, in the order of search."""
    return tuple(path for root in roots() if (path := root / name).is_dir())


def folder(name: str) -> Path:
    """Return the first folder called ``name``, for instance ``"tasks"``.

    Raises:
        UnknownNameError: no place has it.
    """
    found = folders(name)
    if not found:
        known = {path.name for root in roots() for path in root.iterdir() if path.is_dir() and path.name[0] not in "._"}
        raise UnknownNameError("folder of published content", name, sorted(known))
    return found[0]


def writable() -> Path:
    """Return the place that new content is written to: the one named, else the checkout, else the user's cache."""
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    return Path(named) if named else checkout() or cache()


def find(relative: str) -> Path | None:
    """Return the first published file at ``relative`` (``"tasks/fashion_mnist-v1.toml"``), or None."""
    return next((path for root in roots() if (path := root / relative).is_file()), None)


def files(name: str, suffix: str) -> dict[str, Path]:
    """Return the files directly in the folders called ``name``, by their name without ``suffix``, sorted.

    Args:
        name: the folder, for instance ``"tasks"``.
        suffix: how the files end, for instance ``".toml"``.
    """
    found: dict[str, Path] = {}
    for place in folders(name):
        for path in place.iterdir():
            if path.name.endswith(suffix) and path.is_file():
                found.setdefault(path.name.removesuffix(suffix), path)
    return dict(sorted(found.items()))


def verify(path: Path, sha256: str) -> None:
    """Check that the bytes of ``path`` are those that were published.

    Raises:
        InvalidFileError: they are not, or the file cannot be read.
    """
    try:
        found = sha256_of(path)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}."
        raise InvalidFileError(msg) from error
    if found != sha256:
        msg = (
            f"The bytes of {path} must have the published sha256 {sha256}, but have {found}. "
            f"The file was altered or cut short; restore it (git checkout, or install the package again)."
        )
        raise InvalidFileError(msg)
