"""An architecture as plain data."""

from __future__ import annotations

from typing import NamedTuple


class Arch(NamedTuple):
    """An architecture: the name of its space and its code, nothing else.

    It is hashable, ordered and cheap (a tuple), and knows nothing of networks, tables or scores. What ``code``
    means is the business of the space (``metanas.spaces``).

    Attributes:
        space: name of the search space, for instance ``"nb201"``.
        code: integers, fixed in number and meaning by the space.
    """

    space: str
    code: tuple[int, ...]
