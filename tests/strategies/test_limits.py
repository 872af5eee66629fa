from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from metanas.arch import Arch
from metanas.errors import UnknownNameError
from metanas.problem import Budget, Constraint, Objective, Observation, Problem, Trial
from metanas.spaces import load_space
from metanas.strategies._limits import Gate, MetricModel, chance_below, check_chance
from metanas.strategies.base import Memory

SPACE = load_space("nb201")
LATENCY = "latency/made_up"


def latency(arch: Arch) -> float:
    """Return what convolutions that are computed cost: 3x3 two, 1x1 one."""
    code = SPACE.canonical(arch).code
    return 1.0 + 2.0 * code.count(3) + code.count(2)


def problem(at_most: float = 4.0, scores: Mapping[str, np.ndarray] | None = None) -> Problem:
    limits = (Constraint(LATENCY, at_most),)
    objective = Objective("validation/accuracy")
    return Problem(SPACE, (objective,), 4, Budget(trainings=99), constraints=limits, scores=scores or {})


def told(gate: Gate | MetricModel, rng: np.random.Generator, n: int) -> None:
    for _ in range(n):
        arch = SPACE.sample(rng)
        gate.tell(Observation(Trial(arch, 4), {LATENCY: latency(arch)}, None, 1.0))


def test_what_is_known_is_certain() -> None:
    known = np.array([latency(SPACE.arch(index)) for index in range(len(SPACE))])
    gate = Gate(problem(scores={LATENCY: known}), np.random.default_rng(0), "rejection")
    for index in range(0, 15_625, 100):
        assert gate.admits(SPACE.arch(index)) == (known[index] <= 4.0)


def test_a_limit_is_learned_from_observations() -> None:
    rng = np.random.default_rng(0)
    gate = Gate(problem(), rng, "rejection")
    archs = [SPACE.canonical(SPACE.sample(rng)) for _ in range(200)]
    assert all(gate.admits(arch) for arch in archs)  # nothing is known as yet
    told(gate, rng, 60)
    right = [gate.admits(arch) == (latency(arch) <= 4.0) for arch in archs]
    assert np.mean(right) > 0.85
    drawn = [gate.draw(Memory(SPACE)) for _ in range(100)]
    assert np.mean([latency(arch) <= 4.0 for arch in drawn]) > 0.8  # a third of the space


def test_a_penalty_admits_everything() -> None:
    rng = np.random.default_rng(0)
    gate = Gate(problem(at_most=1e-9), rng, "penalty")
    told(gate, rng, 40)
    assert all(gate.admits(SPACE.sample(rng)) for _ in range(50))


def test_a_limit_that_nothing_keeps_does_not_stop_the_search() -> None:
    gate = Gate(problem(scores={LATENCY: np.full(len(SPACE), 9.0)}), np.random.default_rng(0), "rejection")
    memory = Memory(SPACE)
    asked = [gate.new(lambda: SPACE.arch(0), memory) for _ in range(3)]
    assert len(set(asked)) == 3


def test_what_was_not_measured_teaches_nothing() -> None:
    model, rng = MetricModel(problem(), LATENCY, np.random.default_rng(0)), np.random.default_rng(1)
    for _ in range(50):
        model.tell(Observation(Trial(SPACE.sample(rng), 4), {LATENCY: float("nan")}, None, 1.0))
    assert model.predict(np.array([0])) is None
    told(model, rng, 50)
    found = model.predict(np.array([0]))
    assert found is not None
    assert np.isfinite(found.mean).all()


def test_known_and_learned_values_mix() -> None:
    known = np.full(len(SPACE), np.nan)
    known[7] = 123.0
    model = MetricModel(problem(scores={LATENCY: known}), LATENCY, np.random.default_rng(0))
    told(model, np.random.default_rng(1), 50)
    found = model.predict(np.array([7, 8]))
    assert found is not None
    assert found.std is not None
    assert (found.mean[0], found.std[0]) == (123.0, 0.0)
    assert found.std[1] > 0


def test_chances() -> None:
    found = chance_below(np.array([1.0, 2.0, 3.0, 2.0]), np.array([0.0, 0.0, 0.0, 1.0]), 2.0)
    assert found == pytest.approx([1.0, 1.0, 0.0, 0.5])
    with pytest.raises(Exception, match=r"between 0 and 1, but got elite=2"):
        check_chance("elite", 2)


def test_another_handling_is_unknown() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'rejection'"):
        Gate(problem(), np.random.default_rng(0), "rejecting")  # type: ignore[arg-type]
