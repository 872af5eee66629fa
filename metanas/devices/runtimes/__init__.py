"""What runs a network: one file a runtime, found by its name.

A file has ``PRECISIONS``, the precisions that it can run; ``version()``; and ``prepare(network, example, threads,
precision)``, which returns a function of no arguments that runs the network once on the example.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from metanas.errors import InvalidValueError, UnknownNameError

if TYPE_CHECKING:
    from torch import Tensor, nn

Run = Callable[[], object]


class Runtime(Protocol):
    """A runtime's file."""

    PRECISIONS: tuple[str, ...]

    def version(self) -> str:
        """Return the version of the package that runs networks."""

    def prepare(self, network: nn.Module, example: Tensor, threads: int, precision: str) -> Run:
        """Return a function that runs the network once; see the package's text."""


@cache
def runtime_names() -> tuple[str, ...]:
    """Return the names of all runtimes, sorted; the package of one need not be installed."""
    names = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return tuple(sorted(name for name in names if not name.startswith("_")))


def load_runtime(name: str, precision: str = "fp32") -> Runtime:
    """Return a runtime.

    Raises:
        UnknownNameError: there is no such runtime.
        InvalidValueError: it cannot run that precision.
        MetanasError: its package is not installed.
    """
    if name not in runtime_names():
        raise UnknownNameError("runtime", name, runtime_names())
    runtime = cast("Runtime", importlib.import_module(f"metanas.devices.runtimes.{name}"))
    if precision not in runtime.PRECISIONS:
        msg = f"The runtime {name!r} runs the precisions {', '.join(runtime.PRECISIONS)}, but got {precision!r}."
        raise InvalidValueError(msg)
    return runtime
