"""NumPy's scalars for :mod:`metanas.tables.unpickle`: constructors that only ever make a Python number."""

from __future__ import annotations

from typing import Any

import numpy as np

from metanas.tables.unpickle import Admitted

_KINDS = frozenset(f"{kind}{size}" for kind in "iuf" for size in (1, 2, 4, 8)) - {"f1"} | {"b1"}


class NumberType:
    """What stands for a ``numpy.dtype`` in a pickle; numbers of up to 8 bytes alone."""

    __slots__ = ("dtype",)

    def __init__(self, kind: str, align: object = False, copy: object = True) -> None:
        """Take what NumPy writes: ``dtype("f8", False, True)``."""
        if not isinstance(kind, str) or kind not in _KINDS:
            msg = f"a dtype of numbers is one of {', '.join(sorted(_KINDS))}, got {str(kind)[:40]!r}"
            raise ValueError(msg)
        self.dtype = np.dtype(kind)

    def set_state(self, state: Any) -> None:
        """Take NumPy's state: version, byte order, and nothing that makes it more than a number."""
        if not isinstance(state, tuple) or len(state) != 8 or state[1] not in ("<", ">", "|", "="):
            msg = "the state of a dtype is a tuple of eight with a byte order"
            raise ValueError(msg)
        if state[2:5] != (None, None, None):
            msg = "a dtype of numbers has no parts"
            raise ValueError(msg)
        self.dtype = self.dtype.newbyteorder(state[1])


def scalar(kind: object, data: object) -> int | float | bool:
    """Return the number that NumPy wrote as bytes."""
    if not isinstance(kind, NumberType) or not isinstance(data, bytes) or len(data) != kind.dtype.itemsize:
        msg = "a scalar is a dtype and as many bytes as it has"
        raise ValueError(msg)
    number: int | float | bool = np.frombuffer(data, kind.dtype)[0].item()
    return number


SCALARS: Admitted = {
    "numpy.dtype": NumberType,
    "numpy.core.multiarray.scalar": scalar,
    "numpy._core.multiarray.scalar": scalar,
}
