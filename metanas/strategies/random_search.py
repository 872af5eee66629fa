"""Random search without repeats.

Bergstra and Bengio, "Random Search for Hyper-Parameter Optimization", JMLR 13 (2012), section 1: trials are drawn
independently from a fixed distribution, and the best of them is kept. As a baseline of architecture search: Li and
Talwalkar, "Random Search and Reproducibility for Neural Architecture Search", UAI 2019 (arXiv:1902.07638). In a finite
space an architecture that was drawn before is drawn again; here the draw is without replacement.
"""

from __future__ import annotations

import numpy as np

from metanas.problem import Observation, Problem, Requirements, Trial
from metanas.strategies.base import Memory, Unique

FAMILY = "random and local"
REQUIRES = Requirements(objectives="any")


class RandomSearch:
    """Ask for architectures drawn uniformly; learn nothing."""

    def __init__(self, problem: Problem, rng: np.random.Generator, unique: Unique = "code") -> None:
        """Prepare the draw.

        Args:
            problem: what is searched.
            rng: source of all randomness.
            unique: what is not asked for twice: the same ``"code"``, the same function (``"canonical"``), or
                ``"none"`` for independent draws, as in the paper.
        """
        self._rng = rng
        self._epochs = problem.max_epochs
        self._memory = Memory(problem.space, unique)

    def ask(self) -> Trial:
        """Return the next draw."""
        return Trial(self._memory.draw(self._rng), self._epochs)

    def tell(self, observation: Observation) -> None:
        """Ignore it: the draw does not depend on what was seen."""


build = RandomSearch
