"""Checks of values by themselves: ranges, units, clocks, curves, and whether metrics agree on what is good."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from metanas.tables.lint.finding import Content, Finding, Severity, first, seed_mean
from metanas.tables.schema import BY_DEVICE, RESULTS, Metric, unit_and_direction

ENOUGH = 8  # values from which on an agreement between them is no coincidence
_RANKED = 20  # architectures from which on a correlation says something
_AT_MOST = 1000  # architectures that a correlation is computed from: all pairs are looked at
_FAR = 1000  # times the range of the middle half of the values
_COUNTS = ("cost/parameters", "cost/macs", "cost/model_bytes", "cost/peak_activation_bytes")
_SUMMARIES = ("_mean", "_final")  # endings of quantities that repeat another at the last epoch, or its mean over seeds
_BY_SEED = "_by_seed"  # ending of a quantity of which another is the mean over seeds
_COUNTED = "_counted"  # ending of a cost that was counted from the layers, beside the stated one


def values_in_range(content: Content) -> Iterator[Finding]:
    """Percent lie in [0, 100], counts, times and losses are not negative, and nothing is infinite.

    −1 and infinity are what readers of published tables return in place of "not measured".
    """
    for entry in content.metrics():
        known = unit_and_direction(entry.name) is not None or entry.unit == "percent"
        low, high = 0.0 if known else -np.inf, 100.0 if entry.unit == "percent" else np.inf
        cube = content.cube(entry)
        with np.errstate(invalid="ignore"):
            wrong = np.isinf(cube) | (cube < low) | (cube > high)
            if entry.split in BY_DEVICE:
                wrong |= cube == 0  # nothing runs in no time; on a device that cannot run it, it was not measured
        if wrong.any():
            at = first(wrong)
            message = (
                f"{entry.name!r} ({entry.unit}) must be finite and within [{low:g}, {high:g}], with NaN where nothing "
                f"was measured, but holds {cube[at]!r} (one of {int(wrong.sum()):,} such values)."
            )
            yield Finding(message, count=int(wrong.sum()), **content.place(entry, at))


def no_value_stands_in(content: Content) -> Iterator[Finding]:
    """No number far from all others, the same for several architectures, stands for "not measured", as −1e8 does."""
    for entry in content.metrics():
        values = content.columns[entry.name][1]
        measured = np.sort(values[np.isfinite(values)].astype(np.float64))
        if len(measured) < ENOUGH:
            continue
        low, high = np.quantile(measured, (0.25, 0.75))
        for ordered in (measured, measured[::-1]):
            same = int((measured == ordered[0]).sum())
            others = ordered[same:]
            if same > 1 and len(others) and high > low and abs(others[0] - ordered[0]) > _FAR * (high - low):
                message = (
                    f"{entry.name!r} is {ordered[0]:g} for {same:,} architectures, far from all other values (the next "
                    f"is {others[0]:g}): if it stands for not measured, put NaN in its place."
                )
                at = first(content.cube(entry) == ordered[0])
                yield Finding(message, "warning", count=same, **content.place(entry, at))


def percent_are_no_fractions(content: Content) -> Iterator[Finding]:
    """Accuracy is stored in percent: where no value exceeds 1, fractions were taken for percent."""
    for entry in content.metrics():
        values = content.columns[entry.name][1]
        measured = values[~np.isnan(values)]
        if entry.unit == "percent" and len(measured) >= ENOUGH and 0 < (highest := float(measured.max())) <= 1:
            message = (
                f"{entry.name!r} is stored in percent, but no value exceeds {highest:g}: these seem to be fractions; "
                f"multiply them by 100."
            )
            yield Finding(message, metric=entry.name, value=highest, count=len(measured))


def costs_are_of_the_architecture(content: Content) -> Iterator[Finding]:
    """Parameters and multiply-accumulates are properties of the architecture; training does not change them."""
    for entry in content.metrics():
        if entry.name in _COUNTS and entry.axes != ("arch",):
            message = f"{entry.name!r} depends on the architecture alone, but has the axes {', '.join(entry.axes)}."
            yield Finding(message, metric=entry.name)


def counts_are_whole(content: Content) -> Iterator[Finding]:
    """Parameters and multiply-accumulates are counted one by one, not in thousands or millions."""
    for entry in content.metrics():
        if entry.name in _COUNTS:
            cube = content.cube(entry)
            with np.errstate(invalid="ignore"):
                wrong = np.isfinite(cube) & (np.abs(cube - np.round(cube)) > 1e-6 * cube)
            if wrong.any():
                at = first(wrong)
                message = (
                    f"{entry.name!r} must be whole numbers, but {int(wrong.sum()):,} are not, as {cube[at]:g}. Are "
                    f"they in thousands or millions? Multiply them."
                )
                yield Finding(message, count=int(wrong.sum()), **content.place(entry, at))


def seconds_grow(content: Content) -> Iterator[Finding]:
    """Seconds are cumulative: more than 0 after the first epoch, and more after each further one.

    A column that starts at 0 is one epoch behind the others.
    """
    for entry in _seconds(content):
        cube = content.cube(entry)
        trained = np.array(content.epochs or [1])[-cube.shape[2] :] > 0
        with np.errstate(invalid="ignore"):
            wrong = (cube <= 0) & trained
            wrong[..., 1:] |= np.diff(cube, axis=2) <= 0
        if wrong.any():
            message = (
                f"{entry.name!r} is cumulative: it must be more than 0 and grow with every epoch; it does not in "
                f"{int(wrong.sum()):,} places."
            )
            yield Finding(message, count=int(wrong.sum()), **content.place(entry, first(wrong)))


def seconds_are_measured(content: Content) -> Iterator[Finding]:
    """Measured times differ from epoch to epoch; the same time for every epoch is one number, multiplied."""
    for entry in _seconds(content):
        cube = content.cube(entry)
        if cube.shape[2] < 3 or len(set(np.diff(content.epochs))) > 1:
            continue
        steps = np.diff(cube.astype(np.float64), axis=2)
        whole = ~np.isnan(steps).any(axis=2)
        with np.errstate(invalid="ignore"):
            constant = whole & (np.ptp(steps, axis=2) <= 1e-5 * np.abs(cube[..., -1]))
        if constant.sum() >= max(ENOUGH, 0.5 * whole.sum()):
            message = (
                f"{entry.name!r} grows by the same time in every epoch for {int(constant.sum()):,} of "
                f"{int(whole.sum()):,} trainings: this was computed, not measured. Say so in the provenance."
            )
            place = content.place(entry, (*first(constant), -1))
            yield Finding(message, "warning", count=int(constant.sum()), **place)


def curves_go_on(content: Content) -> Iterator[Finding]:
    """The last value belongs to the curve: it ranks architectures much as the value one epoch before does."""
    for entry in content.metrics("epoch"):
        if entry.split not in RESULTS or len(content.epochs) < 2:
            continue
        before, last = seed_mean(content.cube(entry)[..., -2:]).T
        tau = rank_correlation(before, last)
        if tau <= 0:
            message = (
                f"A learning curve must end in its final value, but {entry.name!r} after epoch {content.epochs[-1]} "
                f"ranks the architectures otherwise than after epoch {content.epochs[-2]} (Kendall's tau {tau:.2f})."
            )
            yield Finding(message, metric=entry.name, epoch=int(content.epochs[-1]), value=tau)


def summaries_agree(content: Content) -> Iterator[Finding]:
    """A column of means or of final values is what the column with all seeds and epochs gives."""
    for entry, source in _summaries(content):
        if not set(entry.axes) < set(source.axes):
            continue
        stated, whole = content.cube(entry).astype(np.float64), content.cube(source).astype(np.float64)
        whole = whole if "seed" in entry.axes else seed_mean(whole)[:, None]
        whole = whole if "epoch" in entry.axes else whole[..., -1:]
        with np.errstate(invalid="ignore"):
            wrong = np.abs(stated - whole) > 0.02 + 1e-4 * np.abs(whole)  # rounded, or means of rounded numbers
        if wrong.any():
            at = first(wrong)
            message = (
                f"{entry.name!r} must be what {source.name!r} gives, but is {stated[at]:g} where that gives "
                f"{whole[at]:g} (one of {int(wrong.sum()):,} such values)."
            )
            few = wrong.sum() < 0.01 * np.isfinite(stated).sum()  # published means have such slips
            severity: Severity = "warning" if few else "error"
            yield Finding(message, severity, count=int(wrong.sum()), **content.place(entry, at))


def stated_costs_are_the_counted(content: Content) -> Iterator[Finding]:
    """Where costs were both stated and counted from the layers, the two are the same."""
    for entry in content.metrics():
        counted = content.columns.get(f"{entry.name}{_COUNTED}")
        if entry.name not in _COUNTS or counted is None or counted[0].axes != entry.axes:
            continue
        stated, whole = content.cube(entry), content.cube(counted[0])
        with np.errstate(invalid="ignore"):
            wrong = np.abs(stated - whole) > 0.5 + 1e-6 * whole
        if wrong.any():
            at = first(wrong)
            message = (
                f"{entry.name!r} must be what was counted from the layers, {whole[at]:,.0f}, but is {stated[at]:,.0f} "
                f"(one of {int(wrong.sum()):,} such values)."
            )
            yield Finding(message, "warning", count=int(wrong.sum()), **content.place(entry, at))


def ranks_agree(content: Content) -> Iterator[Finding]:
    """Accuracy and cross-entropy agree on what is good, and so do validation and test.

    Training may disagree with both where networks are overfitted: that is for somebody to look at.
    """
    for a, b in itertools.combinations(content.metrics(), 2):
        related = (a.split == b.split) != (a.quantity == b.quantity)
        if not related or not {a.split, b.split} <= set(RESULTS) or "none" in (a.direction, b.direction):
            continue
        sign = 1.0 if a.direction == b.direction else -1.0
        tau = rank_correlation(content.last(a), sign * content.last(b))
        if tau <= 0:
            message = (
                f"{a.name!r} and {b.name!r} must agree on which architectures are better, but do not "
                f"(Kendall's tau {tau:.2f}, the better direction of each taken into account)."
            )
            overfitted = a.split != b.split and "training" in (a.split, b.split)
            yield Finding(message, "warning" if overfitted else "error", metric=b.name, value=tau)


def rank_correlation(x: NDArray[np.floating], y: NDArray[np.floating]) -> float:
    """Return Kendall's tau-b over the architectures measured in both, ``(n,)``, without scipy.

    Of many architectures, an even choice is looked at. 1 (nothing to complain of) where they are too few or all equal.
    """
    rows = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    if len(rows) < _RANKED:
        return 1.0
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), _AT_MOST)).astype(int)]
    up, also = (np.sign(values[rows, None] - values[None, rows]) for values in (x, y))
    scale = float(np.sqrt((up != 0).sum() * (also != 0).sum()))
    return float((up * also).sum()) / scale if scale else 1.0


def _summaries(content: Content) -> Iterator[tuple[Metric, Metric]]:
    """Yield each metric that another one sums up: the summary, and what has all seeds or epochs."""
    for entry in content.metrics():
        for suffix in _SUMMARIES:
            source = content.columns.get(entry.name.removesuffix(suffix)) if entry.name.endswith(suffix) else None
            if source is not None:
                yield entry, source[0]
        summary = content.columns.get(entry.name.removesuffix(_BY_SEED)) if entry.name.endswith(_BY_SEED) else None
        if summary is not None:
            yield summary[0], entry


def _seconds(content: Content) -> list[Metric]:
    return [entry for entry in content.metrics() if entry.name == "cost/seconds"]


CHECKS = (
    values_in_range,
    no_value_stands_in,
    percent_are_no_fractions,
    costs_are_of_the_architecture,
    counts_are_whole,
    seconds_grow,
    seconds_are_measured,
    curves_go_on,
    summaries_agree,
    stated_costs_are_the_counted,
    ranks_agree,
)
