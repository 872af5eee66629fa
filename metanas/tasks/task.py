"""A task in memory, and how it is loaded from its card and arrays."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metanas import published
from metanas.errors import InvalidFileError, InvalidValueError, UnknownNameError
from metanas.tasks.card import Card, Input, read_card
from metanas.tasks.split import SPLITS, assign


@dataclass(frozen=True, eq=False, repr=False)
class Task:
    """A supervised classification task with a fixed split.

    Attributes:
        card: what is known about the task.
        x: examples, float32, ``(n, channels, height, width)`` or ``(n, channels, length)``, normalised as
            the card says.
        y: class numbers, int64, ``(n,)``.
        split: sorted row numbers of ``training``, ``validation`` and ``test``.
    """

    card: Card
    x: NDArray[np.float32]
    y: NDArray[np.int64]
    split: dict[str, NDArray[np.int64]]

    def __repr__(self) -> str:
        """Show name, shape and sizes."""
        rows = " + ".join(f"{len(self.split[part]):,}" for part in SPLITS)
        shape = "x".join(map(str, self.shape))
        return f"<task {self.name}: {shape}, {self.n_classes} classes, {rows} examples>"

    @property
    def name(self) -> str:
        """Name with version, as in ``fashion_mnist-v1``."""
        return self.card.name

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the numbers in ``y``."""
        return self.card.labels.classes

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example: ``(channels, height, width)`` or ``(channels, length)``."""
        return self.x.shape[1:]

    @cached_property
    def sha256(self) -> str:
        """Identity of the stored task: arrays, input, classes and split, not the card's prose nor the resolution."""
        card = self.card.model_dump(mode="json", include={"name", "input", "labels", "arrays", "split"})
        return hashlib.sha256(json.dumps(card, sort_keys=True).encode()).hexdigest()

    def resized(self, size: int) -> Task:
        """Return the task with images of ``size`` x ``size`` pixels, normalised anew.

        Every new pixel is the mean of the area that it covers, with fractional weights where it cuts a stored pixel
        (28 -> 8: each covers 3.5 x 3.5 pixels). Nothing is padded or cropped.

        Raises:
            InvalidValueError: the task is a sequence, or ``size`` is larger than the stored images.
        """
        if self.card.input.kind != "image":
            msg = f"Only images have a resolution, but task {self.name!r} is a sequence of shape {self.shape}."
            raise InvalidValueError(msg)
        if not 1 <= size <= min(self.shape[1:]):
            msg = f"1 <= size <= {min(self.shape[1:])} must hold for task {self.name!r}, but got size={size!r}."
            raise InvalidValueError(msg)
        rows, columns = (area_matrix(length, size) for length in self.shape[1:])
        x = np.matmul(np.matmul(rows, self.x), columns.T)
        return replace(self, x=_normalise(x, self.split["training"], self.card.input))


def load_task(name: str, *, resolution: int | None = None) -> Task:
    """Load a published task, or one of your own.

    Args:
        name: ``fashion_mnist-v1``; without the version, the latest; or the path of a card that ends in ``.toml``.
        resolution: side of the images in pixels, see :meth:`Task.resized`; as stored if not given.

    Raises:
        UnknownNameError: no such task.
        InvalidFileError: the card or the arrays break the schema or a hash.
        InvalidValueError: the task cannot have that resolution.
    """
    path = _card_path(name)
    card = read_card(path)
    arrays = _read_arrays(path.parent / card.arrays.file, card)
    y = arrays["y"].astype(np.int64)
    labels = assign(y, arrays["groups"].astype(np.int64) if "groups" in arrays else None, card.split)
    if hashlib.sha256(labels.tobytes()).hexdigest() != card.split.sha256:
        msg = f"The split of task {card.name!r} is not the one its card fixes: its sha256 differs. Reinstall metanas."
        raise InvalidFileError(msg)
    split = {part: np.flatnonzero(labels == number) for number, part in enumerate(SPLITS)}
    x = _normalise(_decode(arrays["x"], card.input), split["training"], card.input)
    task = Task(card=card, x=x, y=y, split=split)
    return task if resolution is None else task.resized(resolution)


def task_names() -> tuple[str, ...]:
    """Return the names of all published tasks, sorted."""
    return tuple(published.files("tasks", ".toml"))


def area_matrix(length: int, size: int) -> NDArray[np.float32]:
    """Return the matrix ``(size, length)`` that averages ``length`` pixels over ``size`` equal areas; rows sum to 1."""
    edges = np.arange(size + 1) * (length / size)
    pixels = np.arange(length)
    upper = np.minimum(edges[1:, None], pixels + 1)
    lower = np.maximum(edges[:-1, None], pixels)
    matrix: NDArray[np.float32] = (np.maximum(upper - lower, 0) * (size / length)).astype(np.float32)
    return matrix


def _decode(x: NDArray[np.generic], form: Input) -> NDArray[np.float32]:
    if form.storage == "one-hot":
        x = x[:, None, :] == np.arange(form.shape[0])[None, :, None]
    return x.astype(np.float32)


def _normalise(x: NDArray[np.float32], training: NDArray[np.int64], form: Input) -> NDArray[np.float32]:
    if form.normalise == "none":
        return x
    axes = (0, *range(2, x.ndim))
    mean = x[training].mean(axis=axes, dtype=np.float64, keepdims=True)
    deviation = x[training].std(axis=axes, dtype=np.float64, keepdims=True)
    scaled: NDArray[np.float32] = ((x - mean) / np.where(deviation > 0, deviation, 1.0)).astype(np.float32)
    return scaled


def _card_path(name: str) -> Path:
    if name.endswith(".toml"):
        return Path(name)
    names = published.files("tasks", ".toml")
    versions = {int(known.rsplit("-v", 1)[1]): known for known in names if known.rsplit("-v", 1)[0] == name}
    known = versions[max(versions)] if versions else name
    if known not in names:
        raise UnknownNameError("task", name, names)
    return names[known]


def _read_arrays(path: Path, card: Card) -> dict[str, NDArray[np.generic]]:
    """Read the arrays, checked against the card."""
    try:
        data = path.read_bytes()
    except OSError as error:
        msg = f"The arrays of task {card.name!r} must lie at {path}, but: {error.strerror}."
        raise InvalidFileError(msg) from error
    found = hashlib.sha256(data).hexdigest()
    if found != card.arrays.sha256:
        msg = f"{path} must have the sha256 {card.arrays.sha256} that its card states, but has {found}; get it anew."
        raise InvalidFileError(msg)
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        arrays: dict[str, NDArray[np.generic]] = {key: file[key] for key in file.files}
    rows = card.arrays.rows
    form = card.input
    shape = (rows, *form.shape) if form.storage == "values" else (rows, *form.shape[1:])
    wanted = {"x": shape, "y": (rows,)} | ({} if card.split.unit == "row" else {"groups": (rows,)})
    if {key: array.shape for key, array in arrays.items()} != wanted:
        msg = f"The card of {card.name!r} asks for arrays {wanted}, but {path.name} holds " + str(
            {key: array.shape for key, array in arrays.items()}
        )
        raise InvalidFileError(msg)
    if not 0 <= int(arrays["y"].min()) <= int(arrays["y"].max()) < len(card.labels.classes):
        msg = f"The classes of {card.name!r} are numbered 0 to {len(card.labels.classes) - 1}, but y has others."
        raise InvalidFileError(msg)
    return arrays
