"""Random scalarization: each step makes one objective of all, with weights drawn anew.

Paria, Kandasamy and Póczos, "A Flexible Framework for Multi-Objective Bayesian Optimization using Random
Scalarizations", UAI 2019 (arXiv:1805.12168), section 3 and algorithm 1: draw weights, and take the next point by a
method for one objective applied to the scalarized ones. The scalarization is that of Knowles, "ParEGO: A Hybrid
Algorithm with On-Line Landscape Approximation for Expensive Multiobjective Optimization Problems", IEEE Transactions on
Evolutionary Computation 10(1), 2006: the augmented Tchebycheff function of costs f_j scaled to 0 … 1,
max_j(w_j f_j) + rho sum_j w_j f_j with rho = 0.05, for which every point that nothing dominates is the best for
some weights (with a linear one only those on the convex hull are).

Differences: the method for one objective is no Gaussian process but a step of evolution, which needs no model: the
best under the drawn weights, of all that was trained or of a sample of it, is mutated. (:mod:`ehvi
<metanas.strategies.ehvi>` has models.) Weights are uniform on the simplex; Knowles draws them from a lattice on it.
Costs are scaled by the least and greatest value seen so far. What breaks a limit loses to what keeps all of them.
"""

from __future__ import annotations

import math

import numpy as np

from metanas.arch import Arch
from metanas.errors import InvalidValueError
from metanas.problem import Observation, Problem, Requirements, Trial
from metanas.strategies._limits import Gate, Handling
from metanas.strategies._pareto import Floats, Member, member
from metanas.strategies.base import Memory, Unique

FAMILY = "multi-objective"
REQUIRES = Requirements(objectives="several")


class RandomScalarization:
    """Mutate what is best under weights drawn for this step."""

    def __init__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        founders: int = 10,
        sample: float = 1.0,
        rho: float = 0.05,
        constraint: Handling = "penalty",
        unique: Unique = "code",
    ) -> None:
        """Prepare the founders.

        Args:
            problem: what is searched.
            rng: source of all randomness.
            founders: random architectures to begin with.
            sample: share of all that was trained that competes to be the parent; at least two.
            rho: weight of the sum in the scalarization.
            constraint: ``"penalty"`` or ``"rejection"``, see :mod:`metanas.strategies._limits`.
            unique: what is not trained twice: the same ``"code"``, the same function (``"canonical"``); or
                ``"none"``, repeats are paid again.

        Raises:
            InvalidValueError: unless ``founders >= 1``, ``0 < sample <= 1`` and ``rho >= 0``.
            UnknownNameError: another ``constraint`` or ``unique``.
        """
        if not (founders >= 1 and 0 < sample <= 1 and rho >= 0):
            msg = f"founders >= 1, 0 < sample <= 1 and rho >= 0 must hold, but got {founders=}, {sample=}, {rho=}."
            raise InvalidValueError(msg)
        self._problem = problem
        self._rng = rng
        self._space = problem.space
        self._founders, self._sample, self._rho = founders, sample, rho
        self._memory = Memory(problem.space, unique)
        self._gate = Gate(problem, rng, constraint)
        self._trained: list[Member] = []

    def ask(self) -> Trial:
        """Return a random founder, later the child of the winner under new weights."""
        self._founders -= 1
        bred = self._founders < 0 and self._trained
        arch = self._gate.new(self._child, self._memory) if bred else self._gate.draw(self._memory)
        return Trial(arch, self._problem.max_epochs)

    def tell(self, observation: Observation) -> None:
        """Remember what came of a trial."""
        self._gate.tell(observation)
        self._trained.append(member(self._problem, observation.trial.arch, observation.values))

    def _child(self) -> Arch:
        return self._space.mutate(self._winner(), self._rng)

    def _winner(self) -> Arch:
        """Return the best of a sample under weights drawn anew."""
        count = min(len(self._trained), max(2, math.ceil(self._sample * len(self._trained))))
        drawn = self._rng.permutation(len(self._trained))[:count]
        weights = self._rng.dirichlet(np.ones(len(self._problem.objectives)))  # uniform on the simplex
        scaled = scalarized(np.array([each.costs for each in self._trained]), weights, self._rho)[drawn]
        violation = np.array([each.violation for each in self._trained])[drawn]
        return self._trained[int(drawn[np.lexsort((scaled, violation))[0]])].arch


def scalarized(costs: Floats, weights: Floats, rho: float) -> Floats:
    """Return the augmented Tchebycheff function, the smaller the better, ``(n,)``; infinite where a cost is.

    Args:
        costs: to be minimized, ``(n, n_objectives)``; scaled here by the least and the greatest finite one of each.
        weights: of the objectives, ``(n_objectives,)``.
        rho: weight of the sum.
    """
    measured = np.isfinite(costs)
    low = np.where(measured, costs, np.inf).min(axis=0)
    high = np.where(measured, costs, -np.inf).max(axis=0)
    there = low <= high  # something was measured
    span = np.where(there & (high > low), high - low, 1.0)
    weighted = np.where(measured, weights * (costs - np.where(there, low, 0.0)) / span, np.inf)
    found: Floats = weighted.max(axis=1) + rho * weighted.sum(axis=1)
    return found


build = RandomScalarization
