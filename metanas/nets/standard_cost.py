"""What the standard NAS-Bench-201 network of a cell costs, without building it (and without torch)."""

from __future__ import annotations

from metanas.arch import Arch
from metanas.nets.standard_program import CELLS, CHANNELS, SIZE, standard_program
from metanas.spaces.nb201 import CONV_1X1, CONV_3X3, SPACE

_TAPS = {CONV_1X1: 1, CONV_3X3: 9}
_FLOAT32 = 4  # bytes


def standard_cost(arch: Arch, classes: int = 10) -> tuple[int, int]:
    """Return parameters and multiply-accumulates of :func:`metanas.nets.nb201_standard.standard_network`.

    Multiply-accumulates are those of one 32x32 image through convolutions and the linear layer, each output position
    with its full kernel (padding included); normalization, additions and pooling count nothing. Dead operations count.

    Raises:
        InvalidArchError: not a cell of ``nb201``.
    """
    taps = [_TAPS[op] for op in SPACE.check(arch).code if op in _TAPS]
    parameters = 3 * CHANNELS[0] * 9 + 2 * CHANNELS[0]
    macs = 3 * CHANNELS[0] * 9 * SIZE**2
    for number, channels in enumerate(CHANNELS):
        positions = (SIZE // 2**number) ** 2
        if number:
            half = CHANNELS[number - 1]
            block = 9 * half * channels + 9 * channels**2 + half * channels
            parameters += block + 4 * channels  # two normalizations
            macs += block * positions
        parameters += CELLS * sum(count * channels**2 + 2 * channels for count in taps)
        macs += CELLS * sum(count * channels**2 for count in taps) * positions
    head = CHANNELS[-1] * classes
    return parameters + 2 * CHANNELS[-1] + head + classes, macs + head


def model_bytes(arch: Arch, classes: int = 10) -> int:
    """Return the bytes of the network's weights: its parameters and running statistics in float32.

    These are the floating-point entries of its state dictionary. The counters of batches, which only training looks
    at, and whatever a file format adds do not count.

    Raises:
        InvalidArchError: not a cell of ``nb201``.
    """
    convolutions = sum(op in _TAPS for op in SPACE.check(arch).code)
    normalized = CHANNELS[0] + CHANNELS[-1] + CELLS * convolutions * sum(CHANNELS) + 2 * sum(CHANNELS[1:])
    return _FLOAT32 * (standard_cost(arch, classes)[0] + 2 * normalized)


def peak_activation_bytes(arch: Arch, classes: int = 10) -> int:
    """Return the most bytes of activations that are alive at once, for one image in float32.

    Operations run in the order of the built network and nothing is fused; while one runs, its inputs, its output and
    whatever a later operation reads are alive (:meth:`metanas.nets.standard_program.Program.peak`). Weights and what a
    kernel needs for itself do not count. It is the least that any executor needs that keeps this order and does not
    write in place.

    Raises:
        InvalidArchError: not a cell of ``nb201``.
    """
    return _FLOAT32 * standard_program(arch, classes).peak()
