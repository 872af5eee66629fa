"""What predicts the coefficients of a metric's curves: answers kept for a whole space, or trees for an endless one.

A space with a list of its architectures has few enough functional classes to keep every answer. The members of the
stack, neural ones too, are then needed for fitting only: an answer is looked up, without torch, scikit-learn or
XGBoost, and it is the same to the last bit on every machine, so that runs on a surrogate can be verified anywhere.

In a space without a list, boosted trees are kept and read with NumPy alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidFileError
from metanas.predictors._boosting import combined
from metanas.predictors._inputs import Inputs
from metanas.published_predictors.accuracy import columns_sha256
from metanas.published_predictors.trees import Trees
from metanas.spaces import ListedSpace, Space

ENCODINGS = ("functional",)

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Arrays = Mapping[str, NDArray[Any]]


class Coefficients(Protocol):
    """Mean and standard deviation of ``k`` coefficients of architectures."""

    def __call__(self, indices: Indices) -> tuple[Floats, Floats]:
        """Return means and standard deviations, ``(n, k)`` each, of the architectures with these indices."""


class Kept:
    """An answer for each functional class of a space with a list."""

    def __init__(self, space: ListedSpace, mean: NDArray[np.float32], std: NDArray[np.float32]) -> None:
        """Take the answers, ``(n_classes, k)`` each, in the order of :func:`classes_of`.

        Raises:
            InvalidFileError: they are not as many as the space has classes.
        """
        self._space, self._classes = space, classes_of(space)
        self._mean, self._std = mean.astype(np.float64), std.astype(np.float64)
        if len(mean) != len(self._classes) or mean.shape != std.shape:
            msg = f"Space {space.name!r} has {len(self._classes)} classes, but the answers are {mean.shape}; fit again."
            raise InvalidFileError(msg)

    def __call__(self, indices: Indices) -> tuple[Floats, Floats]:
        """Look answers up."""
        place = np.searchsorted(self._classes, self._space.canonical_indices[indices])
        return self._mean[place], self._std[place]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what is stored."""
        return {"mean": self._mean.astype(np.float32), "std": self._std.astype(np.float32)}


class Grown(NamedTuple):
    """Boosted trees of one coefficient.

    Attributes:
        members: models in XGBoost's binary JSON, of the coefficient in its own standard units.
        noise: variance about the members' answers.
        factor: of the standard deviation.
        centre: mean of the coefficient.
        scale: its standard deviation.
    """

    members: tuple[bytes, ...]
    noise: float
    factor: float
    centre: float
    scale: float


class Forest:
    """Boosted trees for each coefficient, in a space without a list."""

    def __init__(self, space: Space, coefficients: Sequence[Grown]) -> None:
        """Read the trees.

        Raises:
            InvalidFileError: bytes that are no trees.
        """
        self._inputs = Inputs(space, ENCODINGS, None)
        self._grown = tuple(coefficients)
        self._trees = [[Trees(content) for content in grown.members] for grown in coefficients]

    def __call__(self, indices: Indices) -> tuple[Floats, Floats]:
        """Ask the trees."""
        rows = self._inputs(indices)
        mean, std = np.empty((2, len(indices), len(self._grown)))
        for at, (trees, grown) in enumerate(zip(self._trees, self._grown, strict=True)):
            margins = np.array([tree(rows) for tree in trees])
            z, spread = combined(margins, 1.0, 0.0, grown.noise)
            mean[:, at], std[:, at] = grown.centre + grown.scale * z, grown.factor * grown.scale * spread
        return mean, std

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what is stored."""
        found: dict[str, NDArray[Any]] = {"trees": np.array([grown[1:] for grown in self._grown]).reshape(-1, 4)}
        for number, grown in enumerate(self._grown):
            for member, content in enumerate(grown.members):
                found[f"{number}.{member}.ubj"] = np.frombuffer(content, dtype=np.uint8)
        return found


def read_coefficients(space: Space, arrays: Arrays) -> Kept | Forest:
    """Read what :meth:`Kept.arrays` or :meth:`Forest.arrays` gave.

    Raises:
        InvalidFileError: something else.
    """
    try:
        if isinstance(space, ListedSpace):
            return Kept(space, arrays["mean"], arrays["std"])
        grown = []
        for number, numbers in enumerate(arrays["trees"].tolist()):
            names = sorted(name for name in arrays if name.startswith(f"{number}."))
            grown.append(Grown(tuple(arrays[name].tobytes() for name in names), *numbers))
        return Forest(space, grown)
    except KeyError as error:
        msg = f"A surrogate must hold {error}, but has {', '.join(arrays)}."
        raise InvalidFileError(msg) from error


def classes_of(space: ListedSpace) -> Indices:
    """Return the index of the representative of each functional class, ascending."""
    return np.unique(space.canonical_indices[space.indices])


def inputs_sha256(space: Space) -> str:
    """Return a hash of the names of the inputs that trees are grown on."""
    return columns_sha256(Inputs(space, ENCODINGS, None))
