from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from metanas.strategies._draws import Draws


def test_single_numbers_are_those_of_the_generator_in_blocks() -> None:
    draws, numbers = Draws(np.random.default_rng(0)), np.random.default_rng(0).random(1024)
    assert sorted(draws.random() for _ in range(1024)) == sorted(numbers.tolist())


def test_integers_are_uniform() -> None:
    draws = Draws(np.random.default_rng(0))
    counts = Counter(draws.integers(5) for _ in range(5000))
    assert sorted(counts) == [0, 1, 2, 3, 4]
    assert all(count == pytest.approx(1000, abs=140) for count in counts.values())
    assert {draws.integers(1) for _ in range(20)} == {0}
