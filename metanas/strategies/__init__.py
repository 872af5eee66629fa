"""Search strategies: one file a strategy, found by its name.

A strategy's file has ``build(problem, rng, **config)`` (a function or a class) that returns an object with ``ask()``
and ``tell()``; see :mod:`metanas.problem`. Strategies outside the package are named ``file.py:Object`` or
``module:object`` and need nothing else.
"""

from __future__ import annotations

from metanas.strategies._loading import Source, families, find_strategy, requirements, strategy_names
from metanas.strategies._outside import describe

__all__ = ["Source", "describe", "families", "find_strategy", "requirements", "strategy_names"]
