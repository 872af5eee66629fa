"""Finds predictors: those of the package by file name, a user's by ``file.py:Object`` or ``module:object``."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metanas.errors import MetanasError, PredictorError
from metanas.predictors import FROM_SOURCES, predictor_names
from metanas.predictors.base import Predictor
from metanas.spaces import Space
from metanas.strategies._outside import Build, Kind, Origin, describe, load_outside, split_settings


class _Found(NamedTuple):
    make: Build
    name: str
    spec: str
    sha256: str | None


@dataclass(frozen=True)
class PredictorSource(Origin):
    """Where a predictor comes from and how it is set up; plain data but for :meth:`build`."""

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
        self.check(found.sha256, _KIND)
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
    spec, config = split_settings(text)
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
    found = load_outside(spec, _KIND)
    return _Found(found.make, found.name, found.spec, found.sha256)


_KIND = Kind("predictor", PredictorError, all_names)
