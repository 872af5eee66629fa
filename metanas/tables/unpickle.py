"""Reads the plain data of a pickle without Python's unpickler: no import, and calls of a given few constructors alone.

A pickle is a program. Python's unpickler runs it: it imports what the pickle names and calls what it imported. Here a
small machine of our own reads the data opcodes, and a global is a key into the caller's mapping of admitted
constructors. Everything else is refused with its name at the moment it is named, before it could be called: nothing is
ever imported. What could make plain data costly is bounded too: bytes, number of containers, nesting, cycles, shared
parts that multiply when they are walked, integers, keys whose hash takes long, memo numbers that would reserve memory.

For NumPy's scalars see :mod:`metanas.tables.unpickle_numpy`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

from metanas.errors import InvalidFileError
from metanas.tables.unpickle_machine import Admitted, Global, Limits, Machine

__all__ = ["Admitted", "Limits", "loads"]

_CONTAINERS = {dict, list, tuple, set, frozenset}


def loads(
    data: bytes, admitted: Admitted | None = None, *, limits: Limits | None = None, source: str = "The pickle"
) -> Any:
    """Return what a pickle holds: dicts, lists, tuples, sets, numbers, strings, bytes, and what ``admitted`` makes.

    Args:
        data: the whole pickle.
        admitted: constructor by full name, as in ``{"collections.OrderedDict": dict}``. The pickle chooses the
            arguments, so each must be harmless whatever it is given, and raise ``ValueError`` or ``TypeError`` for what
            it does not expect. The state of an object (BUILD) goes to its method ``set_state``.
        limits: what the pickle may cost.
        source: what to call the pickle in messages.

    Raises:
        InvalidFileError: a global that is not admitted (named in the message), an opcode that needs code of others
            (persistent ids, the extension registry, buffers), a limit, or a malformed pickle.
    """
    machine = Machine(data, admitted or {}, limits or Limits(), source)
    try:
        result = machine.run()
    except (IndexError, struct.error, UnicodeError, ValueError, KeyError, TypeError, OverflowError) as error:
        if isinstance(error, InvalidFileError):
            raise
        machine.refuse(f"is malformed ({type(error).__name__}: {error})")
    _check(machine, result)
    return result


def _check(machine: Machine, result: Any) -> None:
    """Refuse results that never end or explode when they are walked: cycles, deep nests, multiplied parts."""
    sizes: dict[int, tuple[int, int]] = {}  # identity -> (depth, values); the machine keeps all objects alive
    open_now: set[int] = set()
    todo: list[tuple[Any, bool]] = [(result, False)]
    while todo:
        entry, leaving = todo.pop()
        if type(entry) is Global:
            machine.refuse(f"holds {entry.name} itself as a value")
        if type(entry) not in _CONTAINERS or id(entry) in sizes:
            continue
        inner = [part for part in _parts(entry) if type(part) in _CONTAINERS or type(part) is Global]
        if leaving:
            depths, counts = zip((0, 0), *(sizes[id(part)] for part in inner), strict=True)
            size = (max(depths) + 1, sum(counts) + len(entry))
            if size[0] > machine.limits.depth:
                machine.refuse(f"nests deeper than {machine.limits.depth}")
            if size[1] > machine.limits.values:
                machine.refuse(f"holds more than {machine.limits.values:,} values when shared parts are counted")
            sizes[id(entry)] = size
            open_now.discard(id(entry))
            continue
        if id(entry) in open_now:
            machine.refuse("holds a container that contains itself")
        open_now.add(id(entry))
        todo.append((entry, True))
        todo.extend((part, False) for part in inner)


def _parts(container: Any) -> Iterable[Any]:
    return container.values() if type(container) is dict else container  # keys hold no containers but flat tuples
