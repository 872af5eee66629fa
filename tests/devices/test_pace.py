from __future__ import annotations

import numpy as np

from metanas.devices.pace import at_one_pace


def timings(noise: float, swing: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return seconds, places and true levels of 40 networks on a machine whose pace changes every 12 timings."""
    rng = np.random.default_rng(0)
    level = np.exp(rng.normal(0, 0.3, 40))
    rank = np.stack([rng.permutation(40) for _ in range(9)])
    pace = np.repeat(rng.choice([0.0, swing], size=30), 12).reshape(9, 40)
    seconds = level * np.exp(np.take_along_axis(pace, rank, axis=1) + rng.normal(0, noise, (9, 40)))
    return seconds, rank, level


def test_a_pace_that_all_share_is_taken_out() -> None:
    seconds, rank, level = timings(noise=0.01, swing=0.4)
    after = np.log(np.median(at_one_pace(seconds, rank), axis=0) / level)
    before = np.log(np.median(seconds, axis=0) / level)
    assert after.std() < 0.03 < 0.1 < before.std()


def test_a_steady_machine_keeps_its_timings() -> None:
    seconds, rank, level = timings(noise=0.01, swing=0.0)
    levelled = at_one_pace(seconds, rank)
    assert np.abs(np.log(levelled / seconds)).max() < 0.05
    assert np.abs(np.log(np.median(levelled, axis=0) / level)).max() < 0.02


def test_a_single_slow_run_remains_slow() -> None:
    seconds, rank, _ = timings(noise=0.0, swing=0.0)
    seconds[4, 7] *= 3
    levelled = at_one_pace(seconds, rank)
    np.testing.assert_allclose(levelled, seconds, rtol=1e-9)


def test_one_timing_has_no_neighbours() -> None:
    np.testing.assert_allclose(at_one_pace(np.array([[2.0]]), np.array([[0]])), [[2.0]])
