"""Packages that not every installation has."""

from __future__ import annotations

import importlib
from types import ModuleType

from metanas.errors import MetanasError


def require(module: str, extra: str, purpose: str) -> ModuleType:
    """Import ``module``, which the extra ``extra`` of metanas installs.

    Args:
        module: full name, as in ``"scipy.stats"``.
        extra: name of the extra, as in ``"stats"``.
        purpose: what needs it, for the message.

    Raises:
        MetanasError: it is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not (module + ".").startswith(error.name + "."):
            raise  # it is there, but something that it needs is not
        package = module.partition(".")[0]
        msg = f"{purpose} needs the package {package!r}, which is not installed: pip install 'metanas[{extra}]'"
        raise MetanasError(msg) from error
