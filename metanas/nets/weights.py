"""Initial weights, the same for every architecture wherever it is trained.

The weights of a layer depend on the seed and on the layer's place alone (common random numbers): two architectures
under one seed share the weights of every layer that both have, so that a comparison of them holds less noise than one
of two independent draws, and a network does not depend on what else is trained beside it.
"""

from __future__ import annotations

from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from metanas.nets.skeleton import Skeleton
from metanas.spaces import Cell

Weights = dict[str, NDArray[np.float32]]

_KERNEL = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}


def layer_names(cell: Cell, skeleton: Skeleton) -> dict[str, tuple[int, ...]]:
    """Return the weight shape of every layer by its name, convolutions ``(out, in, *kernel)``, in order."""
    dims = len(skeleton.spatial)
    shapes: dict[str, tuple[int, ...]] = {
        "stem.conv": (skeleton.channels, skeleton.input_shape[0], *[skeleton.stem_kernel] * dims)
    }
    for number in range(skeleton.stages):
        channels = skeleton.stage(number).channels
        if number:
            shapes[f"stage{number}.reduction.conv"] = (channels, channels // 2, *[1] * dims)
        for copy in range(skeleton.cells):
            for position, atom in enumerate(cell.atoms):
                kernel = [_KERNEL[atom.op]] * dims
                shapes[f"stage{number}.cell{copy}.atom{position}.conv"] = (channels, channels, *kernel)
    shapes["head.linear"] = (skeleton.n_classes, skeleton.features)
    return shapes


def initial_weights(cell: Cell, skeleton: Skeleton, seed: int) -> Weights:
    """Draw the weights of convolutions and of the linear layer from U(−1/√fan_in, 1/√fan_in).

    Biases start at 0, batch normalizations at scale 1 and shift 0.
    """
    return {name: _draw(name, shape, seed) for name, shape in layer_names(cell, skeleton).items()}


def _draw(name: str, shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    rng = np.random.default_rng([seed, crc32(name.encode()), *shape])
    bound = 1.0 / np.sqrt(np.prod(shape[1:]))
    return rng.uniform(-bound, bound, size=shape).astype(np.float32)
