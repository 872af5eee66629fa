"""The interface of ``nats_bench`` (the official reader of NATS-Bench, version 1.8) over metanas tables.

    from metanas.compat.natsbench import create

in place of ``from nats_bench import create`` is all that a script needs; :func:`standing_in` does even that for it. The
functions have the official names, arguments and keys; what answers is any table, the imported NATS-Bench or our own.

Where the official reader falls back silently, this one refuses, or says what it does:

1. ``simulate_train_eval`` takes validation+test accuracy where validation was not evaluated after that epoch.
   Here: ``NotMeasuredError``. So it is for its time, which comes from another epoch there.
2. ``get_more_info`` swallows every error while it reads a set. Here only "not measured" leaves a key out, as the
   format documents for cifar10 (no ``valid-…``); an architecture without any value there is an error.
3. A random training is drawn from Python's global generator, which the script may have seeded for something else.
   Here from a generator of the reader's own, ``create(…, seed=…)``.
4. FLOPs and parameters are those of seed 888 where the trainings disagree. Here they are None.
5. An unknown architecture has the index −1, and ``api[-1]`` is then the last one. Here −1 is returned too, as
   documented, but nothing takes it.
6. A training that was not run is left out of a mean without a word: that mean is over the measured seeds here too
   (``is_random=False``); ``get_dataset_seeds`` says which.
7. Times are the same for all seeds and epochs. The imported tables say so in their provenance.
8. ``cifar10`` means another training in ``simulate_train_eval`` and ``find_best`` (``cifar10-valid``) than in
   ``get_more_info``. So it does here, if there is a table of ``cifar10-valid``.

Indices number the architectures of the reader's list, ``0 <= index < len(api)``: for the whole space NATS-Bench's own
numbers; for a sub-space positions in the list of its architectures.
"""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from metanas.compat.natsbench_archs import ArchList
from metanas.compat.natsbench_records import ArchResults, ResultsCount, Source
from metanas.compat.natsbench_sources import Sources, collect, pick
from metanas.compat.natsbench_text import describe
from metanas.errors import InvalidValueError, NotMeasuredError
from metanas.spaces import load_space
from metanas.spaces.base import listed

__all__ = ["NATSBench", "create", "search_space_info", "standing_in", "version"]

_TOPOLOGY = ("tss", "topology")


def version() -> str:
    """Return the version of the official interface that this one follows."""
    return "v1.8"


def search_space_info(main_tag: str, aux_tag: str | None = None) -> dict[str, Any]:
    """Return operations and nodes of the topology space, as the official function."""
    if main_tag not in ("nats-bench", "nas-bench-201") or (aux_tag is not None and aux_tag not in _TOPOLOGY):
        msg = f"The space must be ('nats-bench', 'tss') or ('nas-bench-201', None), but got {(main_tag, aux_tag)}."
        raise InvalidValueError(msg)
    from metanas.spaces.nb201 import OPS

    return {"op_names": list(OPS), "num_nodes": 4}


def create(
    file_path_or_dict: Sources = None,
    search_space: str = "tss",
    fast_mode: bool = False,
    verbose: bool = True,
    *,
    seed: int = 0,
) -> NATSBench:
    """Return the reader.

    Args:
        file_path_or_dict: what answers: a table, its name, an ``.h5`` file, a folder of them, or several in a list; a
            dict ``{"cifar10": table}`` or ``{("cifar10", "12"): table}`` to let a table answer under another name. All
            published and imported tables if None.
        search_space: ``"tss"`` or ``"topology"``.
        fast_mode: has no meaning here; tables are read when they are asked.
        verbose: has no meaning here; nothing is printed.
        seed: of the draws of :meth:`NATSBench.random` and of a training where ``is_random`` is True.

    Raises:
        InvalidValueError: another search space, or tables of several spaces.
        UnknownNameError: no such table.
    """
    _check_space(search_space)
    return NATSBench(collect(file_path_or_dict), seed)


def _check_space(search_space: str) -> None:
    if search_space not in _TOPOLOGY:
        msg = f"search_space must be 'tss' (the topology space), but got {search_space!r}; there is no table of others."
        raise InvalidValueError(msg)


@contextlib.contextmanager
def standing_in(sources: Sources = None, *, seed: int = 0) -> Iterator[None]:
    """While the block runs, ``import nats_bench`` gives this interface, for scripts that may not be changed.

    Args:
        sources: what answers, whatever path the script names; see :func:`create`.
        seed: see :func:`create`; each reader that the script makes has the next one.
    """
    module = ModuleType("nats_bench", __doc__)
    found, made = collect(sources), 0

    def create_from(
        file_path_or_dict: Any, search_space: str, fast_mode: bool = False, verbose: bool = True
    ) -> NATSBench:
        nonlocal made
        _check_space(search_space)
        made += 1
        return NATSBench(found, seed + made - 1)

    names: dict[str, Any] = {"create": create_from, "search_space_info": search_space_info, "version": version}
    module.__dict__.update(names)
    before = sys.modules.get("nats_bench")
    sys.modules["nats_bench"] = module
    try:
        yield
    finally:
        del sys.modules["nats_bench"]
        if before is not None:
            sys.modules["nats_bench"] = before


