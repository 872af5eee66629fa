"""What optuna spends most of its time on in a search over decisions, done in less; the results stay the same.

Whenever optuna samples, it reads every trial so far anew, in Python loops: choices are looked up, values sorted, search
spaces compared and copied; and its densities are for variables of any kind. Here the choices are 0, 1, 2 and so on,
they are the same in all trials, and a trial that is over does not change. This module imports optuna.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import CategoricalDistribution
from optuna.samplers import TPESampler
from optuna.study import StudyDirection
from optuna.trial import TrialState

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Decision(CategoricalDistribution):
    """The choices from 0 to ``n - 1``: each is its own index."""

    def __init__(self, n: int) -> None:
        """Take the number of choices."""
        super().__init__(tuple(range(n)))

    def to_internal_repr(self, param_value_in_external_repr: Any) -> float:
        """Return the index of a choice."""
        return int(param_value_in_external_repr)

    def __eq__(self, other: object) -> bool:
        """Return whether there are as many choices."""
        return self is other or (isinstance(other, Decision) and self.choices == other.choices)

    __hash__ = CategoricalDistribution.__hash__

    def __deepcopy__(self, memo: dict[int, Any]) -> Decision:
        """Return itself: nothing changes it."""
        return self


class QuickTpe(TPESampler):
    """optuna's sampler for one objective without limits, over the same decisions in every trial, all at once.

    The choices and the order of the values are kept from one trial to the next, and a density is one over arrays of all
    decisions.
    """

    def __init__(self, **settings: Any) -> None:
        """Take what ``TPESampler`` takes."""
        super().__init__(**settings)
        self._decisions: dict[str, Any] = {}  # in optuna's order
        self._rows: Ints = np.empty((0, 0), dtype=np.int64)  # choices of each trial, by its number
        self._over: NDArray[np.bool_] = np.empty(0, dtype=bool)  # by number: has a value
        self._ranked: list[tuple[float, int]] = []  # loss and number of the trials that have a value, the best first

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
        """Return the decisions; nothing before a trial is over."""
        if not self._decisions:
            self._decisions = super().infer_relative_search_space(study, trial)
        return self._decisions

    def sample_relative(self, study: Any, trial: Any, search_space: dict[str, Any]) -> dict[str, Any]:
        """Return the best of some draws from the density of the good trials."""
        n = len(self._ranked)
        if not search_space or n < self._n_startup_trials:
            return {}
        running: list[Any] = []
        if self._constant_liar:
            others = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
            running = [other for other in others if other.number != trial.number]
            for other in running:
                self._remember(other)
        good = np.zeros(len(self._over), dtype=bool)
        good[[number for _, number in self._ranked[: min(math.ceil(0.1 * n), 25)]]] = True
        bad = self._over & ~good
        bad[[other.number for other in running]] = True
        sizes = tuple(len(decision.choices) for decision in search_space.values())
        density_of_good, density_of_bad = (CategoricalDensity(self._rows[which], sizes) for which in (good, bad))
        draws = density_of_good.sample(self._rng.rng, self._n_ei_candidates)
        best = draws[np.argmax(density_of_good.log_pdf(draws) - density_of_bad.log_pdf(draws))]
        return dict(zip(search_space, best.tolist(), strict=True))

    def after_trial(self, study: Any, trial: Any, state: Any, values: Sequence[float] | None) -> None:
        """Remember what came of a trial."""
        super().after_trial(study, trial, state, values)
        if values is None:
            return
        self._remember(trial)
        self._over[trial.number] = True
        loss = -values[0] if study.direction == StudyDirection.MAXIMIZE else values[0]
        insort(self._ranked, (loss, trial.number))

    def _remember(self, trial: Any) -> None:
        """Note the choices of a trial, where there is a choice."""
        choices = [trial.params[name] for name in sorted(trial.params) if not trial.distributions[name].single()]
        if trial.number >= len(self._over):
            more = max(64, trial.number + 1)
            rows = np.zeros((more, len(choices)), dtype=np.int64)
            self._rows = np.concatenate([self._rows.reshape(-1, len(choices)), rows])
            self._over = np.concatenate([self._over, np.zeros(more, dtype=bool)])
        self._rows[trial.number] = choices


class CategoricalDensity:
    """optuna's Parzen estimator where all variables are categorical: a kernel for each trial, and a uniform one.

    A kernel has a distribution for each decision: a share of 1 / (number of kernels) for every choice, and 1 for the
    trial's. Kernels weigh the same, but for those before the last 25 trials, which weigh less the older they are.
    """

    def __init__(self, rows: Ints, sizes: tuple[int, ...]) -> None:
        """Fit.

        Args:
            rows: choices of the trials in the order of their numbers, ``(n, n_decisions)``.
            sizes: number of choices of each decision.
        """
        n, most = len(rows), max(sizes)
        weights = np.ones(n + 1)
        if n > 25:
            weights[: n - 25] = np.linspace(1 / n, 1, num=n - 25)
        self._weights: Floats = weights / weights.sum()
        self._kernels = np.concatenate([rows, np.full((1, len(sizes)), most)])  # the last choice stands for no trial's
        self._table: Floats = np.ones((len(sizes), most + 1, most))  # by decision, the trial's choice, choice
        for size in set(sizes):
            mass = np.eye(size + 1, size) + 1 / (n + 1)
            mass /= mass.sum(axis=1, keepdims=True)
            places = np.flatnonzero(np.array(sizes) == size)
            self._table[places, :size, :size], self._table[places, most, :size] = mass[:size], mass[size]
        self._last = np.arange(most) >= np.array(sizes)[:, None] - 1  # (n_decisions, most)

    def sample(self, rng: np.random.RandomState, n: int) -> Ints:
        """Draw rows, ``(n, n_decisions)``."""
        kernels = self._kernels[rng.choice(len(self._weights), p=self._weights, size=n)]
        upto = self._table[np.arange(kernels.shape[1]), kernels].cumsum(axis=-1)
        upto[:, self._last] = 1.0
        drawn: Ints = (upto < rng.random_sample(kernels.shape[::-1]).T[:, :, None]).sum(axis=-1)
        return drawn

    def log_pdf(self, rows: Ints) -> Floats:
        """Return the logarithm of the density of rows, ``(n,)``."""
        places = np.arange(rows.shape[1])
        logs = np.log(self._table[places, :, rows])  # (n, n_decisions, most + 1)
        by_kernel = np.zeros((len(self._weights), len(rows)))
        for place in places:
            by_kernel += np.take(logs[:, place].T.copy(), self._kernels[:, place], axis=0)
        total = by_kernel.T.copy() + np.log(self._weights)  # in C order, in which optuna sums over kernels
        greatest = total.max(axis=1)
        density: Floats = np.log(np.exp(total - greatest[:, None]).sum(axis=1)) + greatest
        return density
