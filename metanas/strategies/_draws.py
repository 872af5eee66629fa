"""Single random numbers, drawn ahead in blocks: one from NumPy alone takes ten times as long as one from a list."""

from __future__ import annotations

import numpy as np

_BLOCK = 512


class Draws:
    """The numbers of a generator, one at a time; what the methods return is distributed as the generator's."""

    def __init__(self, rng: np.random.Generator) -> None:
        """Draw from ``rng``."""
        self._rng = rng
        self._left: list[float] = []

    def random(self) -> float:
        """Return a number from [0, 1)."""
        if not self._left:
            self._left = self._rng.random(_BLOCK).tolist()
        return self._left.pop()

    def integers(self, n: int) -> int:
        """Return one of 0 to n - 1."""
        return int(self.random() * n)
