"""The pilot of the training protocol: which budget and skeleton rank architectures rather than noise?

    python benchmarks/pilot.py run --variant base --task quickdraw_kinds --cells 72 --seeds 3
    python benchmarks/pilot.py report

A variant is the base protocol with some fields changed. Every run trains the first ``cells`` of a fixed random order of
the 1,011 functional classes of ``nb201-conv``; blocks already trained are not trained again. The report writes, for
every variant and task, the seed-to-seed Kendall tau (all cells, better half) and what it cost into ``docs/pilot.md``,
and draws the plot.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tomllib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metanas.files import atomic_write, atomic_write_text
from metanas.protocol import Protocol
from metanas.spaces import load_space

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "work" / "pilot"
FEWEST = 48  # cells, for a tau that means something
BUILT_BLOCKS = 3  # of 24 cells, at least
BUILT = {  # folders of tables, or of their first blocks
    "stem1, tables": "nb201-lr.1",
    "small-v1, tables": "nb201-trainer1",
    "small-v1, first blocks": "rates/small-v1",
    "small-fast-v1, first blocks": "rates/small-fast",
    "small-v1 augmented, first blocks": "rates/small-augmented",
}
BEGIN, END = "<!-- figures: benchmarks/pilot.py report -->", "<!-- end of figures -->"
BASE = """
name = "pilot-v1"
block_size = 24
[network]
resolution = 8
channels = 4
[training]
examples = 6000
epochs = 4
batch = 64
learning_rate = 0.1
"""
AUGMENT = {"shift": 0.1, "rotate": 10.0, "scale": 0.1, "drop": 0.1}
VARIANTS: dict[str, dict[str, dict[str, object]]] = {
    "base": {},
    "stem1": {"network": {"stem_kernel": 1}},
    "lr.03": {"training": {"learning_rate": 0.03}},
    "lr.3": {"training": {"learning_rate": 0.3}},
    "batch32": {"training": {"batch": 32}},
    "batch128": {"training": {"batch": 128, "learning_rate": 0.2}},
    "stem1-lr.3": {"network": {"stem_kernel": 1}, "training": {"learning_rate": 0.3}},
    "stem1-lr1": {"network": {"stem_kernel": 1}, "training": {"learning_rate": 1.0}},
    "stem1-batch32": {"network": {"stem_kernel": 1}, "training": {"batch": 32}},
    "stem1-batch32-lr.2": {"network": {"stem_kernel": 1}, "training": {"batch": 32, "learning_rate": 0.2}},
    "stem1-width6": {"network": {"stem_kernel": 1, "channels": 6}},
    "stem1-width8-epochs2": {"network": {"stem_kernel": 1, "channels": 8}, "training": {"epochs": 2}},
    "stem1-lr.03": {"network": {"stem_kernel": 1}, "training": {"learning_rate": 0.03}},
    "stem1-lr.01": {"network": {"stem_kernel": 1}, "training": {"learning_rate": 0.01}},
    "stem1-lr.05": {"network": {"stem_kernel": 1}, "training": {"learning_rate": 0.05}},
    "stem1-lr.02": {"network": {"stem_kernel": 1}, "training": {"learning_rate": 0.02}},
    "stem1-lr.03-epochs2": {"network": {"stem_kernel": 1}, "training": {"learning_rate": 0.03, "epochs": 2}},
    "stem1-lr.03-epochs8": {"network": {"stem_kernel": 1}, "training": {"learning_rate": 0.03, "epochs": 8}},
    "stem1-lr.03-ema": {"network": {"stem_kernel": 1}, "training": {"learning_rate": 0.03, "averaging": 0.98}},
    "stem1-lr.03-smooth": {"network": {"stem_kernel": 1}, "training": {"learning_rate": 0.03, "label_smoothing": 0.1}},
    "stem1-lr.03-width8-epochs2": {
        "network": {"stem_kernel": 1, "channels": 8},
        "training": {"learning_rate": 0.03, "epochs": 2},
    },
    "stem1-lr.03-cells2-epochs2": {
        "network": {"stem_kernel": 1, "cells": 2},
        "training": {"learning_rate": 0.03, "epochs": 2},
    },
    "stem1-lr.03-size16-epochs2": {
        "network": {"stem_kernel": 1, "resolution": 16},
        "training": {"learning_rate": 0.03, "epochs": 2},
    },
    "stem1-lr.03-batch32": {"network": {"stem_kernel": 1}, "training": {"learning_rate": 0.03, "batch": 32}},
    "stem1-width8": {"network": {"stem_kernel": 1, "channels": 8}},
    "stem1-width16-epochs1": {
        "network": {"stem_kernel": 1, "channels": 16},
        "training": {"epochs": 1},
    },
    "stem1-cells2-epochs2": {"network": {"stem_kernel": 1, "cells": 2}, "training": {"epochs": 2}},
    "stem1-batch32-lr.2-ema": {
        "network": {"stem_kernel": 1},
        "training": {"batch": 32, "learning_rate": 0.2, "averaging": 0.98},
    },
    "stem1-batch16-lr.1": {
        "": {"block_size": 96},
        "network": {"stem_kernel": 1},
        "training": {"batch": 16},
    },
    "stem1-batch32-lr.1": {
        "": {"block_size": 48},
        "network": {"stem_kernel": 1},
        "training": {"batch": 32},
    },
    "stem1-epochs2": {"network": {"stem_kernel": 1}, "training": {"epochs": 2}},
    "stem1-epochs8": {"network": {"stem_kernel": 1}, "training": {"epochs": 8}},
    "stem1-ema": {"network": {"stem_kernel": 1}, "training": {"averaging": 0.98}},
    "stem1-smooth": {"network": {"stem_kernel": 1}, "training": {"label_smoothing": 0.1}},
    "stem1-size16": {"network": {"stem_kernel": 1, "resolution": 16}, "training": {"epochs": 2}},
    "augment": {"training": {"augmentation": AUGMENT}},
    "ema.98": {"training": {"averaging": 0.98}},
    "smooth.1": {"training": {"label_smoothing": 0.1}},
    "epochs2": {"training": {"epochs": 2}},
    "epochs8": {"training": {"epochs": 8}},
    "epochs12": {"training": {"epochs": 12}},
    "width6": {"network": {"channels": 6}},
    "width8": {"network": {"channels": 8}},
    "cells2": {"network": {"cells": 2}},
    "stages2": {"network": {"stages": 2}},
    "size16": {"network": {"resolution": 16}},
    "wd.0001": {"training": {"weight_decay": 1e-4}},
    "augment-epochs8": {"training": {"augmentation": AUGMENT, "epochs": 8}},
    "augment-lr.3": {"training": {"augmentation": AUGMENT, "learning_rate": 0.3}},
    "augment-stem1": {"network": {"stem_kernel": 1}, "training": {"augmentation": AUGMENT}},
    "augment-stem1-lr.3": {
        "network": {"stem_kernel": 1},
        "training": {"augmentation": AUGMENT, "learning_rate": 0.3},
    },
    "augment-stem1-epochs8": {
        "network": {"stem_kernel": 1},
        "training": {"augmentation": AUGMENT, "epochs": 8},
    },
    "augment-stem1-epochs12": {
        "network": {"stem_kernel": 1},
        "training": {"augmentation": AUGMENT, "epochs": 12},
    },
    "augment-stem1-width6": {
        "network": {"stem_kernel": 1, "channels": 6},
        "training": {"augmentation": AUGMENT},
    },
    "augment-stem1-lr1": {
        "network": {"stem_kernel": 1},
        "training": {"augmentation": AUGMENT, "learning_rate": 1.0},
    },
    "augment-stem1-lr.3-epochs8": {
        "network": {"stem_kernel": 1},
        "training": {"augmentation": AUGMENT, "learning_rate": 0.3, "epochs": 8},
    },
    "augment-stem1-lr.3-smooth": {
        "network": {"stem_kernel": 1},
        "training": {"augmentation": AUGMENT, "learning_rate": 0.3, "label_smoothing": 0.1},
    },
    "augment-stem1-lr.3-ema": {
        "network": {"stem_kernel": 1},
        "training": {"augmentation": AUGMENT, "learning_rate": 0.3, "averaging": 0.98},
    },
    "augment-ema": {"training": {"augmentation": AUGMENT, "averaging": 0.98}},
    "augment-batch32": {"training": {"augmentation": AUGMENT, "batch": 32}},
    "augment-smooth": {"training": {"augmentation": AUGMENT, "label_smoothing": 0.1}},
    "augment-width6": {"network": {"channels": 6}, "training": {"augmentation": AUGMENT}},
}


def protocol(variant: str) -> Protocol:
    """Return the base protocol with the variant's changes."""
    fields = tomllib.loads(BASE)
    for section, changes in VARIANTS[variant].items():
        (fields[section] if section else fields).update(changes)
    return Protocol(**fields, text=json.dumps(fields, sort_keys=True))


