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
    archs: Annotated[
        list[str] | None, typer.Argument(help="Architectures, as strings or indices.", metavar="[ARCH...]")
    ] = None,
    best: Annotated[
        int | None,
        typer.Option(min=1, help="The so many architectures of different functions that are predicted to be the best."),
    ] = None,
    task: Annotated[str | None, typer.Option(help="Predict the validation accuracy on this task.")] = None,
    examples: Annotated[
        list[str] | None,
        typer.Option(
            help="Predict the validation accuracy on the task of this table (name or .h5 file), of which a few "
            "architectures were trained (metanas build --few-shot). Repeatable."
        ),
    ] = None,
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

    A task of your own, from ten trainings of it and the tables of others:

        metanas build --task my_task-v1.toml --few-shot 10 --seeds 0

        metanas predict --examples work/nb201-few10/my_task-v1/my_task-v1.h5 --best 5
    """
    from metanas.errors import InvalidValueError

    if [task is None, not examples, device is None].count(False) != 1:
        msg = (
            "Say what to predict: --task NAME (accuracy), --examples TABLE (accuracy on a task of which a few "
            "architectures were trained) or --device FILE.toml (latency); one of the three."
        )
        raise InvalidValueError(msg)
    if (best is None) == (not archs):
        msg = "Name architectures, or say how many to find: --best 10; one of the two."
        raise InvalidValueError(msg)
    if sources and device is None:
        msg = "--sources are other devices and go with --device FILE.toml."
        raise InvalidValueError(msg)
    if task is not None:
        answer = _accuracy(task, archs)
    elif examples:
        answer = _few_shot(examples, archs)
    else:
        answer = _latency(device or Path(), sources or [], archs)
    if best is not None:
        answer = _best(answer, best)
    rows = list(zip(*(part.tolist() for part in answer[1:5]), strict=True))
    if as_json:
        print_json({"predicts": answer.what, "unit": answer.unit, "by": answer.by, "answers": _json(answer, rows)})
        return
    _show(answer, rows)


def _accuracy(task: str, archs: list[str] | None) -> _Answer:
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


def _few_shot(tables: list[str], archs: list[str] | None) -> _Answer:
    import numpy as np

    from metanas.published_predictors.fewshot import examples, load_few_shot
    from metanas.tables import open_table

    predictor = load_few_shot()
    opened = [open_table(name) for name in tables]
    task, trained, values = examples(opened, predictor.space)
    indices = _indices(predictor.space, archs)
    mean, std = predictor.fit(task, trained, values).predict(indices)
    assert std is not None
    measured = np.full(len(predictor.space.canonical_indices), np.nan)
    measured[trained] = values
    seen = measured[predictor.space.canonical_indices[indices]]
    config, others = predictor.config, len(predictor.others(task))
    by = f"{config.name}, from {len(trained)} trained architectures and {others} other tasks"
    return _Answer(predictor.space, indices, mean, std, seen, f"{config.metric} on {task}", config.unit, by)


def _latency(device: Path, sources: list[str], archs: list[str] | None) -> _Answer:
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


def _best(answer: _Answer, count: int) -> _Answer:
    """Keep the so many that are predicted to be the best: the fastest, or the most accurate."""
    import numpy as np

    order = np.argsort(answer.mean if answer.unit == "ms" else -answer.mean, kind="stable")[:count]
    parts = {key: getattr(answer, key)[order] for key in ("indices", "mean", "std", "measured")}
    return answer._replace(**parts)


def _indices(space: Space, archs: list[str] | None) -> NDArray[np.int64]:
    """Return the indices of the architectures that were named; of one of every function if none was."""
    import numpy as np

    if not archs:
        from metanas.spaces import listed

        classes: NDArray[np.int64] = np.unique(listed(space).canonical_indices[listed(space).indices])
        return classes
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
