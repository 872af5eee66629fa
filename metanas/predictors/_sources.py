"""Values of other tasks as what predictors for a new task start from: one scale, no gaps, less noise.

A source is a column of values, by index of the space. Each becomes normal scores of its ranks, functionally equal
architectures sharing one value; then

- an architecture with a choice that the source never saw (a table without pooling, say) is read as the same
  architecture with that choice replaced, everywhere, by one that was seen: the mean over all replacements that add no
  weights to the function;
- a Gaussian process on the features of the function (:mod:`metanas.predictors._relevance`), fitted to the column
  itself, takes the noise of a few trainings out of it and fills what is still missing.

The parameters of that process say which features of an architecture matter on the source. They depend on nothing drawn:
the same columns give the same sources in every process, and within one they are computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metanas.encodings import encode, encoding_columns
from metanas.errors import InvalidValueError
from metanas.predictors._gp import posterior, predicted
from metanas.predictors._inputs import Inputs, class_means, normal_ranks
from metanas.predictors._relevance import group_distances, linear_kernel, matern, standardize, tune
from metanas.predictors._targets import Targets
from metanas.spaces import DecisionSpace, ListedSpace, Space, listed, load_space

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_TUNED_ON = 250  # classes
_FITTED_ON = 1100  # classes
_AT_ONCE = 2000  # classes
_LEAST = 10  # classes with values that a source must have
_KEPT = 64  # columns
_WEIGHTS = "n:weights"  # a column of the encoding of functions


class Source(NamedTuple):
    """One source.

    Attributes:
        z: normal scores of all architectures, ``(index range,)``; NaN for indices outside the space.
        logs: logarithms of relevances, amplitude, linear amplitude and noise of its Gaussian process, as
            :func:`metanas.predictors._relevance.tune` returns them.
    """

    z: Floats
    logs: Floats


def read_sources(
    space: Space, sources: Floats | Sequence[Source] | None, *, smooth: bool = True
) -> tuple[ListedSpace, list[Source]]:
    """Return the sources of a predictor, and its space as one with a list.

    Args:
        space: space of the architectures.
        sources: values of other tasks by index, ``(index range, k)``, NaN where there is none; greater is better in
            all of them, or in none. None: no source. Sources that were read before stay as they are.
        smooth: take the noise out; otherwise only gaps are filled.

    Raises:
        InvalidValueError: a space without a list, sources of another shape, infinite, or a source with fewer than 10
            different functions or with equal values only.
    """
    space = listed(space)
    if sources is None:
        return space, []
    if isinstance(sources, Sequence):
        return space, list(sources)
    columns = np.asarray(sources, dtype=np.float64)
    size = len(space.canonical_indices)
    if columns.ndim != 2 or len(columns) != size:
        msg = f"Sources of {space.name!r} must be ({size}, k), but got the shape {columns.shape}."
        raise InvalidValueError(msg)
    for number, column in enumerate(columns.T):
        values = column[space.indices]
        values = values[~np.isnan(values)]
        known = np.unique(space.canonical_indices[space.indices][~np.isnan(column[space.indices])])
        if np.isinf(values).any() or len(known) < _LEAST or np.ptp(values) == 0:
            msg = (
                f"A source must have different, finite values for at least {_LEAST} different functions of "
                f"{space.name!r}, but number {number} has {len(np.unique(values))} for {len(known)}."
            )
            raise InvalidValueError(msg)
    return space, [_read(space.name, column.tobytes(), smooth) for column in columns.T.copy()]


def prior_weights(weights: Sequence[float] | Floats | None, sources: Sequence[Source]) -> Floats:
    """Return the weights of ``k`` sources before any example of the target, ``(k,)``; they sum to 1.

    Args:
        weights: one for each source, as descriptions of tasks suggest them; None: the loadings of the sources' first
            principal component, so that a task which ranks unlike all others counts less.
        sources: the sources.

    Raises:
        InvalidValueError: weights that are not one finite, nonnegative number for each source, or all 0.
    """
    k = len(sources)
    if not k:
        return np.empty(0)
    if weights is None:
        z = np.column_stack([source.z for source in sources])
        _, axes = np.linalg.eigh(np.atleast_2d(np.corrcoef(z[np.isfinite(z).all(axis=1)].T)))
        loadings = np.maximum(axes[:, -1] if axes[:, -1].sum() >= 0 else -axes[:, -1], 0)
        return np.asarray(loadings / loadings.sum())
    found = np.asarray(weights, dtype=np.float64)
    if found.shape != (k,) or not np.isfinite(found).all() or (found < 0).any() or not found.any():
        msg = f"Weights must be {k} finite numbers, one a source, none below 0 and not all 0, but got {found.tolist()}."
        raise InvalidValueError(msg)
    return np.asarray(found / found.sum())


class Aligned(Targets):
    """Normal scores of examples, averaged with what sources say of the same examples, in the examples' order.

    The scores alone are right for many examples drawn at random; of a few, or of chosen ones, the sources know better
    where among all architectures they stand.
    """

    def __init__(self, y: Floats, mean: Floats) -> None:
        """Make the map from values ``(n,)``, not all equal, and the sources' mean of the same architectures."""
        super().__init__(y, "normal")
        values, place = np.unique(y, return_inverse=True)
        ordered = np.empty(len(y))
        ordered[np.argsort(y, kind="stable")] = np.sort(mean)
        theirs = np.bincount(place, ordered) / np.bincount(place)
        inner = np.maximum.accumulate((self._z[1:-1] + theirs) / 2 + 1e-9 * np.arange(len(values)))
        self._z = np.concatenate([[inner[0] - 1], inner, [inner[-1] + 1]])


