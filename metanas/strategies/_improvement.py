"""The expected hypervolume improvement, exact, for any number of objectives.

Emmerich, Deutz and Klinkenberg, "Hypervolume-Based Expected Improvement: Monotonicity Properties and Exact
Computation", IEEE CEC 2011, and Yang, Emmerich, Deutz and Bäck, "Efficient Computation of Expected Hypervolume
Improvement Using Box Decomposition Algorithms", Journal of Global Optimization 75, 2019: what no point of the front
dominates, below the reference point, is cut into boxes. A new point y adds to the dominated volume, in the box from l
to u, the product of (u_j - max(l_j, y_j))+ over the objectives j; as (u - max(l, y))+ = (u - y)+ - (l - y)+, for
independent normal y the expectation is a product of differences of psi(c) = E (c - y)+ = (c - mean) Phi(z) + std phi(z)
with z = (c - mean) / std.

Differences: the boxes are slabs along the last objective, cut further along the objectives before it, O(n^(d-1)) boxes
of n points and d objectives; the papers have O(n) for two and for three objectives. Fronts of a few hundred trainings
are small enough.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metanas.extras import require

Floats = NDArray[np.float64]

_AT_ONCE = 2_000_000  # products of boxes and candidates


class Boxes(NamedTuple):
    """Disjoint boxes, each with a lower and an upper corner, ``(n_boxes, n_objectives)``; lower ones may be −∞."""

    lower: Floats
    upper: Floats


def free_boxes(points: Floats, reference: Floats) -> Boxes:
    """Cut what is below ``reference`` and dominated by no point into boxes. Everything is minimized.

    Args:
        points: ``(n, n_objectives)``; none need be there.
        reference: ``(n_objectives,)``.
    """
    points = points[(points < reference).all(axis=1)]
    lower, upper = _slabs(points[np.argsort(points[:, -1], kind="stable")], reference)
    return Boxes(lower, upper)


def _slabs(points: Floats, reference: Floats) -> tuple[Floats, Floats]:
    """Cut along the last objective, by which ``points`` are sorted."""
    depth = points.shape[1]
    if depth == 1:
        top = min(float(points.min()), float(reference[0])) if len(points) else float(reference[0])
        return np.array([[-np.inf]]), np.array([[top]])
    lowers, uppers = [], []
    cuts = np.unique(points[:, -1])
    for low, high in zip([-np.inf, *cuts.tolist()], [*cuts.tolist(), float(reference[-1])], strict=True):
        active = points[points[:, -1] <= low, :-1]  # these dominate within the slab
        lower, upper = _slabs(active[np.argsort(active[:, -1], kind="stable")], reference[:-1])
        lowers.append(np.column_stack((lower, np.full(len(lower), low))))
        uppers.append(np.column_stack((upper, np.full(len(upper), high))))
    return np.concatenate(lowers), np.concatenate(uppers)


def expected_improvement(boxes: Boxes, mean: Floats, std: Floats) -> Floats:
    """Return the expected gain of hypervolume by each candidate, ``(m,)``.

    Args:
        boxes: what is not dominated.
        mean: of each candidate's objectives, minimized, ``(m, n_objectives)``.
        std: their standard deviations, ``(m, n_objectives)``; 0 where a value is known.
    """
    found = np.zeros(len(mean))
    step = max(1, _AT_ONCE // max(1, len(boxes.lower)))
    for start in range(0, len(mean), step):
        part = slice(start, start + step)
        product = np.ones((len(mean[part]), len(boxes.lower)))
        for column in range(mean.shape[1]):
            corners = np.concatenate((boxes.lower[:, column], boxes.upper[:, column]))
            values, place = np.unique(corners, return_inverse=True)
            below = expected_below(values, mean[part, column], std[part, column])
            low, high = place[: len(boxes.lower)], place[len(boxes.lower) :]
            product *= below[:, high] - below[:, low]
        found[part] = product.sum(axis=1)
    return found


def expected_below(values: Floats, mean: Floats, std: Floats) -> Floats:
    """Return psi: the expectation of (value − y)+ for normal y, ``(m, n)``, 0 for a value of −∞.

    Args:
        values: ``(n,)``.
        mean: ``(m,)``.
        std: ``(m,)``, may be 0.
    """
    ndtr = require("scipy.special", "predictors", "The expected improvement").ndtr
    spread = np.where(std > 0, std, 1.0)[:, None]
    gap = np.where(np.isfinite(values), values, 0.0) - mean[:, None]
    z = gap / spread
    smooth = gap * ndtr(z) + spread * np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    found: Floats = np.where(std[:, None] > 0, smooth, np.maximum(gap, 0.0))
    return np.where(np.isfinite(values), np.maximum(found, 0.0), 0.0)
