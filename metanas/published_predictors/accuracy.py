"""A published accuracy predictor: boosted trees on the architecture's function, and the examples that they learned."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metanas.errors import InvalidFileError, UnknownNameError
from metanas.predictors import Prediction
from metanas.predictors._boosting import combined
from metanas.predictors._folds import representatives
from metanas.predictors._inputs import Inputs
from metanas.predictors._targets import Targets
from metanas.predictors.base import Archs, as_indices
from metanas.published_predictors.store import Config, find_config, published_predictor_names, read_arrays, read_weights
from metanas.published_predictors.trees import Trees
from metanas.spaces import Space, load_space

PREFIX = "accuracy-"
EXAMPLES = "examples.npz"


class AccuracyPredictor:
    """Predicts what the mean validation accuracy of a training would be.

    Attributes:
        config: what is published of it.
        space: of the architectures.
    """

    def __init__(self, config: Config, folder: Path) -> None:
        """Read and check the weights.

        Raises:
            InvalidFileError: a file that is not the published one, or holds something else.
        """
        if config.kind != "accuracy":
            msg = f"Predictor {config.name} predicts {config.kind}, not accuracy."
            raise InvalidFileError(msg)
        self.config = config
        self.space: Space = load_space(config.space)
        arrays = read_arrays(config, folder, EXAMPLES)
        try:
            self._index, self._value = arrays["index"], arrays["value"]
            self._noise, self._factor = float(arrays["noise"]), float(arrays["factor"])
        except (KeyError, TypeError) as error:
            msg = f"{folder / EXAMPLES} must hold index, value, noise and factor, but has {sorted(arrays)}."
            raise InvalidFileError(msg) from error
        self._targets = Targets(self._value, "normal")
        self._inputs = Inputs(self.space, tuple(config.settings.get("encodings", ())), None)
        if columns_sha256(self._inputs) != config.settings.get("columns_sha256"):
            msg = (
                f"Predictor {config.name} was fitted on other inputs than this version of metanas gives; fit it again."
            )
            raise InvalidFileError(msg)
        members = sorted(name for name in config.files if name.endswith(".ubj.gz"))
        self._members = [Trees(read_weights(config, folder, name)) for name in members]

    def predict(self, archs: Archs) -> Prediction:
        """Return mean and standard deviation of ``n`` architectures, in the config's unit.

        Raises:
            InvalidArchError: an architecture of another space.
        """
        indices = as_indices(self.space, archs)
        if not len(indices):
            return Prediction(np.empty(0), np.empty(0))
        rows, back = np.unique(self._inputs(indices), axis=0, return_inverse=True)
        margins = np.array([member(rows) for member in self._members])
        mean, std = self._targets.back(*combined(margins, 1.0, 0.0, self._noise))
        assert std is not None
        return Prediction(mean[back], self._factor * std[back])

    def measured(self, archs: Archs) -> NDArray[np.float64]:
        """Return the measured values of ``n`` architectures, by functional class; NaN where none was an example."""
        classes = representatives(self.space, as_indices(self.space, archs))
        place = np.minimum(np.searchsorted(self._index, classes), len(self._index) - 1)
        return np.where(self._index[place] == classes, self._value[place], np.nan)


def columns_sha256(inputs: Inputs) -> str:
    """Return a hash of the names of the inputs: trees know them by their number alone."""
    return hashlib.sha256("\n".join(inputs.columns).encode()).hexdigest()


def load_accuracy(task: str) -> AccuracyPredictor:
    """Return the published accuracy predictor of a task, as in ``load_accuracy("fashion_mnist")``.

    Raises:
        UnknownNameError: there is none; the message names the tasks that have one.
        InvalidFileError: a file that is not the published one.
    """
    names = published_predictor_names()
    known = [name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX)]
    try:
        return AccuracyPredictor(*find_config(f"{PREFIX}{task}"))
    except UnknownNameError as error:
        kind = "task with a published accuracy predictor"
        raise UnknownNameError(kind, task, known) from error
