"""What ``nats_bench`` calls ``ArchResults`` and ``ResultsCount``, answering from tables; see :mod:`.natsbench`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metanas.errors import InvalidValueError, NotMeasuredError, UnknownNameError
from metanas.tables import Table
from metanas.tables.nats_cell import SECONDS, SETS
from metanas.tables.nats_columns import LATENCY

_KEYS = {"loss": "cross_entropy", "accuracy": "accuracy"}
_OWN_SETS = {"x-valid": "validation/", "x-test": "test/"}  # of a task that NATS-Bench does not have


@dataclass(frozen=True, slots=True)
class Source:
    """A table under the name of the data set and length that scripts ask for.

    Attributes:
        dataset: the name, as in ``"cifar10-valid"``.
        table: what answers.
        hp: the official name of the length of training, as in ``"200"``.
    """

    dataset: str
    table: Table
    hp: str

    @property
    def epochs(self) -> int:
        """Epochs of the whole training."""
        return self.table.epochs[-1]

    @property
    def sets(self) -> Mapping[str, str]:
        """Beginning of the metrics' names by the official name of the set."""
        evaluated = SETS.get(self.dataset, _OWN_SETS)
        if "validation/accuracy" in self.table.metrics:  # NATS-Bench's own cifar10 has none
            evaluated = {"x-valid": "validation/", **evaluated}
        return {"train": "training/", **evaluated}

    def value(self, index: int, metric: str, epoch: int | None = None, seed: int | None = None) -> float:
        """Return a value, NaN where the table holds none for exactly that epoch and seed.

        Args:
            index: of the architecture in the space.
            metric: name of the metric; the table need not have it.
            epoch: after that many epochs; the last if None.
            seed: of that training; the mean over the measured ones if None.
        """
        entry = self.table.metrics.get(metric)
        if entry is None:
            return math.nan
        if "epoch" not in entry.axes:
            if epoch not in (None, self.epochs) and entry.split != "cost":
                return math.nan
            epoch = None
        elif epoch is not None and epoch not in self.table.epochs:
            return math.nan
        if "seed" not in entry.axes and seed is not None:
            if entry.split not in ("cost", "latency"):
                return math.nan  # a mean over trainings is no value of one of them
            seed = None
        return self.table.query(index, metric, epoch=epoch, seed=seed, missing="nan")

    def official_set(self, name: str) -> str:
        """Return the set that ``"train"``, ``"valid"`` and ``"test"`` mean, or that is named in full."""
        prefix = {"valid": "validation/", "test": "test/"}.get(name)
        found = [key for key, value in self.sets.items() if value == prefix or key == name]
        if not found:
            kind = f"set of {self.dataset}"
            raise UnknownNameError(kind, name, self.sets)
        return found[0]

    def official_prefix(self, name: str) -> str:
        """Return how the keys of a set begin in what ``get_more_info`` returns."""
        return {"training/": "train", "validation/": "valid", "test/": "test"}.get(self.sets[name], "valtest")

    def seeds(self, index: int) -> list[int]:
        """Return the seeds with an accuracy of that architecture after the whole training."""
        metrics = self.table.metrics.values()
        names = [entry.name for entry in metrics if entry.quantity == "accuracy" and "seed" in entry.axes]
        return [
            seed
            for seed in self.table.seeds
            if not all(math.isnan(self.value(index, name, None, seed)) for name in names)
        ]

    def metrics(self, index: int, name: str, iepoch: int | None, seed: int | None) -> dict[str, Any]:
        """Return loss, accuracy and times on a set after epoch ``iepoch`` (counted from 0), as the official reader.

        Raises:
            UnknownNameError: no such set.
            InvalidValueError: no such epoch.
            NotMeasuredError: the set was not evaluated then.
        """
        name = "x-valid" if name == "valid" else name
        if name not in self.sets:
            kind = f"set of {self.dataset}"
            raise UnknownNameError(kind, name, self.sets)
        iepoch = self.epochs - 1 if iepoch is None else iepoch
        if not 0 <= iepoch < self.epochs:
            msg = f"0 <= iepoch < {self.epochs} must hold for {self.dataset}, but got iepoch={iepoch}."
            raise InvalidValueError(msg)
        prefix = self.sets[name]
        found = {key: self.value(index, f"{prefix}{metric}", iepoch + 1, seed) for key, metric in _KEYS.items()}
        if all(math.isnan(value) for value in found.values()):
            whose = "any seed" if seed is None else f"seed {seed}"
            msg = (
                f"Table {self.table.name} holds no values on {name!r} after {iepoch + 1} epochs of {whose} for the "
                f"architecture with index {index}; no other set, epoch or seed stands for it."
            )
            raise NotMeasuredError(msg)
        values = {key: _or_none(value) for key, value in found.items()}
        return {"iepoch": iepoch, **values, **self.times(index, name, iepoch, seed)}

    def times(self, index: int, name: str, iepoch: int, seed: int | None) -> dict[str, float | None]:
        """Return the seconds of one epoch and of all up to then, None where not measured."""
        if name == "train":
            total = self.value(index, "cost/seconds", iepoch + 1, seed)
            before = self.value(index, "cost/seconds", iepoch, seed) if iepoch else 0.0
            return {"cur_time": _or_none(total - before), "all_time": _or_none(total)}
        each = self.value(index, SECONDS[self.sets[name]], None, seed)
        return {"cur_time": _or_none(each), "all_time": _or_none(each * (iepoch + 1))}

    def costs(self, index: int, seed: int | None = None) -> dict[str, Any]:
        """Return FLOPs and parameters in millions, latency in seconds and times; None where not measured."""
        found: dict[str, Any] = {
            "flops": _or_none(self.value(index, "cost/macs") / 1e6),
            "params": _or_none(self.value(index, "cost/parameters") / 1e6),
            "latency": _or_none(self.value(index, LATENCY, None, seed) / 1e3),
        }
        total = self.value(index, "cost/seconds", None, seed)
        found["T-train@epoch"], found["T-train@total"] = _or_none(total / self.epochs), _or_none(total)
        for name, prefix in self.sets.items():
            if name != "train" and f"{prefix}accuracy" in self.table.metrics:
                each = self.value(index, SECONDS[prefix], None, seed)
                found[f"T-{name}@epoch"], found[f"T-{name}@total"] = _or_none(each), _or_none(each * self.epochs)
        return found


