"""What a search needs of a table: one value a row of each metric, and the row that answers each architecture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from metanas.spaces import Space
from metanas.tables.schema import Metric


class Columns(Protocol):
    """A :class:`~metanas.tables.Table`, or what has its columns; see there."""

    @property
    def path(self) -> Path:
        """The file with what was measured."""

    @property
    def name(self) -> str:
        """Name of the table."""

    @property
    def task(self) -> str:
        """Name of the task."""

    @property
    def space_name(self) -> str:
        """Name of the search space."""

    @property
    def space(self) -> Space:
        """The search space."""

    @property
    def archs(self) -> NDArray[np.integer]:
        """Index of the architecture of each row, ``(n,)``."""

    @property
    def row_of_index(self) -> NDArray[np.int32] | None:
        """Row that answers each index of the space; None if the space has no list."""

    @property
    def epochs(self) -> tuple[int, ...]:
        """The epochs after which values were taken."""

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """Every metric by name."""

    @property
    def sha256(self) -> str:
        """Hash of all that the values come from."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def column(self, metric: str, *, epoch: int | None = None, seed: int | None = None) -> NDArray[np.float64]:
        """Return one value a row, ``(n,)``, NaN = there is none."""
