from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from metanas.checks import check_predictor
from metanas.errors import PredictorError
from metanas.predictors import Prediction, ridge
from metanas.predictors.base import as_indices

SPACES = ("nb201-conv",)


class Wrapped:
    """Ridge regression, to break in one place."""

    def __init__(self, space: Any, rng: np.random.Generator) -> None:
        self.space, self.rng, self.inner = space, rng, ridge.build(space, rng)

    def fit(self, archs: Any, y: Any) -> Any:
        self.inner.fit(archs, y)
        return self

    def predict(self, archs: Any) -> Prediction:
        return self.inner.predict(archs)


def builder(kind: type) -> Any:
    def build(space: Any, rng: np.random.Generator, *, scores: Any = None) -> Any:
        return kind(space, rng)

    return build


def test_a_sound_predictor_passes() -> None:
    check_predictor(builder(Wrapped), spaces=SPACES)
    check_predictor("ridge", spaces=SPACES, scale="plain")


class Drawn(Wrapped):
    def predict(self, archs: Any) -> Prediction:
        mean, std = self.inner.predict(archs)
        return Prediction(mean + 1e-6 * np.random.default_rng().normal(size=len(mean)), std)


class GlobalState(Wrapped):
    def fit(self, archs: Any, y: Any) -> Any:
        random.random()
        return super().fit(archs, y)


class Unitless(Wrapped):
    def predict(self, archs: Any) -> Prediction:
        mean, std = self.inner.predict(archs)
        return Prediction(np.tanh(mean / 100), std)


class Contextual(Wrapped):
    def predict(self, archs: Any) -> Prediction:
        mean, std = self.inner.predict(archs)
        return Prediction(mean + 10 * np.arange(len(mean)) / max(len(mean), 1), std)


class AsWritten(Wrapped):
    def fit(self, archs: Any, y: Any) -> Any:
        super().fit(archs, y)
        self.step = np.ptp(y) / 50
        return self

    def predict(self, archs: Any) -> Prediction:
        mean, std = self.inner.predict(archs)
        return Prediction(mean + self.step * (as_indices(self.space, archs) % 7), std)


class Deaf(Wrapped):
    def predict(self, archs: Any) -> Prediction:
        mean, std = self.inner.predict(archs)
        return Prediction(-mean, std)


class Remembers(Wrapped):
    first: Any = None

    def fit(self, archs: Any, y: Any) -> Any:
        super().fit(archs, y)
        self.first = self.first or (archs, y)
        self.inner.fit(*self.first)
        return self


class Greedy(Wrapped):
    def fit(self, archs: Any, y: Any) -> Any:
        known = np.isfinite(np.asarray(y, dtype=float))
        return super().fit([arch for arch, keep in zip(archs, known, strict=True) if keep], np.asarray(y)[known])


class Certain(Wrapped):
    def predict(self, archs: Any) -> Prediction:
        mean, _ = self.inner.predict(archs)
        return Prediction(mean, np.zeros(len(mean)))


class Overwrites(Wrapped):
    def fit(self, archs: Any, y: Any) -> Any:
        super().fit(archs, y)
        y *= 2
        return self


class Forgetful(Wrapped):
    def fit(self, archs: Any, y: Any) -> Any:
        super().fit(archs, y)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Drawn, "same seed|order of questions"),
        (GlobalState, "global random state"),
        (Unitless, "another unit"),
        (Contextual, "order of questions|follow"),
        (AsWritten, "functionally equal"),
        (Deaf, "follow the values"),
        (Remembers, "forget"),
        (Greedy, "NaN must raise InvalidValueError"),
        (Certain, "must be positive"),
        (Overwrites, "changed the values"),
        (Forgetful, "return the predictor itself"),
        (dict, "must return what has fit"),
    ],
)
def test_what_breaks_the_contract_is_named(kind: type, text: str) -> None:
    build = builder(kind) if kind is not dict else lambda space, rng, *, scores=None: {}
    with pytest.raises(PredictorError, match=text):
        check_predictor(build, spaces=SPACES)


def test_equality_of_equals_is_asked_only_where_it_is_claimed() -> None:
    check_predictor(builder(AsWritten), spaces=SPACES, by_class=False)
