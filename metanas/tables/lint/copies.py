"""Checks that no number stands for another: splits, seeds and architectures each have their own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from metanas.tables.lint.finding import Content, Finding, seed_mean
from metanas.tables.lint.subject import Subject
from metanas.tables.lint.values import ENOUGH
from metanas.tables.schema import RESULTS, Direction, Metric

_CURVE = 3  # epochs from which on a learning curve is no single number
_DISTINCT = 6  # different values from which on two rows that agree are no coincidence

Cube = NDArray[np.floating]


def splits_differ(content: Content) -> Iterator[Finding]:
    """Training, validation and test were measured on different rows: none is another, not even rounded or in part."""
    for a, b in itertools.combinations(content.metrics(), 2):
        if a.quantity != b.quantity or not {a.split, b.split} <= set(RESULTS):
            continue
        x, y = _comparable(content, a, b)
        if is_copy(x, y):
            message = (
                f"{a.name!r} and {b.name!r} have the same values everywhere: one split must not stand for another."
            )
            yield Finding(message, metric=b.name)
            continue
        for number in range(x.shape[1]):
            count, arch = _agreeing(content, b, x[:, number], y[:, number])
            if count:
                message = (
                    f"{a.name!r} and {b.name!r} have the same values for {count:,} architectures: one split must not "
                    f"stand for another. What was not measured is NaN."
                )
                seed = int(content.seeds[number]) if x.shape[1] > 1 else None
                yield Finding(message, metric=b.name, arch=arch, seed=seed, count=count)


def seeds_differ(content: Content) -> Iterator[Finding]:
    """No seed answers with the numbers of another, everywhere or where it was not run itself.

    Times that are the same for all seeds were not measured for each.
    """
    for entry in content.metrics("seed"):
        cube = content.cube(entry)
        for i, j in itertools.combinations(range(cube.shape[1]), 2):
            seeds = (content.seeds[i], content.seeds[j])
            if is_copy(cube[:, i], cube[:, j], exact=entry.split not in RESULTS):
                message = (
                    f"{entry.name!r} has the same values for seed {seeds[0]} and seed {seeds[1]}. Give each seed its "
                    f"own measurements (NaN where it was not run), or leave out the axis 'seed'."
                )
                yield Finding(message, metric=entry.name, seed=int(seeds[1]))
                continue
            count, arch = _agreeing(content, entry, cube[:, i], cube[:, j])
            if count:
                message = (
                    f"{entry.name!r} has the same values for seed {seeds[0]} and seed {seeds[1]} for {count:,} "
                    f"architectures. What was not run is NaN."
                )
                yield Finding(message, metric=entry.name, arch=arch, seed=int(seeds[1]), count=count)


def seeds_are_not_filled_in(content: Content) -> Iterator[Finding]:
    """No seed holds the mean of the others. Along a whole learning curve that is no coincidence."""
    for entry in content.metrics("seed"):
        cube = content.cube(entry)
        for number, seed in enumerate(content.seeds):
            others = np.delete(cube, number, axis=1)
            spread = (others != others[:, :1]).any(axis=(1, 2)) & ((~np.isnan(others)).sum(axis=1) >= 2).all(axis=1)
            if not spread.any():  # where all seeds agree, so does their mean
                continue
            rows = np.flatnonzero(spread)
            count, arch = _agreeing(content, entry, cube[rows, number], seed_mean(others[rows]), rows)
            if count:
                message = (
                    f"{entry.name!r} of seed {seed} is the mean of the other seeds for {count:,} architectures. "
                    f"What was not run is NaN."
                )
                yield Finding(message, metric=entry.name, arch=arch, seed=int(seed), count=count)


def architectures_differ(subject: Subject) -> Iterator[Finding]:
    """No architecture answers with the whole learning curves of another, unless the two are the same function.

    Only evaluated results count. Cells whose outputs differ by a factor, as 2x and 4x, train alike, since batch
    normalization takes the factor out but for rounding. Their accuracies, which are counts, may then agree everywhere;
    equal accuracies are therefore no copy where cross-entropies of the same split differ.
    """
    finer = {entry.split: entry for entry in subject.metrics("epoch") if entry.quantity == "cross_entropy"}
    for entry in subject.metrics("epoch"):
        if entry.split not in RESULTS or entry.split == "training":  # nor times, which may be shared out
            continue
        cube = subject.cube(entry)
        if cube[0].size < _DISTINCT:
            continue
        also = subject.cube(finer[entry.split]) if entry.quantity == "accuracy" and entry.split in finer else cube
        owner: dict[bytes, int] = {}
        keys = (values.tobytes() + others.tobytes() for values, others in zip(cube, also, strict=True))
        twins = [(owner.setdefault(key, row), row) for row, key in enumerate(keys)]
        pairs = [(a, b) for a, b in twins if a != b and _learned(cube[b]) and subject.classes[a] != subject.classes[b]]
        if pairs:
            one, other = (int(subject.archs[row]) for row in pairs[0])
            message = (
                f"{entry.name!r} has the same values for architectures {one} and {other} with every seed and after "
                f"every epoch (one of {len(pairs):,} such pairs): one must not stand for another."
            )
            yield Finding(message, metric=entry.name, arch=other, count=len(pairs))


def _learned(values: Cube) -> bool:
    return len(np.unique(values[~np.isnan(values)])) >= _DISTINCT


def is_copy(x: Cube, y: Cube, *, exact: bool = False) -> bool:
    """Whether two arrays agree wherever both are measured, in enough places.

    They agree if no difference exceeds a fiftieth of the range of the middle half of the values, so that rounding hides
    nothing. Constant values are no copy, unless ``exact``.
    """
    both = np.isfinite(x) & np.isfinite(y)
    if np.count_nonzero(both) < ENOUGH:
        return False
    if exact:
        return np.array_equal(x[both], y[both])
    first = x[both]
    if first.min() == first.max():
        return False
    low, high = np.quantile(first, (0.25, 0.75), overwrite_input=True)
    furthest = max(
        float(np.abs(a[there].astype(np.float64) - b[there]).max(initial=0))
        for a, b, there in zip(x, y, both, strict=True)
    )
    return bool(furthest <= (float(high) - float(low)) / 50)


def excess_of_ties(x: Cube, y: Cube, direction: Direction = "maximize") -> int:
    """Return how many values of two columns are equal beyond what chance gives, or 0 if chance may have given them.

    Accuracies are counts, so that some agree by chance: about as many as differ by one step, or by two. Copies stand
    out above that. Only the better half is looked at, since networks that have learned nothing agree for that reason.

    Args:
        x: one column, ``(n,)``, NaN = not measured.
        y: the other.
        direction: what is better.
    """
    both = np.isfinite(x) & np.isfinite(y)
    first, second = x[both].astype(np.float64), y[both].astype(np.float64)
    if len(first) < ENOUGH:
        return 0
    median = np.median(first)
    better = first <= median if direction == "minimize" else first >= median
    gaps = np.abs(first - second)[better]
    tied = gaps <= 1e-6 * np.abs(first[better])
    ties, apart = int(tied.sum()), gaps[~tied]
    if ties < ENOUGH:
        return 0
    by_chance = (apart <= 4.5 * apart.min()).sum() / 8 if len(apart) else 0.0  # four steps up and four down
    return ties if ties > 3 * max(by_chance, 1.0) else 0


def _agreeing(
    content: Content, entry: Metric, x: Cube, y: Cube, rows: NDArray[np.intp] | None = None
) -> tuple[int, int | None]:
    """Return for how many architectures ``x`` and ``y`` ``(n, values)`` agree beyond chance, and one of them."""
    evaluated = ~(np.isnan(x) | np.isnan(y)).all(axis=0)
    x, y = x[:, evaluated], y[:, evaluated]
    if not x.size:
        return 0, None
    if x.shape[1] < _CURVE:
        return excess_of_ties(x[:, -1], y[:, -1], entry.direction) if entry.split in RESULTS else 0, None
    with np.errstate(invalid="ignore"):
        measured = ~np.isnan(x) & ~np.isnan(y)
        equal = np.isclose(x, y, rtol=1e-6, atol=0) & measured
    along = (measured.sum(axis=1) >= _CURVE) & (equal == measured).all(axis=1)
    learning = (np.where(measured, x, np.inf).min(axis=1) < np.where(measured, x, -np.inf).max(axis=1)) & along
    if learning.sum() < ENOUGH:
        return 0, None
    row = int(learning.argmax())
    return int(learning.sum()), int(content.archs[row if rows is None else rows[row]])


def _comparable(content: Content, a: Metric, b: Metric) -> tuple[Cube, Cube]:
    """Return the values of two metrics over the axes that they share, ``(n, S or 1, E or 1)``."""
    x, y = content.cube(a), content.cube(b)
    if ("seed" in a.axes) != ("seed" in b.axes):
        x, y = (seed_mean(cube)[:, None] for cube in (x, y))
    if ("epoch" in a.axes) != ("epoch" in b.axes):
        x, y = x[..., -1:], y[..., -1:]
    return x, y


CHECKS = (splits_differ, seeds_differ, seeds_are_not_filled_in, architectures_differ)
