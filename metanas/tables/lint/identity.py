"""Checks that a table is what it says: rows, axes, hashes, registry, metadata."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

import numpy as np

from metanas import published
from metanas.errors import InvalidFileError, InvalidValueError
from metanas.files import sha256_of
from metanas.spaces import ListedSpace
from metanas.tables import hdf5
from metanas.tables.lint.finding import Finding
from metanas.tables.lint.subject import Subject
from metanas.tables.registry import registry

_BUILDER_STATES = (
    *("task_sha256", "versions", "cpu", "torch_threads", "dates", "trainings", "trainings_missing", "core_seconds"),
    "diverged",
)
_TABLE_NAME = re.compile(r"[a-z0-9_-]+/[a-z0-9_.-]+-v[1-9][0-9]*")


def header_agrees_with_itself(subject: Subject) -> Iterator[Finding]:
    """Rows point to rows, and the protocol has the hash that stands beside it: what opening a table refuses."""
    for contradiction in hdf5.contradictions(subject.header):
        yield Finding(f"The file contradicts itself: {contradiction}.")


def axes_are_in_order(subject: Subject) -> Iterator[Finding]:
    """Seeds are distinct; epochs ascend, so that the last column is the last epoch."""
    from metanas.tables.write import check_axis

    for name, values in (("seed", subject.seeds), ("epoch", subject.epochs)):
        try:
            check_axis(f"{name}s", values, ascending=name == "epoch", needed=bool(subject.metrics(name)))
        except InvalidValueError as error:
            yield Finding(str(error))


def architectures_are_of_the_space(subject: Subject) -> Iterator[Finding]:
    """Every row is another architecture of the space."""
    from metanas.tables.write import checked_index

    if subject.space is None:
        yield Finding(f"There is no search space {subject.header.space!r}; the rows mean nothing.")
        return
    try:
        checked_index(subject.space, subject.header.arch_index)
    except InvalidValueError as error:
        yield Finding(str(error))


def rows_answer_for_their_class(subject: Subject) -> Iterator[Finding]:
    """An architecture without a row of its own is answered by its class's representative, and by nothing else.

    In a table of architectures as they are written it is not answered.
    """
    from metanas.tables.write import rows_by_index

    found = subject.header.row_of_index
    if not isinstance(subject.space, ListedSpace) or found is None or any(architectures_are_of_the_space(subject)):
        return
    as_written = subject.header.as_written
    expected = rows_by_index(subject.space, subject.header.arch_index, as_written=as_written)
    if expected.shape != found.shape:
        yield Finding(f"row_of_index must have {len(expected):,} entries, but has {len(found):,}.")
        return
    wrong = np.flatnonzero(expected != found)
    if len(wrong):
        index = int(wrong[0])
        message = (
            f"Architecture {index} must be answered by row {expected[index]} (−1: by none), "
            f"{'its own' if as_written else 'that of its functional class'}, but is answered by row {found[index]} "
            f"(one of {len(wrong):,})."
        )
        yield Finding(message, arch=index, value=float(found[index]), count=len(wrong))


def columns_are_described_alike(subject: Subject) -> Iterator[Finding]:
    """The unit, direction and axes beside each column, for other readers, are those in the header."""
    for name, found in hdf5.read_descriptions(subject.header).items():
        entry = subject.header.metrics[name]
        stated = {"unit": entry.unit, "direction": entry.direction, "axes": ",".join(entry.axes)}
        for key in stated:
            if found.get(key) != stated[key]:
                message = f"The header gives {name!r} the {key} {stated[key]!r}, its column {found.get(key)!r}."
                yield Finding(message, metric=name)


def file_is_the_published_one(subject: Subject) -> Iterator[Finding]:
    """A published table has the bytes, the name and the card that the registry says."""
    entry, name = subject.entry, subject.header.name
    if entry is None:
        known = registry().get(name)
        if known is not None and known.sha256 != sha256_of(subject.path):
            yield Finding(
                f"A table {name} is published, and this one is another. Give it a name of its own.", "warning"
            )
        return
    try:
        entry.verify()
    except InvalidFileError as error:
        yield Finding(str(error))
    if entry.name != name:
        yield Finding(f"It is registered as {entry.name!r} but says that it is {name!r}.")
    if not entry.card.is_file() or not entry.card.read_text(encoding="utf-8").startswith(f"# {entry.name}\n"):
        yield Finding(f"Its card must be at {entry.card} and begin with '# {entry.name}'.")


def protocol_is_the_published_one(subject: Subject) -> Iterator[Finding]:
    """The protocol is TOML; if one of its name is published, it is that one. Its last epoch is the table's."""
    text = subject.header.protocol
    try:
        stated = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        yield Finding(f"The training protocol must be TOML, but is not: {error}.")
        return
    path = published.find(f"benchmark_data/protocols/{stated.get('name')}.toml")
    if path is not None and path.read_text(encoding="utf-8") != text:
        yield Finding(f"Protocol {stated['name']!r} is published with another text; a changed one needs a new name.")


def curves_end_where_the_protocol_does(subject: Subject) -> Iterator[Finding]:
    """The last epoch of the table is the last of the protocol."""
    if subject.protocol is not None and subject.epochs and subject.protocol.epochs != subject.epochs[-1]:
        message = (
            f"The protocol trains for {subject.protocol.epochs} epochs, but the table's last values are those after "
            f"{subject.epochs[-1]}."
        )
        yield Finding(message, epoch=int(subject.epochs[-1]))


def task_is_the_published_one(subject: Subject) -> Iterator[Finding]:
    """The hash of the task in the provenance is that of the published task of this name."""
    stated, name = subject.header.provenance.get("task_sha256"), subject.header.task
    if stated is None:
        return
    if subject.task is None:
        yield Finding(f"The provenance states a hash of task {name!r}, but no sound task is published here.", "warning")
    elif subject.task.sha256 != stated:
        yield Finding(
            f"The table was made with another {name!r} than the published one: the provenance states its sha256 as "
            f"{stated}, but it is {subject.task.sha256}."
        )


def metadata_is_complete(subject: Subject) -> Iterator[Finding]:
    """A table says its name, task and protocol, and how its values came about."""
    header = subject.header
    if not _TABLE_NAME.fullmatch(header.name):
        yield Finding(f"A table is named family/task-vN, as in 'nb201/fashion_mnist-v1', but this is {header.name!r}.")
    for key, value in (("task", header.task), ("protocol", header.protocol)):
        if not value.strip():
            yield Finding(f"A table must name its {key}, but this one does not.")
    if not {"method", "source"} & set(header.provenance):
        yield Finding("The provenance must say how the values came about: 'method' or 'source'.")
    absent = [key for key in _BUILDER_STATES if key not in header.provenance] if subject.built_here else []
    if absent:
        yield Finding(f"The provenance of a table that was trained here must also state {', '.join(absent)}.")


CHECKS = (
    header_agrees_with_itself,
    axes_are_in_order,
    architectures_are_of_the_space,
    rows_answer_for_their_class,
    columns_are_described_alike,
    file_is_the_published_one,
    protocol_is_the_published_one,
    curves_end_where_the_protocol_does,
    task_is_the_published_one,
    metadata_is_complete,
)
