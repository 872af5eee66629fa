"""BOHB: Hyperband whose architectures are drawn from a model.

Falkner, Klein and Hutter, "BOHB: Robust and Efficient Hyperparameter Optimization at Scale", ICML 2018
(arXiv:1807.01774), section 4 and algorithm 2: the results of each budget are split into the good (the best 15 %) and
the bad; a kernel density is fitted to either, l and g; of N_s candidates drawn from l with bandwidths widened by b_w,
the one with the greatest l/g is taken. The model of the largest budget with enough results is used, and a fraction ρ
of all draws is uniform. The brackets are those of Hyperband.

The densities are over the decisions of an architecture (the entries of its code), with the kernel of Aitchison and
Aitken ("Multivariate binary discrimination by the kernel method", Biometrika 63, 1976): 1 − λ for the same choice, λ
/ (c − 1) for each of the c − 1 others.

Differences: λ of a decision is the rule-of-thumb bandwidth n^(−1/(4+d)) times the probability that two draws of the
decision differ, instead of statsmodels' rule for numbers; b_w widens these λ, where the authors' code widens the
bandwidths of numbers alone and draws a categorical decision anew, from all its choices, with chance λ; a candidate that
was asked for before, or that is no architecture of the space, is not taken, and a uniform one is drawn if none is left.
"""

from __future__ import annotations

from bisect import insort

import numpy as np
from numpy.typing import NDArray

from metanas.arch import Arch
from metanas.errors import InvalidArchError, InvalidValueError
from metanas.problem import Observation, Problem, Requirements, Trial
from metanas.strategies._brackets import Brackets, ladder, score_of
from metanas.strategies.base import Memory, Unique
from metanas.strategies.hyperband import in_turn

FAMILY = "multi-fidelity"
REQUIRES = Requirements(fidelities=True)

_LEAST = 1e-3  # bandwidth
_DRAWS = 200  # random architectures that show what choices each decision has
_Places = NDArray[np.int64]  # of the choices that were made, (n, n_decisions)


