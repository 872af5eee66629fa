"""Zero-cost scores as strategies use them: several made one, by ranks among functional classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidValueError, UnknownNameError
from metanas.problem import Problem
from metanas.spaces import listed

Floats = NDArray[np.float64]

_KIND = "proxy/"


def combined(problem: Problem, scores: Sequence[str] | str | None) -> Floats:
    """Return the mean rank over some scores of every architecture, ``(index range,)``; greater is better.

    Functionally equal architectures have the mean of their scores. Ranks are among the classes, from 0 to 1, equal
    scores share their mean rank; a class without one of the scores ranks least in it. NaN where there is no score at
    all.

    Args:
        problem: what is searched.
        scores: names, with or without ``"proxy/"``, several in a list or joined by ``+``; all that the problem has if
            None. Greater scores must be better; a minus before a name turns it around.

    Raises:
        InvalidValueError: the problem has no zero-cost scores, or the space does not list its architectures.
        UnknownNameError: it has no such score.
    """
    known = [name for name in problem.scores if name.startswith(_KIND)]
    if not known:
        there = ", ".join(problem.scores) or "nothing"
        msg = (
            f"This strategy searches by zero-cost scores, 'proxy/…', and what is known beforehand here is {there}. "
            f"Take a board that names some among its scores."
        )
        raise InvalidValueError(msg)
    classes = listed(problem.space).canonical_indices
    chosen = known if scores is None else scores.split("+") if isinstance(scores, str) else list(scores)
    if not chosen:
        msg = "Of the zero-cost scores at least one must be chosen, but got none."
        raise InvalidValueError(msg)
    ranks = []
    for text in chosen:
        name = _KIND + text.strip().removeprefix("-").removeprefix(_KIND)
        if name not in known:
            raise UnknownNameError("zero-cost score", name, known)
        sign = -1.0 if text.strip().startswith("-") else 1.0
        ranks.append(_ranks(_class_means(sign * problem.scores[name], classes)))
    missing = np.isnan(ranks).all(axis=0)
    mean = np.nan_to_num(np.array(ranks)).mean(axis=0)
    inside = np.where(missing, np.nan, mean)
    found: Floats = np.where(classes >= 0, inside[classes], np.nan)
    return found


def _class_means(scores: Floats, classes: NDArray[np.int64]) -> Floats:
    """Return the mean score of each class at the index of its representative, NaN elsewhere, ``(index range,)``."""
    there = np.isfinite(scores) & (classes >= 0)
    size = len(classes)
    counts = np.bincount(classes[there], minlength=size)
    sums = np.bincount(classes[there], weights=scores[there], minlength=size)
    found: Floats = np.divide(sums, counts, out=np.full(size, np.nan), where=counts > 0)
    return found


def _ranks(scores: Floats) -> Floats:
    """Return the mean rank of each score, in (0, 1]; NaN where there is none."""
    there = np.isfinite(scores)
    _, place, counts = np.unique(scores[there], return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    found = np.full(len(scores), np.nan)
    found[there] = (last - 0.5 * (counts - 1))[place] / max(1, int(there.sum()))
    return found
