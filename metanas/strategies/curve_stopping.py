"""Random search that stops a training when its learning curve makes a new best unlikely.

Baker, Gupta, Raskar and Naik, "Accelerating Neural Architecture Search using Performance Prediction", ICLR 2018
workshop (arXiv:1705.10823): the first n architectures are trained in full; for every epoch τ a
regression predicts the final value from the curve up to τ and its differences; a training is stopped after τ where
the probability of ending above the best so far, with normally distributed errors, is below 1 − Δ. That a stopped
training may be taken up again when later curves speak for it is the thaw of Swersky, Snoek and Adams, "Freeze-Thaw
Bayesian Optimization", 2014 (arXiv:1406.3896).

Differences: the regression is least squares with a small ridge on the last value and its last two differences, where
the paper has a ν-support-vector regression on the whole curve and on features of the architecture; the spread of the
errors is that of the residuals with the degrees of freedom taken off, where the paper cross-validates. Later models
are fitted to all finished trainings, which were not stopped: a choice of good ones, whose residuals may be smaller
than those of all. Checkpoints are the epochs that may be asked for, at most 16 of them, evenly in the logarithm.
"""

from __future__ import annotations

import math
from collections import deque
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from metanas.arch import Arch
from metanas.errors import InvalidValueError
from metanas.problem import Observation, Problem, Requirements, Trial
from metanas.strategies._brackets import score_of
from metanas.strategies.base import Memory, Unique

FAMILY = "multi-fidelity"
REQUIRES = Requirements(fidelities=True)

_CHECKPOINTS = 16
_RIDGE = 1e-6  # relative to the variance of a feature


class CurveStopping:
    """Go from checkpoint to checkpoint with whatever may still become the best."""

    def __init__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        first: int = 20,
        chance: float = 0.05,
        thaw: bool = True,
        unique: Unique = "code",
    ) -> None:
        """Prepare the first training.

        Args:
            problem: what is searched.
            rng: source of all randomness.
            first: n, architectures that are trained in full before any is stopped.
            chance: 1 − Δ, the probability of a new best below which a training is stopped.
            thaw: take a stopped training up again when its probability has risen above ``chance``.
            unique: what is not drawn twice; see :class:`~metanas.strategies.base.Memory`.

        Raises:
            InvalidValueError: unless ``first >= 6`` (a line through fewer says nothing) and ``0 < chance < 1``.
        """
        if first < 6 or not 0 < chance < 1:
            msg = f"first >= 6 and 0 < chance < 1 must hold, but got first={first}, chance={chance}."
            raise InvalidValueError(msg)
        epochs = np.array(problem.epochs)
        if len(epochs) > _CHECKPOINTS:
            wanted = np.geomspace(epochs[0], epochs[-1], _CHECKPOINTS)
            epochs = np.unique(epochs[np.abs(epochs[None, :] - wanted[:, None]).argmin(axis=1)])
        self._checkpoints: list[int] = epochs.tolist()
        self._rng, self._first, self._chance, self._thaw = rng, first, chance, thaw
        self._objective = problem.objective
        self._memory = Memory(problem.space, unique)
        self._curves: dict[Arch, list[float]] = {}  # scores at the checkpoints so far
        self._finished: list[list[float]] = []
        self._models: dict[int, tuple[NDArray[np.float64], float]] = {}  # by number of checkpoints seen
        self._best = -math.inf
        self._next: deque[Arch] = deque()  # to be trained on
        self._frozen: dict[Arch, None] = {}  # in the order of freezing

    def ask(self) -> Trial:
        """Return the next stretch of a training that goes on, or the first of a new one."""
        if self._next:
            arch = self._next.popleft()
            return Trial(arch, self._checkpoints[len(self._curves[arch])])
        arch = self._memory.draw(self._rng)
        if arch in self._frozen:  # the whole space has been begun, and draws start over
            del self._frozen[arch]
            return Trial(arch, self._checkpoints[len(self._curves[arch])])
        return Trial(arch, self._checkpoints[0])

    def tell(self, observation: Observation) -> None:
        """Go on with the training, or freeze it."""
        arch = observation.trial.arch
        curve = self._curves.setdefault(arch, [])
        if observation.trial.epochs != self._checkpoints[len(curve)]:  # drawn again while it was under way
            return
        curve.append(score_of(self._objective, observation))
        if len(curve) == len(self._checkpoints):
            del self._curves[arch]
            self._finish(curve)
        elif self._may_win(curve):
            self._next.append(arch)
        else:
            self._frozen[arch] = None

    def _finish(self, curve: list[float]) -> None:
        """Learn from a whole curve; take up again what it speaks for."""
        self._best = max(self._best, curve[-1])
        if all(map(math.isfinite, curve)):  # a diverged training says nothing of others
            self._finished.append(curve)
            self._models.clear()
        if self._thaw:
            for arch in [arch for arch in self._frozen if self._may_win(self._curves[arch])]:
                del self._frozen[arch]
                self._next.append(arch)

    def _may_win(self, curve: list[float]) -> bool:
        if len(self._finished) < self._first:
            return True
        return math.isfinite(curve[-1]) and self._probability(curve) >= self._chance

    def _probability(self, curve: list[float]) -> float:
        """Return P(y_T > best) given the curve so far."""
        weights, spread = self._model(len(curve))
        mean = float(_features(np.array([curve]))[0] @ weights)
        if spread == 0.0:
            return float(mean > self._best)
        return 1.0 - NormalDist(mean, spread).cdf(self._best)

    def _model(self, seen: int) -> tuple[NDArray[np.float64], float]:
        """Return weights and spread of the errors of the regression after ``seen`` checkpoints."""
        model = self._models.get(seen)
        if model is None:
            curves = np.array(self._finished)
            features, final = _features(curves[:, :seen]), curves[:, -1]
            penalty = _RIDGE * len(features) * np.diag([0.0, *features[:, 1:].var(axis=0)])
            weights = np.linalg.lstsq(features.T @ features + penalty, features.T @ final, rcond=None)[0]
            residuals = final - features @ weights
            spread = math.sqrt(float(residuals @ residuals) / max(len(final) - features.shape[1], 1))
            model = self._models[seen] = (weights, spread)
        return model


def _features(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1, the last value and the last two differences as far as there are any, ``(n, seen) -> (n, <= 4)``."""
    differences = np.diff(curves, axis=1)[:, -2:]
    return np.column_stack((np.ones(len(curves)), curves[:, -1], differences))


build = CurveStopping
