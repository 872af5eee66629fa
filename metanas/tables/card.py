"""The card of a table: what it is, how it was made, how noisy it is, and its best cells, as Markdown.

Needs scipy (extra ``[stats]``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from metanas.errors import NotMeasuredError
from metanas.tables import noise
from metanas.tables.schema import Direction, Metric
from metanas.tables.table import Table
from metanas.tables.truth import Truth

BINS = 20
BEST = 10
_BAR = 40


def card(table: Table) -> str:
    """Return the card of a table.

    Raises:
        NotMeasuredError: the table has no validation accuracy.
        MetanasError: scipy is not installed.
    """
    if "validation/accuracy" not in table.metrics:
        msg = f"A card needs 'validation/accuracy', but table {table.name} has only {', '.join(table.metrics)}."
        raise NotMeasuredError(msg)
    parts = (_what(table), _how(table), _metrics(table), _noise(table), _best(table), _histogram(table))
    return "\n\n".join(["\n".join(part) for part in parts]) + "\n"


def _what(table: Table) -> Iterator[str]:
    yield f"# {table.name}"
    yield ""
    yield (
        f"{len(table):,} architectures of the space `{table.space_name}` (representatives that answer for their whole "
        f"functional class), trained on the task `{table.task}` with the seeds "
        f"{', '.join(map(str, table.seeds))}, values after {_range(table.epochs)} epochs."
    )
    holes = {
        seed: int(np.isnan(table.column("validation/accuracy", seed=seed)).sum())
        for seed in table.seeds
        if "seed" in table.metrics["validation/accuracy"].axes
    }
    missing = ", ".join(f"{count:,} with seed {seed}" for seed, count in holes.items() if count)
    yield ""
    yield f"Not measured: {missing}." if missing else "Nothing is missing."


def _how(table: Table) -> Iterator[str]:
    yield "## How it was made"
    yield ""
    for key, value in table.provenance.items():
        yield f"- {key.replace('_', ' ')}: {show(value)}"
    yield f"- protocol sha256: {table.protocol_sha256}"
    yield ""
    yield "```toml"
    yield table.protocol.rstrip()
    yield "```"


def _metrics(table: Table) -> Iterator[str]:
    yield "## Metrics"
    yield ""
    yield "| metric | unit | better | depends on | least | median | greatest |"
    yield "|---|---|---|---|---|---|---|"
    for name, entry in table.metrics.items():
        column = table.column(name)
        column = column[~np.isnan(column)]
        figures = [_number(float(value)) for value in np.quantile(column, (0, 0.5, 1))] if len(column) else ["–"] * 3
        yield f"| {name} | {entry.unit} | {entry.direction} | {', '.join(entry.axes)} | {' | '.join(figures)} |"
    yield ""
    yield "Least, median and greatest over the architectures, of the mean over the seeds after the last epoch."


def _noise(table: Table) -> Iterator[str]:
    yield "## Noise"
    yield ""
    rows = [(name, entry) for name, entry in table.metrics.items() if _has_noise(entry)]
    n_seeds = len(table.seeds)
    if n_seeds < 2 or not rows:
        yield "One seed: no noise can be stated."
        return
    yield (
        f"| metric | tau, all | tau, better half | – chosen apart | tau, best 5 % | of means of {n_seeds}, all "
        f"| – better half | of the mean with the truth, better half | deviation of a training "
        f"| – in the better half | standard error of a mean "
        f"| deviation between cells | best again |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|---|---|"
    for name, entry in rows:
        values = table.values(name)
        values = (values[..., -1] if "epoch" in entry.axes else values).astype(np.float64)
        mean = table.column(name)
        top = noise.best(mean, 0.5, entry.direction)
        tau = noise.tau_between_seeds(values, entry.direction)
        half = noise.tau_between_seeds(values, entry.direction, 0.5)
        apart = noise.tau_chosen_apart(values, entry.direction, 0.5)
        few = noise.tau_between_seeds(values, entry.direction, 0.05)
        longer = noise.expected_tau(tau, n_seeds), noise.expected_tau(half, n_seeds)
        spread = noise.deviation(values), noise.deviation(values[top]), noise.standard_error(values)
        truth = _tau_with_truth(values, entry.direction)
        again = noise.chance_of_best(values, entry.direction, np.random.default_rng(0))
        figures = (
            *map(_tau, (tau, half, apart, few, *longer, truth)),
            *map(_number, (*spread, float(np.nanstd(mean)))),
            f"{100 * again:.0f} %",
        )
        yield f"| {name} ({entry.unit}) | {' | '.join(figures)} |"
    yield ""
    yield (
        "*tau*: Kendall's tau-b between two seeds over the architectures that have all seeds, mean over the pairs of "
        "seeds. *Better half*: by the mean over all seeds, the pair's own among them, which makes this tau too low; "
        "*chosen apart*: by the mean of the other seeds, which makes it somewhat too high. "
        f"*Of means of {n_seeds}*: the tau to expect between this table's mean over its {n_seeds} seeds and the mean "
        f"over {n_seeds} new ones: rho = sin(pi tau / 2), rho' = {n_seeds} rho / (1 + {n_seeds - 1} rho), "
        "tau' = 2 arcsin(rho') / pi (Greiner's relation, Spearman and Brown's formula); – where tau is not positive. "
        "*Of the mean with the truth*: the tau to expect between this table's mean and the mean over ever more seeds, "
        "among the half that is truly better, from the distribution of true values that explains these means "
        "(`metanas.tables.truth`). "
        "*Deviation of a training*: standard deviation about the architecture's mean, pooled over architectures; "
        "*standard error of a mean*: that deviation over the root of the number of seeds; "
        "*between cells*: standard deviation of the architectures' means (it still holds noise). *Best again*: how "
        "often the architecture that is the best here is the best when every architecture's seeds are resampled."
    )


def _tau_with_truth(values: NDArray[np.floating], direction: Direction) -> float:
    try:
        truth = Truth.fit(values, direction)
    except NotMeasuredError:
        return math.nan
    return truth.tau(values.shape[1], np.random.default_rng(0), 0.5)


def _best(table: Table) -> Iterator[str]:
    validation = table.metrics["validation/accuracy"]
    yield f"## The {BEST} best by validation"
    yield ""
    yield "| index | cell | validation accuracy | test accuracy | rank by test | parameters |"
    yield "|---|---|---|---|---|---|"
    column = table.column(validation.name)
    test = table.column("test/accuracy") if "test/accuracy" in table.metrics else np.full(len(table), np.nan)
    parameters = table.column("cost/parameters") if "cost/parameters" in table.metrics else np.full(len(table), np.nan)
    for row in noise.best(column, 1.0, validation.direction)[:BEST]:
        index = int(table.archs[row])
        cell = table.space.format(table.space.arch(index)).replace("|", "\\|")
        rank = "–" if math.isnan(test[row]) else str(1 + int((test > test[row]).sum()))
        figures = (f"{column[row]:.2f}", _fixed(test[row]), rank, _number(float(parameters[row])))
        yield f"| {index} | {cell} | {' | '.join(figures)} |"
    yield ""
    yield f"Percent, mean over the seeds after {table.epochs[-1]} epochs; chosen by validation, test beside it."


def _histogram(table: Table) -> Iterator[str]:
    yield "## Validation accuracy"
    yield ""
    column = table.column("validation/accuracy")
    column = column[~np.isnan(column)]
    counts, edges = np.histogram(column, bins=BINS)
    yield "```text"
    yield from histogram_lines(counts, edges)
    yield "```"


def histogram_lines(counts: NDArray[np.integer], edges: NDArray[np.floating]) -> Iterator[str]:
    """Yield a histogram as lines of text, one a bin."""
    for count, low, high in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        bar = "█" * round(_BAR * count / max(1, int(counts.max())))
        yield f"{low:6.2f} – {high:6.2f} % {count:5d} {bar}".rstrip()


def show(value: object) -> str:
    """Write a value of the provenance for people."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {show(entry)}" for key, entry in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(show, value)) or "none"
    return f"{value:,}" if isinstance(value, (int, float)) else str(value)


def _has_noise(entry: Metric) -> bool:
    return entry.split in ("validation", "test") and "seed" in entry.axes and entry.direction != "none"


def _range(epochs: tuple[int, ...]) -> str:
    if len(epochs) > 2 and epochs == tuple(range(epochs[0], epochs[-1] + 1)):
        return f"{epochs[0]} to {epochs[-1]}"
    return " and ".join(map(str, epochs))


def _tau(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _fixed(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"


def _number(value: float) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
