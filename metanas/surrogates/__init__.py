"""Surrogate benchmarks: a table that measured a sample of its space answers, by prediction, for all of it.

What is measured and what is predicted stays marked everywhere; a plain table raises
:class:`~metanas.errors.NotMeasuredError` as ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

from metanas import tables

if TYPE_CHECKING:
    from metanas.surrogates.table import SurrogateTable
    from metanas.tables import Table

__all__ = ["load_table"]


@overload
def load_table(name: str, *, surrogate: Literal[False] = ...) -> Table: ...
@overload
def load_table(name: str, *, surrogate: Literal[True]) -> SurrogateTable: ...
def load_table(name: str, *, surrogate: bool = False) -> Table | SurrogateTable:
    """Open a published table, as in ``load_table("nb201/fashion_mnist-v1")``.

    The size of the file is compared with the registry; the hash by ``Entry.verify`` or ``metanas tables --verify``.

    Args:
        name: of the table; without ``-vN`` the latest version.
        surrogate: also load what ``metanas surrogate fit`` has learned from it, and answer for every architecture of
            the space, measured or predicted; see :class:`~metanas.surrogates.table.SurrogateTable`.

    Raises:
        UnknownNameError: no such table, or it has no surrogate.
        InvalidFileError: a file that is not the published one.
    """
    if not surrogate:
        return tables.load_table(name)
    from metanas.surrogates.store import load_surrogate

    return load_surrogate(name)
