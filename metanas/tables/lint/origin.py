"""Checks that values fit what they were measured of: rows of the task, networks of the protocol, functional classes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from metanas.tables import noise
from metanas.tables.lint.finding import Finding, first
from metanas.tables.lint.subject import Subject
from metanas.tables.schema import Metric

_MOST_DRIFT = 0.25  # of the anchor's speed between blocks, which the anchor levels only roughly beyond


def accuracies_count_the_rows(subject: Subject) -> Iterator[Finding]:
    """An accuracy is a number of hits among the rows of its split; another split's has another denominator."""
    if not subject.built_here or subject.task is None or subject.protocol is None:
        return
    training = subject.protocol.training
    rows = {
        "training": training.examples // training.batch * training.batch,
        "validation": min(training.evaluated, len(subject.task.split["validation"])),
        "test": min(training.evaluated, len(subject.task.split["test"])),
    }
    for entry in subject.metrics():
        if entry.quantity != "accuracy" or entry.split not in rows:
            continue
        hits = subject.cube(entry).astype(np.float64) * rows[entry.split] / 100
        with np.errstate(invalid="ignore"):
            wrong = np.abs(hits - np.round(hits)) > 0.02  # float32 keeps the hits of up to 10^5 rows this well
        if wrong.any():
            message = (
                f"{entry.name!r} must be a count of hits among {rows[entry.split]:,} rows, but {int(wrong.sum()):,} "
                f"values are none: they were measured on other rows."
            )
            yield Finding(message, count=int(wrong.sum()), **subject.place(entry, first(wrong)))


def costs_are_those_of_the_networks(subject: Subject) -> Iterator[Finding]:
    """Parameters and multiply-accumulates are what the protocol's networks have, counted again."""
    if not subject.built_here or subject.task is None or subject.protocol is None or subject.space is None:
        return
    from metanas.nets.skeleton import cost

    skeleton = subject.protocol.skeleton(subject.task.shape, subject.task.n_classes)
    counted = np.array([cost(subject.space.cell(subject.space.arch(int(i))), skeleton) for i in subject.archs])
    for position, name in enumerate(("cost/parameters", "cost/macs")):
        if name not in subject.columns or subject.columns[name][0].axes != ("arch",):
            continue
        entry, values = subject.columns[name]
        wrong = (values != counted[:, position]) & ~np.isnan(values)
        if wrong.any():
            row = int(wrong.argmax())
            message = (
                f"{name!r} must be {counted[row, position]:,}, counted from the network, but is {values[row]:,.0f} "
                f"(one of {int(wrong.sum()):,} such values)."
            )
            yield Finding(message, count=int(wrong.sum()), **subject.place(entry, (row, 0, 0)))


def members_of_a_class_agree(subject: Subject) -> Iterator[Finding]:
    """Architectures that are the same function differ by no more than the noise of their trainings."""
    _, number, size = np.unique(subject.classes, return_inverse=True, return_counts=True)
    if size.max() < 2:
        return
    for entry in subject.metrics():
        if entry.quantity != "accuracy":
            continue
        spread, degrees = _spread_within(subject.last(entry), number)
        expected = _noise_of_a_mean(subject, entry)
        if degrees and (math.isnan(expected) or spread > 1.5 * expected):
            noise_says = "" if math.isnan(expected) else f"; the noise of their trainings explains {expected:.3g}"
            message = (
                f"{entry.name!r} of architectures that are the same function differs by a standard deviation of "
                f"{spread:.3g} {entry.unit} ({int((size > 1).sum()):,} classes with several members{noise_says})."
            )
            yield Finding(message, "warning", metric=entry.name, value=spread, count=degrees)


def members_of_a_class_cost_the_same(subject: Subject) -> Iterator[Finding]:
    """Architectures that are the same function compute the same; where costs differ, dead operations were counted.

    A table of architectures as they are written counts them on purpose, and says so.
    """
    if subject.header.as_written:
        return
    _, number, size = np.unique(subject.classes, return_inverse=True, return_counts=True)
    for name in ("cost/parameters", "cost/macs"):
        if size.max() < 2 or name not in subject.columns or subject.columns[name][0].axes != ("arch",):
            continue
        values = subject.columns[name][1].astype(np.float64)
        low = np.full(len(size), np.inf)
        high = np.full(len(size), -np.inf)
        np.fmin.at(low, number, values)
        np.fmax.at(high, number, values)
        differ = high > low
        if differ.any():
            row = int(differ[number].argmax())
            kind = int(number[row])
            message = (
                f"{name!r} differs between architectures that are the same function in {int(differ.sum()):,} of "
                f"{int((size > 1).sum()):,} classes with several members, as from {low[kind]:,.0f} to "
                f"{high[kind]:,.0f}: operations that reach no output were counted, or a number is wrong."
            )
            yield Finding(
                message, "warning", count=int(differ.sum()), **subject.place(subject.columns[name][0], (row, 0, 0))
            )


def the_machine_was_steady(subject: Subject) -> Iterator[Finding]:
    """Latencies of one device were measured on a machine of one speed: its anchor network did not drift by much."""
    drift = subject.header.provenance.get("drift")
    relative = drift.get("relative") if isinstance(drift, dict) else None
    if isinstance(relative, (int, float)) and relative > _MOST_DRIFT:
        message = (
            f"The anchor network drifted by {100 * relative:.0f} % while latencies were measured, more than "
            f"{100 * _MOST_DRIFT:.0f} %: they are not all of one machine. Measure again while nothing else runs."
        )
        yield Finding(message, "warning", value=float(relative))


def _spread_within(column: np.ndarray, number: np.ndarray) -> tuple[float, int]:
    """Return the pooled standard deviation of a column ``(n,)`` within groups, and its degrees of freedom."""
    there = np.isfinite(column)
    column, number = column[there], number[there]
    count = np.bincount(number)
    mean = np.bincount(number, column) / np.maximum(count, 1)
    degrees = int(np.maximum(count - 1, 0).sum())
    return (math.sqrt(float(((column - mean[number]) ** 2).sum()) / degrees) if degrees else math.nan), degrees


def _noise_of_a_mean(subject: Subject, entry: Metric) -> float:
    """Return the standard error of an architecture's mean over its seeds; NaN where seeds do not tell."""
    last = subject.cube(entry)[..., -1].astype(np.float64)
    last[np.isinf(last)] = np.nan
    seeds = (~np.isnan(last)).sum(axis=1)
    return noise.deviation(last) / math.sqrt(float(np.mean(seeds[seeds > 0]))) if seeds.any() else math.nan


CHECKS = (
    accuracies_count_the_rows,
    costs_are_those_of_the_networks,
    members_of_a_class_agree,
    members_of_a_class_cost_the_same,
    the_machine_was_steady,
)
