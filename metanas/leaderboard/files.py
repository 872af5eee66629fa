"""The files of leaderboards: boards as TOML in a folder of their name, runs as JSON with a seal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from metanas import published
from metanas.errors import InvalidFileError, UnknownNameError
from metanas.files import atomic_write_text
from metanas.toml import explained

FOLDER = "leaderboards"


class _Named(Protocol):
    @property
    def name(self) -> str: ...


M = TypeVar("M", bound=BaseModel)
Named = TypeVar("Named", bound=_Named)


class Part(BaseModel):
    """What a file holds, or a part of it: no unknown field, no conversion, no change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Sealed(Part):
    """A run. Its field ``seal`` is the SHA-256 of everything but itself and what the run claims to come to.

    Attributes:
        CLAIM: the field that is claimed, and not sealed.
    """

    CLAIM: ClassVar[str]

    def computed_seal(self) -> str:
        """Return the hash of everything but the seal and the claim."""
        content = self.model_dump(mode="json", exclude={"seal", self.CLAIM})
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def sealed(self) -> Self:
        """Return this run with its seal."""
        return self.model_copy(update={"seal": self.computed_seal()})

    def write(self, path: Path) -> None:
        """Write the run atomically as JSON, one line a field."""
        fields: dict[str, Any] = self.model_dump(mode="json")
        lines = [
            f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False, allow_nan=False)}"
            for key, value in fields.items()
        ]
        atomic_write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")


def read_json(path: Path, kind: type[M], what: str) -> M:
    """Read a run; raise :class:`~metanas.errors.InvalidFileError` saying which field is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read: {error}."
        raise InvalidFileError(msg) from error
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise InvalidFileError(explained(error, path, what)) from error


def names_with(file: str) -> tuple[str, ...]:
    """Return the names of all published boards that have such a file, sorted."""
    return tuple(sorted({path.parent.name for place in published.folders(FOLDER) for path in place.glob(f"*/{file}")}))


def load_named(name: str, file: str, read: Callable[[Path], Named], what: str) -> Named:
    """Return a published board by name, or the one in a ``.toml`` file.

    Args:
        name: of the board, or its file.
        file: that published ones have in the folder of their name.
        read: reads it.
        what: it is, for messages.

    Raises:
        UnknownNameError: no such board.
        InvalidFileError: a file that is none, saying which field is wrong.
    """
    if name.endswith(".toml"):
        return read(Path(name))
    path = published.find(f"{FOLDER}/{name}/{file}") if name in names_with(file) else None
    if path is None:
        raise UnknownNameError(what, name, names_with(file))
    board = read(path)
    if board.name != name:
        msg = f"{path} must have the name of its folder, {name!r}, but says {board.name!r}."
        raise InvalidFileError(msg)
    return board
