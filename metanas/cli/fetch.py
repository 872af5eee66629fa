"""``metanas fetch``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metanas.cli._common import console, print_json

if TYPE_CHECKING:
    from metanas.sources import Source


def command(
    name: Annotated[str | None, typer.Argument(help="A source; lists the sources if absent.", metavar="SOURCE")] = None,
    to: Annotated[Path | None, typer.Option(help="The folder to put it in, instead of the user's cache.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Download a published benchmark and verify its bytes, or list the benchmarks that are known.

    Nothing is downloaded unless it is named here. What was interrupted goes on where it stopped.

        metanas fetch

        metanas fetch nats-bench-topology-sample
    """
    from metanas import fetch
    from metanas.errors import InvalidValueError
    from metanas.sources import find_source, sources

    if name is None:
        if to is not None:
            msg = "--to is for one source: metanas fetch SOURCE --to FOLDER"
            raise InvalidValueError(msg)
        _list(list(sources().values()), as_json)
        return 0
    source = find_source(name)
    if not source.files:
        if as_json:
            print_json({**_facts(source), "folder": None})
        else:
            shown = console()
            shown.print(f"{source.title} ({source.licence}; {source.page})", markup=False, soft_wrap=True)
            shown.print(f"There is no stable address to download it from. {source.how.strip()}", markup=False)
        return 1
    folder = _fetch(source, to or fetch.home(source))
    if as_json:
        print_json({**_facts(source), "folder": str(folder)})
        return 0
    shown = console()
    shown.print(f"{source.title}: verified, in {folder}", markup=False, soft_wrap=True)
    shown.print(f"licence {source.licence}; {source.page}", markup=False, soft_wrap=True)
    if source.then:
        shown.print(f"Go on with: {source.then.format(folder=folder)}", markup=False, soft_wrap=True)
    return 0


def _fetch(source: Source, folder: Path) -> Path:
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from metanas.fetch import fetch
    from metanas.sources import RemoteFile

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    shown = console(stderr=True)
    with Progress(*columns, console=shown, transient=True, disable=not shown.is_terminal) as bar:
        tasks = {file.path: bar.add_task(file.path, total=file.bytes) for file in source.files}

        def report(file: RemoteFile, size: int) -> None:
            bar.update(tasks[file.path], completed=size)

        return fetch(source, folder, report=report)


def _facts(source: Source) -> dict[str, object]:
    from metanas.fetch import is_here

    return {
        "name": source.name,
        "title": source.title,
        "licence": source.licence,
        "page": source.page,
        "how": source.how.strip(),
        "then": source.then,
        "bytes": source.bytes if source.files else None,
        "fetched": is_here(source),
    }


def _list(known: list[Source], as_json: bool) -> None:
    facts = [_facts(source) for source in known]
    if as_json:
        print_json(facts)
        return
    from rich.markup import escape
    from rich.table import Table as Grid

    grid = Grid()
    for head in ("source", "what"):
        grid.add_column(head, no_wrap=head == "source")
    for head in ("licence", "size", "is had by"):
        grid.add_column(head, no_wrap=True)
    for row in facts:
        size = f"{row['bytes'] / 1e6:.1f} MB" if isinstance(row["bytes"], int) else ""
        way = "here" if row["fetched"] else "metanas fetch" if row["bytes"] else "hand: see metanas fetch NAME"
        grid.add_row(str(row["name"]), escape(str(row["title"])), escape(str(row["licence"])), size, way)
    console().print(grid)
