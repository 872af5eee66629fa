"""The pilot of the training protocol: which budget and skeleton rank architectures rather than noise?

    python benchmarks/pilot.py run --variant epochs8 --task quickdraw_kinds --cells 150 --seeds 3
    python benchmarks/pilot.py report

A variant is the task's protocol (small-v1 for images, small-fast-v1 for sequences) with some fields changed. Every run
trains the first ``cells`` of a fixed random order of the 1,011 functional classes of ``nb201-conv``; blocks already
trained are not trained again. The report writes, for every variant and task, the seed-to-seed Kendall tau (all cells,
better half), what a training cost, and the tau that means of as many seeds as a budget pays can be expected to have,
into ``docs/pilot.md``, and draws that as a plot.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import time
import tomllib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from metanas.files import atomic_write, atomic_write_text
from metanas.protocol import Protocol, load_protocol
from metanas.spaces import load_space
from metanas.tables import noise
from metanas.tasks import Task, load_task

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "work" / "pilot"
FEWEST = 48  # cells, for a tau that means something
BUDGET = 6.0  # core-seconds a cell, over all seeds
BEGIN, END = "<!-- figures: benchmarks/pilot.py report -->", "<!-- end of figures -->"
AUGMENT = {"shift": 0.1, "rotate": 10.0, "scale": 0.1, "drop": 0.1}
VARIANTS: dict[str, dict[str, dict[str, object]]] = {
    "base": {},
    "rate.1": {"training": {"learning_rate": 0.1}},
    "rate.03": {"training": {"learning_rate": 0.03}},
    "rate.01": {"training": {"learning_rate": 0.01}},
    "epochs2": {"training": {"epochs": 2}},
    "epochs8": {"training": {"epochs": 8}},
    "rate.01-epochs8": {"training": {"learning_rate": 0.01, "epochs": 8}},
    "stem3": {"network": {"stem_kernel": 3}},
    "width8": {"network": {"channels": 8}},
    "width8-epochs2": {"network": {"channels": 8}, "training": {"epochs": 2}},
    "cells2": {"network": {"cells": 2}},
    "stages2": {"network": {"stages": 2}},
    "size16-epochs2": {"network": {"resolution": 16}, "training": {"epochs": 2}},
    "augment": {"training": {"augmentation": AUGMENT}},
    "average": {"training": {"averaging": 0.98}},
}


def protocol(variant: str, task: Task) -> Protocol:
    """Return the task's protocol with the variant's changes."""
    base = load_protocol("small-v1" if len(task.shape) == 3 else "small-fast-v1")
    fields = tomllib.loads(base.text)
    fields["name"] = "pilot-v1"
    for section, changes in VARIANTS[variant].items():
        fields[section].update(changes)
    return Protocol(**fields, text=json.dumps(fields, sort_keys=True))


def run(variant: str, task_name: str, cells: int, seeds: int) -> None:
    """Train what is missing."""
    import torch

    from metanas.training import train_block

    torch.set_num_threads(1)
    space = load_space("nb201-conv")
    task = load_task(task_name)
    plan = protocol(variant, task)
    representatives = np.unique(space.canonical_indices[space.indices])
    order = np.random.default_rng(0).permutation(representatives)[:cells]
    for seed in range(seeds):
        for start in range(0, cells, plan.block_size):
            path = FOLDER / variant / f"{task_name}-{seed}-{start:04d}.npz"
            block = order[start : start + plan.block_size]
            if path.exists():
                continue
            begun = time.process_time()
            curves = train_block([space.arch(int(index)) for index in block], task, plan, seed)
            each = np.full(len(block), (time.process_time() - begun) / len(block))
            with atomic_write(path) as temporary, temporary.open("wb") as file:
                np.savez_compressed(
                    file, index=block, whole=each, **{name.replace("/", "."): array for name, array in curves.items()}
                )


def load(variant: str, task_name: str) -> dict[str, NDArray[np.float64]]:
    """Return the arrays ``(cells, seeds, epochs)`` of the cells for which all seeds are there."""
    shards: dict[int, dict[int, dict[str, NDArray[np.float64]]]] = {}
    for path in sorted((FOLDER / variant).glob(f"{task_name}-*.npz")):
        seed, start = (int(part) for part in path.stem.removeprefix(f"{task_name}-").split("-"))
        with np.load(path, allow_pickle=False) as arrays:
            shards.setdefault(start, {})[seed] = {name: arrays[name] for name in arrays.files}
    most = max((len(seeds) for seeds in shards.values()), default=0)
    whole = [shards[start] for start in sorted(shards) if len(shards[start]) == most]
    if most < 2:
        return {}
    return {
        name: np.concatenate([np.stack([block[seed][name] for seed in sorted(block)], 1) for block in whole])
        for name in whole[0][0]
    }


def between_seeds(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the mean rank correlation of a seed of the one with *another* seed of the other, ``(cells, seeds)``."""
    ranks = [rankdata(values, axis=0) for values in (first, second)]
    pairs = itertools.permutations(range(min(first.shape[1], second.shape[1])), 2)
    return float(np.mean([np.corrcoef(ranks[0][:, a], ranks[1][:, b])[0, 1] for a, b in pairs]))


