"""Mean and standard deviation of a forest of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np

from metanas.predictors._tabular import Floats, Matrix, Model

_FLOOR = 0.01  # of a leaf's variance, as in Hutter et al. 2014, in units of the targets' variance


def forest_model(forest: Any, z: Floats) -> Model:
    """Return the model of a fitted forest by the law of total variance.

    Args:
        forest: a fitted forest of scikit-learn.
        z: the targets that it was fitted on.
    """
    floor = _FLOOR * float(z.var())
    trees = [(tree.tree_, tree.tree_.value[:, 0, 0], np.maximum(tree.tree_.impurity, floor)) for tree in forest]

    def model(rows: Matrix) -> tuple[Floats, Floats]:
        total, squares, inside = np.zeros((3, len(rows)))
        for tree, values, variances in trees:
            leaves = tree.apply(rows)
            answers = values[leaves]
            total += answers
            squares += answers**2
            inside += variances[leaves]
        mean = total / len(trees)
        between = np.maximum(squares / len(trees) - mean**2, 0)
        return mean, np.sqrt(between + inside / len(trees))

    return model
