"""``metanas publish``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from metanas.cli._common import console, print_json

NEEDS_ARGUMENTS = True


def command(
    table: Annotated[list[str], typer.Argument(help="Tables, by name or .h5 file.", metavar="TABLE...")],
    name: Annotated[
        str | None,
        typer.Option(help="Name of the latency or few-shot predictor, with version; latency-v1, fewshot-v1 if absent."),
    ] = None,
    few_shot: Annotated[
        bool,
        typer.Option("--few-shot", help="Of these tables together the few-shot predictor of accuracy on other tasks."),
    ] = False,
    place: Annotated[Path | None, typer.Option(help="Where content lies; the checkout if absent.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace one that has the same name.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make the predictors that metanas predict asks, from tables.

    A table with validation accuracies gives the accuracy predictor of its task, fitted on all of it; tables with
    latencies together give one latency predictor; tables of several tasks, with --few-shot, the predictor for tasks
    that have no table. Each is a folder predictors/NAME/ with weights (no pickles), a config with the hashes of weights
    and data, and a card with figures and limits.

        metanas publish nb201/fashion_mnist-v1 --replace

        metanas publish devices/onnxruntime-t1-b1-fp32-v1 devices/openvino-t1-b1-fp32-v1

        metanas publish --few-shot nb201/fashion_mnist-v1 nb201/udhr_langid-v1 nb201/optdigits-v1
    """
    from metanas.errors import InvalidValueError
    from metanas.published_predictors.making import METRIC, make_accuracy, make_few_shot, make_latency
    from metanas.published_predictors.store import publish
    from metanas.tables import open_table

    opened = [open_table(text, verify=not text.endswith(".h5")) for text in table]
    trained = [entry for entry in opened if METRIC in entry.metrics]
    timed = [entry for entry in opened if METRIC not in entry.metrics]
    if few_shot and timed:
        msg = f"--few-shot learns from tables with {METRIC}; {timed[0].name} has none."
        raise InvalidValueError(msg)
    if few_shot:
        made = [make_few_shot(trained, name=name or "fewshot-v1")]
    else:
        made = [make_accuracy(entry) for entry in trained]
    if timed:
        made.append(make_latency(timed, name=name or "latency-v1"))
    found = [publish(entry.fields, entry.weights, entry.card, replace=replace, place=place) for entry in made]
    if as_json:
        print_json([{"folder": str(folder), **config.model_dump()} for config, folder in found])
        return
    shown = console()
    for config, folder in found:
        figures = ", ".join(f"{key.replace('_', ' ')} {value:g}" for key, value in config.figures.items())
        shown.print(f"{config.name}: {config.examples:,} architectures; {figures}", soft_wrap=True)
        shown.print(f"Written: {folder}", soft_wrap=True)
