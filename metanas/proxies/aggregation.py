"""Many scores made one, by ranks among the architectures compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidValueError, UnknownNameError

AZ_NAS = ("az_expressivity", "az_progressivity", "az_trainability", "flops")


def ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the ranks of values, ``(n,)``, 1 for the least; equal values share their mean rank, NaN are the least."""
    filled = np.where(np.isnan(values), -np.inf, values)
    order = np.argsort(filled, kind="stable")
    _, inverse, counts = np.unique(filled[order], return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    found = np.empty(len(filled))
    found[order] = (last - 0.5 * (counts - 1))[inverse]
    return found


def rank_average(scores: Mapping[str, NDArray[np.floating]]) -> NDArray[np.float64]:
    """Return the mean rank of each architecture over all scores, ``(n,)``; larger is better."""
    found: NDArray[np.float64] = np.stack([ranks(values) for values in _checked(scores).values()]).mean(axis=0)
    return found


def log_rank_sum(scores: Mapping[str, NDArray[np.floating]]) -> NDArray[np.float64]:
    """Return Σ log(rank / m) over all scores, m architectures, ``(n,)``; larger is better, at most 0.

    Lee and Ham, "AZ-NAS", CVPR 2024 (arXiv:2403.19232), its "non-linear ranking aggregation": an architecture that one
    score ranks low is punished more than the mean of ranks would. (Equal values share their mean rank; in the authors'
    code the order among them is arbitrary.)
    """
    logs = [np.log(ranks(values) / len(values)) for values in _checked(scores).values()]
    found: NDArray[np.float64] = np.stack(logs).sum(axis=0)
    return found


def az_nas(scores: Mapping[str, NDArray[np.floating]]) -> NDArray[np.float64]:
    """Return the AZ-NAS score, ``(n,)``: :func:`log_rank_sum` of expressivity, progressivity, trainability, complexity.

    Raises:
        UnknownNameError: one of the four is absent.
    """
    for name in AZ_NAS:
        if name not in scores:
            raise UnknownNameError("zero-cost score", name, scores)
    return log_rank_sum({name: scores[name] for name in AZ_NAS})


AGGREGATES: dict[str, Callable[[Mapping[str, NDArray[np.floating]]], NDArray[np.float64]]] = {
    "az_nas": az_nas,
    "log_rank_sum": log_rank_sum,
    "rank_average": rank_average,
}


def aggregate(name: str, scores: Mapping[str, NDArray[np.floating]]) -> NDArray[np.float64]:
    """Make one score of many, ``(n,)``.

    Args:
        name: ``"rank_average"``, ``"log_rank_sum"`` or ``"az_nas"``.
        scores: values of each score, ``(n,)``, larger is better, NaN where a score is not defined.

    Raises:
        UnknownNameError: no such way, or a score that it needs is absent.
        InvalidValueError: no scores, or of different lengths.
    """
    if name not in AGGREGATES:
        raise UnknownNameError("way to aggregate scores", name, AGGREGATES)
    return AGGREGATES[name](scores)


def _checked(scores: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[np.floating]]:
    lengths = {len(values) for values in scores.values()}
    if len(lengths) != 1:
        msg = f"Scores must be at least one and of one length to be made one, but have the lengths {sorted(lengths)}."
        raise InvalidValueError(msg)
    return scores
