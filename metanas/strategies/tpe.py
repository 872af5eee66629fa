"""The tree-structured Parzen estimator, by optuna.

Bergstra, Bardenet, Bengio and Kégl, "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011, section 4: trials are
split at a quantile of the objective into the good and the bad; a density is fitted to the decisions of either, l and g;
of some candidates drawn from l the one with the greatest l / g, the greatest expected improvement, is trained next.
optuna (Akiba et al., KDD 2019, arXiv:1907.10902) has the quantile min(0.1 n, 25) trials, and these defaults: 10 random
trials first, 24 candidates. The decisions of the space are its categorical variables.

Differences: one density over all decisions, as Falkner, Klein and Hutter, "BOHB", ICML 2018 (arXiv:1807.01774), section
4.1, propose; ``multivariate=false`` is the paper's, one for each decision, and takes longer. With several workers those
under way count as bad (optuna's constant liar). What was trained before is told again at no cost (``unique``). Where
the problem has limits, optuna's constrained TPE prefers architectures that keep them. For one objective without limits
:mod:`metanas.strategies._optuna` does in less time what optuna 5 does, which changes no choice.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from metanas.errors import InvalidValueError
from metanas.extras import require
from metanas.problem import Problem, Requirements
from metanas.strategies.adapters import Adapted, from_optuna
from metanas.strategies.base import Unique

FAMILY = "Bayesian optimization"
REQUIRES = Requirements(objectives="any", space=("decisions",), repeats=True, packages=("optuna",))

_KNOWN = "5."  # versions of optuna whose results _optuna.py is known to give


def build(
    problem: Problem,
    rng: np.random.Generator,
    startup: int = 10,
    candidates: int = 24,
    multivariate: bool = True,
    unique: Unique = "code",
) -> Adapted:
    """Make the sampler.

    Args:
        problem: what is searched; several objectives are searched as by optuna's multi-objective TPE.
        rng: seeds the sampler.
        startup: random trials at first.
        candidates: draws from l, of which the best is taken.
        multivariate: one density over all decisions.
        unique: see :class:`metanas.strategies.adapters.Adapted`.

    Raises:
        InvalidValueError: unless ``startup >= 1`` and ``candidates >= 1``.
    """
    optuna = require("optuna", "strategies", "The strategy 'tpe'")
    if startup < 1 or candidates < 1:
        msg = f"startup >= 1 and candidates >= 1 must hold, but got startup={startup}, candidates={candidates}."
        raise InvalidValueError(msg)
    kind = optuna.samplers.TPESampler
    plain = len(problem.objectives) == 1 and not problem.constraints
    if plain and multivariate and optuna.__version__.startswith(_KNOWN):
        from metanas.strategies._optuna import QuickTpe

        kind = QuickTpe
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # optuna calls some of these settings experimental
        sampler = kind(
            n_startup_trials=startup,
            n_ei_candidates=candidates,
            multivariate=multivariate,
            constant_liar=problem.workers > 1,
            constraints_func=_limits if problem.constraints else None,
            seed=int(rng.integers(2**31)),
        )
    return from_optuna(problem, rng, sampler, unique)


def _limits(trial: Any) -> list[float]:
    limits: list[float] = trial.user_attrs["constraints"]
    return limits
