"""Who may import whom: the direction of imports, and what a plain import must not load."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "metanas"

# What each part may import of the rest. A part is a module or a folder directly under metanas/.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "arch": set(),
    "extras": {"errors"},
    "files": {"errors"},
    "toml": {"errors"},
    "charts": {"extras", "files"},
    "published": {"errors", "files"},
    "sources": {"errors", "published", "toml"},
    "fetch": {"errors", "files", "published", "sources"},
    "spaces": {"arch", "errors"},
    "problem": {"arch", "errors", "spaces"},
    "encodings": {"arch", "errors", "spaces"},
    "predictors": {"arch", "encodings", "errors", "extras", "spaces"},
    "strategies": {"arch", "encodings", "errors", "extras", "predictors", "problem", "spaces"},
    "tasks": {"errors", "files", "published", "toml"},
    "nets": {"arch", "errors", "spaces"},
    "protocol": {"errors", "nets", "published", "toml"},
    "augmentation": {"protocol", "tasks"},
    "training": {"arch", "augmentation", "errors", "extras", "nets", "protocol", "spaces", "tasks"},
    "tables": {
        *("arch", "charts", "errors", "extras", "files", "nets", "protocol", "published", "spaces", "tasks"),
        *("toml", "training"),
    },
    "proxies": {
        *("arch", "augmentation", "errors", "extras", "files", "nets", "protocol", "published", "spaces", "tables"),
        "tasks",
    },
    "devices": {"arch", "errors", "extras", "files", "nets", "predictors", "spaces", "tables", "toml"},
    "published_predictors": {
        *("devices", "errors", "extras", "files", "predictors", "published", "spaces", "tables", "tasks"),
        "toml",
    },
    "surrogates": {
        *("errors", "extras", "files", "nets", "predictors", "protocol", "published", "published_predictors", "spaces"),
        *("tables", "tasks"),
    },
    "compat": {"errors", "spaces", "tables"},
    "oracles": {"arch", "errors", "problem", "spaces", "tables"},
    "outcomes": {"arch", "errors", "oracles", "spaces", "tables"},
    "checkpoint": {"arch", "errors", "oracles"},
    "harness": {"arch", "errors", "files", "oracles", "problem", "spaces", "strategies", "tables"},
    "leaderboard": {
        *("arch", "charts", "checkpoint", "errors", "extras", "files", "harness", "oracles", "outcomes", "problem"),
        *("predictors", "published", "spaces", "strategies", "surrogates", "tables", "tasks", "toml"),
    },
}
TOPMOST = {"checks", "cli", "__main__"}  # may import all of it


def parts() -> list[str]:
    return sorted(
        path.stem
        for path in PACKAGE.iterdir()
        if (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").is_file()
    )


def modules_of(part: str) -> list[Path]:
    path = PACKAGE / part
    return sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


def imports_of(path: Path) -> set[str]:
    """Return the full names of everything that a module imports anywhere, lazily too; not for types alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the direction; write metanas.… out"
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def parts_imported_by(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imports_of(path) if name.startswith("metanas.")} & set(parts())


@pytest.mark.parametrize("part", sorted(ALLOWED))
def test_direction(part: str) -> None:
    for path in modules_of(part):
        wrong = parts_imported_by(path) - ALLOWED[part] - {part}
        assert not wrong, f"{path.relative_to(PACKAGE.parent)} may not import {sorted(wrong)} of metanas"


def test_every_part_is_listed() -> None:
    assert set(parts()) == set(ALLOWED) | TOPMOST


@pytest.mark.parametrize("part", sorted(set(parts()) - {"cli", "__main__"}))
def test_nothing_imports_the_command_line(part: str) -> None:
    assert not any("cli" in parts_imported_by(path) for path in modules_of(part))


def test_the_listed_direction_has_no_circle() -> None:
    left = dict(ALLOWED)
    while left:
        lowest = {part for part, imported in left.items() if not imported & set(left)}
        assert lowest, f"a circle among {sorted(left)}"
        left = {part: imported for part, imported in left.items() if part not in lowest}


def test_strategies_import_nothing_but_numpy_and_the_standard_library() -> None:
    allowed = set(sys.stdlib_module_names) | {"numpy", "metanas"}
    of_a_library = {"_optuna.py": {"optuna"}}  # loaded when a strategy that needs the library is built
    for path in modules_of("strategies"):
        assert {name.split(".")[0] for name in imports_of(path)} <= allowed | of_a_library.get(path.name, set()), (
            path.name
        )
    assert "optuna" not in loaded_by("import metanas.strategies.adapters, metanas.strategies.tpe")


def loaded_by(code: str) -> set[str]:
    """Return the names of all modules that are loaded after running ``code`` in a new interpreter."""
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=PACKAGE.parent,
    )
    return set(run.stdout.splitlines()[-1].split())


def test_a_plain_import_is_light() -> None:
    heavy = {"torch", "h5py", "xgboost", "sklearn", "scipy", "pydantic", "rich", "typer", "altair", "dask", "joblib"}
    assert not loaded_by("import metanas") & heavy


def test_a_query_and_the_command_line_load_no_torch() -> None:
    heavy = {"torch", "xgboost", "sklearn", "scipy", "altair", "dask"}
    assert not loaded_by("import metanas\nmetanas.load_table, metanas.load_task, metanas.load_space") & heavy
    assert not loaded_by("from metanas.cli import make_app\nmake_app()") & (heavy | {"h5py", "pydantic"})


def test_every_lazy_name_is_there() -> None:
    import metanas

    for name in metanas.__all__:
        assert getattr(metanas, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        metanas.no_such_name  # noqa: B018


def test_no_text_file_names_a_home() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=PACKAGE.parent, capture_output=True, check=False
    ).stdout.decode()
    if not listed:
        pytest.skip("not a git checkout")
    forbidden = tuple("/".join(parts) for parts in (("", "home", ""), ("", "root", ""), ("", "Users", "")))
    for name in listed.rstrip("\0").split("\0"):
        path = PACKAGE.parent / name
        if path.suffix in {".npz", ".h5", ".png", ".svg", ".gz"} or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8")
        assert not any(home in text for home in forbidden), name