class Bohb:
    """Hyperband that draws from where the good ones were."""

    def __init__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        eta: float = 3.0,
        minimum: int | None = None,
        good: float = 0.15,
        samples: int = 64,
        random: float = 1 / 3,
        widening: float = 3.0,
        unique: Unique = "code",
    ) -> None:
        """Prepare the first bracket.

        Args:
            problem: what is searched.
            rng: source of all randomness.
            eta: η, one in so many goes on to the next rung.
            minimum: epochs of the lowest rung; the least that may be asked for if None.
            good: q, the share of results that count as good.
            samples: N_s, candidates of a draw.
            random: ρ, the share of draws that are uniform.
            widening: b_w, by which the bandwidths are multiplied when candidates are drawn.
            unique: what is not drawn twice; see :class:`~metanas.strategies.base.Memory`.

        Raises:
            InvalidValueError: a setting outside its range; or the codes of the space differ in length.
        """
        if not (0 < good < 1 and 0 <= random <= 1 and samples >= 1 and widening >= 1):
            msg = (
                f"0 < good < 1, 0 <= random <= 1, samples >= 1 and widening >= 1 must hold, but got good={good}, "
                f"random={random}, samples={samples}, widening={widening}."
            )
            raise InvalidValueError(msg)
        codes = [problem.space.sample(rng).code for _ in range(_DRAWS)]
        if len({len(code) for code in codes}) > 1:
            msg = (
                f"BOHB needs architectures with one number of decisions; those of {problem.space.name!r} differ in it."
            )
            raise InvalidValueError(msg)
        self._choices = [sorted(set(column)) for column in zip(*codes, strict=True)]  # of each decision
        self._rng, self._space = rng, problem.space
        self._name = problem.space.sample(rng).space  # of a sub-space's architectures: the whole space's
        self._good, self._samples, self._random, self._widening = good, samples, random, widening
        self._least = len(self._choices) + 1  # N_min = d + 1
        self._objective = problem.objective
        self._results: dict[int, list[tuple[float, int, tuple[int, ...]]]] = {}  # by epochs; best first, then oldest
        self._memory = Memory(problem.space, unique)
        self._brackets = Brackets(problem, in_turn(ladder(problem, eta, minimum), eta, self._draw))

    def ask(self) -> Trial:
        """Return the next trial of a rung."""
        return self._brackets.ask()

    def tell(self, observation: Observation) -> None:
        """Add the result to those of its budget; let the best of a rung go on when all of it is known."""
        results = self._results.setdefault(observation.trial.epochs, [])
        places = tuple(map(self._place, self._choices, observation.trial.arch.code))
        insort(results, (-score_of(self._objective, observation), len(results), places))
        self._brackets.tell(observation)

    def _draw(self) -> Arch:
        """Algorithm 2."""
        ready = [epochs for epochs, results in self._results.items() if len(results) >= self._least + 2]
        if self._rng.random() < self._random or not ready:  # lines 1 and 3
            return self._memory.draw(self._rng)
        # line 2: the largest budget with a model
        codes = np.array([places for _, _, places in self._results[max(ready)]], dtype=np.int64)
        n_good = max(self._least, int(self._good * len(codes)))  # eq. 3
        n_bad = max(self._least, len(codes) - n_good)
        good, bad = codes[:n_good], codes[len(codes) - n_bad :]
        candidates = self._candidates(good)  # line 5
        name = self._name
        gain = self._log_density(candidates, good) - self._log_density(candidates, bad)
        for position in np.argsort(-gain, kind="stable").tolist():  # line 6: the greatest l/g
            places = candidates[position].tolist()
            code = tuple(choices[place] for choices, place in zip(self._choices, places, strict=True))
            arch = Arch(name, code)
            try:
                self._space.check(arch)
            except InvalidArchError:
                continue
            if self._memory.add(arch):
                return arch
        return self._memory.draw(self._rng)

    def _candidates(self, good: _Places) -> _Places:
        """Draw from the widened density of the good, ``(n_samples, n_decisions)``."""
        counts = self._counts()
        centres = good[self._rng.integers(len(good), size=self._samples)]
        chance = np.minimum(self._bandwidths(good) * self._widening, (counts - 1) / counts)  # at most uniform
        other = self._rng.random(centres.shape) < chance
        shift = self._rng.integers(1, np.maximum(counts, 2), size=centres.shape)
        return np.where(other, (centres + shift) % counts, centres)

    def _log_density(self, places: _Places, data: _Places) -> NDArray[np.float64]:
        """Return the logarithm of the kernel density of ``data`` at ``places``, ``(n,)``."""
        counts, bandwidths = self._counts(), self._bandwidths(data)
        equal = np.log1p(-bandwidths)
        different = np.log(bandwidths / np.maximum(counts - 1, 1))
        same = (places[:, None, :] == data[None, :, :]).astype(np.float64)  # (n, n_data, n_decisions)
        log_kernel = different.sum() + same @ (equal - different)
        result: NDArray[np.float64] = np.logaddexp.reduce(log_kernel, axis=1) - np.log(len(data))
        return result

    def _bandwidths(self, data: _Places) -> NDArray[np.float64]:
        """Return λ of each decision, between ``_LEAST`` and that of the uniform density, ``(n_decisions,)``."""
        counts = self._counts()
        shares = (data[:, :, None] == np.arange(counts.max())).mean(axis=0)  # (n_decisions, n_choices)
        differ = 1 - (shares**2).sum(axis=1)
        shrinking = len(data) ** (-1 / (4 + data.shape[1]))
        result: NDArray[np.float64] = np.clip(shrinking * differ, _LEAST, np.maximum((counts - 1) / counts, _LEAST))
        return result

    def _counts(self) -> _Places:
        """Return the number of choices of each decision, ``(n_decisions,)``."""
        return np.array([len(choices) for choices in self._choices], dtype=np.int64)

    @staticmethod
    def _place(choices: list[int], choice: int) -> int:
        """Return which choice it is; one that no draw had shown is a further one."""
        if choice not in choices:
            choices.append(choice)
        return choices.index(choice)


build = Bohb
