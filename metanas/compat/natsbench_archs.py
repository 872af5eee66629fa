"""The list of architectures that the reader numbers, and what its interface says of them without any measurement."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidArchError, InvalidValueError, NotMeasuredError
from metanas.spaces import ListedSpace


class ArchList:
    """The architectures of a space in the order of their indices; see :mod:`.natsbench`."""

    def __init__(self, space: ListedSpace, rng: np.random.Generator) -> None:
        """Number the architectures of ``space``; draw with ``rng``."""
        self._space = space
        self._rng = rng

    @cached_property
    def _indices(self) -> NDArray[np.int64]:
        return np.asarray(self._space.indices)

    @cached_property
    def meta_archs(self) -> list[str]:
        """All architectures in their written form."""
        return [self._space.format(self._space.arch(int(index))) for index in self._indices]

    def __len__(self) -> int:
        """Return the number of architectures."""
        return len(self._space)

    def __getitem__(self, index: int) -> str:
        """Return an architecture; ``IndexError`` behind the last one, so that ``for arch in api`` ends."""
        if not 0 <= index < len(self):
            msg = f"0 <= index < {len(self)} must hold, but got {index}."
            raise IndexError(msg)
        return self.arch(index)

    def arch(self, index: int) -> str:
        """Return the written form of an architecture."""
        return self._space.format(self._space.arch(self._space_index(index)))

    def random(self) -> int:
        """Return the index of an architecture drawn uniformly."""
        return int(self._rng.integers(len(self)))

    def query_index_by_arch(self, arch: Any) -> int:
        """Return the index of an architecture: a string, an object with ``tostr()``, or an index; −1 if it is none."""
        if isinstance(arch, int | np.integer) and not isinstance(arch, bool):
            self._space_index(int(arch))
            return int(arch)
        text = arch if isinstance(arch, str) else arch.tostr() if hasattr(arch, "tostr") else None
        if not isinstance(text, str):
            return -1
        try:
            index = self._space.index(self._space.parse(text))
        except InvalidArchError:
            return -1
        return int(np.searchsorted(self._indices, index))

    def _space_index(self, index: Any) -> int:
        """Return the index in the space; refuse −1 and everything else outside the list."""
        number = index if isinstance(index, int | np.integer) else self.query_index_by_arch(index)
        if not 0 <= number < len(self):
            what = f"the index {number}" if number is index else repr(str(index))
            msg = f"An architecture must be one of the {len(self):,} of space {self._space.name!r}, but got {what}."
            raise InvalidArchError(msg)
        return int(self._indices[number])

    def get_unique_str(self, arch: Any) -> str:
        """Return the written form of the representative of an architecture's functional class."""
        return self._space.format(self._space.canonical(self._space.arch(self._space_index(arch))))

    # What has no meaning here

    def clear_params(self, index: int, hp: str | None = None) -> None:
        """Do nothing: tables hold no weights."""

    def reload(self, archive_root: str | None = None, index: int | None = None) -> None:
        """Do nothing: a table is read when it is asked."""

    def get_net_param(self, index: int, dataset: str, seed: int | None, hp: str | int = "12") -> None:
        """Refuse: tables hold no weights."""
        msg = "Tables hold no trained weights; the full distribution of NATS-Bench does."
        raise NotMeasuredError(msg)

    def get_net_config(self, index: Any, dataset: str) -> dict[str, Any]:
        """Return what the official networks of the topology space are made from."""
        classes = {"cifar10": 10, "cifar10-valid": 10, "cifar100": 100, "ImageNet16-120": 120}
        if dataset not in classes:
            msg = f"Networks of NATS-Bench are of {', '.join(classes)}, but got {dataset!r}."
            raise InvalidValueError(msg)
        text = self.arch(self.query_index_by_arch(index))
        return {"name": "infer.tiny", "C": 16, "N": 5, "arch_str": text, "num_classes": classes[dataset]}

    @staticmethod
    def str2lists(arch_str: str) -> list[tuple[tuple[str, int], ...]]:
        """Return the incoming edges of each node as ``(operation, source)``."""
        nodes = [[edge for edge in node.split("|") if edge] for node in arch_str.split("+")]
        return [tuple((edge.partition("~")[0], int(edge.partition("~")[2])) for edge in node) for node in nodes]

    @staticmethod
    def str2matrix(
        arch_str: str,
        search_space: Sequence[str] = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"),
    ) -> NDArray[np.float64]:
        """Return a matrix with the number of the operation on the edge to row from column, ``(4, 4)``."""
        nodes = ArchList.str2lists(arch_str)
        matrix = np.zeros((len(nodes) + 1, len(nodes) + 1))
        for target, node in enumerate(nodes, start=1):
            for op, source in node:
                if op not in search_space:
                    msg = f"An operation must be one of {', '.join(search_space)}, but got {op!r}."
                    raise InvalidValueError(msg)
                matrix[target, source] = list(search_space).index(op)
        return matrix
