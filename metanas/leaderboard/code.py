"""A hash of what decides the choices of built-in strategies: runs of one hash need not be made again."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PARTS = ("encodings", "predictors", "spaces", "strategies", "surrogates")
_FILES = (
    "arch.py",
    "checkpoint.py",
    "harness.py",
    "leaderboard/setting.py",
    "oracles.py",
    "outcomes.py",
    "problem.py",
    "tables/noise_model.py",
    "tables/table.py",
    "tables/training_noise.py",
)
_DECIDE = (*_FILES, *(f"{part}/**/*.py" for part in _PARTS))
_PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "torch-geometric", "xgboost", "optuna", "pymoo")


@lru_cache(maxsize=1)
def code_sha256() -> str:
    """Return a hash of the source that decides what built-in strategies choose, and of the packages' versions."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256(" ".join(f"{name}={_version(name)}" for name in _PACKAGES).encode())
    for path in sorted(path for part in _DECIDE for path in root.glob(part)):
        digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
