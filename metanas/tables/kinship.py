"""How alike tasks rank architectures: rank correlation between tables, cell by cell.

Needs scipy (extra ``[stats]``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidValueError
from metanas.spaces import ListedSpace, load_space
from metanas.tables import noise
from metanas.tables.table import Table

FEWEST = 20  # architectures that two columns must share: the standard error of tau is then about .16


@dataclass(frozen=True)
class Kinship:
    """Kendall's tau-b between every two of ``k`` columns.

    Attributes:
        names: what each column is called.
        tau: ``(k, k)``, symmetric, 1 on the diagonal; NaN where two share too few architectures. Greater is more alike,
            whichever direction of each metric is better.
        shared: number of architectures that two columns share, ``(k, k)``.
    """

    names: tuple[str, ...]
    tau: NDArray[np.float64]
    shared: NDArray[np.int64]


def goodness(table: Table, metric: str = "validation/accuracy") -> NDArray[np.float64]:
    """Return a table's metric by index of its space such that greater is better, NaN where it is not measured.

    Functionally equal architectures are one: only the representatives that the table holds have a value.

    Args:
        table: a table of a space with a list of its architectures.
        metric: one of its metrics; the mean over the seeds after the last epoch is taken.

    Raises:
        UnknownNameError: the table has no such metric.
        InvalidValueError: its space is not listed, or the metric has no better direction.
    """
    space, column = table.space, table.column(metric)
    direction = table.metrics[metric].direction
    if not isinstance(space, ListedSpace) or direction == "none":
        msg = f"Kinship needs a listed space and a metric with a direction, but got {space.name!r} and {metric}."
        raise InvalidValueError(msg)
    by_index = np.full(len(space.canonical_indices), np.nan)
    by_index[table.archs] = column if direction == "maximize" else -column
    return by_index


def by_class(space: str, values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the mean of a column of all architectures over each functional class, at its representative's index.

    Args:
        space: name of a listed space.
        values: one value for each index of the space, ``(index range,)``, NaN = not measured; greater is better.

    Returns:
        ``(index range,)``, NaN but at representatives.
    """
    listed = load_space(space)
    if not isinstance(listed, ListedSpace) or len(values) != len(listed.canonical_indices):
        msg = f"A column of space {space!r} has one value for each index, but got {len(values)} values."
        raise InvalidValueError(msg)
    representatives = listed.canonical_indices
    use = (representatives >= 0) & ~np.isnan(values)
    total = np.bincount(representatives[use], weights=values[use], minlength=len(values))
    count = np.bincount(representatives[use], minlength=len(values))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def kinship(columns: Sequence[tuple[str, NDArray[np.float64]]]) -> Kinship:
    """Correlate columns of one index range, pair by pair, over the architectures that both have.

    Args:
        columns: name and values, ``(index range,)``, as :func:`goodness` and :func:`by_class` give them.

    Raises:
        InvalidValueError: columns of different lengths.
        MetanasError: scipy is not installed.
    """
    lengths = {len(values) for _, values in columns}
    if len(lengths) > 1:
        msg = f"Columns must belong to one index range, but got the lengths {sorted(lengths)}."
        raise InvalidValueError(msg)
    k = len(columns)
    tau, shared = np.eye(k), np.zeros((k, k), dtype=np.int64)
    for a in range(k):
        for b in range(k):
            first, second = columns[a][1], columns[b][1]
            shared[a, b] = int((~(np.isnan(first) | np.isnan(second))).sum())
            if b > a:
                tau[a, b] = tau[b, a] = noise.kendall(first, second) if shared[a, b] >= FEWEST else np.nan
    return Kinship(tuple(name for name, _ in columns), tau, shared)
