"""What a zero-cost score is, and what it may ask of a network."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from metanas.errors import InvalidValueError
from metanas.proxies.block import Batch, Block

Needs = Literal["architecture", "nothing", "inputs", "labels"]
Floats = NDArray[np.float64]
INPUTS, WEIGHTS, SIGNS = range(3)  # streams of random numbers
WeightLayer = nn.Conv1d | nn.Conv2d | nn.Linear
_RELUS = {torch.relu, torch.relu_, functional.relu, functional.relu_, Tensor.relu, Tensor.relu_}


@runtime_checkable
class SteppedNetwork(Protocol):
    """A network that is a chain of steps; scores that look between its steps need one."""

    def steps(self) -> Sequence[Callable[[Tensor], Tensor]]:
        """Return the steps (stem, cells, reductions) in order; what one gives is all that the next one sees."""

    def final(self, x: Tensor) -> Tensor:
        """Return what is averaged over positions, from the last step's output."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A zero-cost score.

    Attributes:
        name: the name of its file.
        needs: what of the batch it depends on.
        definition: the score of one network; it may spoil the network.
        many: the score of many architectures at once, or None where there is no quicker way than one by one.
    """

    name: str
    needs: Needs
    definition: Callable[[nn.Module, Batch], float]
    many: Callable[[Block], Floats] | None = None

    def __call__(self, network: nn.Module, batch: Batch) -> float:
        """Return the score of a network, which is left as it is; NaN where the score is not defined.

        The network is looked at in training mode: norms use the statistics of the batch.
        """
        value = float(self.definition(copy.deepcopy(network).train(), batch))
        return value if math.isfinite(value) else math.nan

    def of_block(self, block: Block) -> Floats:
        """Return the scores of all architectures of a block, ``(n,)``, NaN where the score is not defined."""
        if self.many is None:
            return np.array([self(network, block.batch) for network in block.networks()])
        values = np.asarray(self.many(block), dtype=np.float64)
        return np.where(np.isfinite(values), values, np.nan)


def weight_layers(network: nn.Module) -> list[WeightLayer]:
    """Return the convolutions and linear layers of a network."""
    return [layer for layer in network.modules() if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear)]


def norm_layers(network: nn.Module) -> list[nn.Module]:
    """Return the batch normalizations of a network."""
    return [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)]


def stepped(network: nn.Module) -> SteppedNetwork:
    """Return ``network`` as one with steps.

    Raises:
        InvalidValueError: it has none.
    """
    if not isinstance(network, SteppedNetwork):
        msg = (
            f"This score looks between the steps of a network, but {type(network).__name__} has no steps() and final()."
        )
        raise InvalidValueError(msg)
    return cast(SteppedNetwork, network)


def gaussian_weights(shape: tuple[int, ...], std: float, generator: torch.Generator) -> Tensor:
    """Draw weights from N(0, std²), in double precision and rounded, so that one seed has one draw in any precision."""
    weights = torch.randn(shape, generator=generator, dtype=torch.float64) * std
    return weights.to(torch.get_default_dtype())


@contextmanager
def recorded_relus() -> Iterator[list[Tensor]]:
    """Record the output of every ReLU that runs inside the block, whether a module or a function."""

    class Recorder(TorchFunctionMode):
        def __torch_function__(
            self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            result = function(*args, **(kwargs or {}))
            if function in _RELUS:
                found.append(result)
            return result

    found: list[Tensor] = []
    with Recorder():
        yield found
