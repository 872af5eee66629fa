"""Predictors that were fitted once and are published: ``predictors/<name>/`` with weights, ``config.toml`` and a card.

Weights are no pickles: trees in XGBoost's own binary JSON (UBJ, packed by gzip), arrays in ``.npz``. A predictor of
trees answers without XGBoost, scikit-learn or torch being loaded.
"""

from __future__ import annotations

from metanas.published_predictors.store import find_config, published_predictor_names, read_config

__all__ = ["find_config", "published_predictor_names", "read_config"]
