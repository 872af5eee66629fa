"""Make a task (card and arrays) out of arrays of your own.

``distinct`` and ``linked_groups`` clean the rows; ``write_task`` checks them, packs the arrays, computes the split and
writes the two files that :func:`metanas.tasks.load_task` reads. ``tasks/README.md`` shows it on the published tasks.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidValueError
from metanas.files import atomic_write, atomic_write_text
from metanas.tasks.card import Card, Split
from metanas.tasks.split import assign


def distinct(x: NDArray[np.generic], y: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the rows to keep so that no example occurs twice.

    Of equal examples with one class the first is kept; of equal examples with several classes none.

    Args:
        x: examples, ``(n, …)``.
        y: class numbers, ``(n,)``.

    Returns:
        Sorted row numbers.
    """
    _, first, which = np.unique(x.reshape(len(x), -1), axis=0, return_index=True, return_inverse=True)
    which = which.reshape(-1)
    consistent = np.ones(len(first), dtype=bool)
    consistent[which[y != y[first][which]]] = False
    return np.sort(first[consistent])


def linked_groups(x: NDArray[np.generic], groups: NDArray[np.integer], distance: float) -> NDArray[np.int64]:
    """Join the groups that hold near-duplicates, so that a split cannot part them.

    Two rows are near when the root mean square of their difference is below ``distance`` (in the units of ``x``);
    groups are joined transitively. Time and memory are quadratic in the rows.

    Args:
        x: examples, ``(n, …)``.
        groups: group of each row, ``(n,)``.
        distance: see above.

    Returns:
        New groups, ``(n,)``, numbered from 0.
    """
    flat = x.reshape(len(x), -1).astype(np.float32)
    squares = (flat**2).sum(axis=1)
    apart = (squares[:, None] + squares[None] - 2 * flat @ flat.T) / flat.shape[1]
    joined = np.unique(groups, return_inverse=True)[1].reshape(-1).astype(np.int64)
    for first, second in np.argwhere(np.triu(apart < distance**2, k=1)):
        joined[joined == joined[second]] = joined[first]
    return np.unique(joined, return_inverse=True)[1].reshape(-1).astype(np.int64)


def write_task(
    path: Path,
    card: Mapping[str, Any],
    x: NDArray[np.generic],
    y: NDArray[np.integer],
    groups: NDArray[np.integer] | None = None,
) -> Card:
    """Write ``<name>.toml`` at ``path`` and ``data/<name>.npz`` beside it.

    Args:
        path: of the card; its stem is the name of the task.
        card: the fields of a card (:class:`metanas.tasks.Card`) without ``name``, ``arrays`` and ``split.sha256``.
        x: examples, ``(n, channels, height, width)`` or ``(n, channels, length)``; for ``storage = "one-hot"`` 0 and 1
            with at most a single 1 at a position.
        y: class numbers, ``(n,)``.
        groups: group of each row, ``(n,)``, where rows belong together; then ``split.unit`` says what a group is.

    Returns:
        The card as written.

    Raises:
        InvalidValueError: the arrays do not fit the card, a part lacks a class, or an example lies in two parts.
    """
    split = Split.model_validate({**card["split"], "sha256": "0" * 64})
    if (split.unit == "row") != (groups is None):
        msg = f"split.unit must be 'row' without groups, and say what a group is with them; got {split.unit!r}."
        raise InvalidValueError(msg)
    shape, n_classes = tuple(card["input"]["shape"]), len(card["labels"]["classes"])
    if x.shape != (len(y), *shape) or not 0 <= y.min() <= y.max() < n_classes:
        msg = f"x must be {(len(y), *shape)} and y below {n_classes}, but x is {x.shape} and y reaches {y.max()}."
        raise InvalidValueError(msg)
    labels = assign(y, groups, split)
    _check_split(x, y, labels, n_classes)
    arrays = {"x": _pack(x) if card["input"]["storage"] == "one-hot" else x, "y": y.astype(_smallest(n_classes - 1))}
    if groups is not None:
        arrays["groups"] = groups.astype(_smallest(int(groups.max())))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    data = buffer.getvalue()
    file = f"data/{path.stem}.npz"
    made = Card.model_validate(
        {
            **card,
            "name": path.stem,
            "arrays": {"file": file, "bytes": len(data), "rows": len(y), "sha256": hashlib.sha256(data).hexdigest()},
            "split": {**card["split"], "sha256": hashlib.sha256(labels.tobytes()).hexdigest()},
        }
    )
    with atomic_write(path.parent / file) as temporary:
        temporary.write_bytes(data)
    atomic_write_text(path, _toml(made.model_dump(mode="json")))
    return made


def _check_split(x: NDArray[np.generic], y: NDArray[np.integer], labels: NDArray[np.uint8], n_classes: int) -> None:
    for part in range(3):
        missing = np.setdiff1d(np.arange(n_classes), y[labels == part])
        if len(missing):
            msg = f"Every part must hold every class, but part {part} lacks the classes {missing.tolist()}."
            raise InvalidValueError(msg)
    which = np.unique(x.reshape(len(x), -1), axis=0, return_inverse=True)[1].reshape(-1)
    pairs = np.unique(np.stack([which, labels]), axis=1)
    shared = pairs.shape[1] - len(np.unique(which))
    if shared:
        msg = f"No example may lie in two parts, but {shared} do: drop repeats (distinct) or join their groups."
        raise InvalidValueError(msg)


def _pack(x: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Return the number of the channel that is 1 at each position, or the number of channels where all are 0."""
    flags = x.astype(bool)
    if not np.array_equal(flags, x) or flags.sum(axis=1).max() > 1:
        msg = "A one-hot input has only 0 and 1, with at most a single 1 at each position."
        raise InvalidValueError(msg)
    numbers: NDArray[np.uint8] = np.where(flags.any(axis=1), flags.argmax(axis=1), x.shape[1]).astype(np.uint8)
    return numbers


def _smallest(largest: int) -> np.dtype[np.unsignedinteger[Any]]:
    return np.min_scalar_type(largest)


def _toml(fields: Mapping[str, Any]) -> str:
    """Write a card: strings, numbers and lists of these, in tables one level deep."""
    plain = [f"{key} = {_value(value)}" for key, value in fields.items() if not isinstance(value, Mapping)]
    tables = [
        "\n".join([f"\n[{key}]", *(f"{name} = {_value(entry)}" for name, entry in value.items())])
        for key, value in fields.items()
        if isinstance(value, Mapping) and value
    ]
    return "\n".join([*plain, *tables]) + "\n"


def _value(value: str | float | Sequence[str | float]) -> str:
    return json.dumps(value, ensure_ascii=False)  # strings, numbers and arrays of JSON are also those of TOML
