"""The files of a published predictor: found, checked against their hashes, written."""

from __future__ import annotations

import gzip
import io
import json
import math
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from metanas import published
from metanas.errors import InvalidFileError, InvalidValueError, UnknownNameError
from metanas.files import atomic_write, sha256_of
from metanas.toml import read_model

FOLDER = "predictors"
FILE = "config.toml"
CARD = "card.md"
Kind = Literal["accuracy", "few-shot", "latency"]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_VERSION = re.compile(r"(.+)-v(\d+)")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Config(_Part):
    """What is published of a predictor beside its weights.

    Attributes:
        name: with version, as in ``"accuracy-fashion_mnist-v1"``.
        kind: what it predicts.
        space: of the architectures that it answers for.
        task: whose accuracy it predicts, ``{task}`` for any; of latencies, the networks that were timed.
        metric: what it predicts; ``{device}`` stands for the device.
        unit: of its predictions.
        label: how one number came of several trainings.
        method: the predictor.
        settings: of the method.
        examples: architectures that it was fitted on.
        data: tables that it was fitted on: name -> SHA-256.
        files: its weights: file -> SHA-256.
        figures: what was measured of it; the card says how.
        made: versions of the packages that made it.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*-v[0-9]+$")]
    kind: Kind
    space: str
    task: str
    metric: str
    unit: str
    label: Literal["mean_of_measured_seeds", "as_measured"]
    method: str
    examples: Annotated[int, Field(gt=0)]
    settings: dict[str, Any]
    data: dict[str, Sha256] = Field(min_length=1)
    files: dict[str, Sha256] = Field(min_length=1)
    figures: dict[str, float]
    made: dict[str, str]

    @model_validator(mode="after")
    def _check(self) -> Config:
        for name in self.files:
            if Path(name).name != name:
                msg = f"files must lie in the predictor's own folder, but got {name!r}"
                raise ValueError(msg)
        return self


def published_predictor_names() -> tuple[str, ...]:
    """Return the names of all published predictors, sorted."""
    return tuple(sorted({path.parent.name for place in published.folders(FOLDER) for path in place.glob(f"*/{FILE}")}))


def find_config(start: str) -> tuple[Config, Path]:
    """Return a published predictor's config and folder; a name without ``-vN`` means the latest version.

    Raises:
        UnknownNameError: there is none.
        InvalidFileError: its config is malformed.
    """
    names = published_predictor_names()
    versions = [(int(m[2]), name) for name in names if (m := _VERSION.fullmatch(name)) and start in (m[1], name)]
    path = published.find(f"{FOLDER}/{max(versions)[1]}/{FILE}") if versions else None
    if path is None:
        raise UnknownNameError("published predictor", start, names)
    return read_config(path), path.parent


def read_config(path: Path) -> Config:
    """Read a config; raise :class:`~metanas.errors.InvalidFileError` saying which field is wrong."""
    config = read_model(path, Config, "config of a predictor")
    if config.name != path.parent.name:
        msg = f"{path} must have the name of its folder, {path.parent.name!r}, but says {config.name!r}."
        raise InvalidFileError(msg)
    return config


def read_weights(config: Config, folder: Path, name: str) -> bytes:
    """Return the bytes of a weights file, unpacked if its name ends in ``.gz``.

    Raises:
        InvalidFileError: they are not those that the config names, or there is no such file.
    """
    if name not in config.files:
        msg = f"Predictor {config.name} must have the weights {name!r}, but its config names {sorted(config.files)}."
        raise InvalidFileError(msg)
    published.verify(folder / name, config.files[name])
    content = (folder / name).read_bytes()
    if not name.endswith(".gz"):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        msg = f"{folder / name} is not packed by gzip: {error}."
        raise InvalidFileError(msg) from error


def read_arrays(config: Config, folder: Path, name: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of an ``.npz`` file of weights; see :func:`read_weights`."""
    content = read_weights(config, folder, name)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except (OSError, ValueError) as error:
        msg = f"{folder / name} holds no plain arrays: {error}."
        raise InvalidFileError(msg) from error


def arrays_as_bytes(**arrays: NDArray[Any]) -> bytes:
    """Return arrays as the bytes of an ``.npz`` file; the same arrays give the same bytes."""
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


def publish(
    fields: Mapping[str, Any],
    weights: Mapping[str, bytes],
    card: str,
    *,
    replace: bool = False,
    place: Path | None = None,
) -> tuple[Config, Path]:
    """Write a predictor to the folder of published ones.

    Args:
        fields: of the config, without ``files``.
        weights: content by file name.
        card: Markdown.
        replace: allow another content under a name that is published already.
        place: where content lies; what :func:`metanas.published.writable` says if None.

    Returns:
        The config, and the predictor's folder.

    Raises:
        InvalidValueError: the name is published, and ``replace`` is not set.
    """
    import hashlib

    files = {name: hashlib.sha256(content).hexdigest() for name, content in weights.items()}
    known = {name: value for name, value in fields["figures"].items() if math.isfinite(value)}  # TOML has no null
    try:
        config = Config.model_validate({**fields, "files": files, "figures": known})
    except ValidationError as error:
        msg = f"The predictor cannot be published as {fields.get('name')!r}: {error}"
        raise InvalidValueError(msg) from error
    folder = (place or published.writable()) / FOLDER / config.name
    old: dict[str, str] = {}
    if (folder / FILE).is_file():
        try:
            old = read_config(folder / FILE).files
        except InvalidFileError:
            if not replace:
                raise
    if old and not replace and old != files:
        msg = f"Predictor {config.name} is published with other weights. Replace it (--replace), or remove {folder}."
        raise InvalidValueError(msg)
    (folder / FILE).unlink(missing_ok=True)  # without a config there is no predictor: never one with other weights
    for name, content in {**weights, CARD: card.encode(), FILE: _toml(config).encode()}.items():
        with atomic_write(folder / name) as temporary:
            temporary.write_bytes(content)
    for name in set(old) - set(files):
        (folder / name).unlink(missing_ok=True)
    assert all(sha256_of(folder / name) == sha256 for name, sha256 in files.items())
    return config, folder


def _toml(config: Config) -> str:
    fields = config.model_dump()
    tables = {key: fields.pop(key) for key in ("settings", "data", "files", "figures", "made")}
    lines = [f"{key} = {_value(value)}" for key, value in fields.items()]
    for key, entries in tables.items():
        lines += ["", f"[{key}]", *(f"{json.dumps(name)} = {_value(value)}" for name, value in entries.items())]
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)  # strings, numbers and lists are written alike in JSON and TOML
