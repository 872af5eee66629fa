"""Where imported tables go: the user's cache, or a folder. Never the checkout: they are the work of others."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metanas import published
from metanas.errors import InvalidValueError
from metanas.files import sha256_of
from metanas.tables.registry import Entry, register
from metanas.tables.schema import RESULTS, Metric
from metanas.tables.write import write_table

Run = tuple[str, int | None]  # task, and epochs of the run if there are several runs
_NAME = re.compile(r"([a-z0-9_-]+)/([a-z0-9_.-]+)-v([1-9][0-9]*)")


@dataclass(frozen=True, slots=True)
class Content:
    """The values of a table; see :func:`metanas.tables.write_table`."""

    arch_index: NDArray[np.int64]
    seeds: tuple[int, ...]
    epochs: tuple[int, ...]
    metrics: Mapping[str, tuple[Metric, NDArray[np.floating]]]


@dataclass(frozen=True, slots=True)
class Imported:
    """A table that was imported.

    Attributes:
        name: its name.
        path: its file.
        sha256: hash of the file.
        task: name of the task.
        rows: architectures that have any value.
        metrics: names of its metrics.
        notes: what was noticed and is no error.
        registered: its entry in the registry; None if it went to a folder.
    """

    name: str
    path: Path
    sha256: str
    task: str
    rows: int
    metrics: tuple[str, ...]
    notes: tuple[str, ...]
    registered: Entry | None = None


def table_names(name: str, runs: Sequence[Run]) -> dict[Run, str]:
    """Return the name of each table; several tasks, or several runs of a task, are told apart in it.

    Args:
        name: name of the import, as in ``"published/nb201-v1"``.
        runs: task and epochs of each table.

    Raises:
        InvalidValueError: a malformed name.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        msg = f"A table is named family/name-vN, as in 'published/nb201-v1'; got {name!r}."
        raise InvalidValueError(msg)
    family, stem, version = match.groups()
    several_tasks = len({task for task, _ in runs}) > 1
    several_runs = len({epochs for _, epochs in runs}) > 1
    names = {}
    for task, epochs in runs:
        parts = [stem, *([_plain(task)] if several_tasks else [])]
        parts += [f"{epochs}ep"] if several_runs and epochs is not None else []
        names[task, epochs] = f"{family}/{'-'.join(parts)}-v{version}"
    if len(set(names.values())) < len(names):
        msg = f"The tasks {', '.join(sorted({task for task, _ in runs}))} have names that become one; rename them."
        raise InvalidValueError(msg)
    return names


def _plain(task: str) -> str:
    return re.sub(r"[^a-z0-9_.-]", "_", task.lower())


@dataclass(frozen=True, slots=True)
class Store:
    """Where tables go.

    Attributes:
        folder: a folder; the user's cache if None, where ``load_table`` finds them by name.
        replace: allow another content under a name that is there already.
    """

    folder: Path | None = None
    replace: bool = False

    @property
    def place(self) -> Path:
        """The folder that everything goes into, or below."""
        return published.cache() if self.folder is None else self.folder

    def put(
        self,
        name: str,
        space: str,
        run: Run,
        content: Content,
        about: Mapping[str, str],
        notes: Sequence[str] = (),
        *,
        curve: bool,
    ) -> Imported:
        """Write a table.

        Args:
            name: its name.
            space: name of the search space.
            run: task, and epochs of the run if there are several.
            content: its values.
            about: ``title``, ``source``, ``licence``, ``protocol``, ``file``, ``file_sha256`` and what else is known.
            notes: what was noticed and is no error.
            curve: whether the epochs are points of one training.

        Raises:
            InvalidValueError: values that no table may hold, or a name that another content has.
        """
        protocol = _protocol(about, content.epochs, curve=curve)
        facts: dict[str, Any] = {key: value for key, value in about.items() if value and key != "protocol"}
        provenance = {"method": "imported: values published by others", **facts, "notes": list(notes)}
        provenance |= _trainings(content)
        with tempfile.TemporaryDirectory() as temporary:
            own = None if self.folder is None else self.folder / f"{name}.h5"
            kept = own is not None and own.exists() and not self.replace
            built = Path(temporary) / "table.h5" if own is None or kept else own
            sha256 = write_table(
                built,
                name=name,
                space=space,
                task=run[0],
                arch_index=content.arch_index,
                seeds=content.seeds,
                epochs=content.epochs,
                metrics=content.metrics,
                protocol=protocol,
                provenance=provenance,
            )
            path, entry = own or built, None
            if kept and sha256_of(path) != sha256:
                msg = f"{path} is there already, with other values. Name another table or folder, or --replace it."
                raise InvalidValueError(msg)
            if own is None:
                card = _card(name, about, content, notes)
                entry = register(built, card, replace=self.replace, place=published.cache())
                path = entry.path
        any_value = np.zeros(len(content.arch_index), dtype=bool)
        for _, values in content.metrics.values():
            any_value |= ~np.isnan(values).reshape(len(values), -1).all(axis=1)
        rows = int(any_value.sum())
        return Imported(name, path, sha256, run[0], rows, tuple(content.metrics), tuple(notes), entry)


def _trainings(content: Content) -> dict[str, int]:
    """Count the trainings that have any result and those that have none, where seeds tell them apart."""
    measured = [
        ~np.isnan(values).reshape(*values.shape[:2], -1).all(axis=2)
        for entry, values in content.metrics.values()
        if entry.split in RESULTS and "seed" in entry.axes
    ]
    if not measured:
        return {}
    there = np.logical_or.reduce(measured)
    return {"trainings": int(there.sum()), "trainings_missing": int((~there).sum())}


def _protocol(about: Mapping[str, str], epochs: Sequence[int], *, curve: bool) -> str:
    """Return the protocol as TOML: what is known of how it was measured, in words."""
    texts = {key: about.get(key, "") for key in ("title", "source", "protocol")}
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in texts.items() if value]
    what = "one training, measured after each" if curve else "a run of its own, with its own schedule"
    lines += [f"epochs = {list(epochs)}  # {what}"] if epochs else []
    return "\n".join(lines) + "\n"


def _card(name: str, about: Mapping[str, str], content: Content, notes: Sequence[str]) -> str:
    """Return a card: whose work it is, what is in it, and what was noticed."""
    lines = [f"# {name}", "", about.get("title", "")]
    lines += [f"\n{key}: {about[key]}" for key in ("source", "licence", "file", "protocol") if about.get(key)]
    lines += ["", "| metric | unit | axes | measured |", "|---|---|---|---|"]
    for key, (entry, values) in sorted(content.metrics.items()):
        lines.append(f"| {key} | {entry.unit} | {', '.join(entry.axes)} | {1 - np.isnan(values).mean():.1%} |")
    lines += ["", *(f"- {note}" for note in notes)]
    return "\n".join(lines).rstrip() + "\n"
