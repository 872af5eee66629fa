"""Zero-cost scores: what an untrained network promises, from its weights or from one batch of examples.

One file a score, found by its name. A file has

- ``NEEDS``: what the score depends on: the ``"architecture"`` alone; or its initial weights too, and of the examples
  ``"nothing"`` but their shape, the ``"inputs"``, or also the ``"labels"``;
- ``score(network, batch) -> float``, the definition, for any network of convolutions, linear layers and batch
  normalizations (:mod:`metanas.proxies.base` says what it may ask of a network);
- optionally ``score_many(block) -> (n,)``, the same for many architectures at once (:mod:`metanas.proxies.block`).

Larger promises more, as the authors have it. A score that is not defined for a network (one whose output does not
depend on its input, for instance) is NaN, and :mod:`metanas.proxies.aggregation` ranks it last.

    proxy = load_proxy("synflow")
    proxy(network, Batch(x, y))                                        # one network
    scores(archs, load_task("fashion_mnist"), protocol, seed=0)        # many architectures, as a protocol trains them
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING, Any

from metanas.errors import UnknownNameError

if TYPE_CHECKING:
    from metanas.proxies.aggregation import AGGREGATES, aggregate
    from metanas.proxies.base import Proxy
    from metanas.proxies.block import Batch, Block
    from metanas.proxies.scoring import Scores, scores, scoring_batch
    from metanas.proxies.store import load_scores, score_table, scored_tasks

__all__ = [
    "AGGREGATES",
    "Batch",
    "Block",
    "Proxy",
    "Scores",
    "aggregate",
    "load_proxy",
    "load_scores",
    "proxy_names",
    "score_table",
    "scored_tasks",
    "scores",
    "scoring_batch",
]

_WHERE = {
    "AGGREGATES": "aggregation",
    "Batch": "block",
    "Block": "block",
    "Proxy": "base",
    "Scores": "scoring",
    "aggregate": "aggregation",
    "load_scores": "store",
    "score_table": "store",
    "scored_tasks": "store",
    "scores": "scoring",
    "scoring_batch": "scoring",
}
_NOT_A_PROXY = {"aggregation", "base", "block", "gradients", "blockwise", "scoring", "store"}


@cache
def proxy_names() -> tuple[str, ...]:
    """Return the names of all scores of the package, sorted."""
    names = {module.name for module in pkgutil.iter_modules(__path__)}
    return tuple(sorted(names - _NOT_A_PROXY))


@cache
def load_proxy(name: str) -> Proxy:
    """Return the score called ``name``.

    Raises:
        UnknownNameError: there is none.
        MetanasError: torch is not installed (extra ``[train]``).
    """
    from metanas.extras import require

    if name not in proxy_names():
        raise UnknownNameError("zero-cost score", name, proxy_names())
    for package in ("torch", "numba"):
        require(package, "train", "A zero-cost score")
    from metanas.proxies.base import Proxy

    module = importlib.import_module(f"metanas.proxies.{name}")
    return Proxy(name, module.NEEDS, module.score, getattr(module, "score_many", None))


def __getattr__(name: str) -> Any:
    """Load what needs torch when it is first asked for."""
    if name in _WHERE:
        return getattr(importlib.import_module(f"metanas.proxies.{_WHERE[name]}"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
