"""Finds strategies: those of the package by file name, a user's by ``file.py:Object`` or ``module:object``."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import pkgutil
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from metanas.errors import MetanasError, StrategyError, UnknownNameError
from metanas.problem import Problem, Requirements, Strategy
from metanas.strategies._imports import check_imports

_HOME = "metanas.strategies"
_NOT_A_STRATEGY = {"adapters", "base"}
_PAIR = re.compile(r"[A-Za-z_]\w*=")

Build = Callable[..., Any]


class _Found(NamedTuple):
    make: Build
    name: str
    spec: str
    sha256: str | None
    requires: Requirements


@dataclass(frozen=True)
class Source:
    """Where a strategy comes from and how it is set up; plain data but for :meth:`build`.

    Attributes:
        spec: ``"local_search"``, ``"/path/to/file.py:Object"`` or ``"module:object"``.
        name: the file's name for a built-in strategy, the object's (or the file's) for one from outside.
        config: keyword arguments of ``build``.
        sha256: hash of the source file of a strategy from outside; None for a built-in one.
    """

    spec: str
    name: str
    config: Mapping[str, Any]
    sha256: str | None = None

    @property
    def label(self) -> str:
        """The name, with the configuration where one is given."""
        return self.name + "".join(f",{key}={_written(value)}" for key, value in sorted(self.config.items()))

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
        if found.sha256 != self.sha256:
            msg = f"The source of {self.name!r} must have the sha256 {self.sha256}, but {self.spec} has {found.sha256}."
            raise StrategyError(msg)
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
    spec, config = _split_settings(text)
    found = _resolve(spec)
    return Source(found.spec, found.name, config, found.sha256)


def describe(error: BaseException) -> str:
    """Return kind, text and place of an exception that a strategy raised, without a traceback.

    The place is the last line of the file that was called, not of the libraries that it called in turn.
    """
    text = str(error).strip()
    frames = [entry for entry in traceback.extract_tb(error.__traceback__)[1:] if not entry.filename.startswith("<")]
    own = [entry for entry in frames if entry.filename == frames[0].filename]
    place = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    if isinstance(error, MetanasError):  # says what is wrong by itself; the place helps in a file of the user's
        inside = not own or Path(own[-1].filename).is_relative_to(Path(__file__).parents[1])
        return text if inside else f"{text.removesuffix('.')}{place}"
    return f"{type(error).__name__}{': ' + text if text else ''}{place}"


def _split_settings(text: str) -> tuple[str, dict[str, Any]]:
    spec, *settings = re.split(rf",(?={_PAIR.pattern})", text)
    config: dict[str, Any] = {}
    for setting in settings:
        key, _, value = setting.partition("=")
        try:
            config[key] = json.loads(value, parse_constant=_refuse)
        except ValueError:
            config[key] = value
    return spec, config


def _resolve(spec: str) -> _Found:
    """Find and import what ``spec`` names."""
    if spec in strategy_names():
        module = importlib.import_module(f"{_HOME}.{spec}")
        return _Found(_attribute(module, "build", spec), spec, spec, None, requirements(module.build, module))
    where, _, attribute = spec.rpartition(":")
    if spec.endswith(".py"):
        where, attribute = spec, "build"
    if where.endswith(".py"):
        path = Path(where).resolve()
        if not path.is_file():
            msg = f"There is no file {where}. A strategy is file.py:Object, module:object or one of: {_built_in()}."
            raise StrategyError(msg)
        source, where, stem = path.read_bytes(), str(path), path.stem
        check_imports(source, path.name)
        module = _load_file(path, source)
    elif where:
        stem = where.rpartition(".")[2]
        module = _import(where)
        source = _source_of(module)
        check_imports(source, f"{where} ({Path(module.__file__ or '').name})")
    else:
        raise UnknownNameError("strategy", spec, strategy_names())
    name = stem if attribute == "build" else attribute
    if name in strategy_names():
        msg = f"{spec} has the name of a built-in strategy ({_built_in()}); give it another name."
        raise StrategyError(msg)
    make, sha256 = _attribute(module, attribute, spec), hashlib.sha256(source).hexdigest()
    return _Found(make, name, f"{where}:{attribute}", sha256, requirements(make, module))


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


def _built_in() -> str:
    return ", ".join(strategy_names())


def _source_of(module: ModuleType) -> bytes:
    file = getattr(module, "__file__", None)
    if not file or not file.endswith(".py"):
        msg = f"The source of a strategy is part of its runs, but module {module.__name__!r} has no Python file."
        raise StrategyError(msg)
    return Path(file).read_bytes()


def _attribute(module: ModuleType, name: str, spec: str) -> Build:
    value = getattr(module, name, None)
    if not callable(value):
        offered = [key for key, entry in vars(module).items() if callable(entry) and not key.startswith("_")]
        kind = f"builder in {spec}"
        raise UnknownNameError(kind, name, offered)
    return value  # type: ignore[no-any-return]


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        msg = f"Module {name!r} of a strategy cannot be imported: {describe(error)}"
        raise StrategyError(msg) from error


def _load_file(path: Path, source: bytes) -> ModuleType:
    """Import a file under a name of its own; the same bytes are imported once in a process."""
    name = f"metanas_strategy_{path.stem}_{hashlib.sha256(bytes(path) + source).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        msg = f"{path} is no Python file."
        raise StrategyError(msg)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        exec(compile(source, path, "exec"), vars(module))  # the bytes that were hashed, not a cached .pyc
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        msg = f"{path.name} cannot be imported: {describe(error)}"
        raise StrategyError(msg) from error
    return module


def _refuse(constant: str) -> None:
    raise ValueError(constant)  # NaN and Infinity are no JSON and could not be recorded


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
