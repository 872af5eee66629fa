"""The growing process against the formulas of Rasmussen and Williams, and the choice of its settings."""

from __future__ import annotations

import numpy as np
import pytest

from metanas.strategies._process import Process, choose, grid
from metanas.strategies._surrogate import Floats, Ints

PLACES = np.sort(np.random.default_rng(0).uniform(0, 10, 40))
NOISE = 0.05


class Squared:
    """A squared exponential kernel on a line; a setting is its length."""

    settings = tuple((length, 0.0) for length in (0.1, 1.0, 10.0))

    def between(self, setting: float, some: Ints, others: Ints) -> Floats:
        kernel: Floats = np.exp(-0.5 * ((PLACES[some][:, None] - PLACES[others]) / setting) ** 2)
        return kernel

    def own(self, setting: float, some: Ints) -> Floats:
        return np.ones(len(some))


def rows(some: Ints) -> Floats:
    return Squared().between(1.0, some, np.arange(len(PLACES)))


def expected(examples: list[int], z: Floats) -> tuple[Floats, Floats]:
    """Return eq. 2.25 and 2.26."""
    whole = rows(np.arange(len(PLACES)))
    cross = whole[:, examples]
    inverse = np.linalg.inv(whole[np.ix_(examples, examples)] + NOISE * np.eye(len(examples)))
    variance = 1 - np.einsum("ij,jk,ik->i", cross, inverse, cross) + NOISE
    return cross @ inverse @ z, np.sqrt(variance)


def test_it_grows_to_what_the_formulas_say() -> None:
    examples, z = [3, 30, 11, 5, 5, 22, 39], np.array([0.5, -1.0, 0.2, 0.9, 1.1, -0.3, 0.0])
    process = Process(rows, np.ones(len(PLACES)), NOISE, np.array(examples[:2]))
    for place in examples[2:]:
        process.add(place)
    for ours, known in zip(process.predict(z), expected(examples, z), strict=True):
        assert ours == pytest.approx(known, abs=1e-6)


def test_it_grows_beyond_the_room_that_it_had() -> None:
    rng = np.random.default_rng(0)
    examples, z = rng.integers(len(PLACES), size=90).tolist(), rng.standard_normal(90)
    process = Process(rows, np.ones(len(PLACES)), NOISE, np.array(examples[:2]))
    for place in examples[2:]:
        process.add(place)
    for ours, known in zip(process.predict(z), expected(examples, z), strict=True):
        assert ours == pytest.approx(known, abs=1e-6)


def test_what_is_not_told_at_the_end_leaves_the_mean_of_the_others() -> None:
    examples, z = np.array([3, 30, 11, 22]), np.array([0.5, -1.0, np.nan, np.nan])
    process, few = (Process(rows, np.ones(len(PLACES)), NOISE, some) for some in (examples, examples[:2]))
    assert process.predict(z)[0] == pytest.approx(few.predict(z[:2])[0])


def test_what_is_not_told_narrows_and_leaves_the_mean() -> None:
    process = Process(rows, np.ones(len(PLACES)), NOISE, np.array([3, 30]))
    z = np.array([0.5, -1.0])
    mean, std = process.predict(z)
    process.add(11)
    believed, narrower = process.predict(np.array([*z, np.nan]))
    assert believed == pytest.approx(mean)
    assert (narrower <= std + 1e-12).all()
    assert narrower[11] < 0.5 * std[11]
    told, _ = process.predict(np.array([*z, 2.0]))
    assert told[11] > mean[11] + 1


def test_the_likelihood_finds_length_and_noise() -> None:
    rng = np.random.default_rng(1)
    x = np.arange(len(PLACES))
    smooth = np.linalg.cholesky(Squared().between(1.0, x, x) + 1e-9 * np.eye(len(x))) @ rng.standard_normal(len(x))
    noises = tuple((noise, 0.0) for noise in (1e-4, 1e-2, 1.0))
    quiet = choose(Squared(), x, smooth + 0.01 * rng.standard_normal(len(x)), noises)
    assert quiet.setting == 1.0
    assert quiet.noise < 0.1 * quiet.amplitude
    loud = choose(Squared(), x, rng.standard_normal(len(x)), noises)
    assert loud.setting == 0.1 or loud.noise >= 0.5 * loud.amplitude


def test_the_amplitude_stays_near_one_for_a_few_examples() -> None:
    choice = choose(Squared(), np.array([0, 20, 39]), np.array([0.01, 0.0, -0.01]), ((0.01, 0.0),))
    assert 0.3 < choice.amplitude < 1


def test_a_grid_has_its_mode_in_the_middle() -> None:
    numbers, priors = zip(*grid(0.1, spread=1.0, steps=2, factor=10.0), strict=True)
    assert numbers == pytest.approx((0.001, 0.01, 0.1, 1.0, 10.0))
    assert np.argmax(priors) == 2
    assert priors[0] == pytest.approx(priors[4])
