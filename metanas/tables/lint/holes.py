"""Checks of what was not measured: whole trainings or nothing, the same in every metric, and as the table states."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from metanas.tables.lint.finding import Finding, Severity, first
from metanas.tables.lint.subject import Subject
from metanas.tables.schema import RESULTS, Metric

Mask = NDArray[np.bool_]


def curves_are_whole(subject: Subject) -> Iterator[Finding]:
    """A training has a value after every epoch at which any has one, or none at all.

    Not so one that diverged, if the table says so.
    """
    for entry in subject.metrics("epoch"):
        missing = np.isnan(subject.cube(entry))
        evaluated = ~missing.all(axis=(0, 1))
        broken = missing[..., evaluated].any(axis=2) & ~missing.all(axis=2) & ~_diverged(subject, entry)
        if broken.any():
            row, seed = first(broken)
            message = (
                f"{entry.name!r} must be measured after the same epochs in every training or not at all, but "
                f"{int(broken.sum()):,} curves have gaps."
            )
            place = subject.place(entry, (row, seed, (missing[row, seed] & evaluated).argmax()))
            yield Finding(message, count=int(broken.sum()), **place)


def metrics_have_the_same_holes(subject: Subject) -> Iterator[Finding]:
    """Where a training has one metric, it has the others too: an error within a split, else a reason to look."""
    # A zero-cost score is not defined for every network; that is no training left out.
    trained = [entry for entry in subject.metrics("seed") if entry.split != "proxy"]
    for a, b in itertools.combinations(trained, 2):
        differ = (_measured(subject, a) != _measured(subject, b)) & ~_diverged(subject, a) & ~_diverged(subject, b)
        if differ.any():
            row, seed = first(differ)
            lacking = a if _measured(subject, b)[row, seed] else b
            message = (
                f"{a.name!r} and {b.name!r} must be measured in the same trainings, but in {int(differ.sum()):,} of "
                f"them there is only one of the two."
            )
            place = subject.place(lacking, (row, seed, -1))
            yield Finding(message, "error" if a.split == b.split else "warning", count=int(differ.sum()), **place)


def trained_architectures_have_costs(subject: Subject) -> Iterator[Finding]:
    """What depends on the architecture alone is known for each that was trained.

    What others published may lack it, and what contradicts itself is not taken in: a reason to look, and no error.
    """
    trained = ~_holes(subject).all(axis=1)
    for entry in subject.metrics():
        lacking = np.isnan(subject.cube(entry)).all(axis=(1, 2)) & trained
        if entry.split == "cost" and "seed" not in entry.axes and lacking.any():
            row = int(lacking.argmax())
            message = f"{entry.name!r} is missing for {int(lacking.sum()):,} architectures that were trained."
            severity: Severity = "error" if subject.built_here else "warning"
            yield Finding(message, severity, count=int(lacking.sum()), **subject.place(entry, (row, 0, -1)))


def holes_are_declared(subject: Subject) -> Iterator[Finding]:
    """The provenance counts the trainings that are there and that are missing."""
    holes = _holes(subject)
    missing, there = int(holes.sum()), int((~holes).sum())
    stated = {key: subject.header.provenance.get(key) for key in ("trainings", "trainings_missing")}
    found = {"trainings": there, "trainings_missing": missing}
    for key, number in stated.items():
        if number is not None and number != found[key]:
            message = f"The provenance states {key} = {number}, but the values say {found[key]:,}."
            yield Finding(message, value=float(found[key]))
    if missing and stated["trainings_missing"] is None and any(entry.split in RESULTS for entry in subject.metrics()):
        row, number = first(holes)
        seed = int(subject.seeds[number]) if holes.shape[1] == len(subject.seeds) else None
        counts = zip(subject.seeds, holes.sum(axis=0).tolist(), strict=True) if seed is not None else ()
        of_seeds = ", ".join(f"{count:,} of seed {seed}" for seed, count in counts if count)
        message = (
            f"Not measured are {missing:,} of {holes.size:,} {'trainings' if of_seeds else 'architectures'}"
            f"{f' ({of_seeds})' * bool(of_seeds)}; the provenance should say so: trainings_missing = {missing}."
        )
        yield Finding(message, "warning", arch=int(subject.archs[row]), seed=seed, count=missing)


def _measured(subject: Subject, entry: Metric) -> Mask:
    """Return in which trainings there is any value of a metric, ``(n, S or 1)``."""
    measured: Mask = ~np.isnan(subject.cube(entry)).all(axis=2)
    return measured


def _holes(subject: Subject) -> Mask:
    """Return which trainings have no value at all, ``(n, S)``, or ``(n, 1)`` if nothing depends on the seed."""
    results = [entry for entry in subject.metrics() if entry.split in RESULTS] or subject.metrics()
    results = [entry for entry in results if "seed" in entry.axes] or results
    holes: Mask = ~np.logical_or.reduce([_measured(subject, entry) for entry in results])
    return holes


def _diverged(subject: Subject, entry: Metric) -> Mask:
    """Return which trainings the provenance says diverged, ``(n, S or 1)``, as the builder writes it."""
    stated = subject.header.provenance.get("diverged")
    named = np.zeros(_measured(subject, entry).shape, dtype=bool)
    if isinstance(stated, dict) and "seed" in entry.axes:
        for number, seed in enumerate(subject.seeds):
            named[:, number] = np.isin(subject.archs, stated.get(f"{entry.name} seed {seed}", []))
    return named


CHECKS = (curves_are_whole, metrics_have_the_same_holes, trained_architectures_have_costs, holes_are_declared)
