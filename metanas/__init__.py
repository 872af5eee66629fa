"""metanas: tables of really trained architectures, and what searches them.

Names are imported when they are first used, so that ``import metanas`` stays quick and loads no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metanas.arch import Arch as Arch
    from metanas.errors import MetanasError as MetanasError
    from metanas.spaces import load_space as load_space
    from metanas.spaces import space_names as space_names
    from metanas.surrogates import load_table as load_table
    from metanas.tables import Table as Table
    from metanas.tables import table_names as table_names
    from metanas.tasks import load_task as load_task
    from metanas.tasks import task_names as task_names

_HOMES = {
    "Arch": "metanas.arch",
    "MetanasError": "metanas.errors",
    "Table": "metanas.tables",
    "load_space": "metanas.spaces",
    "load_table": "metanas.surrogates",
    "load_task": "metanas.tasks",
    "space_names": "metanas.spaces",
    "table_names": "metanas.tables",
    "task_names": "metanas.tasks",
}

__all__ = [  # noqa: PLE0604, RUF100
    "Arch",
    "MetanasError",
    "Table",
    "load_space",
    "load_table",
    "load_task",
    "space_names",
    "table_names",
    "task_names",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def _version() -> str:
    """Return the version of the installed package; in a checkout that is not installed, the one it states."""
    import tomllib
    from importlib.metadata import PackageNotFoundError, version

    from metanas import published

    try:
        return version("metanas")
    except PackageNotFoundError:
        top = published.checkout()
        if top is None:
            raise
        return str(tomllib.loads((top / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, "__version__"})
