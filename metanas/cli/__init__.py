"""The command ``metanas``: one file a command in this folder, found by its name.

Each file has a function ``command``, a Typer command function; its name is the file's, its help the docstring.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable
from typing import Annotated, Any

import typer

from metanas.errors import MetanasError

HELP = "Tables of really trained architectures, and what searches them. Start with: metanas tables"


def command_names() -> list[str]:
    """Return the names of all commands, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


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
    for name in command_names():
        module = importlib.import_module(f"{__name__}.{name}")
        needs_arguments = getattr(module, "NEEDS_ARGUMENTS", False)
        app.command(name=name.replace("_", "-"), no_args_is_help=needs_arguments)(_exiting(module.command))
    return app


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