@lru_cache(maxsize=_KEPT)
def _read(space_name: str, content: bytes, smooth: bool) -> Source:
    space = listed(load_space(space_name))
    classes = space.canonical_indices
    representatives = np.unique(classes[space.indices])
    means = class_means(np.frombuffer(content, dtype=np.float64), classes)
    column = normal_ranks(np.where(classes == np.arange(len(classes)), means, np.nan))  # each function counts once
    measured = representatives[np.isfinite(column[representatives])]
    expected, share, logs = _process(space, column, measured, representatives)
    read = np.full(len(classes), np.nan)
    known = np.isfinite(column[representatives])
    observed = np.where(known, column[representatives], expected)
    read[representatives] = share * expected + (1 - share) * observed if smooth else observed
    inside = classes >= 0
    everywhere = np.where(inside, read[np.where(inside, classes, 0)], np.nan)
    missing = representatives[~known]
    # Replacements are averaged on the scale of all architectures, where each counts, not each function.
    seen = normal_ranks(np.where(np.isfinite(means), everywhere, np.nan))
    filled = np.interp(everywhere, *_monotone(everywhere, seen))
    lifted = _lifted(space, seen, measured, missing)
    filled_in = np.full(len(classes), np.nan)
    filled_in[missing] = np.where(np.isfinite(lifted), lifted, filled[missing])
    z = normal_ranks(np.where(np.isfinite(seen), seen, filled_in[np.where(inside, classes, 0)]))
    z.setflags(write=False)
    return Source(z, logs)


def _monotone(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return where ``y`` is known of ``x``, ascending, for interpolation."""
    there = np.isfinite(x) & np.isfinite(y)
    at, first = np.unique(x[there], return_index=True)
    return at, y[there][first]


def _process(space: ListedSpace, column: Floats, measured: Ints, asked: Ints) -> tuple[Floats, Floats, Floats]:
    """Fit the Gaussian process of a source.

    Returns:
        What it says of the classes asked for, ``(n,)``; which share of the way to it an observed value is to be moved,
        ``(n,)``: 0 for those that it was fitted on and moved already; and the logarithms of its parameters.
    """
    inputs = Inputs(space, ("functional",), None)
    standard = standardize(space, inputs)
    rng = np.random.default_rng(0)  # not the predictor's: a source is the same for all
    fitted_on = np.sort(rng.permutation(measured)[:_FITTED_ON])
    x, z = standard(inputs(fitted_on)), column[fitted_on]
    middle = float(z.mean())
    part = rng.permutation(len(z))[:_TUNED_ON]
    logs = tune(group_distances(x[part], x[part], standard.groups), linear_kernel(x[part], x[part]), z[part] - middle)
    relevance, (amplitude, linear, noise) = np.exp(logs[:-3]), np.exp(logs[-3:])

    def kernel(a: Floats, b: Floats) -> Floats:
        distance = np.tensordot(relevance, group_distances(a, b, standard.groups), axes=1)
        both: Floats = amplitude * matern(distance) + linear * linear_kernel(a, b)
        return both

    own, _ = posterior(kernel(x, x), float(noise), z - middle)
    means, variances = [], []
    for some in np.array_split(asked, range(_AT_ONCE, len(asked), _AT_ONCE)):
        at = standard(inputs(some))
        mean, std = predicted(own, kernel(at, x), amplitude + linear * (at**2).mean(axis=1))
        means.append(mean + middle)
        variances.append(std**2)
    # A value that the process has not seen: the mean of both, weighted by their precision.
    share = noise / np.concatenate(variances)
    share[np.isin(asked, fitted_on)] = 1.0
    return np.concatenate(means), share, logs


def _lifted(space: ListedSpace, read: Floats, measured: Ints, missing: Ints) -> Floats:
    """Return what a source says of architectures with choices that it never saw, ``(n,)``; NaN where nothing."""
    lifted = np.full(len(missing), np.nan)
    if not isinstance(space, DecisionSpace) or not len(missing):
        return lifted
    # Representatives only: others may have any choice where it does not matter.
    seen = [set(column) for column in zip(*(space.choices(space.arch(i)) for i in measured.tolist()), strict=True)]
    inside = space.indices[np.isin(space.canonical_indices[space.indices], measured)].tolist()
    place = {space.choices(space.arch(index)): index for index in inside}
    weights = encode(space, space.indices, "functional")[:, encoding_columns(space, "functional").index(_WEIGHTS)]
    weight = np.full(len(space.canonical_indices), np.nan)
    weight[space.indices] = weights
    for number, index in enumerate(missing.tolist()):
        row = space.choices(space.arch(index))
        unseen = [at for at, choice in enumerate(row) if choice not in seen[at]]
        if not unseen:
            continue
        replacements = set.intersection(*(seen[at] for at in unseen))
        read_as = [
            place[changed]
            for choice in sorted(replacements)
            if (changed := tuple(choice if at in unseen else kept for at, kept in enumerate(row))) in place
        ]
        values = [read[other] for other in read_as if weight[other] <= weight[index] and np.isfinite(read[other])]
        if values:
            lifted[number] = float(np.mean(values))
    return lifted
