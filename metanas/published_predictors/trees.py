"""Boosted trees of XGBoost, asked with NumPy alone: importing XGBoost takes longer than a thousand predictions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidFileError
from metanas.published_predictors.ubj import read_ubj

_ROWS = 256  # asked at once


class Trees:
    """The trees of one booster, their nodes side by side."""

    def __init__(self, content: bytes) -> None:
        """Read a model that XGBoost saved as UBJ: regression trees on numbers.

        Raises:
            InvalidFileError: it is another kind of model.
        """
        try:
            learner = read_ubj(content)["learner"]
            parameters = learner["learner_model_param"]
            self.n_inputs = int(parameters["num_feature"])
            self._base = float(str(parameters["base_score"]).strip("[]"))
            trees = learner["gradient_booster"]["model"]["trees"]
            sizes = [len(tree["left_children"]) for tree in trees]
            starts = np.cumsum([0, *sizes[:-1]])
            left, right, inputs, conditions = (
                [np.asarray(tree[key]) for tree in trees]
                for key in ("left_children", "right_children", "split_indices", "split_conditions")
            )
            if any(np.asarray(tree["split_type"]).any() for tree in trees):
                msg = "These trees split by categories; numbers alone are read."
                raise InvalidFileError(msg)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            msg = f"This is no model of boosted trees: {error!r}."
            raise InvalidFileError(msg) from error
        self._roots = starts.astype(np.int32)
        self._leaf = np.concatenate(left) < 0
        self._left, self._right = (
            np.concatenate([part + start for part, start in zip(parts, starts, strict=True)]).astype(np.int32)
            for parts in (left, right)
        )
        self._inputs = np.concatenate(inputs).astype(np.int32)
        self._conditions = np.concatenate(conditions).astype(np.float32)  # of a leaf: its value
        self._check()

    def _check(self) -> None:
        inner = ~self._leaf
        n = len(self._leaf)
        inside = ((self._left[inner] < n) & (self._right[inner] < n) & (self._right[inner] >= 0)).all()
        # Children stand after their parents, so that every walk ends.
        ends = (self._left[inner] > np.flatnonzero(inner)).all() and (self._right[inner] > np.flatnonzero(inner)).all()
        if not (inside and ends and (self._inputs[inner] < self.n_inputs).all() and (self._inputs >= 0).all()):
            msg = "The trees of this model refer to nodes or inputs that are not there."
            raise InvalidFileError(msg)

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the margin of each vector, ``(n, d) -> (n,)``; NaN is not allowed.

        Raises:
            InvalidFileError: the vectors have another length than those that the trees were grown on.
        """
        if rows.shape[1] != self.n_inputs:
            msg = f"These trees take vectors of {self.n_inputs} numbers, but the encoding has {rows.shape[1]} now."
            raise InvalidFileError(msg)
        parts = [self._margins(rows[start : start + _ROWS]) for start in range(0, len(rows), _ROWS)]
        return np.concatenate(parts) if parts else np.empty(0)

    def _margins(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        nodes = np.tile(self._roots, (len(rows), 1))
        at = np.arange(len(rows))[:, None]
        while not (leaves := self._leaf[nodes]).all():
            smaller = rows[at, self._inputs[nodes]] < self._conditions[nodes]
            nodes = np.where(leaves, nodes, np.where(smaller, self._left[nodes], self._right[nodes]))
        margins: NDArray[np.float64] = self._conditions[nodes].astype(np.float64).sum(axis=1) + self._base
        return margins
