"""What a task looks like before anything is trained on it, in numbers; and which tasks look alike.

Descriptions by simple statistics are those of the meta-learning literature (Brazdil, Giraud-Carrier, Soares and
Vilalta, "Metalearning", Springer 2009, section 2.2): size, classes, entropy of the labels, and landmarks, the accuracy
of a simple learner (here the linear one that the card states). Zero-cost scores of a few anchor architectures can join
them: what untrained networks promise on the data. (Lee, Lee and Hwang, "Rapid Neural Architecture Search by Learning to
Generate Graphs from Datasets", ICLR 2021, learn a description from the data; here nothing is learned.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidValueError
from metanas.tasks.task import Task

Description = Mapping[str, float]

_ROWS = 2000  # training examples that inputs are looked at of


def describe(task: Task, scores: Mapping[str, NDArray[np.float64]] | None = None) -> dict[str, float]:
    """Return the description of a task.

    Only training examples are looked at, and of the card what it states of a linear baseline (its test accuracy, a
    property of the task that no architecture's value enters).

    Args:
        task: the task.
        scores: zero-cost scores of the same anchor architectures on every task, by name, ``(anchors,)`` each.

    Returns:
        Numbers by name; NaN where a card states no baseline or a score is not defined.
    """
    rows = task.split["training"]
    shares = np.bincount(task.y[rows], minlength=task.n_classes) / len(rows)
    there = shares[shares > 0]
    entropy = float(-(there * np.log(there)).sum())
    x = task.x[rows[:: max(1, len(rows) // _ROWS)]].astype(np.float64)
    apart = np.diff(x, axis=-1)
    variance = float(x.var())
    chance = float(shares.max())
    linear = task.card.baselines.get("logistic_regression", math.nan) / 100
    found = {
        "examples": math.log(len(rows)),
        "classes": math.log(task.n_classes),
        "channels": math.log(task.shape[0]),
        "positions": math.log(math.prod(task.shape[1:])),
        "sequence": float(len(task.shape) == 2),
        "entropy": entropy / math.log(max(task.n_classes, 2)),  # 1: balanced
        "least share": float(shares.min()) * task.n_classes,  # 1: balanced
        "linear": (linear - chance) / max(1 - chance, 1e-9),  # 0: no better than the largest class; 1: solved
        "roughness": float((apart**2).mean()) / max(variance, 1e-12),  # 0: smooth; 2: neighbours are independent
        "sparsity": float(np.mean(np.isclose(x, np.median(x)))),
    }
    for name, values in (scores or {}).items():
        for anchor, value in enumerate(np.asarray(values, dtype=np.float64).tolist()):
            found[f"score[{name},{anchor}]"] = value
    return found


def alike(target: Description, others: Sequence[Description], *, sharpness: float = 1.0) -> NDArray[np.float64]:
    """Return how much each of other tasks should count for a new one, ``(k,)``; the weights sum to 1.

    Each number is standardized over all the tasks; the weight falls with the mean squared difference as a normal
    density. Zero-cost scores together count as one number. Numbers that one of two tasks lacks are left out of their
    distance, and a task that shares none has the mean distance.

    Args:
        target: description of the new task.
        others: of the tasks that there are tables of.
        sharpness: 0: all alike; the greater, the more the likest one counts.

    Raises:
        InvalidValueError: no other task, or a sharpness below 0.
    """
    if not others or not sharpness >= 0:
        msg = f"At least one other task and sharpness >= 0 are needed, but got {len(others)} and {sharpness}."
        raise InvalidValueError(msg)
    names = sorted({name for description in (target, *others) for name in description})
    matrix = np.array([[description.get(name, math.nan) for name in names] for description in (target, *others)])
    known = np.isfinite(matrix)
    count = np.maximum(known.sum(axis=0), 1)
    center = np.where(known, matrix, 0).sum(axis=0) / count
    spread = np.sqrt((np.where(known, matrix - center, 0) ** 2).sum(axis=0) / count)
    standard = np.where(spread > 0, (matrix - center) / np.where(spread > 0, spread, 1), 0)
    scores = np.array([name.startswith("score[") for name in names], dtype=bool)
    share = np.where(scores, 1 / max(int(scores.sum()), 1), 1.0)
    both = known[0] & known[1:]
    weight = both * share
    squared = (np.where(both, standard[1:] - standard[0], 0) ** 2 * share).sum(axis=1)
    total = weight.sum(axis=1)
    distance = np.where(total > 0, squared / np.where(total > 0, total, 1), np.nan)
    distance = np.where(np.isnan(distance), np.nanmean(distance) if np.isfinite(distance).any() else 0.0, distance)
    density = np.exp(-0.5 * sharpness * (distance - distance.min()))
    weights: NDArray[np.float64] = density / density.sum()
    return weights
