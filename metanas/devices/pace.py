"""What the machine's own pace did to a timing, and timings without it.

A machine that is shared, or that changes its clock, is faster and slower from one moment to the next, often by more
than architectures differ. Networks timed one after another within milliseconds share that pace, so it can be told from
what is a network's own: the logarithm of a timing is the network's level plus the pace of the moment plus noise, and
the pace is the median of what the timings just before and just after have beyond their networks' levels. (A two-way
fit by medians, as Tukey's median polish is, with time in place of the columns.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 2  # timings before and after, from which the pace of a moment is taken
_PASSES = 3


def at_one_pace(seconds: NDArray[np.float64], rank: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return timings as they would have been at the median pace.

    The pace of a timing comes from its neighbours in time alone, never from itself, so that a single slow run remains
    slow.

    Args:
        seconds: ``(rounds, networks)``, every network once a round.
        rank: ``(rounds, networks)``, the place of each timing in its round, from 0.

    Returns:
        Seconds, ``(rounds, networks)``.
    """
    logs = np.log(seconds)
    order = np.argsort(rank, axis=1)
    pace = np.zeros(logs.size)  # in the order of time, through all rounds
    for _ in range(_PASSES):
        in_time = np.empty_like(logs)
        np.put_along_axis(in_time, order, pace.reshape(logs.shape), axis=1)
        beyond = np.take_along_axis(logs - np.median(logs - in_time, axis=0), order, axis=1).ravel()
        pace = _around(beyond)
        pace -= np.median(pace)
    own = np.empty_like(logs)
    np.put_along_axis(own, order, pace.reshape(logs.shape), axis=1)
    levelled: NDArray[np.float64] = np.exp(logs - own)
    return levelled


def _around(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each value the median of those before and after it, itself left out; fewer at the two ends."""
    width = min(NEIGHBOURS, len(values) - 1)
    if not width:
        return np.zeros_like(values)
    padded = np.pad(values, width, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * width + 1)
    around: NDArray[np.float64] = np.nanmedian(np.delete(windows, width, axis=1), axis=1)
    return around
