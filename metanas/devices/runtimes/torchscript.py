"""TorchScript: the network traced and frozen (weights become constants, batch normalization is folded)."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from metanas.devices.runtimes import Run

PRECISIONS = ("fp32",)


def version() -> str:
    """Return PyTorch's version."""
    return f"torch {torch.__version__}"


def prepare(network: nn.Module, example: Tensor, threads: int, precision: str) -> Run:
    """Return a function that runs the network once; the caller has set the number of threads."""
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, but it is what many deployments run
        traced = torch.jit.trace(network, example, check_trace=False)  # type: ignore[no-untyped-call]
        traced = torch.jit.freeze(traced)  # the check would run the same network twice more

    def run() -> object:
        with torch.inference_mode():
            return traced(example)

    return run
