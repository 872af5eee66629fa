"""Kernels between architectures: laws, and agreement with the predictors that have the same."""

from __future__ import annotations

import numpy as np
import pytest

from metanas.predictors.gaussian_process_wl import _columns, _vectors
from metanas.spaces import load_space
from metanas.strategies._process import Kernel
from metanas.strategies._surrogate import classes_of
from metanas.strategies._vectors import VectorKernel
from metanas.strategies.bo_wl import LabelKernel, _labels

SPACE = load_space("nb201-conv")
AT = classes_of(SPACE)[0]
SOME = AT[::41]


@pytest.mark.parametrize("kernel", [VectorKernel(SPACE, ("functional", "onehot")), LabelKernel(SPACE)])
def test_laws_of_kernels(kernel: Kernel) -> None:
    for setting, _ in kernel.settings:
        matrix = kernel.between(setting, SOME, SOME)
        assert matrix == pytest.approx(matrix.T)
        assert np.linalg.eigvalsh(matrix).min() > -1e-8
        assert np.diag(matrix) == pytest.approx(kernel.own(setting, SOME))
        whole = kernel.between(setting, SOME, AT)
        assert whole[:, ::41] == pytest.approx(matrix)


@pytest.mark.parametrize("kernel", [VectorKernel(SPACE, "functional"), LabelKernel(SPACE)])
def test_equal_functions_are_equal(kernel: Kernel) -> None:
    indices = SPACE.indices  # type: ignore[attr-defined]
    number = classes_of(SPACE)[1][indices]
    twins = indices[number == np.bincount(number).argmax()][:2]
    assert len(twins) == 2
    setting = kernel.settings[-1][0]
    matrix = kernel.between(setting, twins, SOME)
    assert matrix[0] == pytest.approx(matrix[-1])


@pytest.mark.parametrize("rounds", [0, 2])
def test_labels_are_compared_as_the_predictor_does(rounds: int) -> None:
    labels = [_labels(SPACE, index) for index in SOME.tolist()]
    vectors = _vectors(labels, rounds, _columns(labels, rounds))
    assert LabelKernel(SPACE).between(float(rounds), SOME, SOME) == pytest.approx(vectors @ vectors.T)


def test_a_space_without_a_list_is_compared_by_what_is_asked_for() -> None:
    space, rng = load_space("nb101"), np.random.default_rng(0)
    indices = np.array([space.index(space.sample(rng)) for _ in range(12)])
    for kernel in (VectorKernel(space, "functional"), LabelKernel(space)):
        setting = kernel.settings[-1][0]
        matrix = kernel.between(setting, indices, indices)
        assert np.diag(matrix) == pytest.approx(kernel.own(setting, indices))
        assert kernel.between(setting, indices[:1], indices)[0] == pytest.approx(matrix[0])
        assert np.linalg.eigvalsh(matrix).min() > -1e-8


def test_relevance_decides_what_is_near() -> None:
    plain = VectorKernel(SPACE, "functional", {"path": 1.0, "n": 0.0})
    other = VectorKernel(SPACE, "functional", {"path": 0.0, "n": 1.0})
    assert not np.allclose(plain.between(1.0, SOME, SOME), other.between(1.0, SOME, SOME))
