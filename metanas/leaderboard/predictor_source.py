"""Finds predictors: those of the package by file name, a user's by ``file.py:Object`` or ``module:object``."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metanas.errors import MetanasError, PredictorError, UnknownNameError
from metanas.predictors import FROM_SOURCES, predictor_names
from metanas.predictors.base import Predictor
from metanas.spaces import Space
from metanas.strategies import describe
from metanas.strategies._imports import check_imports

_PAIR = re.compile(r"[A-Za-z_]\w*=")

Build = Callable[..., Any]


class _Found(NamedTuple):
    make: Build
    name: str
    spec: str
    sha256: str | None


@dataclass(frozen=True)
class PredictorSource:
    """Where a predictor comes from and how it is set up; plain data but for :meth:`build`.

    Attributes:
        spec: ``"extra_trees"``, ``"/path/to/file.py:Object"`` or ``"module:object"``.
        name: the file's name for a built-in predictor, the object's (or the file's) for one from outside.
        config: keyword arguments of ``build``.
        sha256: hash of the source file of a predictor from outside; None for a built-in one.
    """

    spec: str
    name: str
    config: Mapping[str, Any]
    sha256: str | None = None

    @property
    def label(self) -> str:
        """The name, with the configuration where one is given."""
        return self.name + "".join(f",{key}={_written(value)}" for key, value in sorted(self.config.items()))

    def build(
        self, space: Space, rng: np.random.Generator, sources: NDArray[np.float64] | None = None, *, log: bool = False
    ) -> Predictor:
        """Make the predictor.

        Args:
            space: of the architectures.
            rng: source of its randomness.
            sources: columns of other tasks or devices, ``(index range, k)``. A predictor whose ``build`` takes
                ``sources`` has them so; another one has them as ``scores``, further inputs.
            log: told to a predictor that takes ``log``.

        Raises:
            PredictorError: it raises while it is made, has no ``fit()`` and ``predict()``, or its source is not the one
                that :attr:`sha256` names.
        """
        found = _resolve(self.spec)
        if found.sha256 != self.sha256:
            msg = f"The source of {self.name!r} must have the sha256 {self.sha256}, but {self.spec} has {found.sha256}."
            raise PredictorError(msg)
        parameters = inspect.signature(found.make).parameters
        given: dict[str, Any] = {}
        if sources is not None:
            given["sources" if "sources" in parameters else "scores"] = sources
        if log and "log" in parameters:
            given["log"] = True
        try:
            predictor = found.make(space, rng, **{**given, **self.config})
        except (Exception, SystemExit) as error:
            msg = f"Predictor {self.name!r} failed while it was built with {dict(self.config)}: {describe(error)}"
            raise PredictorError(msg) from error
        if not isinstance(predictor, Predictor):
            msg = f"A predictor has fit(archs, y) and predict(archs), but {self.name!r} gave {type(predictor)}."
            raise PredictorError(msg)
        return predictor


def find_predictor(text: str) -> PredictorSource:
    """Find a predictor by what a user writes.

    Args:
        text: a built-in name, ``file.py:Object`` (``file.py`` alone means ``build`` in it) or ``module:object``,
            followed by settings if any: ``"extra_trees,trees=100"``. Settings are JSON values, or words.

    Raises:
        UnknownNameError: nothing has that name.
        PredictorError: the file or module cannot be imported.
    """
    spec, *settings = re.split(rf",(?={_PAIR.pattern})", text)
    config: dict[str, Any] = {}
    for setting in settings:
        key, _, value = setting.partition("=")
        try:
            config[key] = json.loads(value, parse_constant=_refuse)
        except ValueError:
            config[key] = value
    found = _resolve(spec)
    return PredictorSource(found.spec, found.name, config, found.sha256)


def all_names() -> tuple[str, ...]:
    """Return the names of all built-in predictors, those that need sources too."""
    return tuple(sorted({*predictor_names(), *FROM_SOURCES}))


def _resolve(spec: str) -> _Found:
    """Find and import what ``spec`` names."""
    if spec in all_names():
        try:
            module = importlib.import_module(f"metanas.predictors.{spec}")
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            msg = (
                f"The predictor {spec!r} needs the package {package!r}, which is not installed: "
                f"pip install 'metanas[predictors]'"
            )
            raise MetanasError(msg) from error
        return _Found(module.build, spec, spec, None)
    where, _, attribute = spec.rpartition(":")
    if spec.endswith(".py"):
        where, attribute = spec, "build"
    if where.endswith(".py"):
        path = Path(where).resolve()
        if not path.is_file():
            msg = f"There is no file {where}. A predictor is file.py:Object, module:object or one of: {_built_in()}."
            raise PredictorError(msg)
        source, where, stem = path.read_bytes(), str(path), path.stem
        module = _load_file(path, source)
    elif where:
        stem = where.rpartition(".")[2]
        module = _import(where)
        source = Path(module.__file__ or "").read_bytes()
    else:
        raise UnknownNameError("predictor", spec, all_names())
    name = stem if attribute == "build" else attribute
    if name in all_names():
        msg = f"{spec} has the name of a built-in predictor ({_built_in()}); give it another name."
        raise PredictorError(msg)
    make = getattr(module, attribute, None)
    if not callable(make):
        offered = [key for key, entry in vars(module).items() if callable(entry) and not key.startswith("_")]
        kind = f"builder in {spec}"
        raise UnknownNameError(kind, attribute, offered)
    return _Found(make, name, f"{where}:{attribute}", hashlib.sha256(source).hexdigest())


def _built_in() -> str:
    return ", ".join(all_names())


def _import(name: str) -> ModuleType:
    try:
        module = importlib.import_module(name)
    except (Exception, SystemExit) as error:
        msg = f"Module {name!r} of a predictor cannot be imported: {describe(error)}"
        raise PredictorError(msg) from error
    if not (module.__file__ or "").endswith(".py"):
        msg = f"The source of a predictor is part of its runs, but module {name!r} has no Python file."
        raise PredictorError(msg)
    _check_imports(Path(module.__file__ or "").read_bytes(), name)
    return module


def _load_file(path: Path, source: bytes) -> ModuleType:
    """Import a file under a name of its own; the same bytes are imported once in a process."""
    _check_imports(source, path.name)
    name = f"metanas_predictor_{path.stem}_{hashlib.sha256(bytes(path) + source).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None:
        msg = f"{path} is no Python file."
        raise PredictorError(msg)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        exec(compile(source, path, "exec"), vars(module))  # the bytes that were hashed, not a cached .pyc
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        msg = f"{path.name} cannot be imported: {describe(error)}"
        raise PredictorError(msg) from error
    return module


def _check_imports(source: bytes, what: str) -> None:
    """Refuse what imports tables: whoever can look a value up need not predict it."""
    try:
        check_imports(source, what)
    except MetanasError as error:
        raise PredictorError(str(error).replace("a strategy may", "a predictor may")) from error


def _refuse(constant: str) -> None:
    raise ValueError(constant)  # NaN and Infinity are no JSON and could not be recorded


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
