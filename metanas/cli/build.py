"""``metanas build``."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metanas.cli._common import console, parse_numbers, print_json

if TYPE_CHECKING:
    from metanas.protocol import Protocol
    from metanas.tables import Table
    from metanas.tables.build import Progress
    from metanas.tables.shards import Plan

NEEDS_ARGUMENTS = True


def command(
    task: Annotated[str, typer.Option(help="The task, as in fashion_mnist-v1, or a card.toml of your own.")],
    space: Annotated[
        str | None, typer.Option(help="The search space: nb201-conv if absent, nb201 with --arch.")
    ] = None,
    pooled: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="The classes of nb201 without pooling and so many with pooling (of 4,033), drawn once and for all: "
            "fewer are a part of more. Goes on in the work folder of a table of nb201-conv.",
        ),
    ] = None,
    few_shot: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Only so many architectures: those from which the published few-shot predictor learns the most about "
            "the task (metanas predict --examples TABLE).",
        ),
    ] = None,
    arch: Annotated[
        list[str] | None, typer.Option(help="Only this architecture, as a string or an index. Repeatable.")
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="Training seeds, as in 0,1,2 or 0-2.")] = None,
    protocol: Annotated[
        str, typer.Option(help="The training protocol: a published one, or a .toml file.")
    ] = "small-v1",
    jobs: Annotated[
        int | None, typer.Option(help="Blocks trained at once: 1 if absent; on a cluster, as many as it takes.")
    ] = None,
    blocks: Annotated[
        int | None, typer.Option(help="Only the first so many blocks of each seed (the rest can follow).")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the table; FAMILY/TASK if absent.")] = None,
    work: Annotated[Path | None, typer.Option(help="Folder of the finished blocks; work/TABLE if absent.")] = None,
    extend: Annotated[
        str | None,
        typer.Option(
            help="A complete table of the same architectures, task and protocol (a name, or a .h5 file): its seeds are "
            "taken over, and only the others of --seeds are trained."
        ),
    ] = None,
    assemble: Annotated[
        bool, typer.Option("--assemble", help="Train nothing; assemble the table from the blocks that are finished.")
    ] = False,
    register: Annotated[
        bool, typer.Option("--register", help="Publish the table: file, card, registry entry. It must be complete.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="With --register: replace a published table of the same name.")
    ] = False,
    backend: Annotated[
        str, typer.Option(help="Where blocks are trained: local (processes) or dask (a cluster).")
    ] = "local",
    address: Annotated[
        str | None, typer.Option(help="With --backend dask: the scheduler, as in tcp://host:8786.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Train the architectures of a space on a task and make a table of what was measured.

    One representative of each functional class is trained, a block of them at once, with each seed. A finished block
    is a file and is never trained again: stop with Ctrl-C or kill at any instant, and the same command goes on with
    what is missing. More seeds can be added later. The values do not depend on --jobs.

    The first block of one seed, to see how long it takes:

        metanas build --task fashion_mnist-v1 --seeds 0 --blocks 1

    The whole table, two blocks at a time, and a look at it:

        metanas build --task fashion_mnist-v1 --seeds 0,1,2 --jobs 2

        metanas tables work/nb201/fashion_mnist-v1/fashion_mnist-v1.h5

    Sequences learn at a greater rate (docs/pilot.md):

        metanas build --task udhr_langid-v1 --seeds 0,1,2 --protocol small-fast-v1

    Ten architectures of a task of your own, from which the others are predicted, and those predicted to be the best:

        metanas build --task my_task-v1.toml --few-shot 10 --seeds 0

        metanas predict --examples work/nb201-few10/my_task-v1/my_task-v1.h5 --best 5

        metanas build --task my_task-v1.toml --arch 82 --arch 2743 --seeds 0-2

    Three more seeds of a published table, whose finished blocks lie on another machine:

        metanas build --task fashion_mnist-v1 --extend nb201/fashion_mnist-v1 --seeds 3-5

    On a cluster (extra [distributed]):

        metanas build --task fashion_mnist-v1 --seeds 0-2 --backend dask --address tcp://host:8786
    """
    from metanas.errors import InvalidValueError
    from metanas.files import exclusive_lock
    from metanas.protocol import load_protocol
    from metanas.tables.assemble import assemble as assemble_table
    from metanas.tables.assemble import default_path
    from metanas.tables.build import build, default_work, make_plan

    if seeds is None and not assemble:
        msg = "--seeds must say which trainings to run, as in --seeds 0,1,2 (or --assemble what is finished)."
        raise InvalidValueError(msg)
    if replace and not register:
        msg = "--replace belongs to --register."
        raise InvalidValueError(msg)
    if [bool(pooled), bool(few_shot), bool(arch)].count(True) > 1:
        msg = "--pooled, --few-shot and --arch each say which architectures to train: give one of them."
        raise InvalidValueError(msg)
    if space is not None and (pooled or few_shot):
        msg = f"--pooled and --few-shot choose architectures of nb201; leave out --space {space}."
        raise InvalidValueError(msg)
    if pooled:
        from metanas.tables.sample import sampled_plan

        plan = sampled_plan(task, load_protocol(protocol), pooled, name=name)
    elif few_shot:
        plan = _few_shot_plan(task, load_protocol(protocol), few_shot, name)
    elif arch:
        plan = _chosen_plan(space or "nb201", task, load_protocol(protocol), arch, name)
    else:
        plan = make_plan(space or "nb201-conv", task, load_protocol(protocol), name=name)
    folder = work or default_work(plan)
    chosen = parse_numbers(seeds, "--seeds") if seeds is not None else None
    earlier = _earlier(plan, extend, chosen) if extend is not None else None
    if chosen is not None and earlier is not None:
        chosen = tuple(seed for seed in chosen if seed not in earlier.seeds)
    if chosen is not None and not assemble:
        n_jobs = jobs if jobs is not None else 1 if backend == "local" else 0
        with _Bar(plan) as bar:
            build(plan, folder, chosen, blocks=blocks, jobs=n_jobs, backend=backend, address=address, report=bar.report)
    path = default_path(plan, folder)
    with exclusive_lock(folder / ".lock"):  # a builder that begins now would clear away the file being written
        sha256 = assemble_table(plan, folder, path, seeds=chosen if assemble else None, earlier=earlier)
    if register:
        path = _register(path, replace)
    _say(path, sha256, as_json)