class ResultsCount:
    """One training: the official ``ResultsCount``."""

    def __init__(self, source: Source, index: int, seed: int) -> None:
        """Stand for the training of the architecture with that index and seed."""
        self._source, self._index, self.seed = source, index, seed
        self.name, self.epochs = source.dataset, source.epochs
        costs = source.costs(index, seed)
        self.params, self.flop = costs["params"], costs["flops"]
        self._costs = costs

    def get_train(self, iepoch: int | None = None) -> dict[str, Any]:
        """Return loss, accuracy and times of training after an epoch."""
        return self._source.metrics(self._index, "train", iepoch, self.seed)

    def get_eval(self, name: str, iepoch: int | None = None) -> dict[str, Any]:
        """Return loss, accuracy and times of evaluation on a set after an epoch."""
        return self._source.metrics(self._index, name, iepoch, self.seed)

    def get_eval_set(self) -> list[str]:
        """Return the names of the evaluated sets."""
        metrics, sets = self._source.table.metrics, self._source.sets
        return [name for name, prefix in sets.items() if name != "train" and f"{prefix}accuracy" in metrics]

    def get_total_epoch(self) -> int:
        """Return the epochs of the training."""
        return self.epochs

    def get_latency(self) -> float | None:
        """Return seconds, None where not measured (officially −1)."""
        latency: float | None = self._costs["latency"]
        return latency

    def get_times(self) -> dict[str, Any]:
        """Return the seconds of training and evaluation."""
        return {key: value for key, value in self._costs.items() if key.startswith("T-")}


class ArchResults:
    """All trainings of an architecture that had the same length: the official ``ArchResults``."""

    def __init__(self, sources: Mapping[str, Source], index: int, arch_index: int, arch_str: str) -> None:
        """Stand for an architecture.

        Args:
            sources: by data set.
            index: in the space.
            arch_index: in the list of the reader.
            arch_str: the written form.
        """
        self._sources, self._index = sources, index
        self.arch_index, self.arch_str = arch_index, arch_str

    def _source(self, dataset: str) -> Source:
        if dataset not in self._sources:
            kind = "data set"
            raise UnknownNameError(kind, dataset, self._sources)
        return self._sources[dataset]

    def get_dataset_names(self) -> list[str]:
        """Return the data sets."""
        return list(self._sources)

    def sets(self, dataset: str) -> dict[str, str]:
        """Return how the sets of a data set are called by their official names: train, valid, test, valtest."""
        source = self._source(dataset)
        return {name: source.official_prefix(name) for name in source.sets}

    def get_dataset_seeds(self, dataset: str) -> list[int]:
        """Return the seeds that were run."""
        return self._source(dataset).seeds(self._index)

    def get_compute_costs(self, dataset: str) -> dict[str, Any]:
        """Return costs, mean over the seeds; None where not measured or not agreed upon."""
        return self._source(dataset).costs(self._index)

    def get_latency(self, dataset: str) -> float | None:
        """Return seconds."""
        latency: float | None = self.get_compute_costs(dataset)["latency"]
        return latency

    def get_metrics(
        self, dataset: str, setname: str, iepoch: int | None = None, is_random: bool | int = False
    ) -> dict[str, Any]:
        """Return loss, accuracy and times; ``is_random`` is False for the mean, or a seed.

        Raises:
            InvalidValueError: ``is_random=True``: a record has no generator of its own; name a seed.
        """
        if is_random is True:
            msg = "A record draws no seed: take is_random=False for the mean, a seed, or the reader's get_more_info."
            raise InvalidValueError(msg)
        seed = None if is_random is False else self._checked(dataset, int(is_random))
        return self._source(dataset).metrics(self._index, setname, iepoch, seed)

    def get_total_epoch(self, dataset: str | None = None) -> int:
        """Return the epochs of the trainings."""
        return self._source(dataset or next(iter(self._sources))).epochs

    def query(self, dataset: str, seed: int | None = None) -> Any:
        """Return the training with that seed, or all by seed."""
        if seed is None:
            source = self._source(dataset)
            return {known: ResultsCount(source, self._index, known) for known in source.seeds(self._index)}
        return ResultsCount(self._source(dataset), self._index, self._checked(dataset, seed))

    def _checked(self, dataset: str, seed: int) -> int:
        known = self.get_dataset_seeds(dataset)
        if seed not in known:
            msg = (
                f"{dataset} was not trained with seed {seed} for the architecture with index {self.arch_index}; it was "
                f"with {', '.join(map(str, known)) or 'none that is known'}. No other seed stands for it."
            )
            raise NotMeasuredError(msg)
        return seed

    def __repr__(self) -> str:
        """Show what it is of."""
        return f"ArchResults(arch-index={self.arch_index}, arch={self.arch_str}, {', '.join(self._sources)})"


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
