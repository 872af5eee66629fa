"""Bayesian optimization of several objectives by expected hypervolume improvement.

Emmerich, Giannakoglou and Naujoks, "Single- and Multiobjective Evolutionary Optimization Assisted by Gaussian Random
Field Metamodels", IEEE Transactions on Evolutionary Computation 10(4), 2006, for the criterion: train what is expected
to add most to the hypervolume, each objective modelled by itself. It is computed exactly, see
:mod:`metanas.strategies._improvement`. With one objective it is the expected improvement (Jones, Schonlau and Welch,
"Efficient Global Optimization of Expensive Black-Box Functions", Journal of Global Optimization 13, 1998).

Every objective is modelled by a Gaussian process on what architectures compute; costs that need no training, as
latency, are learned from the observations as well, or are exact where the problem states them (``problem.scores``).
The settings of a process are found anew when the examples have grown by a half, on at most 100 of them
(:mod:`metanas.strategies._growing`). Candidates are all functional classes of a space that lists its architectures;
elsewhere they are a pool, of which the half that promised least is replaced before every fit by children of the front
and random architectures.

The reference point lies a tenth of its range beyond the worst value of each objective, seen or predicted: of seen ones
alone, what costs more than all founders would never be worth a training. Between two fits several trials are chosen one
by one, each taking those before it to come out as predicted ("Kriging believer", Ginsbourger, Le Riche and Carraro,
"Kriging is Well-Suited to Parallelize Optimization", 2010), as are trials under way with other workers. A growing front
never adds to a candidate's improvement, so that those of the round's beginning bound it from above, and only the
foremost are computed again.

Limits: ``"penalty"`` weighs the improvement by the chance to keep them (Gardner et al., "Bayesian Optimization with
Inequality Constraints", ICML 2014); ``"rejection"`` leaves out what keeps them with a chance below one half
(:mod:`metanas.strategies._limits`). While nothing that keeps them is known, the chance alone decides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from metanas.arch import Arch
from metanas.errors import InvalidValueError, UnknownNameError
from metanas.problem import Observation, Problem, Requirements, Trial
from metanas.spaces import ListedSpace
from metanas.strategies._growing import GrowingProcess
from metanas.strategies._improvement import Boxes, expected_improvement, free_boxes
from metanas.strategies._limits import Gate, Handling, MetricModel
from metanas.strategies._pareto import Floats, Front, member
from metanas.strategies.base import Memory

FAMILY = "multi-objective"
REQUIRES = Requirements(objectives="any", packages=("scipy",))

_CLASSES = 20_000  # candidates at most
_BEYOND = 0.1  # of the range of each objective lies between its worst value and the reference point
_TUNED_ON = 100  # examples
_FOREMOST = 64  # candidates that are computed again at a time


@dataclass(slots=True)
class _Round:
    """What one fit says.

    Attributes:
        candidates: indices of architectures that were not asked for, ``(m,)``.
        mean: their objectives, minimized, ``(m, n_objectives)``.
        std: standard deviations, ``(m, n_objectives)``.
        weight: by the limits, ``(m,)``.
        bound: at least the improvement, weighted, ``(m,)``; −1 of what was asked for.
        front: of what was trained and what is believed, ``(n, n_objectives)``.
        reference: ``(n_objectives,)``.
        left: trials until the next fit.
    """

    candidates: NDArray[np.int64]
    mean: Floats
    std: Floats
    weight: Floats
    bound: Floats
    front: Floats
    reference: Floats
    left: int


class ExpectedHypervolume:
    """Train what is expected to add most to the hypervolume."""

    def __init__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        founders: int = 10,
        every: int = 5,
        pool: int = 200,
        predictor: str = "gaussian_process",
        cost_predictor: str = "gaussian_process",
        constraint: Handling = "penalty",
    ) -> None:
        """Prepare the founders.

        Args:
            problem: what is searched.
            rng: source of all randomness.
            founders: random architectures to begin with.
            every: trainings between two fits.
            pool: candidates of a space that does not list its architectures, or that has more than 20,000 classes.
            predictor: name of the predictor of what training gives, as ``"validation/accuracy"``.
            cost_predictor: name of the predictor of what an architecture costs, where that is not known.
            constraint: ``"penalty"`` or ``"rejection"``, see the module.

        Raises:
            InvalidValueError: unless ``founders >= 1``, ``every >= 1`` and ``pool >= 1``.
            UnknownNameError: another ``constraint``.
        """
        if min(founders, every, pool) < 1:
            msg = f"founders >= 1, every >= 1 and pool >= 1 must hold, but got {founders=}, {every=}, {pool=}."
            raise InvalidValueError(msg)
        if constraint not in get_args(Handling):
            raise UnknownNameError("way to handle constraints", constraint, get_args(Handling))
        self._problem = problem
        self._rng = rng
        self._space = problem.space
        self._founders, self._every, self._pool = founders, every, pool
        self._rejecting = constraint == "rejection"
        self._memory = Memory(problem.space, "canonical")
        self._gate = Gate(problem, rng, "rejection")
        self._models = [
            MetricModel(problem, name, rng, self._learner(chosen), every)
            for name in (objective.metric for objective in problem.objectives)
            for chosen in (predictor if name.startswith("validation/") else cost_predictor,)
        ]
        self._under_way: list[Arch] = []
        self._asked_since: list[Arch] = []  # since candidates were listed
        self._classes: NDArray[np.int64] | None = None
        if isinstance(self._space, ListedSpace):
            self._classes = np.unique(self._space.canonical_indices[self._space.indices])
        self._finite: list[tuple[float, ...]] = []  # objectives of what was trained, where all are known
        self._front = Front()
        self._round: _Round | None = None

    def _learner(self, predictor: str) -> str | GrowingProcess:
        """Return what learns a metric."""
        growing = predictor == GrowingProcess.name
        return GrowingProcess(self._space, self._rng, _TUNED_ON) if growing else predictor

    def ask(self) -> Trial:
        """Return a random founder, later what is expected to add most."""
        if self._founders > 0:
            self._founders -= 1
            arch = self._gate.draw(self._memory) if self._rejecting else self._memory.draw(self._rng)
        else:
            arch = self._chosen()
        self._under_way.append(arch)
        self._asked_since.append(arch)
        return Trial(arch, self._problem.max_epochs)

    def tell(self, observation: Observation) -> None:
        """Learn what came of a trial."""
        arch = observation.trial.arch
        self._under_way.remove(arch)
        self._gate.tell(observation)
        for model in self._models:
            model.tell(observation)
        new = member(self._problem, arch, observation.values)
        if all(map(math.isfinite, new.costs)):
            self._finite.append(new.costs)
        self._front.add(new)

    def _chosen(self) -> Arch:
        """Return the candidate with the greatest expected improvement, random where none is expected."""
        if self._round is None or self._round.left <= 0:
            self._round = self._fitted()
        now = self._round
        if now is None:
            return self._memory.draw(self._rng)
        now.left -= 1
        place = _best(now)
        if place is None:
            return self._memory.draw(self._rng)
        now.bound[place] = -1.0
        now.front = np.vstack((now.front, now.mean[place]))  # Kriging believer
        arch = self._space.arch(int(now.candidates[place]))
        self._memory.add(arch)
        return arch

    def _fitted(self) -> _Round | None:
        """Fit and predict; return None while too little is known."""
        candidates = self._candidates()
        under_way = [self._space.index(arch) for arch in self._under_way]
        indices = np.concatenate((candidates, np.array(under_way, dtype=np.int64)))
        predictions = [model.predict(indices) for model in self._models] if len(candidates) else []
        costs = np.array(self._finite)
        if not len(costs) or any(each is None for each in predictions) or not predictions:
            return None
        signs = [objective.sign for objective in self._problem.objectives]
        mean = np.column_stack([-s * each.mean for s, each in zip(signs, predictions, strict=True) if each])
        std = np.column_stack(
            [np.zeros(len(indices)) if each.std is None else each.std for each in predictions if each]
        )
        count = len(candidates)
        chances = self._gate.chances(indices)
        kept = [each.costs for each in self._front.members if each.violation == 0 and np.isfinite(each.costs).all()]
        believed = mean[count:][chances[count:] >= 0.5]
        front = np.vstack((np.array(kept).reshape(-1, len(signs)), believed))
        together = np.vstack((costs, mean))
        reference = together.max(axis=0) + _BEYOND * np.ptp(together, axis=0)
        for limit in self._problem.constraints:  # what an objective has beyond its limit is worth nothing
            for column, objective in enumerate(self._problem.objectives):
                if objective.metric == limit.metric and objective.direction == "minimize":
                    reference[column] = min(reference[column], np.nextafter(limit.at_most, np.inf))
        weight = np.where(chances[:count] >= 0.5, 1.0, 0.0) if self._rejecting else chances[:count]
        found = _Round(candidates, mean[:count], std[:count], weight, np.zeros(count), front, reference, self._every)
        if self._problem.constraints and not kept:  # nothing keeps the limits so far: look for what does
            found.bound, found.weight = chances[:count].copy(), np.zeros(count)
        else:
            found.bound = weight * expected_improvement(free_boxes(front, reference), found.mean, found.std)
        return found

    def _candidates(self) -> NDArray[np.int64]:
        """Return all classes that were not asked for, or a pool of them, as indices."""
        if self._classes is not None:
            asked = [self._space.index(self._memory.key(arch)) for arch in self._asked_since]
            self._classes = np.setdiff1d(self._classes, asked)
            self._asked_since = []
            if len(self._classes) <= _CLASSES:
                return self._classes
        parents = [each.arch for each in self._front.members]
        found: dict[Arch, int] = {}
        if self._round is not None:
            best = np.argsort(-self._round.bound, kind="stable")[: self._pool // 2]
            for arch in (self._space.arch(index) for index in self._round.candidates[best].tolist()):
                if arch not in self._memory:
                    found[self._memory.key(arch)] = self._space.index(arch)
        for number in range(3 * self._pool):
            arch = self._space.sample(self._rng) if number % 3 == 0 or not parents else self._child(parents)
            if arch not in self._memory:
                found.setdefault(self._memory.key(arch), self._space.index(arch))
            if len(found) >= self._pool:
                break
        return np.array(list(found.values()), dtype=np.int64)

    def _child(self, parents: list[Arch]) -> Arch:
        """Return a child of the front, one to three steps away from it."""
        first, second = self._rng.integers(len(parents), size=2).tolist()
        arch = parents[first] if first == second else self._space.crossover(parents[first], parents[second], self._rng)
        for _ in range(int(self._rng.integers(1, 4))):
            arch = self._space.mutate(arch, self._rng)
        return arch


def _best(now: _Round) -> int | None:
    """Return the candidate with the greatest improvement; compute those again whose bound may exceed the best."""
    if not now.weight.any():
        place = int(np.argmax(now.bound))  # chances, which no trial changes
        return place if now.bound[place] >= 0 else None
    boxes: Boxes = free_boxes(now.front, now.reference)
    fresh = np.zeros(len(now.bound), dtype=bool)
    while True:
        first = int(np.argmax(now.bound))
        if fresh[first]:
            return first if now.bound[first] > 0 else None
        again: NDArray[np.int64] = np.argsort(-now.bound, kind="stable")[:_FOREMOST]
        again = again[~fresh[again] & (now.bound[again] >= 0)]
        if not len(again):
            return None
        now.bound[again] = now.weight[again] * expected_improvement(boxes, now.mean[again], now.std[again])
        fresh[again] = True


build = ExpectedHypervolume
