"""What a source from outside consists of: its file, and the user's modules that it imports, and these in turn.

The hash of a source says whether a run was made by the same code. A strategy in several files is not the same when a
file beside the named one has changed.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

_LIBRARIES = ("site-packages", "dist-packages")


def source_sha256(source: bytes, package: str | None) -> str:
    """Return the hash of a source: of its file, and of the user's modules that it imports, if any.

    Modules of libraries, of Python and of this package do not count: their versions are stated in a run. Of a module
    that a function imports when it is called no less counts than of one that is imported at once.

    Args:
        source: the file's bytes, Python that can be parsed.
        package: that relative imports start from; None for a file that is in none.
    """
    own = hashlib.sha256(source).hexdigest()
    modules: dict[str, bytes] = {}
    waiting = [(source, package)]
    while waiting:
        text, home = waiting.pop()
        for name in _imported(text, home):
            path = _file_of(name)
            if name not in modules and path is not None:
                modules[name] = path.read_bytes()
                within = name if path.name == "__init__.py" else name.rpartition(".")[0]
                waiting.append((modules[name], within or None))
    others = [own] + [f"{name} {hashlib.sha256(modules[name]).hexdigest()}" for name in sorted(modules)]
    return hashlib.sha256("\n".join(others).encode()).hexdigest() if modules else own


def _imported(source: bytes, package: str | None) -> Iterator[str]:
    """Yield the names of all modules that may be imported: every part of every dotted name."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # of a module beside it: importing it says so
        return
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = node.module or ""
            if node.level:
                parts = (package or "").split(".")
                parts = parts[: len(parts) - node.level + 1]
                start = ".".join([*parts, start] if start else parts)
            names = [f"{start}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "metanas" or parts[0] in sys.stdlib_module_names:
                continue
            yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _file_of(name: str) -> Path | None:
    """Return the file of a module of the user's own; None where there is no such module, or it is a library's."""
    module = sys.modules.get(name)
    if module is not None:
        file = getattr(module, "__file__", None)
    else:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, AttributeError, ValueError):  # what is named is no module but something in one
            return None
        file = spec.origin if spec else None
    return Path(file) if file and file.endswith(".py") and _is_own(file) else None


@lru_cache(maxsize=4096)
def _is_own(file: str) -> bool:
    path = Path(file).resolve()
    ours = (Path(__file__).resolve().parents[1], Path(sysconfig.get_path("stdlib")).resolve())
    return not any(path.is_relative_to(place) for place in ours) and not set(path.parts) & set(_LIBRARIES)