def _earlier(plan: Plan, name: str, seeds: tuple[int, ...] | None) -> Table:
    """Open the table whose seeds are taken over, before anything is trained in vain."""
    from metanas.errors import InvalidValueError
    from metanas.tables.assemble import check_extends
    from metanas.tables.registry import open_table

    table = open_table(name, verify=True)
    check_extends(plan, table)
    if seeds is not None and set(seeds) <= set(table.seeds):
        known = ", ".join(map(str, table.seeds))
        msg = f"{table.name} has all of these seeds already ({known}). Name others in --seeds."
        raise InvalidValueError(msg)
    return table


def _few_shot_plan(task: str, protocol: Protocol, count: int, name: str | None) -> Plan:
    from metanas.published_predictors.fewshot import load_few_shot
    from metanas.tables.build import make_plan
    from metanas.tables.worker import task_of

    predictor, own = load_few_shot(), task_of(task).name
    chosen = predictor.propose(own, count).tolist()
    return make_plan(predictor.space.name, task, protocol, name=name or f"nb201-few{count}/{own}", indices=chosen)


def _chosen_plan(space: str, task: str, protocol: Protocol, archs: list[str], name: str | None) -> Plan:
    """Plan a table of the named architectures, or rather of the representatives of their functions."""
    import hashlib

    from metanas.spaces import listed, load_space
    from metanas.tables.build import make_plan
    from metanas.tables.worker import task_of

    home = listed(load_space(space))
    found = [home.arch(int(text)) if text.strip().isdecimal() else home.parse(text) for text in archs]
    chosen = sorted({int(home.canonical_indices[home.index(each)]) for each in found})
    digest = hashlib.sha256(repr(chosen).encode()).hexdigest()[:8]  # other architectures, another work folder
    own = name or f"{space}-{digest}/{task_of(task).name}"
    return make_plan(space, task, protocol, name=own, indices=chosen)


def _register(path: Path, replace: bool) -> Path:
    from metanas.errors import InvalidValueError
    from metanas.tables import Table
    from metanas.tables import register as register_table
    from metanas.tables.card import card

    table = Table(path)
    missing = table.provenance["trainings_missing"]
    if missing:
        msg = (
            f"A published table must be complete, but {missing:,} trainings are missing. Build them, "
            f"or assemble the complete seeds alone (--assemble --seeds …)."
        )
        raise InvalidValueError(msg)
    return register_table(path, card(table), replace=replace).path


def _say(path: Path, sha256: str, as_json: bool) -> None:
    from metanas.tables import Table

    table = Table(path)
    done, missing = table.provenance["trainings"], table.provenance["trainings_missing"]
    if as_json:
        print_json(
            {
                "table": table.name,
                "file": str(path),
                "sha256": sha256,
                "seeds": list(table.seeds),
                "trainings": done,
                "trainings_missing": missing,
            }
        )
        return
    still = f"; {missing:,} are missing, the same command goes on with them" if missing else ""
    console().print(f"{table.name}: {done:,} trainings{still}\n{path}", markup=False, soft_wrap=True)


class _Bar:
    """A progress bar on the terminal; a line for each block elsewhere."""

    def __init__(self, plan: Plan) -> None:
        from rich import progress as rich

        self._console = console(stderr=True)
        left = rich.TextColumn("{task.fields[left]}")
        done = (rich.TextColumn("training"), rich.BarColumn(), rich.MofNCompleteColumn(), rich.TimeElapsedColumn())
        self._progress = rich.Progress(*done, left, console=self._console, disable=not self._console.is_terminal)
        self._task = self._progress.add_task(plan.name, left="", total=None)

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def report(self, progress: Progress) -> None:
        """Show how far the build is."""
        seconds = progress.seconds_left
        left = "" if seconds is None else f"{datetime.timedelta(seconds=round(seconds))} left"
        self._progress.update(self._task, completed=progress.done, total=progress.total, left=left)
        if not self._console.is_terminal:
            self._console.print(f"{progress.done:,} of {progress.total:,} trainings {left}".rstrip(), soft_wrap=True)
