"""What is refused when a table is written: wrong shapes, and values that cannot be measurements."""

from __future__ import annotations

from metanas.errors import InvalidValueError
from metanas.tables.lint import copies, values
from metanas.tables.lint.finding import Content, ContentCheck

REFUSED: tuple[ContentCheck, ...] = (
    values.values_in_range,
    values.seconds_grow,
    values.costs_are_of_the_architecture,
    copies.seeds_differ,
    copies.seeds_are_not_filled_in,
    copies.splits_differ,
)


def check_columns(content: Content) -> None:
    """Check shapes and values of all columns of a table.

    Raises:
        InvalidValueError: what is wrong, and in which column and place.
    """
    sizes = {"arch": len(content.archs), "seed": len(content.seeds), "epoch": len(content.epochs)}
    for name, (entry, array) in content.columns.items():
        if entry.name != name:
            msg = f"The column {name!r} must hold the metric of that name, but got {entry.name!r}."
            raise InvalidValueError(msg)
        shape = tuple(sizes[axis] for axis in entry.axes)
        if array.shape != shape:
            msg = f"{name!r} with the axes {', '.join(entry.axes)} must have the shape {shape}, but got {array.shape}."
            raise InvalidValueError(msg)
    for check in REFUSED:
        for finding in check(content):
            raise InvalidValueError(str(finding))
