"""``metanas measure``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metanas.cli._common import console, print_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from metanas.devices.networks import Family
    from metanas.devices.setting import DeviceFile, Setting
    from metanas.spaces import Space

NEEDS_ARGUMENTS = True


def command(
    archs: Annotated[list[str] | None, typer.Argument(help="Architectures, as strings or indices.")] = None,
    runtime: Annotated[
        str, typer.Option(help="What runs the networks: onnxruntime, openvino, torch_eager, torchscript.")
    ] = "torch_eager",
    threads: Annotated[int, typer.Option(help="Threads that one inference may use.")] = 1,
    batch: Annotated[int, typer.Option(help="Examples at once.")] = 1,
    precision: Annotated[str, typer.Option(help="fp32, bf16 or int8, where the runtime offers it.")] = "fp32",
    device: Annotated[str | None, typer.Option(help="Name of the device; made of the setting if absent.")] = None,
    network: Annotated[
        str, typer.Option(help="nb201-standard, cells as NAS-Bench-201 trains them on cifar10; or a task of ours.")
    ] = "nb201-standard",
    protocol: Annotated[str, typer.Option(help="The training protocol, which fixes the networks of a task.")] = (
        "small-v1"
    ),
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Measure the reference cells and write a device file (TOML).")
    ] = False,
    cells: Annotated[int, typer.Option(help="With --calibrate: how many reference cells.")] = 16,
    conv: Annotated[bool, typer.Option("--conv", help="Measure all classes of nb201-conv, and …")] = False,
    pooled: Annotated[
        int, typer.Option(help="… so many drawn classes with pooling, always the same; into a table.")
    ] = 0,
    rounds: Annotated[int, typer.Option(help="Timings of each network.")] = 15,
    work: Annotated[
        Path | None, typer.Option(help="Folder of the finished blocks; work/devices/DEVICE if absent.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write; DEVICE.toml or DEVICE.h5 if absent.")] = None,
    allow_drift: Annotated[
        bool, typer.Option("--allow-drift", help="Keep latencies of a machine whose speed changed by more than 25 %.")
    ] = False,
    register: Annotated[
        bool, typer.Option("--register", help="Publish the table of --conv and --pooled, with its card.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure latency on this machine.

    Networks are timed in rounds, in a new order each time, and the machine's changes of pace are taken out by what the
    timings before and after say; the median and the quartiles are kept. An anchor network is timed in every round; if
    it drifts by more than 25 %, nothing is written. Stop what else runs before.

    Some architectures:

        metanas measure 1462 2901 --runtime openvino --threads 2

    Your device in a minute, for the few-shot latency predictor: 16 reference cells into my-laptop.toml:

        metanas measure --calibrate --device my-laptop --runtime onnxruntime

    A table of all classes without pooling and of 1,000 with it; stopped at any instant, the same command goes on:

        metanas measure --conv --pooled 1000 --runtime onnxruntime

    Cells of the standard network are built as they are written, dead operations included, and a table of them answers
    for the measured cells alone; networks of a task are pruned, and their table answers for whole functional classes.
    """
    from metanas.devices.measure import check_drift
    from metanas.devices.reference import class_representatives, device_file, reference_cells
    from metanas.devices.runtimes import load_runtime
    from metanas.devices.setting import Setting, write_device
    from metanas.errors import InvalidValueError
    from metanas.spaces import load_space

    setting = Setting(runtime=runtime, threads=threads, batch=batch, precision=precision)
    load_runtime(runtime, precision)  # before anything is built
    whole = conv or pooled > 0
    if bool(archs) + calibrate + whole != 1:
        msg = "Say what to measure: architectures, or --calibrate, or --conv and --pooled N; one of the three."
        raise InvalidValueError(msg)
    space, family = load_space("nb201"), _family(network, protocol)
    name = device or setting.name
    folder = work or Path("work") / "devices" / name
    if whole:
        indices = class_representatives(conv=conv, pooled=pooled)
        _table(space, indices, family, setting, name, folder, rounds, out, allow_drift, register, as_json)
        return
    import tempfile

    with tempfile.TemporaryDirectory() as short:
        indices = reference_cells(space, cells) if calibrate else _indices(space, archs or [])
        found = _with_bar(
            len(indices),
            lambda report: device_file(
                name, space, indices, family, setting, Path(short), rounds=rounds, report=report
            ),
        )
    if calibrate:
        if not allow_drift:
            check_drift(found.drift)
        path = out or Path(f"{name}.toml")
        write_device(path, found)
        _say(found, path, as_json)
    else:
        _say(found, None, as_json)


def _family(network: str, protocol: str) -> Family:
    from metanas.devices.networks import STANDARD, small_family, standard_family

    if network == STANDARD:
        return standard_family()
    from metanas.protocol import load_protocol
    from metanas.tasks import load_task

    task = load_task(network)
    return small_family(task.name, load_protocol(protocol).skeleton(task.shape, task.n_classes))


def _indices(space: Space, archs: list[str]) -> NDArray[np.int64]:
    import numpy as np

    found = [int(arch) if arch.strip().isdecimal() else space.index(space.parse(arch)) for arch in archs]
    return np.array([space.index(space.arch(index)) for index in dict.fromkeys(found)], dtype=np.int64)


def _table(
    space: Space,
    indices: NDArray[np.int64],
    family: Family,
    setting: Setting,
    name: str,
    folder: Path,
    rounds: int,
    out: Path | None,
    allow_drift: bool,
    register: bool,
    as_json: bool,
) -> None:
    from metanas.devices.card import card
    from metanas.devices.measure import check_drift, drift_of, measure
    from metanas.devices.reference import reference_cells
    from metanas.devices.table import write_latencies

    anchor = int(reference_cells(space, 1)[0])
    found = _with_bar(
        len(indices),
        lambda report: measure(space, indices, family, setting, folder, anchor=anchor, rounds=rounds, report=report),
    )
    drift = drift_of(space.format(space.arch(anchor)), found["anchor"])
    if not allow_drift:
        check_drift(drift)
    path = out or folder / f"{name}.h5"
    sha256 = write_latencies(path, name, space, family, setting, found, drift, rounds)
    if register:
        from metanas.tables import Table
        from metanas.tables import register as publish

        publish(path, card(Table.open(path)))
    if as_json:
        print_json({"path": str(path), "sha256": sha256, "drift": drift.model_dump()})
        return
    shown = console()
    shown.print(f"{path}: {len(indices):,} architectures, latency/{name}, drift of the anchor {drift.relative:.1%}")


def _with_bar(total: int, work: Callable[[Callable[[int], None]], Any]) -> Any:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("measuring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as bar:
        line = bar.add_task("measuring", total=total)
        return work(lambda done: bar.update(line, completed=done))


def _say(found: DeviceFile, path: Path | None, as_json: bool) -> None:
    if as_json:
        print_json(found.model_dump() | {"path": str(path) if path else None})
        return
    from rich.table import Table

    shown = console()
    table = Table(title=f"{found.name}: {found.network}, {found.host.versions}, {found.host.cpu}")
    table.add_column("architecture")
    for heading in ("median (ms)", "25 %", "75 %"):
        table.add_column(heading, justify="right")
    for cell in found.cells:
        table.add_row(cell.arch, f"{cell.median:.3f}", f"{cell.low:.3f}", f"{cell.high:.3f}")
    shown.print(table)
    shown.print(f"Drift of the anchor: {found.drift.relative:.1%}.")
    if path:
        shown.print(f"Written: {path}")
