"""Fits what predicts a coefficient of curves, and says what it would have said of its examples unseen.

The stack (space with a list): :mod:`metanas.predictors.ensemble` of a Gaussian process and extremely randomized trees,
weighted by cross-validation; other members can be named. The trees (space without a list): XGBoost on histograms, which
twenty thousand examples of hundreds of inputs stay affordable for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metanas.predictors import Prediction, Predictor
from metanas.predictors._boosting import BoostedTrees, boosting
from metanas.predictors._folds import out_of_fold
from metanas.predictors._inputs import Inputs
from metanas.predictors._tabular import TabularPredictor
from metanas.predictors.calibration import half_width
from metanas.predictors.ensemble import Ensemble, build
from metanas.spaces import Space
from metanas.surrogates.coefficients import ENCODINGS, Grown

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

MEMBERS = ("gaussian_process", "extra_trees")
FOLDS = 4
TREES: dict[str, Any] = {"members": 3, "rounds": 400, "depth": 6, "rate": 0.05, "inputs": 0.3}
_LEVEL = 0.8  # of the interval that must hold out of fold


class Fit(NamedTuple):
    """A fitted coefficient.

    Attributes:
        answers: mean and standard deviation for each architecture asked about; None of trees, which are kept.
        grown: the trees; None of a stack.
        held_out: of each example, by what had not seen it.
        weights: of the members.
    """

    answers: Prediction | None
    grown: Grown | None
    held_out: Prediction
    weights: dict[str, float]


def fit_stack(
    space: Space,
    indices: Indices,
    y: Floats,
    asked: Indices,
    rng: np.random.Generator,
    *,
    members: Sequence[str] = MEMBERS,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> Fit:
    """Fit the stack.

    Args:
        space: space with a list.
        indices: the examples, ``(n,)``.
        y: their coefficients, ``(n,)``.
        asked: what is to be answered, ``(m,)``.
        rng: source of folds and members.
        members: predictors.
        settings: of them, by name.

    Raises:
        InvalidValueError: too few examples, or settings that a member does not take.
        UnknownNameError: there is no such predictor.
        MetanasError: a member's package is not installed.
    """
    stack: Ensemble = build(space, rng, members=members, settings=settings, folds=FOLDS).fit(indices, y)
    assert stack.held_out is not None
    return Fit(stack.predict(asked), None, stack.held_out, stack.weights)


def fit_trees(space: Space, indices: Indices, y: Floats, rng: np.random.Generator) -> Fit:
    """Fit the trees; see :func:`fit_stack` for the arguments.

    The noise is such that 80 % of the examples lie in the central 80 % interval out of fold.
    """
    centre, scale = float(y.mean()), float(y.std())
    z = (y - centre) / scale
    settings = {
        **{"objective": "reg:squarederror", "eta": TREES["rate"], "max_depth": TREES["depth"], "subsample": 0.8},
        **{"colsample_bynode": TREES["inputs"], "min_child_weight": 2, "tree_method": "hist", "base_score": 0.0},
    }
    learn = boosting("xgboost", settings, rounds=TREES["rounds"], members=TREES["members"], aligned=False)

    def make(rng: np.random.Generator) -> Predictor:
        name = "xgboost"
        return TabularPredictor(name, learn, space, rng, scores=None, encodings=ENCODINGS, scale="plain", least=5)

    held_out = out_of_fold(space, make, indices, y, FOLDS, rng)
    assert held_out.std is not None
    factor = float(np.quantile(np.abs(y - held_out.mean) / held_out.std, _LEVEL)) / half_width(_LEVEL)
    model = learn(Inputs(space, ENCODINGS, None)(indices), z, rng)
    assert isinstance(model, BoostedTrees)
    grown = Grown(tuple(bytes(m.save_raw("ubj")) for m in model.members), model.noise, factor, centre, scale)
    return Fit(None, grown, Prediction(held_out.mean, factor * held_out.std), {"xgboost": 1.0})
