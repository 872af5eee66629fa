"""What several strategies need: a memory of what was asked for."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from metanas.arch import Arch
from metanas.errors import UnknownNameError
from metanas.spaces import ListedSpace, Space

Unique = Literal["none", "code", "canonical"]

_PATIENCE = 200  # draws in vain before the rest of the space is listed


class Memory:
    """The architectures that were asked for, by what counts as the same.

    Attributes:
        unique: ``"code"``: architectures are the same if their codes are equal; ``"canonical"``: if they compute the
            same function (``space.canonical``); ``"none"``: nothing is remembered, all is new.
    """

    def __init__(self, space: Space, unique: Unique = "code") -> None:
        """Make an empty memory; raise :class:`~metanas.errors.UnknownNameError` for another ``unique``."""
        if unique not in get_args(Unique):
            raise UnknownNameError("kind of uniqueness", unique, get_args(Unique))
        self.unique = unique
        self._space = space
        self._seen: set[Arch] = set()

    def __len__(self) -> int:
        """Return how many different architectures are remembered."""
        return len(self._seen)

    def key(self, arch: Arch) -> Arch:
        """Return what ``arch`` is remembered by."""
        return self._space.canonical(arch) if self.unique == "canonical" else arch

    def __contains__(self, arch: Arch) -> bool:
        """Return whether ``arch`` or its like was added."""
        return self.key(arch) in self._seen

    def add(self, arch: Arch) -> bool:
        """Remember ``arch``; return whether it was new."""
        if self.unique == "none":
            return True
        key = self.key(arch)
        if key in self._seen:
            return False
        self._seen.add(key)
        return True

    def draw(self, rng: np.random.Generator) -> Arch:
        """Draw an architecture uniformly from those that are new, and remember it.

        When the whole space has been seen, the memory is emptied and the drawing starts over. A space without a list
        of its architectures counts as seen when a long row of draws brings nothing new.
        """
        for _ in range(_PATIENCE):
            arch = self._space.sample(rng)
            if self.add(arch):
                return arch
        space = self._space
        indices = space.indices.tolist() if isinstance(space, ListedSpace) else []
        rest = [arch for index in indices if (arch := space.arch(index)) not in self]
        if not rest:
            self._seen.clear()
            return self.draw(rng)
        arch = rest[int(rng.integers(len(rest)))]
        self.add(arch)
        return arch
