from __future__ import annotations

import numpy as np
import pytest

from metanas.devices.roofline import (
    HOROWITZ_FP32,
    HOROWITZ_INT8,
    SMALL_ARRAY,
    SUFFIX,
    TPU_V1,
    Energies,
    Roofline,
    Systolic,
    numbers_moved,
)
from metanas.nets.nb201_standard import standard_cost
from metanas.nets.standard_program import Operation, Program, standard_program
from metanas.spaces import load_space

SPACE = load_space("nb201")
# Two operations by hand: a product of 4 positions, 3 filters, 5 terms; then 12 sums of two.
TINY = Program(
    (Operation("conv", (0,), 1, 15, 60, 120, (4, 3, 5)), Operation("add", (1, 1), 2, 0, 0, 12)), (20, 12, 12)
)


def test_a_roofline_by_hand() -> None:
    device = Roofline("tiny-modelled", arithmetic=100.0, bandwidth=40.0, start=0.5, width=4, source="nowhere")
    # conv: 120 / 100 = 1.2 s of arithmetic, 4 (20 + 12 + 15) / 40 = 4.7 s of traffic; add: 0.12 s, 4 * 36 / 40 = 3.6 s
    assert device.latency(TINY) == pytest.approx(1e3 * (4.7 + 3.6 + 1.0))
    # a batch of two reads the weights once: 4 (40 + 24 + 15) / 40 = 7.9 and 7.2
    assert device.latency(TINY, 2) == pytest.approx(1e3 * (7.9 + 7.2 + 1.0))
    fast = Roofline("fast-modelled", arithmetic=10.0, bandwidth=1e9, start=0.0, width=4, source="nowhere")
    assert fast.latency(TINY) == pytest.approx(1e3 * 13.2)


@pytest.mark.parametrize(
    ("dataflow", "cycles"),
    [("output", 2 * 2 * (4 + 2 + 5 - 2)), ("weight", 3 * 2 * (4 + 2 + 4 - 2)), ("input", 3 * 2 * (4 + 2 + 3 - 2))],
)
def test_cycles_of_an_array_by_hand(dataflow: str, cycles: int) -> None:
    array = Systolic("array-modelled", 2, 2, 10.0, 1e9, 1, dataflow, "nowhere")  # type: ignore[arg-type]
    assert array.cycles(4, 3, 5) == cycles
    assert array.latency(TINY) == pytest.approx(1e3 * cycles / 10, rel=1e-6)
    slow_memory = Systolic("array-modelled", 2, 2, 1e9, 10.0, 1, dataflow, "nowhere")  # type: ignore[arg-type]
    assert slow_memory.latency(TINY) == pytest.approx(1e3 * (47 + 36) / 10)


def test_energy_by_hand() -> None:
    table = Energies("e-modelled", multiply=3, add=1, activation=0.5, weight=10, width=2, source="nowhere")
    arithmetic = 60 * 4 + 12
    assert table.energy(TINY) == pytest.approx(1e-9 * (arithmetic + 2 * ((20 + 12 + 36) * 0.5 + 15 * 10)))
    assert table.energy(TINY, 2) == pytest.approx(1e-9 * (2 * arithmetic + 2 * (2 * (20 + 12 + 36) * 0.5 + 15 * 10)))


def test_no_model_beats_its_ceilings() -> None:
    device = Roofline("cpu-modelled", arithmetic=5e10, bandwidth=1e10, start=0.0, width=4, source="nowhere")
    for index in range(0, 15625, 3000):
        arch = SPACE.arch(index)
        program, macs = standard_program(arch), standard_cost(arch)[1]
        assert device.latency(program) >= 1e3 * 2 * macs / 5e10
        assert SMALL_ARRAY.latency(program) >= 1e3 * macs / (256 * 700e6)
        assert TPU_V1.latency(program) <= SMALL_ARRAY.latency(program)
        assert HOROWITZ_INT8.energy(program) < HOROWITZ_FP32.energy(program)
        assert HOROWITZ_FP32.energy(program) > 1e-9 * 4.6 * macs
        assert numbers_moved(program, program.operations[0]) == 3 * 1024 + 16 * 1024 + 3 * 9 * 16


def test_modelled_devices_say_so() -> None:
    for device in (TPU_V1, SMALL_ARRAY, HOROWITZ_FP32, HOROWITZ_INT8):
        assert device.name.endswith(SUFFIX)
        assert device.source
    assert np.isfinite(TPU_V1.latency(standard_program(SPACE.arch(0))))
