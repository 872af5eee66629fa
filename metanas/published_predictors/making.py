"""Makes predictors to publish: of accuracy from one table or from tables of other tasks, of latency from devices."""

from __future__ import annotations

import gzip
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
from metanas.predictors._sources import read_sources
from metanas.predictors._targets import Targets
from metanas.predictors.calibration import LEVELS, half_width, reliability
from metanas.predictors.task_gp import TaskGP
from metanas.predictors.xgboost import learner
from metanas.published_predictors import fewshot
from metanas.published_predictors.accuracy import EXAMPLES, PREFIX, columns_sha256
from metanas.published_predictors.latency import SOURCES, completed, latency_columns
from metanas.published_predictors.store import arrays_as_bytes
from metanas.spaces import ListedSpace, Space, listed, load_space
from metanas.tables import Table
from metanas.tables.table import mean_over_seeds
from metanas.tasks import relatives

METRIC = fewshot.METRIC
WIDEST = "nb201"  # the space of the few-shot predictor: tables of its sub-space are read as parts of it
SHOTS = (0, 10, 20)
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
    boosters = [bytes(booster.save_raw("ubj")) for booster in model.members]
    weights = {f"member-{n}.ubj.gz": gzip.compress(raw, mtime=0) for n, raw in enumerate(boosters)}
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


def make_few_shot(tables: Sequence[Table], *, name: str = "fewshot-v1") -> Made:
    """Read the accuracies of tasks, from which those of another task are predicted by a few trainings.

    The figures leave out one task at a time, and those that share its data: Kendall's tau over the architectures of its
    table that are no examples, mean over the tasks. Examples are those that the predictor proposes; where the table has
    several seeds, each in turn trains them, the truth is the mean of the others, and the mean over the seeds counts.

    Raises:
        InvalidValueError: fewer than three tasks, or two tables of one task.
        InvalidFileError: a table of another space, or without trainings by seed.
    """
    for table in tables:
        if table.row_of_index is None or table.space.arch(int(table.archs[0])).space != WIDEST:
            msg = f"A few-shot predictor learns from tables of {WIDEST!r}, but {table.name} is of {table.space_name!r}."
            raise InvalidFileError(msg)
        if "seed" not in table.metrics[METRIC].axes:
            msg = f"A few-shot predictor needs {METRIC} by seed, but {table.name} has one number for all."
            raise InvalidFileError(msg)
    tasks = [table.task for table in tables]
    if len(set(tasks)) < len(tasks) or len(tasks) < 3:
        msg = f"A few-shot predictor learns from one table for each of at least three tasks, but got {tasks}."
        raise InvalidValueError(msg)
    space = listed(load_space(WIDEST))
    columns = np.column_stack([_by_index(table, table.column(METRIC)) for table in tables])
    _, sources = read_sources(space, columns)
    classes = np.unique(space.canonical_indices[space.indices])
    trained = classes[np.isfinite(columns[classes]).all(axis=1)]
    figures = {"tasks": float(len(tasks))}
    rows, covered = [], []
    for table in tables:
        kin = relatives(table.task)
        kept = [source for source, task in zip(sources, tasks, strict=True) if task not in kin]
        if not kept:
            msg = f"Nothing is left to predict {table.task} from when it and those that share its data are left out."
            raise InvalidValueError(msg)
        others = TaskGP(space, np.random.default_rng(0), sources=kept)
        taus, coverage = _left_out(others, space, table, trained)
        rows.append(taus)
        covered.append(coverage)
    for shots, column in zip(SHOTS, np.array(rows).T, strict=True):
        figures[f"tau_from_{shots}_trainings"] = round(float(column.mean()), 4)
    figures[f"coverage_80_from_{SHOTS[-1]}_trainings"] = round(float(np.mean(covered)), 4)
    fields = {
        "name": name,
        "kind": "few-shot",
        "space": WIDEST,
        "task": "{task}",
        "metric": METRIC,
        "unit": tables[0].metrics[METRIC].unit,
        "label": "mean_of_measured_seeds",
        "method": TaskGP.name,
        "examples": int(np.isfinite(columns[classes]).sum()),
        "settings": {"columns_sha256": columns_sha256(Inputs(space, ENCODINGS, None))},
        "data": {table.name: table.sha256 for table in tables},
        "figures": figures,
        "made": _versions("metanas", "numpy"),
    }
    arrays = {
        "tasks": np.array(tasks),
        "z": np.column_stack([source.z for source in sources]).astype(np.float32),
        "logs": np.stack([source.logs for source in sources]).astype(np.float32),
        "trained": trained.astype(np.int32),
    }
    return Made(fields, {fewshot.SOURCES: arrays_as_bytes(**arrays)}, _few_shot_card(fields, tables, rows))


