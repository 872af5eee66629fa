"""Contract checks that users run on their own code: ``from metanas.checks import check_strategy``."""

from __future__ import annotations

from metanas.checks.landscape import LandscapeOracle
from metanas.checks.predictor import check_predictor
from metanas.checks.strategy import check_strategy

__all__ = ["LandscapeOracle", "check_predictor", "check_strategy"]
