from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import metanas
from metanas import published

HEAVY = ("torch", "numpy", "h5py", "pydantic", "rich", "typer", "joblib")


def test_importing_loads_nothing_heavy() -> None:
    code = "import json, sys, metanas; print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert [name for name in HEAVY if name in json.loads(out)] == []


def test_every_name_is_there_and_listed() -> None:
    for name in metanas.__all__:
        assert getattr(metanas, name).__module__.startswith("metanas."), name
    assert set(metanas.__all__) == set(metanas._HOMES)
    assert set(metanas.__all__) <= set(dir(metanas))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'load_tabel'"):
        _ = metanas.load_tabel


def test_the_version_is_the_stated_one_installed_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    top = Path(__file__).parents[1]
    stated = tomllib.loads((top / "pyproject.toml").read_text())["project"]["version"]
    assert metanas.__version__ == stated

    def not_installed(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", not_installed)
    monkeypatch.setattr(published, "checkout", lambda: top)
    assert metanas.__version__ == stated