def _by_index(table: Table, values: Floats) -> Floats:
    """Return the values of a table's rows by index, ``(index range,)``, NaN = not measured."""
    assert table.row_of_index is not None
    return np.append(values, np.nan)[table.row_of_index]


def _left_out(
    predictor: TaskGP, space: ListedSpace, table: Table, trained: NDArray[np.int64]
) -> tuple[list[float], float]:
    """Return how well a task that was left out is ranked, ``(len(SHOTS),)``, and how many 80 % intervals hold.

    See :func:`make_few_shot`.
    """
    tau = require("scipy.stats", "predictors", "Rank correlation").kendalltau
    by_seed = np.stack([_by_index(table, table.column(METRIC, seed=seed)) for seed in table.seeds])
    functions = np.unique(space.canonical_indices[space.indices])
    taus, coverages = [], []
    for number, own in enumerate(by_seed):
        truth = mean_over_seeds(np.delete(by_seed, number, axis=0).T) if len(by_seed) > 1 else own
        classes = functions[np.isfinite(truth[functions])]
        taus.append([float(tau(predictor.prior(classes), truth[classes]).statistic)])
        for shots in SHOTS[1:]:
            shown = predictor.propose(shots, trained[np.isfinite(own[trained])])
            asked = np.setdiff1d(classes, shown)
            said = predictor.fit(shown, own[shown]).predict(asked)
            taus[-1].append(float(tau(said.mean, truth[asked]).statistic))
        coverages.append(reliability(said, truth[asked]).coverage[_LEVEL])
    return np.mean(taus, axis=0).tolist(), float(np.mean(coverages))


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


def _few_shot_card(fields: dict[str, Any], tables: Sequence[Table], rows: Sequence[Sequence[float]]) -> str:
    taus = "\n".join(
        f"| {table.task} | {len(table.seeds)} | " + " | ".join(f"{tau:.3f}" for tau in row) + " |"
        for table, row in zip(tables, rows, strict=True)
    )
    means = " | ".join(f"{fields['figures'][f'tau_from_{shots}_trainings']:.3f}" for shots in SHOTS)
    data = "\n".join(f"- `{name}`, sha256 `{sha256}`" for name, sha256 in fields["data"].items())
    return f"""# {fields["name"]}

Predicts the validation accuracy of architectures of the space `{fields["space"]}` on a task of which a few were
trained:

    metanas build --task my_task-v1.toml --few-shot 10 --seeds 0
    metanas predict --examples TABLE.h5 --best 10

**Method.** A Gaussian process whose mean and kernel come from the tasks below (`metanas/predictors/task_gp.py`), fitted
to the trainings when it is asked. It says which architectures to train first.

**Figures.** One task left out at a time, and those that share its data: Kendall's tau over the architectures of its
table that are no examples. Examples are chosen by the predictor; where a table has several seeds, each of them in turn
trains the examples, the truth is the mean of the others, and the mean over the seeds counts. Noise of the tables is in
these figures: of a table whose seeds hardly agree nobody can rank the truth.

| task left out | seeds | {" | ".join(f"{shots} trainings" for shots in SHOTS)} |
|---|---|{"---|" * len(SHOTS)}
{taus}
| mean | | {means} |

Intervals of 80 % hold {fields["figures"][f"coverage_80_from_{SHOTS[-1]}_trainings"]:.0%} of the values after
{SHOTS[-1]} trainings.

**Data.**

{data}

**Limits.** What a table did not train (cells with pooling, if it is of `nb201-conv`) is read from what it did; the
figure of a task is over what its own table trained. It knows small networks trained for a short time (the protocols of
these tables); the less a task and its training are like these, the more trainings it needs. Of a task that is among
them its own table is left out.

Made by `metanas publish --few-shot {" ".join(fields["data"])}`.
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