class NATSBench(ArchList):
    """The official ``NATStopology``, over tables."""

    def __init__(self, sources: Sequence[Source], seed: int = 0) -> None:
        """Answer from these; see :func:`create`."""
        if not sources:
            msg = "There is no table to answer from: import one (metanas import nats DIRECTORY), or name a table."
            raise InvalidValueError(msg)
        spaces = sorted({source.table.space_name for source in sources})
        if len(spaces) > 1:
            msg = f"All tables must be of one space, but these are of {', '.join(spaces)}."
            raise InvalidValueError(msg)
        super().__init__(listed(load_space(spaces[0])), np.random.default_rng(seed))
        self._sources = list(sources)
        self._used_time = 0.0
        self.verbose = False
        self.filename = None

    @property
    def avaliable_hps(self) -> list[str]:
        """The lengths of training that there are (spelled as officially)."""
        return sorted({str(source.hp) for source in self._sources}, key=int)

    @property
    def full_train_epochs(self) -> int:
        """Epochs of the longest training."""
        return max(int(hp) for hp in self.avaliable_hps)

    def _source(self, dataset: str, hp: str | int) -> Source:
        return pick(self._sources, dataset, str(hp))

    def get_more_info(
        self,
        index: Any,
        dataset: str,
        iepoch: int | None = None,
        hp: str | int = "12",
        is_random: bool | int = True,
    ) -> dict[str, Any]:
        """Return losses, accuracies (percent) and seconds of an architecture by set.

        Args:
            index: an architecture; see :meth:`query_index_by_arch`.
            dataset: the data set it was trained on.
            iepoch: after that epoch, counted from 0; the last if None.
            hp: epochs of the whole training.
            is_random: True for a drawn training, False for the mean over the measured ones, or a seed.

        Returns:
            ``train-loss``, ``train-accuracy``, ``train-per-time``, ``train-all-time``, and the same for ``valid``,
            ``test``, ``valtest``; a set that was not evaluated then has no keys. None is what the table does not know.

        Raises:
            NotMeasuredError: nothing was evaluated then, or not with that seed.
        """
        source = self._source(dataset, hp)
        at = self._space_index(index)
        seed = self._seed(source, at, is_random)
        info: dict[str, Any] = {}
        for name in source.sets:
            prefix = source.official_prefix(name)
            try:
                found = source.metrics(at, name, iepoch, seed)
                info[f"{prefix}-loss"], info[f"{prefix}-accuracy"] = found["loss"], found["accuracy"]
            except NotMeasuredError:
                if name != "train":
                    continue
                # a table may know how long a training took without its training accuracy
                last = source.epochs - 1 if iepoch is None else iepoch
                found = {"iepoch": last, **source.times(at, name, last, seed)}
            total = found["all_time"]
            info[f"{prefix}-per-time"] = None if total is None else total / (found["iepoch"] + 1)
            info[f"{prefix}-all-time"] = total
        if not any(key.endswith(("-loss", "-accuracy")) for key in info):
            source.metrics(at, "train", iepoch, seed)  # raises, saying what is not there
        return info

    def _seed(self, source: Source, index: int, is_random: bool | int) -> int | None:
        if is_random is False:
            return None
        known = source.seeds(index)
        if is_random is True:
            return int(self._rng.choice(known)) if known else None  # a table of means has no seeds to draw from
        if is_random not in known:
            msg = (
                f"{source.dataset} was not trained with seed {is_random} for the architecture with index {index} in "
                f"the space; it was with {', '.join(map(str, known)) or 'none that is known'}."
            )
            raise NotMeasuredError(msg)
        return int(is_random)

    def simulate_train_eval(
        self,
        arch: Any,
        dataset: str,
        iepoch: int | None = None,
        hp: str | int = "12",
        account_time: bool = True,
    ) -> tuple[float, float | None, float, float]:
        """Act as if training an architecture and evaluating it on the validation set, and take the time it took.

        Returns:
            Validation accuracy (percent), latency (seconds, None if not measured), seconds of this training and
            evaluation, seconds of all since :meth:`reset_time`.

        Raises:
            NotMeasuredError: there is no validation accuracy or time then; no other set, epoch or seed stands for it.
        """
        dataset = self._validated(dataset, hp)
        info = self.get_more_info(arch, dataset, iepoch=iepoch, hp=hp, is_random=True)
        accuracy, seconds = info.get("valid-accuracy"), info.get("train-all-time")
        if accuracy is None or seconds is None:
            what = "validation accuracy" if accuracy is None else "training time"
            when = "" if iepoch is None else f" after iepoch={iepoch}"
            msg = f"{dataset} ({hp} epochs) holds no {what}{when} for {arch!s}; no other set or epoch stands for it."
            raise NotMeasuredError(msg)
        cost = seconds + (info.get("valid-per-time") or 0.0)  # tables that state no time of evaluation count it as none
        if account_time:
            self._used_time += cost
        return accuracy, self.get_latency(arch, dataset, hp), cost, self._used_time

    def _validated(self, dataset: str, hp: str | int) -> str:
        """Return the data set whose validation set ``dataset`` means: cifar10 was trained without its own."""
        other = f"{dataset}-valid"
        return other if any(s.dataset == other and s.hp == str(hp) for s in self._sources) else dataset

    @property
    def used_time(self) -> float:
        """Seconds of all simulated trainings since :meth:`reset_time`."""
        return self._used_time

    def reset_time(self) -> None:
        """Begin to count from 0."""
        self._used_time = 0.0

    def query_meta_info_by_index(self, arch_index: int, hp: str | int = "12") -> ArchResults:
        """Return the record of an architecture."""
        at = self._space_index(arch_index)
        names = [source.dataset for source in self._sources if source.hp == str(hp)]
        if not names:
            msg = f"hp must be one of {', '.join(self.avaliable_hps)}, but got {hp!r}."
            raise InvalidValueError(msg)
        sources = {name: self._source(name, hp) for name in dict.fromkeys(names)}
        return ArchResults(sources, at, int(arch_index), self.arch(arch_index))

    def query_by_index(
        self, arch_index: int, dataname: str | None = None, hp: str | int = "12"
    ) -> ArchResults | dict[int, ResultsCount]:
        """Return the record of an architecture, or its trainings on a data set by seed."""
        record = self.query_meta_info_by_index(arch_index, hp)
        if dataname is None:
            return record
        trainings: dict[int, ResultsCount] = record.query(dataname)
        return trainings

    def query_by_arch(self, arch: Any, hp: str | int = "12") -> str:
        """Return :meth:`query_info_str_by_arch`, as the older NAS-Bench-201 interface is called."""
        return self.query_info_str_by_arch(arch, hp)

    def query_info_str_by_arch(self, arch: Any, hp: str | int = "12") -> str:
        """Return in words what was measured of an architecture: means over the measured seeds."""
        index = self.query_index_by_arch(arch)
        self._space_index(arch)
        return describe(self.query_meta_info_by_index(index, hp))

    def show(self, index: int = -1) -> None:
        """Write to standard output what was measured of an architecture (of all if ``index`` is negative)."""
        for number in range(len(self)) if index < 0 else (index,):
            for hp in self.avaliable_hps:
                sys.stdout.write(f"{hp} epochs:\n{self.query_info_str_by_arch(number, hp)}\n")

    def get_cost_info(self, index: Any, dataset: str, hp: str | int = "12") -> dict[str, Any]:
        """Return ``flops`` and ``params`` in millions, ``latency`` and times in seconds; None where not measured."""
        return self._source(dataset, hp).costs(self._space_index(index))

    def get_latency(self, index: Any, dataset: str, hp: str | int = "12") -> float | None:
        """Return seconds of a forward pass, None where not measured."""
        latency: float | None = self.get_cost_info(index, dataset, hp)["latency"]
        return latency

    def find_best(
        self,
        dataset: str,
        metric_on_set: str,
        flop_max: float | None = None,
        param_max: float | None = None,
        hp: str | int = "12",
        enforce_all: bool | None = None,
    ) -> tuple[int, float]:
        """Return index and accuracy of the best measured architecture within limits (millions); the first of equals.

        An architecture whose FLOPs or parameters are not known is not within a limit.
        """
        if dataset == "cifar10" and metric_on_set == "valid":
            dataset = self._validated(dataset, hp)
        source = self._source(dataset, hp)
        name = source.official_set(metric_on_set)
        column = f"{source.sets[name]}accuracy"
        table = source.table
        if column not in table.metrics:
            msg = f"Table {table.name} holds no accuracy on {metric_on_set!r} of {dataset}; no other set stands for it."
            raise NotMeasuredError(msg)
        values = table.query(self._indices, column, missing="nan")
        for limit, metric in ((flop_max, "cost/macs"), (param_max, "cost/parameters")):
            if limit is not None:
                known = metric in table.metrics
                costs = table.query(self._indices, metric, missing="nan") if known else np.full(len(self), math.nan)
                values = np.where(costs <= limit * 1e6, values, math.nan)
        if np.isnan(values).all():
            msg = f"No architecture of table {table.name} within the limits has {column}."
            raise NotMeasuredError(msg)
        best = int(np.nanargmax(values))
        return best, float(values[best])

    def __repr__(self) -> str:
        """Show what answers."""
        names = ", ".join(f"{source.dataset}@{source.hp}" for source in self._sources)
        return f"NATSBench({len(self)} architectures, {names})"
