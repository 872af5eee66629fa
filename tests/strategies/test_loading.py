from __future__ import annotations

import hashlib
import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from metanas.errors import StrategyError, UnknownNameError
from metanas.problem import Budget, Objective, Problem
from metanas.spaces import load_space
from metanas.strategies import find_strategy, strategy_names

MINE = """
from dataclasses import dataclass

import numpy as np

from metanas.problem import Observation, Problem, Trial


@dataclass
class First:
    problem: Problem
    rng: np.random.Generator
    step: int = 1

    def ask(self):
        return Trial(self.problem.space.sample(self.rng), self.problem.max_epochs)

    def tell(self, observation):
        pass


def build(problem, rng, **config):
    return First(problem, rng, **config)
"""


def problem() -> Problem:
    return Problem(load_space("nb201"), (Objective("validation/accuracy"),), 4, Budget(trainings=10))


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", [*sys.path])  # a file's folder joins it
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


def test_the_packages_strategies_are_found_by_file_name() -> None:
    assert {"local_search", "random_search", "regularized_evolution"} <= set(strategy_names())
    assert strategy_names() == tuple(sorted(strategy_names()))
    assert not any(name.startswith("_") or name == "base" for name in strategy_names())
    source = find_strategy("local_search")
    assert (source.name, source.label, source.sha256, dict(source.config)) == ("local_search", "local_search", None, {})


def test_settings_follow_after_commas() -> None:
    source = find_strategy("regularized_evolution,sample=2,population=5,unique=code")
    assert source.config == {"sample": 2, "population": 5, "unique": "code"}
    assert source.label == "regularized_evolution,population=5,sample=2,unique=code"
    assert find_strategy("regularized_evolution,sample=NaN").config == {"sample": "NaN"}  # no JSON: a word


def test_a_file_is_a_strategy(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mine.parent)
    source = find_strategy("mine.py:First,step=3")
    assert source.name == "First"
    assert source.label == "First,step=3"
    assert source.sha256 == hashlib.sha256(MINE.encode()).hexdigest()
    assert source.spec == f"{mine}:First"  # wherever a worker process stands
    strategy = source.build(problem(), np.random.default_rng(0))
    assert strategy.step == 3  # type: ignore[attr-defined]
    assert find_strategy("mine.py").name == "mine"
    assert find_strategy(str(mine)).build(problem(), np.random.default_rng(0)).ask().epochs == 4


