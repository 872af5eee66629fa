"""What a user names by ``file.py:Object`` or ``module:object``: found, checked and imported, and the settings after it.

Strategies and predictors are found alike; :class:`Kind` says how they differ.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import re
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from metanas.errors import MetanasError, UnknownNameError
from metanas.strategies._imports import check_imports
from metanas.strategies._own_modules import source_sha256

_PAIR = re.compile(r"[A-Za-z_]\w*=")

Build = Callable[..., Any]


@dataclass(frozen=True)
class Kind:
    """What is looked for.

    Attributes:
        name: ``"strategy"`` or ``"predictor"``.
        error: what is raised where it cannot be had.
        built_in: returns the names that are taken.
    """

    name: str
    error: type[MetanasError]
    built_in: Callable[[], Sequence[str]]


class Outside(NamedTuple):
    """What was found.

    Attributes:
        make: builds it.
        name: of the object, or of the file if the object is ``build``.
        spec: ``"/path/to/file.py:Object"`` or ``"module:object"``.
        sha256: hash of the source; see :mod:`metanas.strategies._own_modules`.
        module: where it was found.
    """

    make: Build
    name: str
    spec: str
    sha256: str
    module: ModuleType


@dataclass(frozen=True)
class Origin:
    """Where a strategy or predictor comes from, and how it is set up; plain data.

    Attributes:
        spec: ``"local_search"``, ``"/path/to/file.py:Object"`` or ``"module:object"``.
        name: the file's name for a built-in one, the object's (or the file's) for one from outside.
        config: keyword arguments of ``build``.
        sha256: hash of the source of one from outside, see :mod:`metanas.strategies._own_modules`; None for a
            built-in one.
    """

    spec: str
    name: str
    config: Mapping[str, Any]
    sha256: str | None = None

    @property
    def label(self) -> str:
        """The name, with the configuration where one is given."""
        return label_of(self.name, self.config)

    def check(self, sha256: str | None, kind: Kind) -> None:
        """Raise the kind's error unless what was found has the hash that is stated here."""
        if sha256 != self.sha256:
            msg = f"The source of {self.name!r} must have the sha256 {self.sha256}, but {self.spec} has {sha256}."
            raise kind.error(msg)


def load_outside(spec: str, kind: Kind) -> Outside:
    """Find and import what ``spec`` names.

    Args:
        spec: ``file.py:Object``, ``file.py`` (``build`` in it) or ``module:object``.
        kind: what it is.

    Raises:
        UnknownNameError: nothing has that name.
        MetanasError: ``kind.error``: the file or module cannot be imported, imports what it may not, or has a name that
            is taken.
    """
    where, _, attribute = spec.rpartition(":")
    if spec.endswith(".py"):
        where, attribute = spec, "build"
    if where.endswith(".py"):
        path = Path(where).resolve()
        if not path.is_file():
            forms = f"file.py:Object, module:object or one of: {', '.join(kind.built_in())}"
            msg = f"There is no file {where}. A {kind.name} is {forms}."
            raise kind.error(msg)
        source, where, stem = path.read_bytes(), str(path), path.stem
        check_imports(source, path.name, kind.name, kind.error)
        module = _load_file(path, source, kind)
    elif where:
        stem = where.rpartition(".")[2]
        module = _import(where, kind)
        source = _source_of(module, kind)
        check_imports(source, f"{where} ({Path(module.__file__ or '').name})", kind.name, kind.error)
    else:
        raise UnknownNameError(kind.name, spec, kind.built_in())
    name = stem if attribute == "build" else attribute
    if name in kind.built_in():
        msg = f"{spec} has the name of a built-in {kind.name} ({', '.join(kind.built_in())}); give it another name."
        raise kind.error(msg)
    sha256 = source_sha256(source, module.__package__)
    return Outside(builder(module, attribute, spec), name, f"{where}:{attribute}", sha256, module)


def builder(module: ModuleType, name: str, spec: str) -> Build:
    """Return what ``name`` stands for in a module; raise ``UnknownNameError`` if it cannot be called."""
    value = getattr(module, name, None)
    if not callable(value):
        offered = [key for key, entry in vars(module).items() if callable(entry) and not key.startswith("_")]
        kind = f"builder in {spec}"
        raise UnknownNameError(kind, name, offered)
    return value  # type: ignore[no-any-return]


def split_settings(text: str) -> tuple[str, dict[str, Any]]:
    """Return what stands before the settings, and the settings: ``"name,key=value"``; values are JSON, or words."""
    spec, *settings = re.split(rf",(?={_PAIR.pattern})", text)
    config: dict[str, Any] = {}
    for setting in settings:
        key, _, value = setting.partition("=")
        try:
            config[key] = json.loads(value, parse_constant=_refuse)
        except ValueError:
            config[key] = value
    return spec, config


def label_of(name: str, config: Any) -> str:
    """Return name and settings as one text, the inverse of :func:`split_settings`."""
    return name + "".join(f",{key}={_written(value)}" for key, value in sorted(config.items()))


def describe(error: BaseException) -> str:
    """Return kind, text and place of an exception that a user's code raised, without a traceback.

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


def _source_of(module: ModuleType, kind: Kind) -> bytes:
    file = getattr(module, "__file__", None)
    if not file or not file.endswith(".py"):
        msg = f"The source of a {kind.name} is part of its runs, but module {module.__name__!r} has no Python file."
        raise kind.error(msg)
    return Path(file).read_bytes()


def _import(name: str, kind: Kind) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        msg = f"Module {name!r} of a {kind.name} cannot be imported: {describe(error)}"
        raise kind.error(msg) from error


def _load_file(path: Path, source: bytes, kind: Kind) -> ModuleType:
    """Import a file under a name of its own; the same bytes are imported once in a process.

    It may import files beside it, as a script may.
    """
    name = f"metanas_{kind.name}_{path.stem}_{hashlib.sha256(bytes(path) + source).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        msg = f"{path} is no Python file."
        raise kind.error(msg)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # at the end: no file there hides a library
    try:
        exec(compile(source, path, "exec"), vars(module))  # the bytes that were hashed, not a cached .pyc
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        msg = f"{path.name} cannot be imported: {describe(error)}"
        raise kind.error(msg) from error
    return module


def _refuse(constant: str) -> None:
    raise ValueError(constant)  # NaN and Infinity are no JSON and could not be recorded


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
