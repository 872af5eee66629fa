"""Search by zero-cost scores alone: train what they rank highest, in that order.

Krishnakumar, White, Zela, Tu, Safari and Hutter, "NAS-Bench-Suite-Zero: Accelerating Research on Zero Cost Proxies",
NeurIPS 2022 (arXiv:2210.03230), on scores and what they add to each other; Lee and Ham, "AZ-NAS", CVPR 2024
(arXiv:2403.19232), for ranking by several scores together. The ensemble here is the mean of their ranks, which no
score's scale decides. Nothing that comes of a training changes the order.

Differences: of functionally equal architectures one is trained, as all have one score (``unique="code"``: all of them,
one after the other). Equal ranks come in a drawn order. Where there are limits, architectures that would probably break
one are left for later (``"rejection"`` in :mod:`metanas.strategies._limits`), which is certain where their costs are
known. When all that have scores were trained, the rest comes in a drawn order.

It requires a board that hands out scores, ``"proxy/…"``, and a space that lists its architectures. By default all
scores count, and some of those in use rank no better than chance: choose, as in ``zero_cost,scores=nwot+synflow``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from metanas.arch import Arch
from metanas.problem import Observation, Problem, Requirements, Trial
from metanas.strategies._limits import Gate
from metanas.strategies._proxies import combined
from metanas.strategies.base import Memory, Unique

FAMILY = "zero-cost"
REQUIRES = Requirements(scores=True, space=("indices",))


class ZeroCost:
    """Train in the order of the mean rank of zero-cost scores."""

    def __init__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        scores: Sequence[str] | str | None = None,
        unique: Unique = "canonical",
    ) -> None:
        """Rank the space.

        Args:
            problem: what is searched.
            rng: source of all randomness: the order of equal ranks, and of what has no score.
            scores: names of the scores, a list or joined by ``+``, ``-`` before one of which less is better; all if
                None.
            unique: what is not trained twice: the same function (``"canonical"``), or the same ``"code"``;
                ``"none"`` is that as well.

        Raises:
            InvalidValueError: the problem has no zero-cost scores, or several objectives.
            UnknownNameError: it has no such score.
        """
        self._objective = problem.objective  # one: scores rank by what training gives, not by costs
        self._rng = rng
        self._space = problem.space
        self._epochs = problem.max_epochs
        ranks = combined(problem, scores)
        there = np.flatnonzero(np.isfinite(ranks))
        order = there[np.lexsort((rng.random(len(there)), -ranks[there]))]
        self._order = deque(order.tolist())
        self._later: deque[int] = deque()
        self._memory = Memory(problem.space, "code" if unique == "none" else unique)
        self._gate = Gate(problem, rng, "rejection")

    def ask(self) -> Trial:
        """Return the next in the order."""
        arch = self._next()
        return Trial(arch if arch is not None else self._gate.draw(self._memory), self._epochs)

    def tell(self, observation: Observation) -> None:
        """Learn what it costs, where there are limits; nothing else."""
        self._gate.tell(observation)

    def _next(self) -> Arch | None:
        """Return the first that is new and keeps the limits, then those that were left for later."""
        while self._order:
            index = self._order.popleft()
            arch = self._space.arch(index)
            if arch in self._memory:
                continue
            if self._gate.admits(arch):
                self._memory.add(arch)
                return arch
            self._later.append(index)
        while self._later:
            arch = self._space.arch(self._later.popleft())
            if self._memory.add(arch):
                return arch
        return None


build = ZeroCost
