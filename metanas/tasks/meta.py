"""The split of the tasks for meta-learning: which may be learned from, which decide, which are only tested on."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from metanas import published
from metanas.errors import UnknownNameError
from metanas.tasks.task import task_names
from metanas.toml import read_model

_FOLDER = "benchmark_data/meta"
Names = Annotated[tuple[str, ...], Field(min_length=1)]


class MetaSplit(BaseModel):
    """Three sets of tasks that have nothing in common.

    Attributes:
        name: name of the split; a better one is a new version.
        reason: why it is as it is.
        train: tasks that a meta-method may learn from.
        validation: tasks by which its settings are chosen.
        test: tasks that are used once, for what is reported.
        together: sets of tasks that share data: each must lie in one part.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9_-]+-v[1-9][0-9]*$")]
    reason: str
    train: Names
    validation: Names
    test: Names
    together: tuple[tuple[str, ...], ...] = ()

    @model_validator(mode="after")
    def _parts_are_apart(self) -> MetaSplit:
        everything = [*self.train, *self.validation, *self.test]
        twice = sorted({name for name in everything if everything.count(name) > 1})
        if twice:
            msg = f"A task lies in one part, once, but {twice[0]!r} is there more often."
            raise ValueError(msg)
        for group in self.together:
            for part in (self.train, self.validation, self.test):
                if 0 < len(set(group) & set(part)) < len(group):
                    msg = f"{', '.join(group)} share data and must lie in one part."
                    raise ValueError(msg)
        return self


def relatives(task: str) -> frozenset[str]:
    """Return a task and those that share its data: what is said of a task that nobody knows must not come from these.

    Raises:
        InvalidFileError: the published split is malformed.
    """
    try:
        groups = load_meta_split().together
    except UnknownNameError:  # no split here, or one about tasks that are not here
        return frozenset((task,))
    return frozenset((task,)).union(*(group for group in groups if task in group))


def load_meta_split(name: str = "meta-v1") -> MetaSplit:
    """Return a published split.

    Raises:
        UnknownNameError: no such split, or one of its tasks is not there.
        InvalidFileError: the file says something impossible.
    """
    files = published.files(_FOLDER, ".toml")
    if name not in files:
        kind = "meta split"
        raise UnknownNameError(kind, name, files)
    split = read_model(files[name], MetaSplit, "meta split")
    known = task_names()
    for task in (*split.train, *split.validation, *split.test):
        if task not in known:
            kind = "task"
            raise UnknownNameError(kind, task, known)
    return split
