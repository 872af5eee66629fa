"""One cell of a NATS-Bench directory: a bz2-compressed pickle -> arrays, every entry checked, nothing filled in.

The layout is that of NATS-Bench's topology space (Dong et al. 2021, arXiv:2009.00437; file version 1.0): for each
length of training (``"12"``, ``"200"``) the trainings by data set and seed, each with dicts of values by epoch, counted
from 0. It is read with :mod:`metanas.tables.unpickle`: the pickle names three globals, and no other is admitted.
"""

from __future__ import annotations

import bz2
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidFileError
from metanas.tables.unpickle import Admitted, Limits, loads
from metanas.tables.unpickle_numpy import SCALARS

Kind = TypeVar("Kind")

SUFFIX = ".pickle.pbz2"
ADMITTED: Admitted = {**SCALARS, "collections.OrderedDict": dict}

# What the names of the evaluated rows mean, by data set. NATS-Bench evaluates on "ori-test", the whole official test
# set; of cifar100 and ImageNet16-120 one half of it is its validation set and the other its test set.
SETS: Mapping[str, Mapping[str, str]] = {
    "cifar10-valid": {"x-valid": "validation/", "ori-test": "test/"},
    "cifar10": {"ori-test": "test/"},
    "cifar100": {"x-valid": "validation/", "x-test": "test/", "ori-test": "test/valtest_"},
    "ImageNet16-120": {"x-valid": "validation/", "x-test": "test/", "ori-test": "test/valtest_"},
}
TOP5 = "training/top5_accuracy"
TRAINING = {"train_acc1es": "training/accuracy", "train_losses": "training/cross_entropy", "train_acc5es": TOP5}
EVALUATED = {"eval_acc1es": "accuracy", "eval_losses": "cross_entropy", "eval_times": ""}
SECONDS = {
    "validation/": "cost/validation_seconds",
    "test/": "cost/test_seconds",
    "test/valtest_": "cost/valtest_seconds",
}
LIMITS = Limits(bytes=16 * 2**20, depth=16)
_LONGEST = 10_000  # epochs


class Run(NamedTuple):
    """What trainings have in common that go into one table: the data set, and the epochs that were planned."""

    dataset: str
    epochs: int


@dataclass(frozen=True, slots=True)
class Training:
    """One training.

    Attributes:
        curves: by metric, ``(n_epochs,)`` float32, NaN where nothing was evaluated.
        epoch_seconds: seconds of each epoch of training, ``(n_epochs,)``, or ``(1,)`` if all are the same; ``(0,)`` if
            there are none.
        evaluation_seconds: seconds of one evaluation by metric (``"cost/validation_seconds"``), mean over the epochs.
        parameters: number of parameters.
        macs: multiply-accumulates of a forward pass.
        latency: seconds, NaN if there is none.
    """

    curves: dict[str, NDArray[np.float32]]
    epoch_seconds: NDArray[np.float64]
    evaluation_seconds: dict[str, float]
    parameters: float
    macs: float
    latency: float


@dataclass(frozen=True, slots=True)
class CellRecord:
    """All trainings of a cell.

    Attributes:
        index: NATS-Bench's index of the cell.
        text: its string.
        trainings: by run and seed.
        sha256: of the file.
    """

    index: int
    text: str
    trainings: dict[Run, dict[int, Training]]
    sha256: str


class _FormatError(ValueError):
    """Something is not as the format says; the caller names the file."""


def read_pickle(path: Path) -> tuple[Any, str]:
    """Return the plain data of a compressed pickle, and the SHA-256 of the file.

    Raises:
        InvalidFileError: it cannot be read, or holds anything but plain data, or unpacks to too much.
    """
    unpacker = bz2.BZ2Decompressor()
    try:
        packed = path.read_bytes()
        data = unpacker.decompress(packed, LIMITS.bytes + 1)
    except (OSError, ValueError) as error:
        msg = f"{path} cannot be read: {error}."
        raise InvalidFileError(msg) from error
    if len(data) <= LIMITS.bytes and not unpacker.eof:
        msg = f"{path} is cut short; get it again."
        raise InvalidFileError(msg)
    return loads(data, ADMITTED, limits=LIMITS, source=str(path)), hashlib.sha256(packed).hexdigest()


def read_cell(path: Path, index: int) -> CellRecord:
    """Read the file of the cell with that index.

    Raises:
        InvalidFileError: what in it is not as the format says.
    """
    content, sha256 = read_pickle(path)
    try:
        return _cell(content, index, sha256)
    except _FormatError as error:
        msg = f"{path} is no cell of NATS-Bench's topology space: {error}."
        raise InvalidFileError(msg) from error


def _cell(content: Any, index: int, sha256: str) -> CellRecord:
    trainings: dict[Run, dict[int, Training]] = {}
    texts = set()
    for length, state in _a(dict, content, "the file").items():
        if not isinstance(length, str) or not length.isdecimal():
            _refuse(f"trainings must be listed by their epochs, but got {length!r}")
        where = f"the {length} epochs"
        _same(_a(dict, state, where).get("arch_index"), index, f"arch_index of {where}")
        texts.add(_a(str, state.get("arch_str"), f"arch_str of {where}"))
        results = _a(dict, state.get("all_results"), f"all_results of {where}")
        _check_listed(_a(dict, state.get("dataset_seed"), f"dataset_seed of {where}"), results, where)
        for (dataset, seed), result in results.items():
            place = f"{dataset}, seed {seed}, {length} epochs"
            training, text = _training(_a(dict, result, place), Run(dataset, int(length)), seed, place)
            texts.add(text)
            trainings.setdefault(Run(dataset, int(length)), {})[seed] = training
    if len(texts) != 1:
        _refuse(f"it must be of one architecture, but is of {', '.join(sorted(texts)) or 'none'}")
    return CellRecord(index, texts.pop(), trainings, sha256)


