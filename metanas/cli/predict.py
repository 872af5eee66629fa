"""``metanas predict``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from metanas.cli._common import console, print_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from metanas.spaces import Space

NEEDS_ARGUMENTS = True


class _Answer(NamedTuple):
    space: Space
    indices: NDArray[np.int64]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    measured: NDArray[np.float64]
    what: str
    unit: str
    by: str


def command(
    archs: Annotated[list[str], typer.Argument(help="Architectures, as strings or indices.", metavar="ARCH...")],
    task: Annotated[str | None, typer.Option(help="Predict the validation accuracy on this task.")] = None,
    device: Annotated[
        Path | None,
        typer.Option(help="Predict the latency on the device of this file (metanas measure --calibrate)."),
    ] = None,
    sources: Annotated[
        list[str] | None,
        typer.Option(help="Tables of other devices (name or .h5 file); the published ones if absent. Repeatable."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; null = not measured.")] = False,
) -> None:
    """Predict the accuracy or the latency of architectures instead of training or measuring them.

    Beside each prediction, mean and standard deviation, stands what was measured, where it was. An architecture is
    given in its standard written form (in quotes) or by its index.

        metanas predict --task fashion_mnist 1462

        metanas predict --task fashion_mnist '|none~0|+|none~0|none~1|+|nor_conv_3x3~0|skip_connect~1|none~2|'

        metanas predict --device my-laptop.toml --sources latencies.h5 1462 2901
    """
    from metanas.errors import InvalidValueError

    if (task is None) == (device is None):
        msg = "Say what to predict: --task NAME (accuracy) or --device FILE.toml (latency); one of the two."
        raise InvalidValueError(msg)
    if sources and device is None:
        msg = "--sources are other devices and go with --device FILE.toml."
        raise InvalidValueError(msg)
    answer = _accuracy(task, archs) if task is not None else _latency(device or Path(), sources or [], archs)
    rows = list(zip(*(part.tolist() for part in answer[1:5]), strict=True))
    if as_json:
        print_json({"predicts": answer.what, "unit": answer.unit, "by": answer.by, "answers": _json(answer, rows)})
        return
    _show(answer, rows)


def _accuracy(task: str, archs: list[str]) -> _Answer:
    from metanas.published_predictors.accuracy import load_accuracy

    predictor = load_accuracy(task)
    config = predictor.config
    indices = _indices(predictor.space, archs)
    mean, std = predictor.predict(indices)
    assert std is not None
    data = ", ".join(config.data)
    what = f"{config.metric} on {config.task}"
    measured = predictor.measured(indices)
    by = f"{config.name}, learned from {config.examples:,} architectures of {data}"
    return _Answer(predictor.space, indices, mean, std, measured, what, config.unit, by)


def _latency(device: Path, sources: list[str], archs: list[str]) -> _Answer:
    import numpy as np

    from metanas.devices.setting import read_device
    from metanas.errors import InvalidFileError, UnknownNameError
    from metanas.published_predictors.latency import (
        PUBLISHED,
        completed,
        few_shot,
        latency_columns,
        published_columns,
    )
    from metanas.published_predictors.store import find_config
    from metanas.spaces import load_space
    from metanas.tables import open_table

    known = read_device(device)
    space = load_space(known.space)
    if sources:
        columns = latency_columns([open_table(name) for name in sources])
        where = ", ".join(sources)
    else:
        try:
            config, folder = find_config(PUBLISHED)
        except UnknownNameError as error:
            msg = (
                "Latencies of other devices are needed, and none are published here: name tables that hold "
                "latency/<device> by --sources FILE.h5 (metanas measure --conv, metanas import columns)."
            )
            raise InvalidFileError(msg) from error
        if (config.space, config.task) != (known.space, known.network):
            msg = (
                f"{config.name} is about {config.task} of {config.space}, but {device} measured {known.network} of "
                f"{known.space}. Name other tables: --sources FILE.h5."
            )
            raise InvalidFileError(msg)
        columns, where = published_columns(config, folder), config.name
    indices = _indices(space, archs)
    columns.pop(known.name, None)  # what is asked must not answer
    timed = _indices(space, [cell.arch for cell in known.cells])
    columns = completed(space, columns, np.append(indices, timed))
    predictor, measured = few_shot(known, columns)
    mean, std = predictor.predict(indices)
    assert std is not None
    by = f"transfer_gp, learned from {len(known.cells)} measurements and {len(columns)} other devices ({where})"
    return _Answer(space, indices, mean, std, measured[indices], f"latency on {known.name}", "ms", by)


def _indices(space: Space, archs: list[str]) -> NDArray[np.int64]:
    import numpy as np

    found = [space.arch(int(arch)) if arch.strip().isdecimal() else space.parse(arch) for arch in archs]
    return np.array([space.index(arch) for arch in found], dtype=np.int64)


def _json(answer: _Answer, rows: list[tuple[Any, ...]]) -> list[dict[str, object]]:
    return [
        {
            "index": index,
            "arch": answer.space.format(answer.space.arch(index)),
            "predicted": {"mean": mean, "std": std},
            "measured": None if math.isnan(measured) else measured,
        }
        for index, mean, std, measured in rows
    ]


def _show(answer: _Answer, rows: list[tuple[Any, ...]]) -> None:
    from rich.table import Table

    shown = console()
    shown.print(f"{answer.what} ({answer.unit}), predicted by {answer.by}", soft_wrap=True)
    grid = Table()
    grid.add_column("index", justify="right")
    grid.add_column("architecture", overflow="fold")
    grid.add_column("predicted", justify="right", no_wrap=True)
    grid.add_column("measured", justify="right", no_wrap=True)
    for index, mean, std, measured in rows:
        text = answer.space.format(answer.space.arch(index))
        seen = "no" if math.isnan(measured) else f"{measured:.4g}"
        grid.add_row(str(index), text, f"{mean:.4g} ± {std:.2g}", seen)
    shown.print(grid)