def test_a_module_is_a_strategy(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(mine.parent)
    mine.rename(mine.with_name("a_module_of_mine.py"))
    source = find_strategy("a_module_of_mine:First")
    assert (source.name, source.spec) == ("First", "a_module_of_mine:First")
    assert source.sha256 == hashlib.sha256(MINE.encode()).hexdigest()
    assert find_strategy("a_module_of_mine:build").name == "a_module_of_mine"
    del sys.modules["a_module_of_mine"]


def test_a_source_that_changed_meanwhile_is_refused(mine: Path) -> None:
    source = find_strategy(f"{mine}:First")
    mine.write_text(MINE + "\n# changed\n")
    with pytest.raises(StrategyError, match="must have the sha256"):
        source.build(problem(), np.random.default_rng(0))


def test_a_file_that_changed_is_read_again(mine: Path) -> None:
    find_strategy(f"{mine}:First")
    mine.write_text(MINE.replace("step: int = 1", "step: int = 2"))  # as many bytes, perhaps the same second
    assert find_strategy(f"{mine}:First").build(problem(), np.random.default_rng(0)).step == 2  # type: ignore[attr-defined]


def hash_of(path: Path) -> str | None:
    sys.modules.pop("a_part_of_mine", None)
    importlib.invalidate_caches()
    return find_strategy(f"{path}:First").sha256


def test_a_file_may_import_files_beside_it_and_they_count(mine: Path) -> None:
    alone = hash_of(mine)
    part = mine.with_name("a_part_of_mine.py")
    part.write_text("STEP = 1\n")
    assert hash_of(mine) == alone  # it imports nothing of it
    mine.write_text("import a_part_of_mine\n" + MINE)
    together = hash_of(mine)
    part.write_text("STEP = 2\n")
    changed = hash_of(mine)
    mine.write_text(MINE.replace("pass", "import a_part_of_mine"))
    late = hash_of(mine)
    part.write_text("STEP = 1\n")
    assert len({alone, together, changed, late, hash_of(mine)}) == 5
    part.write_text("import json\nimport numpy.linalg\nfrom metanas.problem import Trial\nSTEP = 1\n")
    own, other = (hashlib.sha256(path.read_bytes()).hexdigest() for path in (mine, part))
    assert hash_of(mine) == hashlib.sha256(f"{own}\na_part_of_mine {other}".encode()).hexdigest()  # and no library


def test_the_modules_of_a_package_count_and_so_do_theirs(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(mine.parent)
    pack = mine.parent / "a_pack"
    (pack / "parts").mkdir(parents=True)
    (pack / "__init__.py").write_text("")
    (pack / "main.py").write_text("from .parts import deep\n" + MINE)
    (pack / "parts" / "__init__.py").write_text("")
    (pack / "parts" / "deep.py").write_text("from .. import other\n")
    (pack / "other.py").write_text("STEP = 1\n")
    (pack / "unused.py").write_text("STEP = 1\n")

    def found() -> str | None:
        for name in [name for name in sys.modules if name.partition(".")[0] == "a_pack"]:
            del sys.modules[name]
        importlib.invalidate_caches()
        return find_strategy("a_pack.main:First").sha256

    first = found()
    assert first == found()
    (pack / "unused.py").write_text("STEP = 2\n")
    assert first == found()
    (pack / "other.py").write_text("STEP = 2\n")
    assert first != found()


@pytest.mark.parametrize(
    ("text", "error", "expected"),
    [
        ("randomsearch", UnknownNameError, "Did you mean 'random_search'"),
        ("base", UnknownNameError, "Unknown strategy 'base'"),
        ("_loading", UnknownNameError, "Unknown strategy"),
        ("no_such.py:First", StrategyError, "There is no file no_such.py"),
        (
            "no_such_module:First",
            StrategyError,
            "'no_such_module' of a strategy cannot be imported: ModuleNotFoundError",
        ),
        ("math:sin", StrategyError, "module 'math' has no Python file"),
    ],
)
def test_what_cannot_be_found_is_said(text: str, error: type[Exception], expected: str) -> None:
    with pytest.raises(error, match=expected):
        find_strategy(text)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("def broken(:\n", r"mine.py is no Python, line 1: invalid syntax"),
        ("\x00", "mine.py is no Python"),
        ("1 / 0\n", r"mine.py cannot be imported: ZeroDivisionError: division by zero \(mine.py, line 1\)"),
        ("raise SystemExit(3)\n", "mine.py cannot be imported: SystemExit: 3"),
        ("First = 3\n", "Unknown builder in .*mine.py:First 'First'"),
        ("class Fist: pass\n", "Did you mean 'Fist'"),
    ],
)
def test_a_file_that_cannot_be_used_is_said(mine: Path, content: str, expected: str) -> None:
    mine.write_text(content)
    with pytest.raises((StrategyError, UnknownNameError), match=expected):
        find_strategy(f"{mine}:First")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("import metanas", "metanas"),
        ("import metanas.tables as t", "metanas.tables"),
        ("from metanas import load_table", "metanas.load_table"),
        ("from metanas.tables import Table", "metanas.tables.Table"),
        ("from metanas.leaderboard.replay import Judge", "metanas.leaderboard.replay.Judge"),
        ("def f():\n    from metanas.oracles import TableOracle", "metanas.oracles.TableOracle"),
        ("import h5py", "h5py"),
    ],
)
def test_peeking_is_an_import_error(mine: Path, line: str, name: str) -> None:
    mine.write_text(MINE + "\n" + line + "\n")
    with pytest.raises(StrategyError, match=rf"mine.py, line \d+: a strategy may not import {name}\."):
        find_strategy(f"{mine}:First")


@pytest.mark.parametrize(
    "line", ["from metanas import Arch", "from metanas.strategies.base import Memory", "import math"]
)
def test_other_imports_are_free(mine: Path, line: str) -> None:
    mine.write_text(f"{line}\n{MINE}")
    assert find_strategy(f"{mine}:First").name == "First"


def test_a_strategy_may_not_take_a_built_in_name(mine: Path) -> None:
    with pytest.raises(StrategyError, match="name of a built-in strategy"):
        find_strategy(str(mine.rename(mine.with_name("random_search.py"))))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            "def build(problem, rng): raise ValueError('no')",
            r"failed while it was built with {}: ValueError: no \(mine.py, line 1\)",
        ),
        (
            "from metanas import load_space\ndef build(problem, rng): load_space('nb2')",
            r"Unknown search space 'nb2'.* \(mine.py, line 2\)",
        ),
        ("def build(problem, rng): return 5", r"'mine' gave int without ask\(\)"),
        ("class build:\n def __init__(self, p, r): pass\n def ask(self): pass", r"gave build without tell\(\)"),
        ("def build(): return 5", r"takes 0 positional arguments but 2 were given$"),
    ],
)
def test_what_builds_no_strategy_is_said(mine: Path, content: str, expected: str) -> None:
    mine.write_text(content)
    with pytest.raises(StrategyError, match=expected):
        find_strategy(str(mine)).build(problem(), np.random.default_rng(0))


def test_an_unknown_setting_is_said() -> None:
    with pytest.raises(StrategyError, match=r"'size': 3.*unexpected keyword argument 'size'"):
        find_strategy("random_search,size=3").build(problem(), np.random.default_rng(0))