def likeness(base: NDArray[np.float64], own: NDArray[np.float64]) -> float:
    """Return how alike two variants would rank cells if neither had noise: Spearman's correction for attenuation."""
    return between_seeds(base, own) / math.sqrt(between_seeds(base, base) * between_seeds(own, own))


def rows() -> list[dict[str, object]]:
    """Return one row of figures for every variant and task that has at least two seeds."""
    found = []
    for variant in VARIANTS:
        tasks = sorted({path.stem.rsplit("-", 2)[0] for path in (FOLDER / variant).glob("*.npz")})
        for task in tasks:
            arrays = load(variant, task)
            if arrays and len(arrays["index"]) >= FEWEST:
                found.append(figures(variant, task, arrays, load("base", task)))
    return found


def figures(
    variant: str, task: str, arrays: dict[str, NDArray[np.float64]], base: dict[str, NDArray[np.float64]]
) -> dict[str, object]:
    """Return one row of the report."""
    row: dict[str, object] = {"variant": variant, "task": task}
    accuracy, loss = arrays["validation.accuracy"][..., -1], -arrays["validation.cross_entropy"][..., -1]
    row["cells"], row["seeds"] = arrays["index"].shape
    both = np.intersect1d(arrays["index"][:, 0], base["index"][:, 0]) if base else np.empty(0)
    there = [np.isin(values["index"][:, 0], both) for values in (base, arrays)] if len(both) else []
    row["ranks as base"] = (
        likeness(base["validation.accuracy"][there[0], :, -1], accuracy[there[1]]) if len(both) >= FEWEST else "–"
    )
    row["median accuracy"] = float(np.median(accuracy))
    row["noise"] = float(np.sqrt(accuracy.var(1, ddof=1).mean()))
    row["seconds"] = float(arrays["whole"].mean())
    row["seeds paid"] = paid = max(1, int(BUDGET / arrays["whole"].mean()))
    fit = -arrays["training.cross_entropy"][..., -1]
    for name, values in (("accuracy", accuracy), ("cross-entropy", loss), ("training cross-entropy", fit)):
        for label, share in (("all", 1.0), ("better half", 0.5)):
            tau = noise.tau_between_seeds(values, "maximize", share)
            row[f"{name}, {label}"] = tau
            row[f"{name}, {label}, paid"] = noise.expected_tau(tau, paid) if tau > 0 else tau
    return row


def table(found: list[dict[str, object]]) -> str:
    """Return the figures as a Markdown table, each tau with what the mean of the seeds that are paid would have."""
    names = [name for name in found[0] if not name.endswith(", paid")]
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    for row in found:
        cells = []
        for name in names:
            value, longer = row[name], row.get(f"{name}, paid")
            text = f"{value:.2f}" if isinstance(value, float) else str(value)
            cells.append(text if longer is None or longer == value else f"{text} → {longer:.2f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plot(found: list[dict[str, object]]) -> None:
    """Draw the tau that the budget pays, a line a variant, all cells beside the better half."""
    import altair

    from metanas.charts import page, save

    values = [
        {
            "variant": row["variant"],
            "task": row["task"],
            "part": part,
            "tau": row[f"{score}, {part}, paid"],
            "by": score,
        }
        for row in found
        if row["variant"] in VARIANTS
        for part in ("all", "better half")
        for score in ("accuracy", "cross-entropy")
    ]
    colours = altair.Scale(range=["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"])
    base = altair.Chart(altair.Data(values=values)).encode(
        y=altair.Y("variant:N", title=None, sort=list(VARIANTS)), color=altair.Color("task:N", scale=colours)
    )
    title = f"expected Kendall tau between two means of as many seeds as {BUDGET:.0f} core-seconds pay"
    points = base.mark_point(size=60, filled=True).encode(
        x=altair.X("tau:Q", title=title, scale=altair.Scale(zero=False)),
        shape=altair.Shape("by:N", title="ranked by validation"),
    )
    aims = altair.Data(values=[{"part": "all", "aim": 0.8}, {"part": "better half", "aim": 0.5}])
    rule = altair.Chart(aims).mark_rule(strokeDash=[4, 3], color="#777").encode(x="aim:Q")
    parts = [
        altair.layer(
            points.transform_filter(altair.datum.part == part), rule.transform_filter(altair.datum.part == part)
        ).properties(width=330, height=330, title=part)
        for part in ("all", "better half")
    ]
    subtitle = "Dashed: the aim. A tau between two single seeds, lengthened by Spearman and Brown's formula."
    save(
        page(altair.hconcat(*parts), "How well a protocol ranks cells for what it costs", [subtitle]),
        ROOT / "docs/images/pilot",
    )


def report() -> None:
    """Write the figures into ``docs/pilot.md`` between its two marks, and the plot beside it."""
    found = rows()
    page = ROOT / "docs" / "pilot.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    atomic_write_text(page, f"{before}{BEGIN}\n{table(found)}\n{END}{after}")
    plot(found)


def main() -> None:
    """Run or report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["run", "report"])
    parser.add_argument("--variant", choices=list(VARIANTS), default="base")
    parser.add_argument("--task", default="quickdraw_kinds")
    parser.add_argument("--cells", type=int, default=150)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    if options.action == "run":
        run(options.variant, options.task, options.cells, options.seeds)
    else:
        report()


if __name__ == "__main__":
    main()
