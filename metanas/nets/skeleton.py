"""What surrounds the cells of a network."""

from __future__ import annotations

from dataclasses import dataclass

from metanas.errors import InvalidValueError
from metanas.spaces import Cell


@dataclass(frozen=True, slots=True)
class Stage:
    """The cells between two reductions.

    Attributes:
        channels: channels of every node.
        spatial: positions, ``(H, W)`` or ``(L,)``.
    """

    channels: int
    spatial: tuple[int, ...]

    @property
    def positions(self) -> int:
        """Number of positions."""
        result = 1
        for size in self.spatial:
            result *= size
        return result


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Stem, stages of cells with reductions between them, head.

    The stem is a convolution and batch normalization. A reduction is 2x average pooling, a 1x1 convolution that doubles
    the channels, and batch normalization: unlike NAS-Bench-201's residual reductions it mixes no space, so that the
    cell is where space is mixed (``docs/pilot.md`` shows why that decides whether a table ranks cells). The head is
    that of NAS-Bench-201: batch normalization, ReLU, global average pooling, a linear layer.

    Attributes:
        input_shape: ``(channels, H, W)`` or ``(channels, L)`` of one example.
        n_classes: number of classes.
        channels: channels of the first stage; each reduction doubles them.
        stages: number of stages.
        cells: cells in each stage.
        stem_kernel: 1 or 3.
    """

    input_shape: tuple[int, ...]
    n_classes: int
    channels: int
    stages: int = 3
    cells: int = 1
    stem_kernel: int = 3

    def __post_init__(self) -> None:
        """Check that the input can be halved often enough."""
        divisor = 2 ** (self.stages - 1)
        if any(size % divisor for size in self.spatial) or len(self.spatial) not in (1, 2):
            msg = (
                f"Inputs of {self.stages} stages are (C, H, W) or (C, L) with sizes divisible by {divisor}, "
                f"but got {self.input_shape}."
            )
            raise InvalidValueError(msg)

    @property
    def spatial(self) -> tuple[int, ...]:
        """Positions of the input, ``(H, W)`` or ``(L,)``."""
        return self.input_shape[1:]

    def stage(self, number: int) -> Stage:
        """Return stage ``number`` (from 0)."""
        return Stage(self.channels * 2**number, tuple(size // 2**number for size in self.spatial))

    @property
    def features(self) -> int:
        """Number of inputs of the linear layer."""
        return self.stage(self.stages - 1).channels


def cost(cell: Cell, skeleton: Skeleton) -> tuple[int, int]:
    """Return the number of parameters and of multiply-accumulates of one forward pass of one example.

    Multiply-accumulates count convolutions and the linear layer, each output position with its full kernel (padding
    included), as usual; batch normalization, additions and pooling count nothing.
    """
    dims = len(skeleton.spatial)
    taps = skeleton.stem_kernel**dims
    stem = skeleton.input_shape[0] * skeleton.channels * taps
    parameters = stem + 2 * skeleton.channels
    macs = stem * skeleton.stage(0).positions
    kernel = {"nor_conv_1x1": 1, "nor_conv_3x3": 3**dims}
    for number in range(skeleton.stages):
        stage = skeleton.stage(number)
        if number:
            reduction = stage.channels * (stage.channels // 2)
            parameters += reduction + 2 * stage.channels
            macs += reduction * stage.positions
        for atom in cell.atoms:
            weights = kernel[atom.op] * stage.channels**2
            parameters += skeleton.cells * (weights + 2 * stage.channels)
            macs += skeleton.cells * weights * stage.positions
    head = skeleton.features * skeleton.n_classes
    return parameters + 2 * skeleton.features + head + skeleton.n_classes, macs + head
