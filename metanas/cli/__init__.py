"""The command ``metanas``: one file a command in this folder, found by its name.

Each file has a function ``command``, a Typer command function; its name is the file's, its help the docstring.
"""

from __future__ import annotations

import importlib
import pkgutil

import typer

from metanas.errors import MetanasError

HELP = "Tables of really trained architectures, and what searches them. Start with: metanas tables"


def command_names() -> list[str]:
    """Return the names of all commands, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def make_app() -> typer.Typer:
    """Return the application with every command."""
    app = typer.Typer(name="metanas", help=HELP, no_args_is_help=True, pretty_exceptions_enable=False)
    app.callback()(_root)
    for name in command_names():
        module = importlib.import_module(f"{__name__}.{name}")
        app.command(name=name.replace("_", "-"))(module.command)
    return app


def _root(version: bool = typer.Option(False, "--version", help="Show the version and exit.")) -> None:  # noqa: FBT001, FBT003, RUF100
    if version:
        import metanas

        typer.echo(metanas.__version__)
        raise typer.Exit


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code.

    Args:
        arguments: what follows ``metanas``; those of the process if None.
    """
    try:
        result = make_app()(args=arguments, prog_name="metanas", standalone_mode=False)
    except MetanasError as error:
        _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _complain("Interrupted.")
        return 130
    return result if isinstance(result, int) else 0


def _complain(message: str) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, soft_wrap=True)
    console.print(Text("Error: ", style="bold red") + Text(message))
