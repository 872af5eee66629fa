"""What a built wheel holds, and that it works outside the checkout."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
CONTENT = ("benchmark_data", "leaderboards", "predictors", "tasks")
BUILD = "import sys, hatchling.build as build; getattr(build, sys.argv[1])(sys.argv[2])"


def build(hook: str, folder: Path) -> Path:
    """Call a hook of the build backend in the checkout; return the wheel."""
    subprocess.run([sys.executable, "-c", BUILD, hook, str(folder)], cwd=CHECKOUT, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    return wheel


def content_of_checkout() -> set[str]:
    files = (path for name in CONTENT for path in (CHECKOUT / name).rglob("*") if path.is_file())
    return {path.relative_to(CHECKOUT).as_posix() for path in files if not path.name.endswith(".tmp")}


@pytest.fixture(autouse=True)
def _only_what_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("METANAS_DATA", raising=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("build_wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run(unpacked: Path, code: str) -> object:
    """Run ``code``, which prints JSON, with the unpacked wheel as the only metanas, away from the checkout."""
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import json, metanas\n{code}"],
        cwd=unpacked.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_a_wheel_holds_the_code_and_everything_published(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    prefix = "metanas/_published/"
    assert {name.removeprefix(prefix) for name in names if name.startswith(prefix)} == content_of_checkout()
    code = {path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "metanas").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == code
    assert "metanas/spaces/nb201.npz" in names
    assert "metanas/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not {name.split("/")[0] for name in names} - {"metanas", f"metanas-{version()}.dist-info"}


def version() -> str:
    stated: str = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    return stated


def test_published_folders_hold_no_code() -> None:
    assert not [name for name in content_of_checkout() if name.endswith((".py", ".pkl", ".pt", ".pickle"))]


def test_an_editable_wheel_holds_no_content(tmp_path: Path) -> None:
    with zipfile.ZipFile(build("build_editable", tmp_path)) as archive:
        assert not [name for name in archive.namelist() if "_published" in name or name.endswith(".npz")]


def test_the_checkout_finds_its_own_content() -> None:
    from metanas import published

    assert published.folder("tasks") == CHECKOUT / "tasks"


def test_the_wheel_finds_its_content_outside_the_checkout(unpacked: Path) -> None:
    roots = run(unpacked, "from metanas.published import roots\nprint(json.dumps([str(p) for p in roots()]))")
    assert isinstance(roots, list)
    assert roots[0] == str(unpacked / "metanas" / "_published")
    assert str(CHECKOUT) not in roots


def test_the_wheel_has_the_tables_and_tasks_of_the_checkout(unpacked: Path) -> None:
    import metanas

    found = run(unpacked, "print(json.dumps([metanas.table_names(), metanas.task_names()]))")
    assert found == [list(metanas.table_names()), list(metanas.task_names())]


def test_the_wheel_answers_like_the_checkout(unpacked: Path) -> None:
    import metanas

    identity = run(unpacked, "print(json.dumps(metanas.load_task('noto_scripts').sha256))")
    assert identity == metanas.load_task("noto_scripts").sha256
    names = metanas.table_names()
    assert names, "no table is published"
    for name in names:
        table = metanas.load_table(name)
        metric = next(iter(table.metrics))
        code = f"t = metanas.load_table({name!r})\nprint(json.dumps(t.query(int(t.archs[0]), {metric!r})))"
        assert run(unpacked, code) == table.query(int(table.archs[0]), metric)


def test_the_version_is_stated_once() -> None:
    assert importlib.metadata.version("metanas") == version()
