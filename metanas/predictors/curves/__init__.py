"""Learning-curve predictors: the final value from the first epochs, one file a predictor, found by its name.

See :mod:`metanas.predictors.curves.base`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from functools import cache
from typing import Any, cast

from metanas.errors import UnknownNameError
from metanas.predictors.curves.base import CurvePredictor

__all__ = ["CurvePredictor", "curve_predictor_names", "make_curve_predictor"]

_NOT_A_PREDICTOR = {"base"}


@cache
def curve_predictor_names() -> tuple[str, ...]:
    """Return the names of all learning-curve predictors of the package, sorted."""
    return tuple(
        sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name not in _NOT_A_PREDICTOR)
    )


def make_curve_predictor(name: str, epochs: Sequence[int], **config: Any) -> CurvePredictor:
    """Return a predictor that has learned nothing yet.

    Args:
        name: one of :func:`curve_predictor_names`.
        epochs: after how many epochs curves have their values, ascending; the last is the final one.
        config: settings of the predictor.

    Raises:
        UnknownNameError: there is no such predictor.
        InvalidValueError: epochs that do not ascend.
    """
    if name not in curve_predictor_names():
        raise UnknownNameError("learning-curve predictor", name, curve_predictor_names())
    module = importlib.import_module(f"metanas.predictors.curves.{name}")
    return cast("CurvePredictor", module.build(epochs, **config))
