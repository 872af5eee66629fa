"""Examples on their way into the network: random changes at full resolution, then resizing.

Both work on whole batches, which all architectures of a block share, so that they cost next to nothing.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from metanas.protocol import Augmentation
from metanas.tasks import Task, area_matrix


class Resize:
    """Area averaging to a square, normalised by the training rows at that resolution, as ``Task.resized`` does it."""

    def __init__(self, task: Task, size: int) -> None:
        """Prepare the averaging of ``task``'s images to ``size`` x ``size``."""
        _, height, width = task.shape
        self._rows = torch.from_numpy(area_matrix(height, size))
        self._columns = torch.from_numpy(area_matrix(width, size)).T.contiguous()
        self._mean, self._scale = torch.zeros(1), torch.ones(1)
        if task.card.input.normalise == "channel":
            small = self(torch.from_numpy(task.x[task.split["training"]])).double()
            self._mean = small.mean((0, 2, 3), keepdim=True).float()
            self._scale = 1.0 / small.std((0, 2, 3), keepdim=True, correction=0).float()

    def __call__(self, x: Tensor) -> Tensor:
        """Map ``(batch, channels, height, width)`` to ``(batch, channels, size, size)``."""
        return (self._rows @ x @ self._columns - self._mean) * self._scale


def augmented(x: Tensor, how: Augmentation, rng: np.random.Generator) -> Tensor:
    """Return randomly changed examples, ``(batch, channels, height, width)`` or ``(batch, channels, length)``."""
    return _image(x, how, rng) if x.dim() == 4 else _sequence(x, how, rng)


def _image(x: Tensor, how: Augmentation, rng: np.random.Generator) -> Tensor:
    """Turn, scale and move each image at once, bilinearly; what comes in from outside repeats the border."""
    if not (how.shift or how.rotate or how.scale):
        return x
    n = len(x)
    angle = np.deg2rad(rng.uniform(-how.rotate, how.rotate, n))
    factor = np.exp(rng.uniform(-1.0, 1.0, n) * np.log1p(how.scale))
    move = rng.uniform(-2.0 * how.shift, 2.0 * how.shift, (n, 2))  # coordinates run from −1 to 1
    cosine, sine = factor * np.cos(angle), factor * np.sin(angle)
    matrix = np.stack([np.stack([cosine, -sine, move[:, 0]], 1), np.stack([sine, cosine, move[:, 1]], 1)], 1)
    grid = functional.affine_grid(torch.from_numpy(matrix.astype(np.float32)), list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _sequence(x: Tensor, how: Augmentation, rng: np.random.Generator) -> Tensor:
    """Move each sequence, zeros coming in, and set positions to zero."""
    n, _, length = x.shape
    most = round(how.shift * length)
    if most:
        wide = functional.pad(x, (most, most))
        starts = torch.from_numpy(rng.integers(0, 2 * most + 1, n))
        positions = (starts[:, None] + torch.arange(length))[:, None].expand(x.shape)
        x = wide.gather(2, positions)
    if how.drop:
        kept = torch.from_numpy(rng.random((n, 1, length)) >= how.drop)
        x = x * kept
    return x
