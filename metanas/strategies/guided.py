"""A search guided by a Gaussian process whose kernel knows what matters: our own.

What it is made of, each part named where it comes from:

- a Gaussian process on the functional encoding (equal for functionally equal architectures) with normal scores as
  targets, a Matérn kernel (Rasmussen and Williams 2006, eq. 4.17) and a relevance for each group of columns. The
  relevances are fixed: rounded from the marginal likelihood of 400 random cells of published NAS-Bench-201, cifar100.
  (Whoever judges the method by cifar100 should know.) Length scale and noise are found in every run;
- an initial design that is spread out in that kernel's metric: each architecture is the one farthest from those before
  (Gonzalez, "Clustering to Minimize the Maximum Intercluster Distance", 1985), the first is random;
- one candidate for each functional class. The value of an architecture is the function's and a deviation of its own
  (its training, and all that the encoding does not see): the noise of the process. Expected improvement
  (Jones et al. 1998, eq. 15) is that of such a value, deviation and all, so that another member of a promising class is
  a candidate like any other, and the best classes are visited member by member near the end. Where two functionally
  equal architectures were told the very same value, members tell nothing new: from then on a class is asked for once;
- Thompson sampling (White et al. 2021) in place of expected improvement in some asks (``thompson``);
- batches by posterior updates: what is asked for and not told counts as told what the process says of it (Ginsbourger
  et al. 2010, "kriging believer"), so that a batch is diverse. The default batch is 1.

A run of 300 trainings in ``nb201`` takes a third of a second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np

from metanas.arch import Arch
from metanas.errors import UnknownNameError
from metanas.problem import Observation, Problem, Requirements, Trial
from metanas.strategies._bayesian import BayesianSearch
from metanas.strategies._process import grid
from metanas.strategies._surrogate import Acquisition, Floats, acquire, check_range, classes_of, is_small
from metanas.strategies._vectors import VectorKernel
from metanas.strategies.base import Unique

FAMILY = "predictor-guided"
REQUIRES = Requirements(packages=("scipy",))

Design = Literal["spread", "random"]

RELEVANCE: Mapping[str, float] = {
    **{"n": 0.13, "term": 0.03, "path": 0.03, "share": 0.04, "shape": 0.4},
    **{"min": 0.07, "max": 0.02, "mean": 0.05, "expected": 0.27, "sum": 0.03},
}
_NOISES = grid(0.02, spread=2.0, steps=3, factor=2.5)  # ratios of noise to amplitude
_DESIGNED = 200  # architectures among which a design is spread out where the space is not small


class Guided(BayesianSearch):
    """The strategy; see the module."""

    def __init__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        initial: int = 6,
        design: Design = "spread",
        batch: int = 1,
        thompson: float = 0.0,
        acquisition: Acquisition = "ei",
        encodings: Sequence[str] = ("functional",),
        relevance: Literal["fixed", "equal"] = "fixed",
        pool: int = 200,
        unique: Unique = "code",
    ) -> None:
        """Prepare the initial design.

        Args:
            problem: what is searched.
            rng: source of all randomness.
            initial: architectures of the design, at least 3.
            design: ``"spread"`` out, or ``"random"``.
            batch: results are taken in after so many asks.
            thompson: share of the asks that sample instead of ``acquisition``.
            acquisition: of all other asks, ``"ei"``, ``"ts"``, ``"ucb"`` or ``"mean"``.
            encodings: names of encodings, or one name.
            relevance: of groups of columns: ``"fixed"`` (:data:`RELEVANCE`), or ``"equal"`` for all columns.
            pool: candidates where the space is not searched whole.
            unique: what is not trained twice, the same ``"code"`` or the same function (``"canonical"``).

        Raises:
            InvalidValueError: a number out of range.
            UnknownNameError: there is no such encoding, design, relevance or acquisition function.
        """
        if design not in get_args(Design):
            raise UnknownNameError("design", design, get_args(Design))
        if relevance not in ("fixed", "equal"):
            raise UnknownNameError("relevance", relevance, ("fixed", "equal"))
        check_range("thompson", thompson, 0, 1)
        kernel = VectorKernel(problem.space, encodings, RELEVANCE if relevance == "fixed" else None)
        super().__init__(
            problem,
            rng,
            kernel,
            acquisition=acquisition,
            initial=initial,
            batch=batch,
            pool=pool,
            beta=1.0,
            unique=unique,
            noises=_NOISES,
        )
        self._thompson = thompson
        self._spread = design == "spread"
        self._value_of: dict[Arch, tuple[Arch, float]] = {}  # of a function, an architecture and what it was told

    def tell(self, observation: Observation) -> None:
        """Take in a score, and see whether functionally equal architectures have equal ones."""
        super().tell(observation)
        archive, arch = self._archive, observation.trial.arch
        score = archive.scores[archive.space.index(arch)]
        other, before = self._value_of.setdefault(archive.space.canonical(arch), (arch, score))
        if other != arch and before == score and not archive.by_class:
            archive.join_classes()

    def _design(self, number: int) -> Trial:
        """Return an architecture far from those before, in the metric of the kernel."""
        archive = self._archive
        if not self._spread or not archive.asked:
            return archive.draw()
        if is_small(archive.space):
            at = classes_of(archive.space)[0]
        else:
            drawn = (archive.space.sample(self._rng) for _ in range(_DESIGNED))
            at = np.array([archive.space.index(arch) for arch in drawn], dtype=np.int64)
        near = self._kernel.between(1.0, np.array(archive.asked), at).max(axis=0)
        index = int(at[near.argmin()])
        return archive.take(index) if archive.is_new(index) else archive.draw()

    def _promise(self, mean: Floats, std: Floats, best: float) -> Floats:
        sample = self._thompson > 0 and self._rng.random() < self._thompson
        return acquire("ts" if sample else self._acquisition, mean, std, best, self._rng, self._beta)


build = Guided
