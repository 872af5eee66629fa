"""Measuring latency: interleaved rounds, so that whatever the machine does hits all networks alike.

Architectures are measured in blocks that fit into memory. In a block every network is prepared and warmed up; then, in
each round, all of them are timed once in a new random order, and the anchor network several times among them. The
machine's pace of the moment is taken out of every timing (:mod:`metanas.devices.pace`). What is kept of a network is
the median and the quartiles over the rounds, and the median as it was timed; of the anchor, its median in every block,
which shows how the machine drifted between blocks. In the end the blocks are brought to one level by the anchor.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from metanas.devices.networks import Family, ready
from metanas.devices.pace import at_one_pace
from metanas.devices.runtimes import Run, Runtime, load_runtime
from metanas.devices.setting import Drift, Setting
from metanas.errors import InvalidFileError, InvalidValueError, MetanasError
from metanas.files import atomic_write
from metanas.spaces import Space

ROUNDS = 15
BLOCK = 48  # networks in memory at once
ANCHOR_EVERY = 12  # networks, within a round
MOST_DRIFT = 0.25  # of the anchor between blocks, beyond which its level says too little of the others'
WARM_UP = 2  # runs before the first round
SHORTEST = 2e-4  # seconds: a shorter run is repeated within one timing

Report = Callable[[int], None]
_ASIDE = ".drifted"  # ending of blocks that are kept but not used
_COLUMNS = ("index", "median", "low", "high", "timed", "anchor")


class DriftError(MetanasError):
    """The machine's speed changed too much while it measured."""


def measure(
    space: Space,
    indices: Sequence[int] | NDArray[np.integer],
    family: Family,
    setting: Setting,
    folder: Path,
    *,
    anchor: int,
    rounds: int = ROUNDS,
    block: int = BLOCK,
    report: Report = lambda done: None,
) -> dict[str, NDArray[np.float64]]:
    """Measure architectures, block by block; finished blocks are kept in ``folder`` and never measured again.

    Args:
        space: of the architectures.
        indices: of the architectures, distinct.
        family: which networks.
        setting: runtime, threads, batch, precision.
        folder: where finished blocks are kept.
        anchor: index of the architecture that is measured in every round.
        rounds: timings of each network.
        block: networks at once.
        report: called with the number of architectures that are done.

    Returns:
        ``index`` (as given), ``median``, ``low``, ``high`` (quartiles), each ``(n,)`` in ms, at one pace and with the
        anchor at one level in all blocks; ``timed``, the medians as they were timed, ``(n,)``; and ``anchor``, its
        median in each block, ``(blocks,)``, in ms.

    Raises:
        InvalidValueError: nothing to measure, or an architecture twice, or no round.
        InvalidFileError: the folder holds blocks of other architectures.
    """
    wanted = np.asarray(indices, dtype=np.int64)
    if not len(wanted) or len(np.unique(wanted)) != len(wanted) or rounds < 1 or block < 1:
        msg = f"Different architectures, rounds >= 1 and block >= 1 are needed; got {len(wanted)}, {rounds}, {block}."
        raise InvalidValueError(msg)
    runtime = load_runtime(setting.runtime, setting.precision)
    parts = []
    with torch_threads(setting.threads):
        for number, start in enumerate(range(0, len(wanted), block)):
            own = wanted[start : start + block]
            path = folder / f"block-{number:04d}.npz"
            if not path.exists():
                values = _block(space, own, family, setting, runtime, anchor, rounds, np.random.default_rng(number))
                with atomic_write(path) as temporary, temporary.open("wb") as file:
                    np.savez_compressed(file, allow_pickle=False, index=own, **values)
            parts.append(_read(path, own))
            report(start + len(own))
    found = {name: np.concatenate([part[name] for part in parts]) for name in _COLUMNS}
    level = np.repeat(np.median(found["anchor"]) / found["anchor"], [len(part["index"]) for part in parts])
    return found | {name: found[name] * level for name in ("median", "low", "high")}


def drift_of(anchor_text: str, medians: NDArray[np.float64], remeasured: int = 0) -> Drift:
    """Return the drift record from the anchor's median in each block, ``(blocks,)``, in ms."""
    low, middle, high = float(medians.min()), float(np.median(medians)), float(medians.max())
    return Drift(
        anchor=anchor_text, least=low, median=middle, greatest=high, blocks=len(medians), remeasured=remeasured
    )


