"""Accuracy on a task of which a few architectures were trained, or none yet, from the tables of other tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidFileError, InvalidValueError
from metanas.predictors._inputs import Inputs
from metanas.predictors._sources import Source
from metanas.predictors.task_gp import TaskGP
from metanas.published_predictors.accuracy import columns_sha256
from metanas.published_predictors.store import Config, find_config, read_arrays
from metanas.spaces import ListedSpace, listed, load_space
from metanas.tables import Table

SOURCES = "sources.npz"
PUBLISHED = "fewshot"
METRIC = "validation/accuracy"
_MOST = 2000  # examples: time and memory grow with their square
_ARRAYS = {"tasks", "z", "logs", "trained"}

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class FewShot:
    """The other tasks, ready to be learned from.

    Attributes:
        config: what is published of it.
        space: of the architectures.
    """

    def __init__(self, config: Config, folder: Path) -> None:
        """Read and check the sources.

        Raises:
            InvalidFileError: a file that is not the published one, or holds something else.
        """
        arrays = read_arrays(config, folder, SOURCES)
        if config.kind != "few-shot" or set(arrays) != _ARRAYS:
            msg = f"{folder} must hold a few-shot predictor with {sorted(_ARRAYS)}, but has {sorted(arrays)}."
            raise InvalidFileError(msg)
        self.config = config
        self.space: ListedSpace = listed(load_space(config.space))
        if columns_sha256(Inputs(self.space, ("functional",), None)) != config.settings.get("columns_sha256"):
            msg = (
                f"Predictor {config.name} was made with other inputs than this version of metanas gives; make it again."
            )
            raise InvalidFileError(msg)
        if arrays["z"].shape != (len(self.space.canonical_indices), len(arrays["tasks"])):
            msg = f"{folder / SOURCES} must hold a value of every task for every index, but has {arrays['z'].shape}."
            raise InvalidFileError(msg)
        self._tasks: list[str] = arrays["tasks"].tolist()
        columns = zip(arrays["z"].astype(np.float64).T, arrays["logs"].astype(np.float64), strict=True)
        self._sources = [Source(z, logs) for z, logs in columns]
        self._trained: Ints = arrays["trained"].astype(np.int64)

    def others(self, task: str) -> list[str]:
        """Return the tasks that are learned from when ``task`` is asked about: all but itself."""
        return [name for name in self._tasks if name != task]

    def propose(self, task: str, n: int) -> Ints:
        """Return which ``n`` architectures to train on a task first, ``(n,)``: the most telling, one after the other.

        Raises:
            InvalidValueError: fewer than 1, or more than there are.
        """
        return self._predictor(task).propose(n, self._trained)

    def fit(self, task: str, archs: Ints, y: Floats) -> TaskGP:
        """Return a predictor fitted to what was trained.

        Args:
            task: its name; a source of the same name is left out.
            archs: indices of architectures, ``(n,)``, at least two.
            y: their accuracies, ``(n,)``.
        """
        return self._predictor(task).fit(archs, y)

    def _predictor(self, task: str) -> TaskGP:
        kept = [source for name, source in zip(self._tasks, self._sources, strict=True) if name != task]
        return TaskGP(self.space, np.random.default_rng(0), sources=kept)


def load_few_shot(name: str = PUBLISHED) -> FewShot:
    """Return the published few-shot predictor.

    Raises:
        UnknownNameError: there is none.
        InvalidFileError: a file that is not the published one.
    """
    return FewShot(*find_config(name))


def examples(tables: Sequence[Table], space: ListedSpace) -> tuple[str, Ints, Floats]:
    """Return the task of some tables, and the accuracies that they hold, by functional class.

    Args:
        tables: of one task under one protocol.
        space: of the predictor.

    Returns:
        The task's name, indices ``(n,)``, and values ``(n,)``: validation accuracy after the last epoch, the mean over
        all measured seeds of all tables.

    Raises:
        InvalidValueError: tables of different tasks or protocols, fewer than two architectures, or more than 2,000.
        InvalidFileError: a table without validation accuracy, or of another space.
    """
    tasks, protocols = {table.task for table in tables}, {table.protocol_sha256 for table in tables}
    if len(tasks) != 1 or len(protocols) != 1:
        msg = f"Examples must be of one task and one protocol, but {len(tables)} tables are of {sorted(tasks)}."
        raise InvalidValueError(msg)
    index, value = [], []
    for table in tables:
        if METRIC not in table.metrics:
            msg = f"Examples need {METRIC}, but table {table.name} has {', '.join(table.metrics)}."
            raise InvalidFileError(msg)
        if table.space.arch(int(table.archs[0])).space != space.name:
            msg = f"Examples must be architectures of {space.name!r}, but {table.name} is of {table.space_name!r}."
            raise InvalidFileError(msg)
        cube = table.values(METRIC)
        last = (cube[..., -1] if "epoch" in table.metrics[METRIC].axes else cube).reshape(len(table.archs), -1)
        there = np.isfinite(last)
        index.append(np.repeat(table.archs, there.sum(axis=1)))
        value.append(last[there])
    trained = space.canonical_indices[np.concatenate(index).astype(np.int64)]
    classes, place = np.unique(trained, return_inverse=True)
    if len(classes) < 2:
        msg = f"At least two architectures must be trained, but {tables[0].name} has {len(classes)}."
        raise InvalidValueError(msg)
    if len(classes) > _MOST:
        msg = (
            f"A few-shot predictor learns from {_MOST:,} architectures at most, but got {len(classes):,}. So many "
            f"are a table of the task: metanas publish {tables[0].name}."
        )
        raise InvalidValueError(msg)
    means = np.bincount(place, np.concatenate(value)) / np.bincount(place)
    return tasks.pop(), classes, means
