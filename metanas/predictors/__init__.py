"""Predictors: one file a predictor, found by its name; see :mod:`metanas.predictors.base`."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from metanas.errors import UnknownNameError
from metanas.predictors.base import Prediction, Predictor
from metanas.spaces import Space

__all__ = ["FROM_SOURCES", "Prediction", "Predictor", "make_predictor", "predictor_names"]

# Nothing without values of other tasks or devices.
FROM_SOURCES = ("reptile", "stacked_sources", "task_gnn", "task_gp", "transfer_gp")
_NOT_A_PREDICTOR = {"base", "calibration", "curves", *FROM_SOURCES}


@cache
def predictor_names() -> tuple[str, ...]:
    """Return the names of all predictors of the package, sorted."""
    names = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return tuple(sorted(name for name in names if name not in _NOT_A_PREDICTOR and not name.startswith("_")))


def make_predictor(
    name: str, space: Space, rng: np.random.Generator, *, scores: NDArray[np.float64] | None = None, **config: Any
) -> Predictor:
    """Return a predictor that has learned nothing yet.

    Args:
        name: one of :func:`predictor_names`.
        space: the space of its architectures.
        rng: source of all its randomness.
        scores: further inputs; see :class:`~metanas.predictors.base.Predictor`.
        config: settings of the predictor.

    Raises:
        UnknownNameError: there is no such predictor.
        MetanasError: it needs a package that is not installed.
    """
    if name not in predictor_names():
        raise UnknownNameError("predictor", name, predictor_names())
    module = importlib.import_module(f"metanas.predictors.{name}")
    return cast("Predictor", module.build(space, rng, scores=scores, **config))
