"""Speed of training: many architectures as one fused network against one plain PyTorch network at a time.

    python benchmarks/training.py [--networks 24] [--batch 64] [--channels 4] [--sequence]

Both train the same random functional classes of ``nb201-conv`` on one thread, whole steps (forward, loss, backward,
descent), in one process, in turn; the shortest of several repetitions counts for both.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from metanas.nets.fused import FusedNetwork
from metanas.nets.plain import PlainNetwork
from metanas.nets.skeleton import Skeleton
from metanas.nets.weights import initial_weights
from metanas.spaces import load_space


def shortest(step: Callable[[], object], repetitions: int) -> float:
    """Return the shortest of the seconds that ``step`` took."""
    seconds = []
    for _ in range(repetitions):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def main() -> None:
    """Time both and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=24)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--channels", type=int, default=4)
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--sequence", action="store_true", help="sequences of 64 positions, not 8x8 images")
    parser.add_argument("--repetitions", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    space = load_space("nb201-conv")
    representatives = np.unique(space.canonical_indices[space.indices])
    cells = [space.cell(space.arch(int(i))) for i in rng.choice(representatives, options.networks, replace=False)]
    shape = (28, 64) if options.sequence else (1, 8, 8)
    skeleton = Skeleton(shape, options.classes, options.channels)
    weights = [initial_weights(cell, skeleton, 0) for cell in cells]
    x = torch.from_numpy(rng.standard_normal((options.batch, *shape)).astype(np.float32))
    y = torch.from_numpy(rng.integers(options.classes, size=options.batch))
    target = functional.one_hot(y, options.classes).float().T

    fused = FusedNetwork(cells, skeleton, weights, options.batch)
    fused.refresh()
    pairs = fused.parameters()
    stacked = [torch.nn.Parameter(weight) for weight, _ in pairs]
    for parameter, (_, grad) in zip(stacked, pairs, strict=True):
        parameter.grad = grad
    descent = torch.optim.SGD(stacked, lr=0.05, momentum=0.9, nesterov=True)

    def fused_step() -> None:
        logits = fused.forward(x, training=True)
        fused.backward((torch.log_softmax(logits, 1).exp() - target) / options.batch)
        descent.step()
        fused.refresh()

    plain = [PlainNetwork(cell, skeleton) for cell in cells]
    for network, own in zip(plain, weights, strict=True):
        network.load(own)
    descents = [torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, nesterov=True) for net in plain]

    def plain_steps() -> None:
        for network, own in zip(plain, descents, strict=True):
            own.zero_grad()
            functional.cross_entropy(network(x), y).backward()
            own.step()

    together = one_by_one = float("inf")
    for _ in range(3):  # in turn, so that drift of the machine hits both alike
        together = min(together, shortest(fused_step, options.repetitions))
        one_by_one = min(one_by_one, shortest(plain_steps, max(2, options.repetitions // 5)))
    scale = 1e6 / (options.networks * options.batch)
    lines = [
        f"{options.networks} networks, {options.channels} channels, input {shape}, batch {options.batch}, one thread",
        f"one by one  {one_by_one * scale:7.1f} µs a sample and network",
        f"fused       {together * scale:7.1f} µs a sample and network",
        f"ratio       {one_by_one / together:7.2f}",
    ]
    print("\n".join(lines))


if __name__ == "__main__":
    main()
