"""Makes predictors to publish: of accuracy from one table, of latency from tables of devices."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidFileError, InvalidValueError
from metanas.extras import require
from metanas.predictors import Prediction, Predictor, make_predictor
from metanas.predictors._boosting import BoostedTrees
from metanas.predictors._folds import out_of_fold
from metanas.predictors._inputs import Inputs
from metanas.predictors._targets import Targets
from metanas.predictors.calibration import LEVELS, half_width, reliability
from metanas.predictors.xgboost import learner
from metanas.published_predictors.accuracy import EXAMPLES, PREFIX, columns_sha256
from metanas.published_predictors.latency import SOURCES, completed, latency_columns
from metanas.published_predictors.store import arrays_as_bytes
from metanas.spaces import Space, listed
from metanas.tables import Table

METRIC = "validation/accuracy"
SETTINGS: dict[str, Any] = {"members": 3, "rounds": 200, "depth": 4, "rate": 0.05, "inputs": 0.3}
ENCODINGS = ("functional",)
FOLDS = 5
_LEVEL = 0.8  # of the interval that must hold out of fold
_LEAST = 50  # examples

Floats = NDArray[np.float64]


class Made(NamedTuple):
    """What :func:`metanas.published_predictors.store.publish` takes."""

    fields: dict[str, Any]
    weights: dict[str, bytes]
    card: str


def make_accuracy(table: Table, *, seed: int = 0) -> Made:
    """Fit boosted trees on everything that a table holds of its validation accuracy.

    The standard deviation is scaled by the one factor with which 80 % of the values lie in the central 80 % interval
    out of fold (the locally scaled conformal intervals of :mod:`metanas.predictors.calibrated`, at one level); the
    card's figures are out of fold too, with functionally equal architectures in one fold.

    Args:
        table: the table; of it, validation accuracies after the last epoch, the mean over the measured seeds.
        seed: of folds and members.

    Raises:
        InvalidValueError: fewer than 50 architectures have a value.
        InvalidFileError: the table holds no validation accuracy.
    """
    if METRIC not in table.metrics:
        msg = f"An accuracy predictor is fitted on {METRIC}, but table {table.name} has {', '.join(table.metrics)}."
        raise InvalidFileError(msg)
    values = table.column(METRIC)
    there = np.isfinite(values)
    index, y = table.archs[there].astype(np.int64), values[there]
    if len(y) < _LEAST:
        msg = f"At least {_LEAST} architectures are needed to publish a predictor, but {table.name} has {len(y)}."
        raise InvalidValueError(msg)
    space, rng = table.space, np.random.default_rng(seed)
    targets = Targets(y, "normal")
    inputs = Inputs(space, ENCODINGS, None)
    model = learner(**SETTINGS)(inputs(index), targets.forward(y), rng)
    assert isinstance(model, BoostedTrees)
    held_out = out_of_fold(space, lambda rng: _predictor(table, rng), index, y, FOLDS, rng)
    assert held_out.std is not None
    factor = _factor(held_out, y)
    task = table.task.rpartition("-v")[0] or table.task
    name = f"{PREFIX}{task}-v{table.name.rpartition('-v')[2]}"
    figures = _figures(Prediction(held_out.mean, factor * held_out.std), y)
    fields = {
        "name": name,
        "kind": "accuracy",
        "space": table.space_name,
        "task": table.task,
        "metric": METRIC,
        "unit": table.metrics[METRIC].unit,
        "label": "mean_of_measured_seeds",
        "method": "xgboost",
        "examples": len(y),
        "settings": {**SETTINGS, "encodings": list(ENCODINGS), "columns_sha256": columns_sha256(inputs), "seed": seed},
        "data": {table.name: table.sha256},
        "figures": figures,
        "made": _versions("metanas", "numpy", "xgboost"),
    }
    weights = {f"member-{n}.ubj": bytes(booster.save_raw("ubj")) for n, booster in enumerate(model.members)}
    scales = {"noise": np.array(model.noise), "factor": np.array(factor)}
    weights[EXAMPLES] = arrays_as_bytes(index=index, value=y, **scales)
    return Made(fields, weights, _accuracy_card(fields, table))


def make_latency(tables: Sequence[Table], *, name: str = "latency-v1") -> Made:
    """Gather the latencies of devices, from which the latency of another device is predicted by a few measurements.

    Raises:
        InvalidValueError: no device, or tables of different spaces or networks.
    """
    spaces, tasks = ({getattr(table, key) for table in tables} for key in ("space_name", "task"))
    if len(spaces) != 1 or len(tasks) != 1:
        msg = f"Devices of one predictor must have timed the same networks of one space, but got {spaces} and {tasks}."
        raise InvalidValueError(msg)
    columns, space = latency_columns(tables), tables[0].space
    if not columns:
        msg = f"A latency predictor needs metrics latency/<device>, but {[table.name for table in tables]} have none."
        raise InvalidValueError(msg)
    measured = np.all([np.isfinite(values) for values in columns.values()], axis=0)
    figures = {"devices": float(len(columns))}
    if not np.all(measured[listed(space).indices]):
        figures["least_spearman_of_what_was_not_measured"] = min(_unmeasured(space, own) for own in columns.values())
    matrix = np.column_stack(list(completed(space, columns).values()))
    fields = {
        "name": name,
        "kind": "latency",
        "space": spaces.pop(),
        "task": tasks.pop(),
        "metric": "latency/{device}",
        "unit": "ms",
        "label": "as_measured",
        "method": "transfer_gp",
        "examples": int(np.sum(measured)),
        "settings": {"log": True, "encoding": "onehot"},
        "data": {table.name: table.sha256 for table in tables},
        "figures": figures,
        "made": _versions("metanas", "numpy"),
    }
    weights = {SOURCES: arrays_as_bytes(names=np.array(list(columns)), latency_ms=matrix.astype(np.float32))}
    return Made(fields, weights, _latency_card(fields, list(columns)))


def _unmeasured(space: Space, values: Floats) -> float:
    """Return how well latencies are predicted that a device did not measure: Spearman's, of a tenth set aside."""
    known = np.random.default_rng(0).permutation(np.flatnonzero(np.isfinite(values)))
    apart = known[: max(2, len(known) // 10)]
    rest = values.copy()
    rest[apart] = np.nan
    (filled,) = completed(space, {"device": rest}).values()
    spearman = require("scipy.stats", "predictors", "Rank correlation").spearmanr
    return round(float(spearman(filled[apart], values[apart]).statistic), 4)


def _predictor(table: Table, rng: np.random.Generator) -> Predictor:
    return make_predictor("xgboost", table.space, rng, encodings=ENCODINGS, **SETTINGS)


def _factor(held_out: Prediction, y: Floats) -> float:
    assert held_out.std is not None
    errors = np.abs(y - held_out.mean) / held_out.std
    return float(np.quantile(errors, _LEVEL)) / half_width(_LEVEL)


def _figures(held_out: Prediction, y: Floats) -> dict[str, float]:
    tau = require("scipy.stats", "predictors", "Rank correlation").kendalltau
    best = np.argsort(y)[-max(2, round(0.1 * len(y))) :]
    found = reliability(held_out, y)
    figures = {
        "tau": float(tau(held_out.mean, y).statistic),
        "tau_in_the_best_tenth": float(tau(held_out.mean[best], y[best]).statistic),
        "rmse": found.rmse,
        "crps": found.crps,
        **{f"coverage_{level:.0%}".rstrip("%"): found.coverage[level] for level in LEVELS},
    }
    return {name: round(value, 4) for name, value in figures.items()}


def _versions(*names: str) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # a checkout that is on the path but not installed
            found[name] = "unknown"
    return found


def _accuracy_card(fields: dict[str, Any], table: Table) -> str:
    rows = "\n".join(f"| {name.replace('_', ' ')} | {value:.3f} |" for name, value in fields["figures"].items())
    size = len(listed(table.space).indices)
    return f"""# {fields["name"]}

Predicts the validation accuracy (percent, mean over the measured seeds) that a training of an architecture of the space
`{fields["space"]}` on the task `{fields["task"]}` would reach, under the protocol of the table `{table.name}`.

    metanas predict --task {table.task.rpartition("-v")[0] or table.task} ARCH...

**Method.** {fields["settings"]["members"]} members of {fields["settings"]["rounds"]} boosted trees (XGBoost) on the
encoding `functional`, on normal scores of the ranks; functionally equal architectures have equal predictions.

**Data.** {fields["examples"]:,} architectures of `{table.name}`, sha256 `{table.sha256}`,
protocol sha256 `{table.protocol_sha256}`.

**Figures**, out of fold ({FOLDS} folds, functionally equal architectures in one fold; the standard
deviation was scaled so that the 80 % interval holds):

| figure | value |
|---|---|
{rows}

The accuracies are noisy themselves: the table's card says how well one mean of its seeds ranks another.

**Limits.** It answers for the {size:,} architectures of its space and no other; for this task and this protocol. Of
architectures that are examples it gives a smoothed value, and `metanas predict` shows the measured one beside it.
Nothing was chosen by test accuracy, which it does not predict.

Made by `metanas publish {table.name}`.
"""


def _latency_card(fields: dict[str, Any], names: list[str]) -> str:
    listing = "\n".join(f"- {name}" for name in names)
    tables = "\n".join(f"- `{name}`, sha256 `{sha256}`" for name, sha256 in fields["data"].items())
    spearman = fields["figures"].get("least_spearman_of_what_was_not_measured")
    filled = f"""
The others of the space are predicted from these, device by device, by a Gaussian process on the cell as it is written;
of a tenth of the measured ones set aside, it ranks with a Spearman correlation of {spearman} or better.
""" if spearman is not None else ""  # fmt: skip
    return f"""# {fields["name"]}

Predicts the latency (ms) of architectures of the space `{fields["space"]}`, built as `{fields["task"]}`,
on a device of which a few were measured:

    metanas measure --calibrate --device my-device
    metanas predict --device my-device.toml ARCH...

**Method.** A Gaussian process whose mean and kernel come from the devices below
(`metanas/predictors/transfer_gp.py`), on logarithms; it is fitted to the calibration when it is asked.

**Devices**, {fields["examples"]:,} architectures that all of them measured:

{listing}
{filled}
**Data.**

{tables}

**Limits.** The further a device is from all of these, the more it needs measurements of its own; the board
`latency-v1` says how well devices of a runtime that is left out are ranked.

Made by `metanas publish {" ".join(fields["data"])}`.
"""