def set_aside(folder: Path, medians: NDArray[np.float64], most: float = MOST_DRIFT) -> int:
    """Set blocks aside in which the anchor was too far off, so that they are measured anew; return how many.

    Args:
        folder: of finished blocks.
        medians: the anchor's, ``(blocks,)``, in ms.
        most: by which the anchor may be off its median over the blocks, relative to it.
    """
    off = np.flatnonzero(np.abs(medians / np.median(medians) - 1) > most)
    for number in off.tolist():
        path = folder / f"block-{number:04d}.npz"
        path.rename(path.with_suffix(f".{len(list(folder.glob(f'{path.stem}.*{_ASIDE}')))}{_ASIDE}"))
    return len(off)


def times_set_aside(folder: Path) -> int:
    """Return how many blocks of a folder were ever set aside."""
    return len(list(folder.glob(f"block-*{_ASIDE}")))


def check_drift(drift: Drift, most: float = MOST_DRIFT) -> None:
    """Refuse latencies of a machine whose speed changed.

    Raises:
        DriftError: a block's median of the anchor is further than ``most`` from the overall one, relative to it.
    """
    if drift.relative > most:
        msg = (
            f"The anchor network took {drift.least:.3f} to {drift.greatest:.3f} ms ({100 * drift.relative:.0f} % off "
            f"its median), and at most {100 * most:.0f} % are allowed. Stop what else runs and measure again."
        )
        raise DriftError(msg)


def _block(
    space: Space,
    indices: NDArray[np.int64],
    family: Family,
    setting: Setting,
    runtime: Runtime,
    anchor: int,
    rounds: int,
    rng: np.random.Generator,
) -> dict[str, NDArray[np.float64]]:
    """Measure one block; see the module's text."""
    runs = []
    for index in (anchor, *indices.tolist()):  # the anchor is the first
        network, example = ready(family, space.arch(index), setting.batch)
        runs.append(runtime.prepare(network, example, setting.threads, setting.precision))
    places = [0] * -(-len(indices) // ANCHOR_EVERY) + list(range(1, len(runs)))
    seconds, rank = time_rounds([runs[place] for place in places], rounds, rng)
    levelled, anchors = at_one_pace(seconds, rank), len(places) - len(indices)
    low, median, high = 1e3 * np.quantile(levelled[:, anchors:], (0.25, 0.5, 0.75), axis=0)
    return {
        "median": median,
        "low": low,
        "high": high,
        "timed": 1e3 * np.median(seconds[:, anchors:], axis=0),
        "anchor": 1e3 * np.median(levelled[:, :anchors], keepdims=True)[0],
    }


def time_rounds(
    runs: Sequence[Run], rounds: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Warm networks up and time each once in every round, in a new random order.

    Args:
        runs: each runs one network once.
        rounds: timings of each.
        rng: draws the orders.

    Returns:
        Seconds of one run, ``(rounds, len(runs))``, and the place of each in its round, of the same shape.
    """
    repeats = [_repeats(run) for run in runs]
    seconds, rank = np.empty((rounds, len(runs))), np.empty((rounds, len(runs)), dtype=np.int64)
    for number in range(rounds):
        order = rng.permutation(len(runs))
        rank[number, order] = np.arange(len(runs))
        for place in order.tolist():
            seconds[number, place] = _timed(runs[place], repeats[place])
    return seconds, rank


def _repeats(run: Run) -> int:
    """Warm a network up; return how often it is run within one timing."""
    took = min(_timed(run, 1) for _ in range(WARM_UP))
    return max(1, round(SHORTEST / max(took, 1e-9)))


def _timed(run: Run, repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        run()
    return (time.perf_counter() - start) / repeats


def _read(path: Path, wanted: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            values = {name: arrays[name] for name in _COLUMNS}
    except (OSError, ValueError, KeyError) as error:
        msg = f"{path} is no block of measurements ({error}). Delete it to measure it again."
        raise InvalidFileError(msg) from error
    if not np.array_equal(values["index"], wanted):
        msg = f"{path} holds other architectures than are asked for. Measure into another folder, or delete this one."
        raise InvalidFileError(msg)
    return values


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let PyTorch use so many threads meanwhile."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
