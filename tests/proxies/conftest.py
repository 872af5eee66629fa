"""Networks and batches to score."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from metanas.nets.skeleton import Skeleton
from metanas.nets.weights import initial_weights
from metanas.proxies import Batch, Block
from metanas.spaces import Cell, load_space

CLASSES = 3


@pytest.fixture
def double() -> Iterator[None]:
    """Equality can be tested tightly in double precision."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def _batch(shape: tuple[int, ...], examples: int = 12, seed: int = 0) -> Batch:
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.standard_normal((examples, *shape))).to(torch.get_default_dtype())
    return Batch(x, torch.arange(examples) % CLASSES, seed=5)


def _block(cells: list[Cell], shape: tuple[int, ...] = (2, 8, 8), *, channels: int = 4, copies: int = 1) -> Block:
    skeleton = Skeleton(shape, CLASSES, channels=channels, cells=copies)
    kind = np.float64 if torch.get_default_dtype() is torch.float64 else np.float32
    weights = [{k: v.astype(kind) for k, v in initial_weights(cell, skeleton, 1).items()} for cell in cells]
    return Block(cells, skeleton, _batch(shape), weights=weights)


def _cells(n: int) -> list[Cell]:
    """Cells without and with pooling, among them the empty one and the identity."""
    space, rng = load_space("nb201"), np.random.default_rng(2)
    none = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    skip = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
    return [space.cell(space.parse(text)) for text in (none, skip)] + [space.cell(space.sample(rng)) for _ in range(n)]


@pytest.fixture
def make_batch() -> Callable[..., Batch]:
    """``make_batch(shape, examples=12, seed=0)``: random examples."""
    return _batch


@pytest.fixture
def make_block() -> Callable[..., Block]:
    """``make_block(cells, shape, channels=4, copies=1)``: networks of cells in the present precision."""
    return _block


@pytest.fixture
def some_cells() -> Callable[[int], list[Cell]]:
    """``some_cells(n)``: the empty cell, the identity and n random ones."""
    return _cells
