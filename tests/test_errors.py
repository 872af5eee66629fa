from __future__ import annotations

import inspect
import pickle

import pytest

from metanas import errors
from metanas.errors import MetanasError, UnknownNameError

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, MetanasError)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_passes_between_processes(kind: type[MetanasError]) -> None:
    error = kind("table", "fashion", ["fashion_mnist"]) if kind is UnknownNameError else kind("0 <= x must hold.")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error)
    assert again.exit_code == error.exit_code != 0


def test_an_unknown_name_is_answered_by_what_is_there() -> None:
    assert str(UnknownNameError("table", "fashon", ["fashion", "glyphs"])) == (
        "Unknown table 'fashon'. Did you mean 'fashion'? There is: fashion, glyphs."
    )
    assert str(UnknownNameError("table", "x", [])) == "Unknown table 'x'. There is: none."
    assert str(UnknownNameError("epoch", 30, range(25))).endswith("18, 19, … (25 in all).")
