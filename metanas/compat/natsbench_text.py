"""What was measured of an architecture, in words; see :mod:`.natsbench`."""

from __future__ import annotations

from typing import Any

from metanas.compat.natsbench_records import ArchResults
from metanas.errors import NotMeasuredError


def describe(record: ArchResults) -> str:
    """Return the text: the architecture, then for each data set its costs and its losses and accuracies by set."""
    names = record.get_dataset_names()
    lines = [record.arch_str, f"datasets : {names}, extra-info : arch-index={record.arch_index}"]
    for dataset in names:
        costs = record.get_compute_costs(dataset)
        latency = costs["latency"]
        lines.append(
            f"{dataset:14s} FLOP={_number(costs['flops'], '6.2f')} M, Params={_number(costs['params'], '.3f')} MB, "
            f"latency={_number(None if latency is None else latency * 1000, '.2f')} ms."
        )
        parts = []
        for name, label in record.sets(dataset).items():
            try:
                found = record.get_metrics(dataset, name)
            except NotMeasuredError:
                continue
            loss, accuracy = _number(found["loss"], ".3f"), _number(found["accuracy"], ".2f")
            parts.append(f"{label} : [loss = {loss} & top1 = {accuracy}%]")
        lines.append(f"{dataset:14s} {', '.join(parts) or 'not measured'}")
    return "\n".join(lines)


def _number(value: Any, form: str) -> str:
    return "None" if value is None else format(value, form)
