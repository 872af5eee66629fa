from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

import metanas
from metanas import cli
from metanas.cli._common import parse_numbers
from metanas.errors import InvalidValueError, VerificationError

Run = Callable[..., tuple[int, str, str]]


def test_the_commands_are_the_files(run: Run) -> None:
    assert {"build", "query", "run", "tables", "verify"} <= set(cli.command_names())
    code, out, _ = run("--help")
    assert code == 0
    assert all(name in out for name in cli.command_names())


@pytest.mark.parametrize("name", cli.command_names())
def test_every_help_teaches_by_an_example(run: Run, name: str) -> None:
    code, out, _ = run(name, "--help")
    assert code == 0
    assert any(line.strip().startswith(f"metanas {name}") for line in out.splitlines())


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"{metanas.__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [(["tabels"], "Did you mean 'tables'"), (["tables", "--vrify"], "--verify"), ([], "Usage: metanas")],
)
def test_wrong_usage(run: Run, arguments: list[str], match: str) -> None:
    code, out, error = run(*arguments)
    assert code == 2
    assert match in out + error


def test_errors_are_messages_with_an_exit_code(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        msg = "Rule [a-z] must hold, but got [red]."
        raise VerificationError(msg)

    monkeypatch.setattr("metanas.cli.tables.command", fail)
    assert run("tables") == (VerificationError.exit_code, "", "Error: Rule [a-z] must hold, but got [red].\n")


def test_a_full_disk_is_a_message_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "work/table.h5")

    monkeypatch.setattr("metanas.cli.tables.command", fail)
    assert run("tables") == (1, "", "Error: [Errno 28] No space left on device: 'work/table.h5'\n")


def test_interrupted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("metanas.cli.tables.command", interrupted)
    code, _, error = run("tables")
    assert code == 130
    assert "Traceback" not in error


def test_what_a_command_returns_is_the_exit_code(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metanas.cli.tables.command", lambda: 7)
    assert run("tables")[0] == 7


def test_making_the_application_loads_nothing_heavy() -> None:
    code = "import json, sys; from metanas.cli import make_app; make_app(); print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy = {"torch", "numpy", "h5py", "pydantic", "joblib", "scipy", "altair"}
    assert heavy & set(json.loads(out)) == set()


def test_numbers() -> None:
    assert parse_numbers("0,1,2", "--seeds") == (0, 1, 2)
    assert parse_numbers("0-2, 7", "--seeds") == (0, 1, 2, 7)
    for text in ("", "1,1", "2-1", "0-2,1", "a", "1,,2", "-1", "1.5"):
        with pytest.raises(InvalidValueError, match="--seeds takes distinct numbers"):
            parse_numbers(text, "--seeds")


def test_a_folder_is_a_group_of_commands(run: Run) -> None:
    assert "import" in cli.command_names()
    assert "importing" not in cli.command_names()
    code, out, error = run("import", "frobnicate")
    assert code == 2
    assert "No such command 'frobnicate'" in out + error


@pytest.mark.parametrize(("given", "used"), [({}, "1"), ({"OMP_NUM_THREADS": "3"}, "3")])
def test_linear_algebra_has_one_thread_unless_told(given: dict[str, str], used: str) -> None:
    bare = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    code = "import os; from metanas.cli import main; main(['tables', '--help']); print(os.environ['OMP_NUM_THREADS'])"
    command = [sys.executable, "-c", code]
    out = subprocess.run(command, env={**bare, **given}, capture_output=True, text=True, check=True).stdout
    assert out.split()[-1] == used
