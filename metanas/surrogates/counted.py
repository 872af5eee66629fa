"""Costs that are counted, not predicted: what networks of a table's protocol have that were never trained."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from metanas.errors import InvalidFileError, MetanasError
from metanas.predictors import Prediction
from metanas.spaces import ListedSpace
from metanas.surrogates.coefficients import classes_of
from metanas.tables import Table

Floats = NDArray[np.float64]

COUNTED = ("cost/parameters", "cost/macs")


@dataclass(frozen=True)
class Counted:
    """What answers for one cost.

    Attributes:
        space: of the table; it has a list of its architectures.
        rows: rows of the table that have the cost, ``(n,)``.
        values: what they have, ``(n, 1)``.
        of_class: the cost of each functional class, in the order of
            :func:`~metanas.surrogates.coefficients.classes_of`, ``(n_classes,)``.
        epochs: none.
        weights: none; there is no member.
    """

    space: ListedSpace
    rows: NDArray[np.int64]
    values: Floats
    of_class: Floats
    epochs: tuple[int, ...] = ()
    weights: tuple[dict[str, float], ...] = ()

    def __post_init__(self) -> None:
        """Check that there is one number for each class; raise ``InvalidFileError`` otherwise."""
        if self.of_class.shape != self._classes.shape or not np.isfinite(self.of_class).all():
            msg = f"Space {self.space.name!r} has {len(self._classes)} classes, but {self.of_class.shape} were counted."
            raise InvalidFileError(msg)

    @cached_property
    def _classes(self) -> NDArray[np.int64]:
        return classes_of(self.space)

    @property
    def held_out(self) -> Prediction:
        """What is said of the examples, ``(n, 1)``: nothing was learned from them."""
        return Prediction(self.values, np.zeros_like(self.values))

    @property
    def measured_range(self) -> tuple[float, float]:
        """Least and greatest value of the space."""
        return float(self.of_class.min()), float(self.of_class.max())

    def predict(self, indices: NDArray[np.int64]) -> Prediction:
        """Return the cost, ``(n, 1)``, and 0 for how unsure it is."""
        found = self.of_class[np.searchsorted(self._classes, self.space.canonical_indices[indices])][:, None]
        return Prediction(found, np.zeros_like(found))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what is stored."""
        return {"counted": self.of_class}


def count(table: Table, name: str, rows: NDArray[np.int64], values: Floats) -> Counted | None:
    """Count a cost for every functional class of a table's space.

    Args:
        table: the table.
        name: one of its metrics.
        rows: of the table, that have it.
        values: of these, ``(n, 1)``.

    Returns:
        None where that is not possible: another cost, a protocol or a task that is not known here, or networks that
        are not those of the table, as one architecture shows that was counted otherwise.
    """
    from metanas.nets.skeleton import cost
    from metanas.protocol import Protocol
    from metanas.tasks import load_task

    space = table.space
    if name not in COUNTED or not isinstance(space, ListedSpace):
        return None
    try:
        protocol, task = Protocol.model_validate(tomllib.loads(table.protocol)), load_task(table.task)
    except (tomllib.TOMLDecodeError, ValidationError, MetanasError):
        return None
    skeleton, which = protocol.skeleton(task.shape, task.n_classes), COUNTED.index(name)
    classes = classes_of(space)
    counts = np.array([cost(space.cell(space.arch(index)), skeleton)[which] for index in classes.tolist()], dtype=float)
    found = Counted(space, rows, values, counts)
    return found if np.array_equal(found.predict(table.archs[rows].astype(np.int64)).mean, values) else None
