"""How the rows of a task are divided into training, validation and test."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metanas.tasks.card import Split

SPLITS = ("training", "validation", "test")


def assign(y: NDArray[np.integer], groups: NDArray[np.integer] | None, split: Split) -> NDArray[np.uint8]:
    """Divide rows into training (0), validation (1) and test (2); the same on every machine.

    Units (rows, or groups) are put in a random order that depends on the seed alone (raw output of PCG64, which NumPy
    keeps stable). Rows are then dealt class by class in proportion to the shares. Groups are dealt one at a time, the
    larger ones first, each to the part that lacks most of its classes in relation to the part's size.

    Args:
        y: class numbers, ``(n,)``.
        groups: group of each row, ``(n,)``, or None.
        split: shares and seed.

    Returns:
        The part of each row, ``(n,)``.
    """
    shares = (split.training, split.validation, split.test)
    labels = np.zeros(len(y), dtype=np.uint8)
    if groups is None:
        order = _random_order(len(y), split.seed)
        for number in np.unique(y):
            rows = order[y[order] == number]
            first = len(rows) * shares[0] // sum(shares)
            second = len(rows) * (shares[0] + shares[1]) // sum(shares)
            labels[rows[first:second]], labels[rows[second:]] = 1, 2
        return labels
    names, unit = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(names), int(y.max()) + 1), dtype=np.int64)
    np.add.at(counts, (unit, y), 1)
    lacking = np.outer(shares, counts.sum(axis=0))  # in rows, times the sum of the shares: whole numbers only
    order = _random_order(len(names), split.seed)
    part = np.zeros(len(names), dtype=np.uint8)
    for group in order[np.argsort(-counts[order].sum(axis=1), kind="stable")]:
        need = [int(row @ counts[group]) / share for row, share in zip(lacking, shares, strict=True)]
        part[group] = need.index(max(need))
        lacking[part[group]] -= counts[group] * sum(shares)
    labels[:] = part[unit.reshape(-1)]
    return labels


def _random_order(n: int, seed: int) -> NDArray[np.int64]:
    return np.argsort(np.random.PCG64(seed).random_raw(n), kind="stable")
