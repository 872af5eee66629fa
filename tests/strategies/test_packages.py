"""What a strategy imports beyond the base installation, it says; else the first command of the README would fail."""

from __future__ import annotations

import subprocess
import sys

from metanas.problem import Requirements

PROGRAM = """
import sys
from importlib.abc import MetaPathFinder


class Absent(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in {"scipy", "sklearn", "torch", "torch_geometric", "xgboost", "optuna", "pymoo"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Absent())

from metanas.checks.landscape import LandscapeOracle
from metanas.errors import MetanasError
from metanas.harness import Rules, generator, make_problem, search
from metanas.problem import Budget, Objective
from metanas.spaces import load_space
from metanas.strategies import find_strategy, strategy_names

objective, rules = Objective("validation/accuracy"), Rules(Budget(trainings=45))
oracle = LandscapeOracle(load_space("nb201-conv"), objective, seed=0)
problem = make_problem(oracle, objective, rules)
ran = 0
for name in strategy_names():
    try:
        source = find_strategy(name)
    except MetanasError as error:
        assert "pip install" in str(error), f"{name}: {error}"
        continue
    if source.requires.unmet(problem) or source.requires.packages:
        continue
    try:
        search(source.build(problem, generator("packages", name)), oracle, objective, rules, name=name)
    except MetanasError as error:
        raise SystemExit(f"{name} needs packages that it does not name: {error}")
    ran += 1
assert ran >= 5, ran
"""


def test_a_strategy_names_the_packages_that_it_needs() -> None:
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_missing_package_is_named_with_its_remedy() -> None:
    assert Requirements(packages=("numpy", "json")).not_installed() is None
    assert "abacus" in str(Requirements(packages=("numpy", "abacus")).not_installed())
    assert "pip install 'metanas[strategies]'" in str(Requirements(packages=("abacus",)).not_installed())
