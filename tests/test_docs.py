"""README.md and docs/ are run.

Of each page, in order and in one new folder: ```` ```python ```` blocks that begin with ``# name.py`` are written to
that file; the others are run, all in one process; the lines ``$ command`` of ```` ```console ```` blocks are run by
the shell, must succeed, and what is printed must be what the page shows (``...`` stands for anything). Links and images
must lead somewhere. The user's cache is empty at first, and a page's own. A page that names METANAS_PUBLISHED is run
where the published tables are, which that variable then names.
"""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
PAGES = sorted([CHECKOUT / "README.md", CHECKOUT / "tasks" / "README.md", *(CHECKOUT / "docs").glob("*.md")])
NAMES = [page.relative_to(CHECKOUT).as_posix() for page in PAGES]
RUN = [page for page in PAGES if page.parent != CHECKOUT / "tasks"]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"# ([\w/]+\.(?:py|toml))\n")


def run(command: str | list[str], folder: Path) -> str:
    environment = os.environ | {
        "PATH": os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]),
        "PYTHONWARNINGS": "error",
        "COLUMNS": "110",
        "XDG_CACHE_HOME": str(folder / "cache"),
        "NO_COLOR": "1",
    }
    result = subprocess.run(
        command,
        shell=isinstance(command, str),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout


def check_console(block: str, folder: Path) -> None:
    """Run the commands of a block and compare what they print with what the block shows, where it shows anything."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        printed = run(command, folder)
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        if shown.strip():
            assert doctest.OutputChecker().check_output(shown, printed, flags), f"{command} printed\n{printed}"


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_the_page_runs(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    program: list[str] = []
    text = page.read_text(encoding="utf-8")
    if "METANAS_PUBLISHED" in text:
        monkeypatch = request.getfixturevalue("monkeypatch")
        monkeypatch.setenv("METANAS_PUBLISHED", str(request.getfixturevalue("published_tables").resolve()))
    for kind, block in BLOCK.findall(text):
        named = FILE.match(block)
        if kind in {"python", "toml"} and named:
            path = tmp_path / named[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block, encoding="utf-8")
        elif kind == "python":
            program.append(block)
        elif kind == "console":
            assert shutil.which("metanas", path=sysconfig.get_path("scripts")), "metanas is not installed"
            run_program(program, tmp_path)
            program.clear()
            check_console(block, tmp_path)
    run_program(program, tmp_path)


def run_program(blocks: list[str], folder: Path) -> None:
    if blocks:
        (folder / "page.py").write_text("\n".join(blocks), encoding="utf-8")
        run([sys.executable, "page.py"], folder)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} points to {target}"


def test_every_page_is_reached_from_the_index() -> None:
    index = (CHECKOUT / "docs" / "index.md").read_text(encoding="utf-8")
    for page in (CHECKOUT / "docs").glob("*.md"):
        assert page.name == "index.md" or f"]({page.name})" in index, f"docs/index.md does not name {page.name}"
