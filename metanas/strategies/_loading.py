"""Finds strategies: those of the package by file name, a user's by ``file.py:Object`` or ``module:object``."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from metanas.errors import StrategyError
from metanas.problem import Problem, Requirements, Strategy
from metanas.strategies._outside import Build, Kind, Origin, builder, describe, load_outside, split_settings

_HOME = "metanas.strategies"
_NOT_A_STRATEGY = {"adapters", "base"}


class _Found(NamedTuple):
    make: Build
    name: str
    spec: str
    sha256: str | None
    requires: Requirements


@dataclass(frozen=True)
class Source(Origin):
    """Where a strategy comes from and how it is set up; plain data but for :meth:`build`."""

    @property
    def requires(self) -> Requirements:
        """What it needs of a problem: ``REQUIRES`` of the object or of its file; the defaults if neither has any."""
        return _resolve(self.spec).requires

    def build(self, problem: Problem, rng: np.random.Generator) -> Strategy:
        """Make the strategy.

        Raises:
            StrategyError: it cannot be imported, raises while it is made, has no ``ask()`` and ``tell()``, or its
                source is not the one that :attr:`sha256` names.
        """
        found = _resolve(self.spec)
        self.check(found.sha256, _KIND)
        try:
            strategy = found.make(problem, rng, **self.config)
        except (Exception, SystemExit) as error:
            msg = f"Strategy {self.name!r} failed while it was built with {dict(self.config)}: {describe(error)}"
            raise StrategyError(msg) from error
        for method in ("ask", "tell"):
            if not callable(getattr(strategy, method, None)):
                kind = type(strategy).__name__
                msg = f"A strategy has ask() and tell(observation), but {self.name!r} gave {kind} without {method}()."
                raise StrategyError(msg)
        return strategy  # type: ignore[no-any-return]


@cache
def strategy_names() -> tuple[str, ...]:
    """Return the names of all strategies of the package, sorted."""
    names = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return tuple(sorted(name for name in names if name not in _NOT_A_STRATEGY and not name.startswith("_")))


@cache
def families() -> Mapping[str, str]:
    """Return the family of every strategy of the package, ``FAMILY`` in its file, by name.

    Nothing is imported: what draws a plot need not load what a strategy computes with.

    Raises:
        StrategyError: a file states none.
    """
    found: dict[str, str] = {}
    for name in strategy_names():
        tree = ast.parse((Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8"))
        for node in tree.body:
            match node:
                case ast.Assign(targets=[ast.Name(id="FAMILY")], value=ast.Constant(value=str() as family)):
                    found[name] = family
        if name not in found:
            msg = f'Every strategy of the package states its family, but {name}.py has no FAMILY = "...".'
            raise StrategyError(msg)
    return found


def find_strategy(text: str) -> Source:
    """Find a strategy by what a user writes.

    Args:
        text: a built-in name, ``file.py:Object`` (``file.py`` alone means ``build`` in it) or ``module:object``,
            followed by settings if any: ``"regularized_evolution,population=50,sample=10"``. Settings are JSON
            values, or words.

    Raises:
        UnknownNameError: nothing has that name.
        StrategyError: the file or module cannot be imported.
    """
    spec, config = split_settings(text)
    found = _resolve(spec)
    return Source(found.spec, found.name, config, found.sha256)


def _resolve(spec: str) -> _Found:
    """Find and import what ``spec`` names."""
    if spec in strategy_names():
        module = importlib.import_module(f"{_HOME}.{spec}")
        return _Found(builder(module, "build", spec), spec, spec, None, requirements(module.build, module))
    found = load_outside(spec, _KIND)
    return _Found(found.make, found.name, found.spec, found.sha256, requirements(found.make, found.module))


def requirements(make: Build, module: object = None) -> Requirements:
    """Return what ``make`` or its module states as ``REQUIRES``, the defaults if neither does.

    Raises:
        StrategyError: it is no :class:`~metanas.problem.Requirements`.
    """
    home = sys.modules.get(getattr(make, "__module__", "")) if module is None else module
    stated = getattr(make, "REQUIRES", getattr(home, "REQUIRES", Requirements()))
    if not isinstance(stated, Requirements):
        msg = f"REQUIRES of a strategy must be a metanas.problem.Requirements, but got {stated!r}."
        raise StrategyError(msg)
    return stated


_KIND = Kind("strategy", StrategyError, strategy_names)
