"""What the standard network runs, holds and weighs, against the built network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from metanas.arch import Arch
from metanas.errors import InvalidArchError
from metanas.nets.nb201_standard import standard_network
from metanas.nets.standard_cost import model_bytes, peak_activation_bytes, standard_cost
from metanas.nets.standard_program import standard_program
from metanas.spaces import load_space

SPACE = load_space("nb201")
INDICES = [1462, *np.random.default_rng(1).integers(15625, size=4).tolist()]
KINDS = {
    "convolution": "conv", "native_batch_norm": "norm", "_native_batch_norm_legit_no_training": "norm",
    "cudnn_batch_norm": "norm", "relu": "relu", "mul": "zero", "add": "add", "mean": "mean", "addmm": "linear",
}  # fmt: skip


class Recorder(TorchDispatchMode):
    """Records every operation that writes a new tensor: its kind, and the storages that it reads and writes."""

    def __init__(self, ours: set[int]) -> None:
        super().__init__()
        self.weights = ours
        self.steps: list[tuple[str, list[int], int, int]] = []
        self.kept: list[torch.Tensor] = []  # so that no address is used twice

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        first = out[0] if isinstance(out, (tuple, list)) else out
        read = [place(x) for x in flat(args) if isinstance(x, torch.Tensor) and place(x) not in self.weights]
        if first.numel() and place(first) not in read and place(first) not in self.weights:
            name = func.overloadpacket.__name__
            kind = KINDS.get(name) or {3: "pool", 2: "halve"}[args[1][0]]
            self.steps.append((kind, read, place(first), first.numel()))
            self.kept.append(first)
        return out


def place(x: torch.Tensor) -> int:
    return x.untyped_storage().data_ptr()


def flat(values: Any) -> Any:
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from flat(value)
        else:
            yield value


def record(arch: Arch) -> list[tuple[str, list[int], int, int]]:
    """Return the operations of the built network, tensors numbered as they are written, the image being 0."""
    network, x = standard_network(arch).eval(), torch.zeros(1, 3, 32, 32)
    weights = {place(w) for w in (*network.parameters(), *network.buffers())}
    with torch.no_grad(), Recorder(weights) as recorder:
        network(x)
    number = {place(x): 0} | {out: at for at, (_, _, out, _) in enumerate(recorder.steps, start=1)}
    return [(kind, [number[p] for p in read], number[out], size) for kind, read, out, size in recorder.steps]


@pytest.mark.parametrize("index", INDICES)
def test_the_program_is_what_the_built_network_runs(index: int) -> None:
    arch = SPACE.arch(index)
    program = standard_program(arch)
    ours = [(op.kind, list(op.inputs), op.output, program.elements[op.output]) for op in program.operations]
    recorded = record(arch)
    assert ours == recorded
    # Alive at a time, by the definition: written by then, and read then or later.
    sizes = [3 * 32**2, *(size for *_, size in recorded)]
    born = [0, *range(len(recorded))]
    dies = [max([at for at, step in enumerate(recorded) if tensor in step[1]], default=len(recorded)) for tensor in
            range(len(sizes))]  # fmt: skip
    dies[:-1] = [end if end < len(recorded) else born[tensor] for tensor, end in enumerate(dies[:-1])]
    alive = [sum(size for size, a, b in zip(sizes, born, dies, strict=True) if a <= time <= b)
             for time in range(len(recorded))]  # fmt: skip
    assert peak_activation_bytes(arch) == 4 * max(alive)


@pytest.mark.parametrize("index", INDICES)
def test_size_is_that_of_the_state_dictionary(index: int) -> None:
    arch = SPACE.arch(index)
    state = standard_network(arch, 120).state_dict()
    assert model_bytes(arch, 120) == sum(w.nbytes for w in state.values() if w.is_floating_point())


def test_operations_cost_what_the_closed_form_says() -> None:
    for index in range(0, 15625, 500):
        arch = SPACE.arch(index)
        program = standard_program(arch)
        assert sum(op.macs for op in program.operations) == standard_cost(arch)[1]
        assert 4 * sum(op.weights for op in program.operations) == model_bytes(arch)


def test_peaks_by_hand() -> None:
    """In units of one feature map of the first stage, 16 x 32 x 32 x 4 bytes."""
    unit = 16 * 32 * 32 * 4
    chain = SPACE.parse("|skip_connect~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|")
    # Node 3 is none(0) + none(1) + node 2: three feature maps are summed, and the first sum is a new one.
    assert peak_activation_bytes(chain) == 4 * unit
    # At node 2 of zeros: the cell's input and node 1 (node 3 needs both), two zeros, and their sum.
    assert peak_activation_bytes(SPACE.parse("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")) == 5 * unit
    wide = SPACE.parse(
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
    )
    # At the convolution of node 1 into node 2: the input, node 1, the other edge's value, a ReLU, and what it writes.
    assert peak_activation_bytes(wide) == 5 * unit


def test_other_architectures_are_refused() -> None:
    for cost in (standard_program, model_bytes, peak_activation_bytes):
        with pytest.raises(InvalidArchError):
            cost(Arch("nb101", (0, 0)))
