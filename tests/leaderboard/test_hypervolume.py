from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from metanas.errors import InvalidValueError
from metanas.leaderboard.hypervolume import Archive, front, hypervolume, scaled

# Few different coordinates, so that equal ones, points on the reference and dominated points are common.
FIFTHS = st.integers(0, 6).map(lambda n: n / 5)
POINTS = st.integers(2, 3).flatmap(
    lambda d: hnp.arrays(np.float64, st.tuples(st.integers(1, 12), st.just(d)), elements=FIFTHS)
)


def by_cells(points: np.ndarray) -> float:
    """Count the cells of the grid of fifths that a point dominates."""
    corners = np.stack(np.meshgrid(*[np.arange(5) / 5] * points.shape[1], indexing="ij"), axis=-1).reshape(
        -1, points.shape[1]
    )
    covered = (points[:, None, :] <= corners[None] + 1e-9).all(axis=2).any(axis=0)
    return float(covered.mean())


@given(POINTS)
def test_the_hypervolume_is_the_share_of_cells_that_are_dominated(points: np.ndarray) -> None:
    assert hypervolume(points) == pytest.approx(by_cells(points), abs=1e-12)


@pytest.mark.parametrize("objectives", [2, 3])
def test_the_hypervolume_is_that_of_pymoo(objectives: int) -> None:
    indicators = pytest.importorskip("pymoo.indicators.hv", reason="the extra [strategies] is not installed")
    rng = np.random.default_rng(objectives)
    for size in (1, 5, 40):
        points = rng.uniform(0, 1.1, size=(size, objectives))
        expected = indicators.HV(ref_point=np.ones(objectives))(points)
        assert hypervolume(points) == pytest.approx(float(expected), abs=1e-12)


def test_no_point_within_the_reference_has_no_volume() -> None:
    assert hypervolume(np.array([[1.0, 0.0], [0.5, 1.2]])) == 0.0
    assert hypervolume(np.empty((0, 3))) == 0.0


@pytest.mark.parametrize("shape", [(3,), (3, 1), (3, 4)])
def test_other_numbers_of_objectives_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidValueError, match="2 or 3 objectives"):
        hypervolume(np.zeros(shape))


@given(POINTS)
def test_the_front_is_what_no_other_dominates(points: np.ndarray) -> None:
    expected = []
    for one, point in enumerate(points):
        dominated = any((other <= point).all() and (other < point).any() for other in points)
        if not dominated and not any((points[earlier] == point).all() for earlier in range(one)):
            expected.append(one)
    assert front(points).tolist() == expected


@given(POINTS)
def test_an_archive_ends_with_the_front_whatever_the_order(points: np.ndarray) -> None:
    archive = Archive()
    for name, point in enumerate(points):
        before = hypervolume(points[archive.members])
        taken = archive.add(name, point)
        assert taken == (name in archive.members)
        assert hypervolume(points[archive.members]) >= before - 1e-12
    assert archive.members == front(points).tolist()


def test_scaling_is_by_the_best_and_the_worst() -> None:
    within = np.array([[2.0, 5.0], [4.0, 5.0], [10.0, 5.0]])
    assert scaled(within, within).tolist() == [[0.0, 0.0], [0.25, 0.0], [1.0, 0.0]]  # what does not vary is 0
