"""Hard limits ("at most 2 ms on this device"): by penalty, and by rejection before anything is trained.

Trials may break a limit, but what breaks one cannot be reported. Two ways to spend few trainings on it:

- ``"penalty"``: what breaks a limit counts as worse than all that keeps them, the more so the more it exceeds them
  (Deb, "An Efficient Constraint Handling Method for Genetic Algorithms", Computer Methods in Applied Mechanics and
  Engineering 186, 2000, section 3: a penalty without parameter);
- ``"rejection"``: the same, and candidates that would probably break a limit are not trained at all. Where the problem
  says what every architecture costs (``problem.scores``), that is certain; else it is learned from the observations,
  by ridge regression on what architectures compute. The rule, a chance of at least one half to keep all limits, is the
  one of Gelbart, Snoek and Adams, "Bayesian Optimization with Unknown Constraints", UAI 2014 (arXiv:1403.5607),
  with 1 - delta = 0.5, and limits taken as independent of each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from metanas.arch import Arch
from metanas.errors import InvalidValueError, UnknownNameError
from metanas.extras import require
from metanas.predictors import Prediction, Predictor, make_predictor
from metanas.problem import Observation, Problem
from metanas.strategies.base import Memory

Handling = Literal["penalty", "rejection"]

_LEAST = 10  # examples before anything is learned
_PATIENCE = 100  # candidates that are known or rejected before a random architecture takes their place


class MetricModel:
    """A metric of every architecture: known where the problem says so, else learned from observations."""

    def __init__(
        self,
        problem: Problem,
        metric: str,
        rng: np.random.Generator,
        predictor: str | Predictor = "ridge",
        every: int = 0,
    ) -> None:
        """Prepare to learn ``metric``.

        Args:
            problem: what is searched.
            metric: its name, as ``"latency/pixel3"``.
            rng: source of the predictor's randomness.
            predictor: name of the predictor that learns what is not known, made anew for every fit; or one that is
                fitted again and again.
            every: new examples after which it learns again; 5, and a tenth of all, if 0.
        """
        self._space = problem.space
        self._metric = metric
        self._known = problem.scores.get(metric)
        self._rng, self._learner, self._every = rng, predictor, every
        self._examples: dict[int, float] = {}  # by index
        self._fitted_on = 0
        self._predictor: Predictor | None = None

    def tell(self, observation: Observation) -> None:
        """Take in an example; one that was not measured teaches nothing."""
        value = float(observation.values[self._metric])
        if np.isfinite(value):
            self._examples[self._space.index(observation.trial.arch)] = value

    def predict(self, indices: NDArray[np.int64]) -> Prediction | None:
        """Return the metric of architectures, without deviation where it is known; None while too little was seen."""
        known = np.full(len(indices), np.nan) if self._known is None else self._known[indices]
        if np.isfinite(known).all():
            return Prediction(known, np.zeros(len(indices)))
        learned = self._learned(indices)
        if learned is None:
            return None
        there = np.isfinite(known)
        assert learned.std is not None
        return Prediction(np.where(there, known, learned.mean), np.where(there, 0.0, learned.std))

    @property
    def due(self) -> bool:
        """Whether it learns anew when it is next asked for what is not known."""
        count = len(self._examples)
        new = self._every or max(_LEAST / 2, count / 10)
        return count >= _LEAST and count - self._fitted_on >= new and len(set(self._examples.values())) > 1

    def _learned(self, indices: NDArray[np.int64]) -> Prediction | None:
        if self.due:
            learner = self._learner
            learner = make_predictor(learner, self._space, self._rng) if isinstance(learner, str) else learner
            self._predictor = learner.fit(np.array(list(self._examples)), list(self._examples.values()))
            self._fitted_on = len(self._examples)
        return self._predictor.predict(indices) if self._predictor is not None else None


class Gate:
    """Says which candidates may be trained."""

    def __init__(self, problem: Problem, rng: np.random.Generator, handling: Handling) -> None:
        """Prepare to learn what the limits are about.

        Args:
            problem: what is searched.
            rng: source of the predictors' randomness.
            handling: ``"penalty"`` admits everything.

        Raises:
            UnknownNameError: another ``handling``.
        """
        if handling not in get_args(Handling):
            raise UnknownNameError("way to handle constraints", handling, get_args(Handling))
        self._space, self._rng = problem.space, rng
        rejecting = problem.constraints if handling == "rejection" else ()
        self._limits = [(MetricModel(problem, each.metric, rng), each.at_most) for each in rejecting]
        self._chances: dict[Arch, float] = {}  # as the models are

    def tell(self, observation: Observation) -> None:
        """Learn what a trained architecture costs."""
        for model, _ in self._limits:
            model.tell(observation)
        if any(model.due for model, _ in self._limits):
            self._chances.clear()

    def chances(self, indices: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the probability that each keeps all limits, ``(n,)``; 1 while nothing is known."""
        product = np.ones(len(indices))
        for model, limit in self._limits:
            cost = model.predict(indices)
            if cost is not None and cost.std is not None:
                product *= chance_below(cost.mean, cost.std, limit)
        return product

    def admits(self, arch: Arch) -> bool:
        """Return whether ``arch`` keeps all limits with a chance of at least one half."""
        if not self._limits:
            return True
        if arch not in self._chances:
            self._chances[arch] = float(self.chances(np.array([self._space.index(arch)]))[0])
        return self._chances[arch] >= 0.5

    def new(self, make: Callable[[], Arch], memory: Memory) -> Arch:
        """Return the first candidate of ``make`` that is admitted and new, else a random architecture; remember it."""
        for _ in range(_PATIENCE):
            arch = make()
            if arch not in memory and self.admits(arch):
                memory.add(arch)
                return arch
        return self.draw(memory)

    def draw(self, memory: Memory) -> Arch:
        """Return a random architecture that is new, and admitted unless a long row of draws brings none."""
        if self._limits:
            for _ in range(_PATIENCE):
                arch = self._space.sample(self._rng)
                if arch not in memory and self.admits(arch):
                    memory.add(arch)
                    return arch
        return memory.draw(self._rng)


def chance_below(mean: NDArray[np.float64], std: NDArray[np.float64], limit: float) -> NDArray[np.float64]:
    """Return the probability that normal values are at most ``limit``, ``(n,)``; 0 or 1 where ``std`` is 0."""
    ndtr = require("scipy.special", "predictors", "A learned limit").ndtr
    sure = np.where(mean <= limit, 1.0, 0.0)
    found: NDArray[np.float64] = np.where(std > 0, ndtr((limit - mean) / np.where(std > 0, std, 1.0)), sure)
    return found


def check_chance(name: str, value: float) -> None:
    """Raise :class:`~metanas.errors.InvalidValueError` for a probability outside 0 to 1."""
    if not 0 <= value <= 1:
        msg = f"Chances lie between 0 and 1, but got {name}={value}."
        raise InvalidValueError(msg)
