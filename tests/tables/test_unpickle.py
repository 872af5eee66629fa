"""Pickles that would do harm are refused by name; plain data comes out as Python's own unpickler gives it."""

from __future__ import annotations

import copyreg
import os
import pickle
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metanas.errors import InvalidFileError
from metanas.tables.unpickle import Limits, loads
from metanas.tables.unpickle_numpy import SCALARS


class Calls:
    """Pickles as a call."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call


KEYS = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text() | st.floats(allow_nan=False) | st.binary()
DATA = st.recursive(
    KEYS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(KEYS | st.tuples(KEYS, KEYS), inner, max_size=4)
        | st.tuples(inner, inner)
        | st.sets(KEYS, max_size=4)
        | st.frozensets(KEYS, max_size=4)
    ),
    max_leaves=20,
)


@given(DATA, st.integers(3, pickle.HIGHEST_PROTOCOL))
def test_plain_data_comes_out_as_it_went_in(data: Any, protocol: int) -> None:
    pickled = pickle.dumps(data, protocol)
    admitted = {"builtins.set": set, "builtins.frozenset": frozenset}  # as protocol 3 writes them
    found = loads(pickled, admitted)
    assert found == pickle.loads(pickled)
    assert repr(found) == repr(pickle.loads(pickled))  # True is not 1


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol(protocol: int) -> None:
    shared = ["a", "ä\n", 1.5, -7, 70_000, 2**40, -(2**62), True, False, None, 300, {"x": (1, 2, 3), (1, "b"): ()}]
    data = {"one": shared, "two": shared, "long": ["s" * 300] * 2, "four": (1, 2, 3, 4)}
    assert loads(pickle.dumps(data, protocol)) == data


@given(st.binary(max_size=60), st.integers(0, 400))
def test_damaged_bytes_are_refused_or_read_but_nothing_else(noise: bytes, at: int) -> None:
    whole = pickle.dumps({str(i): [i, float(i), (i, None)] for i in range(20)})
    damaged = whole[:at] + noise + whole[at + len(noise) :]
    try:
        loads(damaged, SCALARS)
    except InvalidFileError:
        return


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    ("harm", "name"),
    [
        (Calls(os.system, ("touch {}",)), f"{os.system.__module__}.system"),
        (Calls(eval, ("open('{}', 'w')",)), "eval"),
        (Calls(exec, ("open('{}', 'w')",)), "exec"),
        (Calls(getattr, ("a", "upper")), "getattr"),
        (Calls(subprocess.check_output, (["touch", "{}"],)), "subprocess.check_output"),
        (Calls(__import__, ("os",)), "__import__"),
        (Calls(bytearray, (2**60,)), "bytearray"),
    ],
)
def test_calls_of_others_are_refused_by_name(harm: Calls, name: str, protocol: int, tmp_path: Path) -> None:
    target = tmp_path / "harmed"
    function, arguments = harm.call
    call = Calls(function, tuple(arg.format(target) if isinstance(arg, str) else arg for arg in arguments))
    for data in (call, {"0": {"deep": [1, (call,)]}}, [0.5] * 100 + [call]):
        with pytest.raises(InvalidFileError, match=rf"asks for the global '\w+\.?\w*\.?{name.rpartition('.')[2]}'"):
            loads(pickle.dumps(data, protocol), SCALARS)
    assert not target.exists()


@pytest.mark.parametrize(
    ("pickled", "match"),
    [
        (b"cos\nsystem\n(S'ls'\ntR.", r"'os\.system'"),
        (b"cposix\nsystem\n.", r"'posix\.system'"),
        (b"(X\x02\x00\x00\x00lsios\nsystem\n.", r"'os\.system'"),  # INST
        (b"(cos\nsystem\nX\x02\x00\x00\x00lso.", r"'os\.system'"),  # OBJ
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02ls\x85R.", r"'os\.system'"),
        (b"\x80\x04\x8c\x02os\x94\x8c\x06system\x940000h\x00h\x01\x93.", "malformed"),
        (b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94h\x00h\x01\x93.", r"'os\.system'"),  # the name out of the memo
        (b"\x80\x04\x8c\x05numpy\x8c\x11__loader__.create\x93.", r"'numpy\.__loader__\.create'"),  # nested
        (b"\x80\x04\x8c\x05numpy\x8c\x0bdtype.mro.x\x93.", r"'numpy\.dtype\.mro\.x'"),
        (b"\x80\x04K\x01K\x02\x93.", r"'1\.2'"),
        (b"P17\n.", r"PERSID \(a persistent id\)"),
        (b"\x80\x04K\x07Q.", r"BINPERSID \(a persistent id\)"),
        (b"\x80\x04\x82\x07.", "EXT1"),
        (b"\x80\x04\x83\x07\x00.", "EXT2"),
        (b"\x80\x04\x84\x07\x00\x00\x00.", "EXT4"),
        (b"\x80\x05\x97.", "NEXT_BUFFER"),
        (b"\x80\x04}}\x92.", "NEWOBJ_EX"),
        (b"\x80\x04\x8c\x03str)R.", "calls a str"),
        (b"\x80\x04]})R.", "calls a dict"),
        (b"\x80\x04}}b.", "sets the state of a dict"),
        (b"\x80\x04]K\x01b.", "sets the state of a list"),
        (b"\x80\x04cnumpy\ndtype\n}b.", "sets the state of a Global"),
        (b"\x80\x04cnumpy\ndtype\n\x8c\x02f8R.", "calls a Global"),
        (b"\x80\x04cnumpy\ndtype\n.", r"holds numpy\.dtype itself as a value"),
        (b"\x80\x04]cnumpy\ndtype\na.", r"holds numpy\.dtype itself as a value"),
        (b"\x80\x04cnumpy\ndtype\n\x8c\x02f8\x85R}b.", "a state that it does not take"),
        (b"\x80\x04cnumpy\ndtype\n\x8c\x01O\x85R.", "gives numpy.dtype what it does not take"),
        (b"\x80\x04cnumpy\ndtype\n\x8c\x0b100000000f8\x85R.", "gives numpy.dtype what it does not take"),
        (b"\xff.", "0xff"),
    ],
)
def test_opcodes_that_need_code(pickled: bytes, match: str) -> None:
    with pytest.raises(InvalidFileError, match=match):
        loads(pickled, SCALARS)


def test_the_extension_registry_is_not_consulted() -> None:
    copyreg.add_extension("os", "system", 250)
    try:
        pickled = pickle.dumps(os.system, 2)
        with pytest.raises(InvalidFileError, match=r"EXT1|posix\.system|nt\.system"):
            loads(b"\x80\x02\x82\xfa.")
        with pytest.raises(InvalidFileError, match=r"EXT1|system"):
            loads(pickled)
    finally:
        copyreg.remove_extension("os", "system", 250)


def nested(depth: int, opcode: bytes) -> bytes:
    return b"\x80\x04" + b")" + opcode * depth + b"."


@pytest.mark.parametrize(
    ("pickled", "match"),
    [
        (b"\x80\x04\x8e" + struct.pack("<Q", 2**60) + b".", r"announces 1,152,921,504,606,846,976 bytes"),
        (b"\x80\x04X" + struct.pack("<I", 2**31) + b"abc.", r"announces 2,147,483,648 bytes but is cut short"),
        (b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"N.", None),  # the size of a frame reserves nothing
        (b"\x80\x04Nr" + struct.pack("<I", 2**32 - 1) + b".", None),  # nor does a memo number
        (b"\x80\x04j" + struct.pack("<I", 2**32 - 1) + b".", "recalls memo 4294967295"),
        (b"\x80\x04\x8b" + struct.pack("<I", 2**31 - 1) + b"\x01.", "integer of 2,147,483,647 bytes"),
        (b"\x80\x04\x8a\xff" + b"\x01" * 255 + b".", "integer of 255 bytes"),
        (b"I" + b"9" * 5000 + b"\n.", "integer of 5,000 digits"),
        (nested(100_000, b"\x85"), "nests deeper"),
        (b"\x80\x04" + b"(" * 100_000 + b".", "nests deeper"),
        (b"\x80\x04]\x94" + b"h\x00a.", "contains itself"),
        (b"\x80\x04}\x94\x8c\x01ah\x00s.", "contains itself"),
        (b"\x80\x04(]\x94h\x00h\x00l.", None),  # shared, but no cycle
        (b"\x80\x04)" + b"2\x86" * 30 + b".", "when shared parts are counted"),  # 2**30 values in 64 bytes
        (b"\x80\x04})" + b"2\x86" * 60 + b"Ns.", "uses a tuple as a key"),  # its hash would take forever
        (b"\x80\x04\x8f(]\x90.", "uses a list as a key"),
        (b"\x80\x04(" + b"\x8f" * 2000 + b"l.", "makes more than 1,000 containers"),
        (b"N" * 60_000, "60,000 bytes; 50,000 are allowed"),
    ],
)
def test_what_would_cost_much(pickled: bytes, match: str | None) -> None:
    limits = Limits(bytes=50_000 if b"N" * 9 in pickled else 200_100, containers=200_000, values=10_000)
    if b"\x8f" * 9 in pickled:
        limits = Limits(containers=1000)
    if match is None:
        loads(pickled, limits=limits)
        return
    with pytest.raises(InvalidFileError, match=match):
        loads(pickled, limits=limits)


@pytest.mark.parametrize(
    "pickled",
    [b"", b"\x80\x04", b"N", b".", b"NN.", b"(N.", b"]N.", b"Na.", b"(K\x01u.", b"}(Nu.", b"0.", b"\x80\x04N"],
)
def test_malformed(pickled: bytes) -> None:
    with pytest.raises(InvalidFileError, match=r"My file .* at byte \d+"):
        loads(pickled, source="My file")


@pytest.mark.parametrize("kind", ["f8", "f4", "i8", "i4", "u1", "?", ">f8"])
def test_scalars_of_numpy_become_numbers(kind: str) -> None:
    value = np.array([1], kind)[0]
    found = loads(pickle.dumps({"x": value}), SCALARS)
    assert found == {"x": value.item()}
    assert type(found["x"]) is type(value.item())


def test_arrays_and_other_objects_of_numpy_are_refused() -> None:
    with pytest.raises(InvalidFileError, match=r"multiarray\._reconstruct|_frombuffer"):
        loads(pickle.dumps(np.arange(3)), SCALARS)
    with pytest.raises(InvalidFileError, match="a scalar is a dtype and as many bytes"):
        loads(
            pickle.dumps(np.float64(1.5))
            .replace(b"C\x08", b"C\x07", 1)
            .replace(b"\x00\x00\x00\xf8?", b"\x00\x00\xf8?"),
            SCALARS,
        )


def test_constructors_are_those_of_the_caller() -> None:
    from collections import OrderedDict

    pickled = pickle.dumps(OrderedDict(a=1))
    assert loads(pickled, {"collections.OrderedDict": dict}) == {"a": 1}
    with pytest.raises(InvalidFileError, match=r"'collections\.OrderedDict', which is not admitted \(admitted: none\)"):
        loads(pickled)