def run(variant: str, task_name: str, cells: int, seeds: int) -> None:
    """Train what is missing."""
    import torch

    from metanas.tasks import load_task
    from metanas.training import train_block

    torch.set_num_threads(1)
    space = load_space("nb201-conv")
    plan = protocol(variant)
    task = load_task(task_name)
    representatives = np.unique(space.canonical_indices[space.indices])
    order = np.random.default_rng(0).permutation(representatives)[:cells]
    for seed in range(seeds):
        for start in range(0, cells, plan.block_size):
            path = FOLDER / variant / f"{task_name}-{seed}-{start:04d}.npz"
            block = order[start : start + plan.block_size]
            if path.exists():
                continue
            curves = train_block([space.arch(int(index)) for index in block], task, plan, seed)
            with atomic_write(path) as temporary, temporary.open("wb") as file:
                np.savez_compressed(
                    file, index=block, **{name.replace("/", "."): array for name, array in curves.items()}
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


def load_built(folder: Path) -> dict[str, NDArray[np.float64]]:
    """Return the arrays ``(cells, seeds, epochs)`` of the blocks that all seeds of a table being built have."""
    seeds = sorted((folder / "shards").glob("seed-*"))
    shared = set.intersection(*({path.name for path in seed.glob("*.npz")} for seed in seeds)) if seeds else set()
    if len(seeds) < 2 or len(shared) < BUILT_BLOCKS:
        return {}
    shards = [[np.load(seed / name, allow_pickle=False) for name in sorted(shared)] for seed in seeds]
    names = ["validation/accuracy", "validation/cross_entropy", "training/cross_entropy", "cost/seconds"]
    arrays = {
        name.replace("/", "."): np.stack([np.concatenate([shard[name] for shard in own]) for own in shards], 1)
        for name in names
    }
    index = [np.concatenate([shard["arch_index"] for shard in own]) for own in shards]
    if any((other != index[0]).any() for other in index):
        msg = f"The seeds in {folder} have different blocks."
        raise ValueError(msg)
    return {"index": np.stack(index, 1), **arrays}


def tau_between_seeds(values: NDArray[np.float64], part: float) -> float:
    """Return the mean Kendall tau over pairs of seeds, among the best ``part`` of cells by the mean of all seeds.

    Args:
        values: ``(cells, seeds)``, larger is better.
        part: share of cells, 1 for all.
    """
    from scipy.stats import kendalltau

    chosen = np.argsort(-values.mean(1))[: round(part * len(values))]
    pairs = itertools.combinations(range(values.shape[1]), 2)
    return float(np.mean([kendalltau(values[chosen, a], values[chosen, b]).statistic for a, b in pairs]))


def expected_tau(tau: float, seeds: int) -> float:
    """Return the tau to expect between two means of ``seeds`` seeds, given that between two single seeds.

    Greiner's relation (rho = sin(pi tau / 2), for jointly normal values) turns tau into a correlation, Spearman and
    Brown's formula lengthens it, and the relation turns it back.
    """
    rho = np.sin(np.pi * tau / 2)
    longer = seeds * rho / (1 + (seeds - 1) * rho)
    return float(2 / np.pi * np.arcsin(longer))


def rows() -> list[dict[str, object]]:
    """Return one row of figures for every variant and task that has at least two seeds."""
    found = []
    for variant in VARIANTS:
        tasks = sorted({path.stem.rsplit("-", 2)[0] for path in (FOLDER / variant).glob("*.npz")})
        for task in tasks:
            arrays = load(variant, task)
            if arrays and len(arrays["index"]) >= FEWEST:
                found.append(figures(variant, task, arrays))
    for name, folder in BUILT.items():
        for path in sorted((ROOT / "work" / folder).glob("*-v*")):
            arrays = load_built(path)
            if arrays:
                found.append(figures(name, path.name.rpartition("-v")[0], arrays))
    return found


def figures(variant: str, task: str, arrays: dict[str, NDArray[np.float64]]) -> dict[str, object]:
    """Return one row of the report."""
    row: dict[str, object] = {"variant": variant, "task": task}
    row["cells"], row["seeds"] = arrays["index"].shape
    accuracy, loss = arrays["validation.accuracy"][..., -1], -arrays["validation.cross_entropy"][..., -1]
    row["median accuracy"] = float(np.median(accuracy))
    row["noise"] = float(np.sqrt(accuracy.var(1, ddof=1).mean()))
    row["seconds"] = float(arrays["cost.seconds"][..., -1].mean())
    fit = -arrays["training.cross_entropy"][..., -1]
    for name, values in (("accuracy", accuracy), ("cross-entropy", loss), ("training cross-entropy", fit)):
        for label, part in (("all", 1.0), ("better half", 0.5)):
            row[f"tau, {name}, {label}"] = tau_between_seeds(values, part)
    return row


def table(found: list[dict[str, object]]) -> str:
    """Return the figures as a Markdown table, each tau with what the mean of three seeds would have."""
    lines = ["| " + " | ".join(found[0]) + " |", "|" + "---|" * len(found[0])]
    for row in found:
        cells = []
        for name, value in row.items():
            text = f"{value:.2f}" if isinstance(value, float) else str(value)
            if name.startswith("tau") and isinstance(value, float) and value > 0:
                text += f" → {expected_tau(value, 3):.2f}"
            cells.append(text)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plot(found: list[dict[str, object]]) -> None:
    """Draw tau against the seconds of a training, all cells beside the better half."""
    import altair
    import vl_convert

    values = [
        {
            "variant": row["variant"],
            "task": row["task"],
            "seconds": row["seconds"],
            "part": part,
            "tau": row[f"tau, {score}, {part}"],
            "score": score,
        }
        for row in found
        for part in ("all", "better half")
        for score in ("accuracy", "cross-entropy")
    ]
    base = altair.Chart(altair.Data(values=values)).encode(
        x=altair.X("seconds:Q", title="CPU seconds a training and cell", scale=altair.Scale(zero=False)),
        y=altair.Y("tau:Q", title="Kendall tau between two seeds"),
        color=altair.Color("task:N", scale=altair.Scale(range=["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"])),
    )
    points = base.mark_point(size=70, filled=True).encode(shape=altair.Shape("score:N"))
    names = base.transform_filter("datum.score == 'cross-entropy'").mark_text(align="left", dx=7, fontSize=9)
    chart = (
        altair.layer(points, names.encode(text="variant:N"))
        .properties(width=430, height=330)
        .facet(column=altair.Column("part:N", title=None, header=altair.Header(labelFontSize=13)))
        .properties(title="How well one training's validation ranks cells as another's does")
        .configure_view(stroke="#ddd")
    )
    for path, data in (
        (ROOT / "docs/images/pilot.png", vl_convert.vegalite_to_png(chart.to_json(), scale=2)),
        (ROOT / "docs/images/pilot.svg", vl_convert.vegalite_to_svg(chart.to_json()).encode()),
    ):
        with atomic_write(path) as temporary:
            temporary.write_bytes(data)


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
    parser.add_argument("--cells", type=int, default=72)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    if options.action == "run":
        run(options.variant, options.task, options.cells, options.seeds)
    else:
        report()


if __name__ == "__main__":
    main()
