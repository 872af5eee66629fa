"""The machine behind :mod:`metanas.tables.unpickle`: the opcodes of data, one method or line each.

The opcodes are those of :mod:`pickletools`, protocols 0 to 5.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol, cast

from metanas.errors import InvalidFileError

Admitted = Mapping[str, Callable[..., Any]]

_SCALARS = {str, int, float, bool, type(None), bytes}
_FLOAT = struct.Struct(">d").unpack_from


@dataclass(frozen=True, slots=True)
class Limits:
    """What a pickle may cost.

    Attributes:
        bytes: size of the pickle.
        containers: dicts, lists, tuples and sets, and constructor calls.
        depth: of nesting.
        values: entries of all containers, shared ones counted as often as they are reached.
        integer: bytes of an integer.
    """

    bytes: int = 64 * 2**20
    containers: int = 500_000
    depth: int = 32
    values: int = 20_000_000
    integer: int = 9


class _Stateful(Protocol):
    def set_state(self, state: Any) -> None: ...


class Global:
    """An admitted constructor on the stack."""

    __slots__ = ("make", "name")

    def __init__(self, name: str, make: Callable[..., Any]) -> None:
        """Keep the full name and the callable."""
        self.name = name
        self.make = make


class Machine:
    """Reads one pickle."""

    def __init__(self, data: bytes, admitted: Admitted, limits: Limits, source: str) -> None:
        """Stand before the first opcode; raise ``InvalidFileError`` if there are too many bytes."""
        self.data = data
        self.admitted = admitted
        self.limits = limits
        self.source = source
        self.at = 0
        self.stack: list[Any] = []
        self.outer: list[list[Any]] = []  # stacks below the marks
        self.memo: dict[int, Any] = {}  # a dict: a memo number reserves nothing
        self.containers = 0
        if len(data) > limits.bytes:
            self.refuse(f"has {len(data):,} bytes; {limits.bytes:,} are allowed")

    def refuse(self, reason: str) -> NoReturn:
        """Raise the error."""
        msg = f"{self.source} {reason}, at byte {self.at}. It was not unpickled; none of its code was run."
        raise InvalidFileError(msg)

    def run(self) -> Any:
        """Read opcodes until the end; those of which a pickle of data consists stand first."""
        data, memo = self.data, self.memo
        while True:
            op = data[self.at]
            self.at += 1
            if op == 0x8C:  # SHORT_BINUNICODE
                self.stack.append(str(self.take(data[self.at], 1), "utf-8"))
            elif op == 0x94:  # MEMOIZE
                memo[len(memo)] = self.stack[-1]
            elif op == 0x47:  # BINFLOAT
                self.stack.append(_FLOAT(data, self.at)[0])
                self.at += 8
            elif op == 0x4B:  # BININT1
                self.stack.append(data[self.at])
                self.at += 1
            elif op == 0x68:  # BINGET
                self.stack.append(memo[data[self.at]])
                self.at += 1
            elif op == 0x2E:  # STOP
                if self.outer or len(self.stack) != 1:
                    self.refuse("ends with a stack that does not hold one value")
                return self.stack.pop()
            else:
                step = _STEPS.get(op)
                if step is None:
                    self.refuse(f"has the opcode {_REFUSED.get(op, hex(op))}, which data does not need")
                step(self)

    def take(self, size: int, skip: int = 0) -> bytes:
        """Return the next ``size`` bytes after ``skip``, and go behind them."""
        start = self.at + skip
        end = start + size
        if end > len(self.data):
            self.refuse(f"announces {size:,} bytes but is cut short")
        self.at = end
        return self.data[start:end]

    def number(self, size: int) -> int:
        """Read an unsigned integer of ``size`` bytes."""
        return int.from_bytes(self.take(size), "little")

    def line(self) -> str:
        """Read a line of a text opcode."""
        end = self.data.index(b"\n", self.at)
        text = self.data[self.at : end].decode("utf-8")
        self.at = end + 1
        return text

    def push(self, value: Any) -> None:
        """Push a value."""
        self.stack.append(value)

    def make(self, container: Any) -> None:
        """Push a new container, of which there may be so many."""
        self.containers += 1
        if self.containers > self.limits.containers:
            self.refuse(f"makes more than {self.limits.containers:,} containers")
        self.stack.append(container)

    def make_filled(self, container: dict[Any, Any], values: list[Any]) -> None:
        """Push a new dict with keys and values."""
        self.make(container)
        self.update(values)

    def frozen_set(self) -> None:
        """Push a frozen set of what was pushed since the mark."""
        members = self.items()
        self.check_keys(members)
        self.make(frozenset(members))

    def mark(self) -> None:
        """Begin a new stack."""
        if len(self.outer) >= self.limits.depth:
            self.refuse(f"nests deeper than {self.limits.depth}")
        self.outer.append(self.stack)
        self.stack = []

    def items(self) -> list[Any]:
        """Return what was pushed since the last mark, and end that stack."""
        found = self.stack
        self.stack = self.outer.pop()
        return found

    def extend(self, values: list[Any]) -> None:
        """Append to the list on top."""
        self.top(list).extend(values)

    def update(self, values: list[Any]) -> None:
        """Put keys and values into the dict on top."""
        target = self.top(dict)
        keys = values[::2]
        if len(values) % 2:
            self.refuse("gives a key without a value")
        self.check_keys(keys)
        target.update(zip(keys, values[1::2], strict=True))

    def add(self, values: list[Any]) -> None:
        """Put members into the set on top."""
        target = self.top(set)
        self.check_keys(values)
        target.update(values)

    def top(self, kind: type) -> Any:
        """Return the value on top, which must be of a kind."""
        target = self.stack[-1]
        if type(target) is not kind:
            self.refuse(f"puts items into a {type(target).__name__} as if it were a {kind.__name__}")
        return target

    def check_keys(self, keys: list[Any]) -> None:
        """Hash nothing but scalars and flat tuples of them: nested tuples can take as long as one likes."""
        for key in keys:
            if type(key) not in _SCALARS and not (type(key) is tuple and {type(part) for part in key} <= _SCALARS):
                self.refuse(f"uses a {type(key).__name__} as a key")

    def pop(self, count: int) -> tuple[Any, ...]:
        """Take the last values from the stack."""
        found = tuple(self.stack[-count:])
        if len(found) < count:
            self.refuse("takes from an empty stack")
        del self.stack[-count:]
        return found

    def integer(self, size: int) -> None:
        """Push a signed integer of ``size`` bytes."""
        if size > self.limits.integer:
            self.refuse(f"has an integer of {size:,} bytes; {self.limits.integer} are allowed")
        self.stack.append(int.from_bytes(self.take(size), "little", signed=True))

    def decimal(self) -> None:
        """Push an integer that is written out; ``00`` and ``01`` are truth values."""
        text = self.line().removesuffix("L")
        if len(text) > 20:
            self.refuse(f"has an integer of {len(text):,} digits")
        self.stack.append(text == "01" if text in ("00", "01") else int(text))

    def unicode_line(self) -> None:
        """Push a string of protocol 0."""
        end = self.data.index(b"\n", self.at)
        self.stack.append(self.data[self.at : end].decode("raw-unicode-escape"))
        self.at = end + 1

    def named(self, module: Any, name: Any) -> None:
        """Push an admitted constructor; refuse everything else by its name."""
        full = f"{module}.{name}"
        if type(module) is not str or type(name) is not str or full not in self.admitted:
            known = ", ".join(sorted(self.admitted)) or "none"
            self.refuse(f"asks for the global {full[:200]!r}, which is not admitted (admitted: {known})")
        self.stack.append(Global(full, self.admitted[full]))

    def call(self, target: Any, arguments: Any) -> None:
        """Call an admitted constructor, and nothing else."""
        if type(target) is not Global or type(arguments) is not tuple:
            self.refuse(f"calls a {type(target).__name__}")
        try:
            made = target.make(*arguments)
        except (ValueError, TypeError) as error:
            self.refuse(f"gives {target.name} what it does not take ({error})")
        self.make(made)

    def build(self) -> None:
        """Hand a state to an object that takes one."""
        target, state = self.stack[-2], self.stack.pop()
        if not hasattr(type(target), "set_state"):
            self.refuse(f"sets the state of a {type(target).__name__}")
        try:
            cast(_Stateful, target).set_state(state)
        except (ValueError, TypeError) as error:
            self.refuse(f"gives a {type(target).__name__} a state that it does not take ({error})")

    def instance(self) -> None:
        """Protocol 0: name and call at once."""
        module, name = self.line(), self.line()
        arguments = tuple(self.items())
        self.named(module, name)
        self.call(self.stack.pop(), arguments)

    def object(self) -> None:
        """Protocol 1: the constructor and its arguments since the mark."""
        target, *arguments = self.items()
        self.call(target, tuple(arguments))

    def remember(self, number: int) -> None:
        """Store the value on top under a memo number."""
        self.memo[number] = self.stack[-1]

    def recall(self, number: int) -> None:
        """Push a stored value."""
        if number not in self.memo:
            self.refuse(f"recalls memo {number}, which it never stored")
        self.stack.append(self.memo[number])

    def pop_one(self) -> None:
        """Drop the value on top, or the mark."""
        if self.stack:
            self.stack.pop()
        else:
            self.stack = self.outer.pop()


_REFUSED = {
    ord("P"): "PERSID (a persistent id)",
    ord("Q"): "BINPERSID (a persistent id)",
    0x82: "EXT1 (a number of the extension registry)",
    0x83: "EXT2 (a number of the extension registry)",
    0x84: "EXT4 (a number of the extension registry)",
    0x92: "NEWOBJ_EX",
    0x97: "NEXT_BUFFER",
    0x98: "READONLY_BUFFER",
    ord("S"): "STRING",
}

_STEPS: dict[int, Callable[[Machine], Any]] = {
    0x80: lambda m: m.take(1),  # PROTO
    0x95: lambda m: m.take(8),  # FRAME: sizes of frames matter to readers of streams only
    ord("("): Machine.mark,
    ord("0"): Machine.pop_one,
    ord("1"): Machine.items,  # POP_MARK
    ord("2"): lambda m: m.push(m.stack[-1]),  # DUP
    # scalars
    ord("N"): lambda m: m.push(None),
    0x88: lambda m: m.push(True),
    0x89: lambda m: m.push(False),
    ord("I"): Machine.decimal,
    ord("L"): Machine.decimal,
    ord("J"): lambda m: m.integer(4),  # BININT
    ord("M"): lambda m: m.push(m.number(2)),  # BININT2
    0x8A: lambda m: m.integer(m.number(1)),  # LONG1
    0x8B: lambda m: m.integer(m.number(4)),  # LONG4
    ord("F"): lambda m: m.push(float(m.line())),
    ord("V"): Machine.unicode_line,
    ord("X"): lambda m: m.push(m.take(m.number(4)).decode()),  # BINUNICODE
    0x8D: lambda m: m.push(m.take(m.number(8)).decode()),  # BINUNICODE8
    ord("C"): lambda m: m.push(m.take(m.number(1))),  # SHORT_BINBYTES
    ord("B"): lambda m: m.push(m.take(m.number(4))),  # BINBYTES
    0x8E: lambda m: m.push(m.take(m.number(8))),  # BINBYTES8
    0x96: lambda m: m.push(m.take(m.number(8))),  # BYTEARRAY8, as bytes
    ord("U"): lambda m: m.push(m.take(m.number(1)).decode("ascii")),  # SHORT_BINSTRING
    ord("T"): lambda m: m.push(m.take(m.number(4)).decode("ascii")),  # BINSTRING
    # containers
    ord("]"): lambda m: m.make([]),
    ord("l"): lambda m: m.make(m.items()),
    ord("a"): lambda m: m.extend([m.stack.pop()]),
    ord("e"): lambda m: m.extend(m.items()),
    ord(")"): lambda m: m.make(()),
    ord("t"): lambda m: m.make(tuple(m.items())),
    0x85: lambda m: m.make(m.pop(1)),
    0x86: lambda m: m.make(m.pop(2)),
    0x87: lambda m: m.make(m.pop(3)),
    ord("}"): lambda m: m.make({}),
    ord("d"): lambda m: m.make_filled({}, m.items()),
    ord("s"): lambda m: m.update(list(m.pop(2))),
    ord("u"): lambda m: m.update(m.items()),
    0x8F: lambda m: m.make(set()),
    0x90: lambda m: m.add(m.items()),
    0x91: Machine.frozen_set,
    # the memo
    ord("p"): lambda m: m.remember(int(m.line())),
    ord("q"): lambda m: m.remember(m.number(1)),
    ord("r"): lambda m: m.remember(m.number(4)),
    ord("g"): lambda m: m.recall(int(m.line())),
    ord("j"): lambda m: m.recall(m.number(4)),
    # globals
    ord("c"): lambda m: m.named(m.line(), m.line()),
    0x93: lambda m: m.named(*m.pop(2)),  # STACK_GLOBAL
    ord("i"): Machine.instance,
    ord("o"): Machine.object,
    ord("R"): lambda m: m.call(*m.pop(2)),
    0x81: lambda m: m.call(*m.pop(2)),  # NEWOBJ
    ord("b"): Machine.build,
}