def _check_listed(listed: dict[Any, Any], results: dict[Any, Any], where: str) -> None:
    for key in results:
        if not (isinstance(key, tuple) and len(key) == 2 and key[0] in SETS and type(key[1]) is int):
            _refuse(f"a training must be of a seed and one of {', '.join(SETS)}, but got {key!r}")
    pairs = [(dataset, seed) for dataset, seeds in listed.items() for seed in _a(list, seeds, where)]
    if sorted(map(str, pairs)) != sorted(map(str, results)):
        _refuse(f"dataset_seed of {where} does not list the trainings that are there")


def _training(result: dict[Any, Any], run: Run, seed: int, where: str) -> tuple[Training, str]:
    _same(result.get("epochs"), run.epochs, f"epochs of {where}")
    _same(result.get("name"), run.dataset, f"name of {where}")
    _same(_a(str, result.get("seed"), f"seed of {where}").lstrip("0"), str(seed), f"seed of {where}")
    if not 0 < run.epochs <= _LONGEST:
        _refuse(f"a training must have 1 to {_LONGEST:,} epochs, but {where} has {run.epochs:,}")
    text = _a(str, _a(dict, result.get("arch_config"), f"arch_config of {where}").get("arch_str"), where)
    columns = {column: result.get(key) for key, column in TRAINING.items()}
    if columns[TOP5] is None:
        del columns[TOP5]  # recorded for the short trainings alone
    values = {
        column: _by_epoch(_a(dict, content, f"{column} of {where}"), run.epochs, f"{column} of {where}")
        for column, content in columns.items()
    }
    seconds: dict[str, float] = {}
    for key, quantity in EVALUATED.items():
        content = _a(dict, result.get(key), f"{key} of {where}")
        for name, by_epoch in _by_set(content, run.dataset, f"{key} of {where}").items():
            found = _by_epoch(by_epoch, run.epochs, f"{key} of {name} of {where}")
            split = SETS[run.dataset][name]
            known = found[~np.isnan(found)]
            if quantity:
                values[f"{split}{quantity}"] = found
            elif len(known):
                seconds[SECONDS[split]] = float(known[0] if (known == known[0]).all() else known.mean())
    training = Training(
        {column: array.astype(np.float32) for column, array in values.items()},
        _epoch_seconds(result.get("train_times"), run.epochs, f"train_times of {where}"),
        seconds,
        float(round(_number(result.get("params"), f"params of {where}") * 1e6)),
        float(round(_number(result.get("flop"), f"flop of {where}") * 1e6)),
        _latency(result.get("latency"), f"latency of {where}"),
    )
    return training, text


def _by_set(content: dict[Any, Any], dataset: str, where: str) -> dict[str, dict[int, Any]]:
    """Sort ``{"x-valid@3": value}`` by set and epoch."""
    found: dict[str, dict[int, Any]] = {}
    for key, value in content.items():
        name, _, epoch = key.partition("@") if isinstance(key, str) else (str(key), "", "")
        if name not in SETS[dataset] or not epoch.isdecimal():
            _refuse(f"values must be keyed set@epoch (sets: {', '.join(SETS[dataset])}), but {where} has {key!r}")
        found.setdefault(name, {})[int(epoch)] = value
    return found


def _by_epoch(content: dict[Any, Any], n_epochs: int, where: str) -> NDArray[np.float64]:
    """Return values by epoch, ``(n_epochs,)``, NaN where there is none."""
    keys, numbers = list(content), list(content.values())
    if not all(type(key) is int and 0 <= key < n_epochs for key in keys):
        _refuse(f"{where} must be keyed by epochs 0 to {n_epochs - 1}, but has {keys[:5]} …")
    if not all(type(number) in (float, int) for number in numbers):
        _refuse(f"{where} must hold numbers alone")
    values = np.full(n_epochs, np.nan)
    values[np.array(keys, dtype=np.int64)] = np.array(numbers, dtype=np.float64)
    return values


def _epoch_seconds(content: Any, n_epochs: int, where: str) -> NDArray[np.float64]:
    if content is None:
        return np.empty(0)
    values = _by_epoch(_a(dict, content, where), n_epochs, where)
    if not (values > 0).all():
        _refuse(f"{where} must be seconds above 0 of every epoch")
    return values[:1] if (values == values[0]).all() else values


def _latency(content: Any, where: str) -> float:
    """Return the mean of the measured seconds; NaN where the format says −1 or nothing for "not available"."""
    if content is None:
        return float("nan")
    known = [number for entry in _a(list, content, where) if (number := _number(entry, where)) > 0]
    return sum(known) / len(known) if known else float("nan")


def _number(content: Any, where: str) -> float:
    if type(content) not in (float, int) or not math.isfinite(content):
        _refuse(f"{where} must be a number, but is {str(content)[:40]!r}")
    return float(content)


def _a(kind: type[Kind], content: Any, where: str) -> Kind:
    """Return ``content``, which must be of that kind."""
    if not isinstance(content, kind):
        _refuse(f"{where} must be a {kind.__name__}, but is a {type(content).__name__}")
    return content


def _same(found: object, expected: object, what: str) -> None:
    if found != expected or type(found) is not type(expected):
        _refuse(f"{what} must be {expected!r}, but is {str(found)[:80]!r}")


def _refuse(reason: str) -> NoReturn:
    raise _FormatError(reason)
