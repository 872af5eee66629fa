"""PyTorch as it is: one operation after the other."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from metanas.devices.runtimes import Run

PRECISIONS = ("fp32", "bf16")


def version() -> str:
    """Return PyTorch's version."""
    return f"torch {torch.__version__}"


def prepare(network: nn.Module, example: Tensor, threads: int, precision: str) -> Run:
    """Return a function that runs the network once; the caller has set the number of threads."""
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    if kind != torch.float32:
        network, example = copy.deepcopy(network).to(kind), example.to(kind)

    def run() -> object:
        with torch.inference_mode():
            return network(example)

    return run
