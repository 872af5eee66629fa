"""Which tables answer under which names of data sets; see :mod:`.natsbench`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from metanas.compat.natsbench_records import Source
from metanas.errors import InvalidValueError, UnknownNameError
from metanas.tables import Table, load_table, registry
from metanas.tables.nats_cell import SETS

_One = Table | str | os.PathLike[str]
_Key = str | tuple[str, str | int]
Sources = _One | Sequence[_One] | Mapping[_Key, _One] | None

_SPACES = ("nb201", "nb201-conv")  # whose architectures are written as NATS-Bench's; the first that has tables is taken


def collect(given: Sources) -> list[Source]:
    """Return what answers; see :func:`metanas.compat.natsbench.create`."""
    if given is None:
        return _all_published()
    if isinstance(given, Mapping):
        found = []
        for key, one in given.items():
            for table in _open(one):
                dataset, hp = (key, None) if isinstance(key, str) else key
                _check(table)
                found.append(Source(dataset, table, str(hp if hp is not None else table.epochs[-1])))
        return found
    several: Sequence[Any] = [given] if isinstance(given, Table | str | os.PathLike) else given
    tables = [table for one in several for table in _open(one)]
    for table in tables:
        _check(table)
    return _in_order([_named(table) for table in tables])


def pick(sources: Sequence[Source], dataset: str, hp: str) -> Source:
    """Return the source of a data set and length.

    Raises:
        UnknownNameError: no such data set.
        InvalidValueError: no such length of it, or several tables that would answer.
    """
    named = [source for source in sources if source.dataset == dataset]
    if not named:
        kind = "data set"
        raise UnknownNameError(kind, dataset, dict.fromkeys(source.dataset for source in sources))
    found = [source for source in named if source.hp == hp]
    if not found:
        lengths = ", ".join(dict.fromkeys(source.hp for source in named))
        msg = f"hp of {dataset} must be one of {lengths} (epochs of the whole training), but got {hp!r}."
        raise InvalidValueError(msg)
    if len(found) > 1:
        names = ", ".join(source.table.name for source in found)
        msg = f"Several tables answer for {dataset} with {hp} epochs: {names}. Name one: create({{{dataset!r}: …}}, …)."
        raise InvalidValueError(msg)
    return found[0]


def _all_published() -> list[Source]:
    tables = [load_table(name) for name in registry()]
    for space in _SPACES:
        found = [_named(table) for table in tables if table.space_name == space and _is_trained(table)]
        if found:
            return _in_order(found)
    return []


def _in_order(sources: list[Source]) -> list[Source]:
    """Put NATS-Bench's data sets first, in its order."""
    order = {name: place for place, name in enumerate(SETS)}
    return sorted(sources, key=lambda source: order.get(source.dataset, len(order)))


def _open(one: Any) -> list[Table]:
    if isinstance(one, Table):
        return [one]
    path = Path(os.fspath(one))
    if path.suffix == ".h5":
        return [Table(path)]
    if path.is_dir():
        files = sorted(path.rglob("*.h5"))
        if not files:
            msg = (
                f"{path} holds no table (.h5). A directory of NATS-Bench is imported first: metanas import nats {path}"
            )
            raise InvalidValueError(msg)
        return [table for file in files if _is_trained(table := Table(file))]
    return [load_table(str(one))]


def _is_trained(table: Table) -> bool:
    return bool(table.epochs) and any(
        entry.split == "validation" or entry.split == "test" for entry in table.metrics.values()
    )


def _check(table: Table) -> None:
    if not _is_trained(table):
        msg = f"Table {table.name} holds no trained accuracies; it cannot answer."
        raise InvalidValueError(msg)


def _named(table: Table) -> Source:
    """Name a table by its task, in NATS-Bench's spelling where it is one of its data sets."""
    task = re.sub(r"-v\d+$", "", table.task)
    official = {name.lower(): name for name in SETS}
    return Source(official.get(task.lower(), task), table, str(table.epochs[-1]))
