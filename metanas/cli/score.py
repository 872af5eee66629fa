"""``metanas score``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metanas.cli._common import console, parse_numbers, print_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from metanas.protocol import Protocol
    from metanas.proxies.store import Progress
    from metanas.spaces import Space
    from metanas.tasks import Task

NEEDS_ARGUMENTS = True


def command(
    task: Annotated[str, typer.Option(help="The task, as in fashion_mnist-v1, or a card.toml of your own.")],
    archs: Annotated[
        list[str] | None, typer.Argument(help="Architectures, as strings or indices; all classes if absent.")
    ] = None,
    space: Annotated[str, typer.Option(help="The search space.")] = "nb201-conv",
    score: Annotated[list[str] | None, typer.Option(help="Only this score. Repeatable. All if absent.")] = None,
    protocol: Annotated[str, typer.Option(help="The training protocol, which fixes the networks.")] = "small-v1",
    seeds: Annotated[str, typer.Option(help="Seeds of weights and examples, as in 0,1,2 or 0-2.")] = "0",
    examples: Annotated[int, typer.Option(help="Size of the batch that scores look at.")] = 64,
    table: Annotated[
        str | None, typer.Option(help="Score the architectures of this table (a name, or an .h5 file).")
    ] = None,
    pooled: Annotated[
        int, typer.Option(help="Score all classes of nb201-conv and so many drawn ones with pooling, as tables do.")
    ] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Write a table (.h5) of the scores; goes on where it stopped.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; null = not defined.")] = False,
) -> None:
    """Score untrained architectures on a task: what they promise at (nearly) no cost.

    Networks, initial weights and resolution are those that the protocol trains; the scores look at one batch of
    training examples. Larger promises more. Some architectures:

        metanas score --task fashion_mnist 1462 1044 --score synflow --score naswot

    All functional classes of a space, or the architectures of a table, into a file; stopped at any instant, the same
    command goes on:

        metanas score --task fashion_mnist --space nb201-conv --out scores.h5

        metanas score --task fashion_mnist --pooled 600 --out scores.h5

        metanas score --task fashion_mnist --table nb201/fashion_mnist-v1 --seeds 0-2 --out scores.h5

        metanas query scores.h5 1462
    """
    from metanas.errors import InvalidValueError
    from metanas.protocol import load_protocol
    from metanas.spaces import load_space
    from metanas.tasks import load_task

    wanted = parse_numbers(seeds, "--seeds")
    found, plan = load_task(task), load_protocol(protocol)
    if archs:
        if table is not None or out is not None or pooled:
            msg = "Named architectures are scored and shown; --table, --pooled and --out go with none named."
            raise InvalidValueError(msg)
        home = load_space(space)
        indices = [int(arch) if arch.strip().isdecimal() else home.index(home.parse(arch)) for arch in archs]
        _show(home, indices, found, plan, wanted, score, examples, as_json)
        return
    if out is None:
        msg = "Name architectures to see their scores, or say with --out FILE.h5 where those of the whole space go."
        raise InvalidValueError(msg)
    if table is not None and pooled:
        msg = f"--table says what is scored, and so does --pooled {pooled}: give one of the two."
        raise InvalidValueError(msg)
    name, rows = _rows(space, table, pooled)
    _write(out, name, rows, found, plan, wanted, score, examples, as_json)


def _rows(space: str, table: str | None, pooled: int) -> tuple[str, NDArray[np.integer]]:
    import numpy as np

    from metanas.spaces import listed, load_space
    from metanas.tables.sample import PART, WHOLE, drawn_classes
    from metanas.tables.shards import representatives

    if table is not None:
        from metanas.tables import open_table

        opened = open_table(table)
        return opened.space_name, opened.archs
    if pooled:
        return WHOLE, np.sort(np.concatenate([representatives(PART), drawn_classes(pooled)]))
    home = listed(load_space(space))
    return space, np.unique(home.canonical_indices[home.indices])


def _show(
    space: Space,
    indices: list[int],
    task: Task,
    protocol: Protocol,
    seeds: tuple[int, ...],
    names: list[str] | None,
    examples: int,
    as_json: bool,
) -> None:
    from rich.table import Table as Grid

    from metanas.proxies import scores

    archs = [space.arch(index) for index in indices]
    every = [scores(archs, task, protocol, seed=seed, names=names, examples=examples) for seed in seeds]
    values = {
        name: [sum(own.values[name][i] for own in every) / len(every) for i in range(len(archs))]
        for name in every[0].values
    }
    seconds = {name: float(sum(own.seconds[name].mean() for own in every)) / len(every) for name in values}
    if as_json:
        answers = [
            {
                "index": index,
                "arch": space.format(arch),
                "scores": {name: None if math.isnan(own[i]) else float(own[i]) for name, own in values.items()},
            }
            for i, (index, arch) in enumerate(zip(indices, archs, strict=True))
        ]
        print_json(
            {
                "task": task.name,
                "protocol": protocol.name,
                "seeds": list(seeds),
                "examples": examples,
                "seconds_per_architecture": seconds,
                "answers": answers,
            }
        )
        return
    shown = console()
    shown.print(f"{task.name}, {protocol.name}, {examples} examples, mean over seeds {', '.join(map(str, seeds))}")
    for index, arch in zip(indices, archs, strict=True):
        shown.print(f"{index}: {space.format(arch)}", markup=False, soft_wrap=True)
    grid = Grid()
    grid.add_column("score", no_wrap=True)
    for index in indices:
        grid.add_column(str(index), justify="right", no_wrap=True)
    grid.add_column("ms each", justify="right")
    for name, own in values.items():
        cells = ("not defined" if math.isnan(value) else f"{value:,.6g}" for value in own)
        grid.add_row(name, *cells, f"{1e3 * seconds[name]:.1f}")
    shown.print(grid)


def _write(
    out: Path,
    space: str,
    rows: NDArray[np.integer],
    task: Task,
    protocol: Protocol,
    seeds: tuple[int, ...],
    names: list[str] | None,
    examples: int,
    as_json: bool,
) -> None:
    from metanas.proxies import score_table
    from metanas.tables import Table

    with _Bar() as bar:
        sha256 = score_table(
            out, space, rows, task, protocol, seeds=seeds, names=names, examples=examples, report=bar.report
        )
    table = Table(out)
    spent = {name: float(table.values(name).sum()) for name in table.metrics if name.endswith(".seconds")}
    if as_json:
        print_json(
            {
                "table": table.name,
                "file": str(out),
                "sha256": sha256,
                "architectures": len(table),
                "seeds": list(table.seeds),
                "core_seconds": sum(spent.values()),
            }
        )
        return
    console().print(
        f"{table.name}: {len(table):,} architectures, seeds {', '.join(map(str, table.seeds))}, "
        f"{len(spent)} scores, {sum(spent.values()):,.0f} CPU seconds\n{out}",
        markup=False,
        soft_wrap=True,
    )


class _Bar:
    """A progress bar on the terminal, nothing elsewhere."""

    def __init__(self) -> None:
        from rich import progress as rich

        shown = console(stderr=True)
        columns = (rich.TextColumn("scoring"), rich.BarColumn(), rich.MofNCompleteColumn(), rich.TimeRemainingColumn())
        self._progress = rich.Progress(*columns, console=shown, disable=not shown.is_terminal)
        self._task = self._progress.add_task("scoring", total=None)

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def report(self, progress: Progress) -> None:
        """Show how far the scoring is."""
        self._progress.update(self._task, completed=progress.done, total=progress.total)
