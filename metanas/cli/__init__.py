"""The command ``metanas``: one file a command in this folder, found by its name.

Each file has a function ``command``, a Typer command function; its name is the file's, its help the docstring. A folder
is a group of commands, one file each in the same way; its ``__init__`` has ``NAME`` (``import`` is no name for a Python
package) and ``HELP``.
"""

from __future__ import annotations

import functools
import importlib
import os
import pkgutil
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Annotated, Any

import typer

from metanas.errors import MetanasError

HELP = "Tables of really trained architectures, and what searches them. Start with: metanas tables"


def command_names() -> list[str]:
    """Return the names of all commands and groups, sorted."""
    return sorted(_name_of(module) for module in _modules(__path__, __name__))


def make_app() -> typer.Typer:
    """Return the application with every command."""
    app = typer.Typer(
        name="metanas",
        help=HELP,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",  # docstrings are Markdown: paragraphs reflow, indented examples do not
        add_completion=False,
    )
    app.callback()(_root)
    _add_commands(app, _modules(__path__, __name__))
    return app


def _modules(path: Iterable[str], package: str) -> list[ModuleType]:
    """Import and return the modules of a folder that hold a command or a group, by their name."""
    names = sorted(module.name for module in pkgutil.iter_modules(path) if not module.name.startswith("_"))
    return sorted((importlib.import_module(f"{package}.{name}") for name in names), key=_name_of)


def _name_of(module: ModuleType) -> str:
    """Return the name of a command or group on the command line."""
    return str(getattr(module, "NAME", module.__name__.rpartition(".")[2].replace("_", "-")))


def _add_commands(app: typer.Typer, modules: Iterable[ModuleType]) -> None:
    for module in modules:
        if hasattr(module, "__path__"):
            group = typer.Typer(help=module.HELP, no_args_is_help=True, rich_markup_mode="markdown")
            group.callback()(_group)  # keeps it a group while it has one command only
            _add_commands(group, _modules(module.__path__, module.__name__))
            app.add_typer(group, name=_name_of(module))
            continue
        needs_arguments = getattr(module, "NEEDS_ARGUMENTS", False)
        app.command(name=_name_of(module), no_args_is_help=needs_arguments)(_exiting(module.command))


def _group() -> None:
    """Take no options: a group only holds commands."""


def _exiting(command: Callable[..., int | None]) -> Callable[..., None]:
    """Make the number that a command returns the exit code."""

    @functools.wraps(command)
    def exiting(*args: Any, **options: Any) -> None:
        code = command(*args, **options)
        if code:
            raise typer.Exit(code)

    return exiting


def _show_version(wanted: bool) -> None:
    if wanted:
        import metanas

        typer.echo(metanas.__version__)
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Take the options of ``metanas`` itself."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code.

    Args:
        arguments: what follows ``metanas``; those of the process if None.
    """
    for library in ("OMP", "OPENBLAS", "MKL"):
        # Parallel are the processes. Threads inside linear algebra make the small matrices of a search slower, and its
        # results depend on their number. Read when NumPy is first imported, which no command does before this.
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    try:
        make_app()(args=arguments, prog_name="metanas")
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except MetanasError as error:
        _complain(str(error))
        return error.exit_code
    except OSError as error:  # a full disk, a folder that may not be written to …
        _complain(str(error))
        return 1
    except KeyboardInterrupt:
        _complain("Interrupted.")
        return 130
    return 0


def _complain(message: str) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, soft_wrap=True)
    console.print(Text("Error: ", style="bold red") + Text(message))
