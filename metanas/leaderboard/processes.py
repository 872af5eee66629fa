"""The same function for many items, in several processes with one thread of linear algebra each."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import joblib

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def in_processes(
    function: Callable[[Item], Answer], items: Sequence[Item], processes: int, *, ordered: bool = False
) -> Iterator[Answer]:
    """Yield ``function(item)`` for every item.

    Args:
        function: of a module, so that it can be sent.
        items: what it is called with.
        processes: how many at most; 1 does all in this one.
        ordered: answers come in the order of the items, not as they are ready.
    """
    processes = min(processes, len(items))
    if processes <= 1:
        yield from map(function, items)
        return
    kind = "generator" if ordered else "generator_unordered"
    with warnings.catch_warnings(), joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        # A process that has imported torch has grown so much that joblib replaces it, once, and says so.
        warnings.filterwarnings("ignore", "A worker stopped while some jobs were given", UserWarning)
        parallel = joblib.Parallel(n_jobs=processes, return_as=kind, batch_size="auto")
        yield from parallel(joblib.delayed(function)(item) for item in items)
