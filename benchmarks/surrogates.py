"""The test of NAS-Bench-x11: does a surrogate rank unseen architectures better than one real training of each does?

A table is cut down to a random sample, written as a table of its own, and a surrogate is fitted to it. Of the
architectures whose function does not occur in the sample, the surrogate's prediction after the last epoch is compared
with the mean of the trainings that were made of each: Kendall's tau with the mean of all but one seed, beside the tau
of the one seed with the same mean, mean over which one is left out.

    python benchmarks/surrogates.py                       # every table that is here, all sizes, 10 splits
    python benchmarks/surrogates.py --table nb201/fashion_mnist-v1 --size 500 --splits 10
    python benchmarks/surrogates.py --members gaussian_process --out runs.jsonl

With ``--out`` every fit is written down as one line when it is done, and those that are there already are not made
again. NAS-Bench-101 (``metanas import nb101``) has one training of each cell: its surrogate is set against that one
training, and beside it stands what a real training of a third of the epochs says of it. A row: mean ± standard error
over the splits.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import kendalltau

import metanas
from metanas.errors import UnknownNameError
from metanas.spaces import ListedSpace
from metanas.surrogates.figures import against_one_training, r_squared
from metanas.surrogates.fitting import fit
from metanas.surrogates.growing import MEMBERS
from metanas.tables import Table, write_table
from metanas.tables.training_noise import by_seed

ACCURACY = "validation/accuracy"
SIZES = {
    "nb201/fashion_mnist-v1": (500,),
    "nb201-full/name_gender-v1": (600, 1600),
    "published/nb201-cifar10-200ep-v1": (600, 1600, 5000),
    "published/nb201-cifar100-200ep-v1": (600, 1600, 5000),
    "published/nb201-imagenet16-120-200ep-v1": (600, 1600, 5000),
    "published/nb101-cifar10-108ep-v1": (2000, 5000, 18000),
}
SHORTER = {"published/nb101-cifar10-108ep-v1": "published/nb101-cifar10-36ep-v1"}
MOST_ASKED = 5000  # architectures without a list


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="append", help="name; repeatable; all that are here if absent")
    parser.add_argument("--size", action="append", type=int, help="architectures to learn from; repeatable")
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="number of the first split")
    parser.add_argument("--members", default=",".join(MEMBERS), help="of the stack (spaces with a list)")
    parser.add_argument("--out", type=Path, help="file of finished fits, one line of JSON each")
    options = parser.parse_args()
    done = (
        [json.loads(line) for line in options.out.read_text().splitlines()]
        if options.out and options.out.exists()
        else []
    )
    print("| table | learned from | members | splits | unseen | R² | tau, surrogate | tau, one training | fit, CPU s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in options.table or SIZES:
        try:
            table = metanas.load_table(name)
        except UnknownNameError:
            continue
        members = tuple(options.members.split(",")) if isinstance(table.space, ListedSpace) else ("xgboost",)
        for size in options.size or SIZES.get(name, (500,)):
            rows = []
            for split in range(options.first, options.first + options.splits):
                key = {"table": table.sha256, "name": name, "size": size, "members": list(members), "split": split}
                known = [row for row in done if key.items() <= row.items()]
                rows.append(known[0] if known else {**key, **measure(table, size, members, split)})
                if options.out and not known:
                    with options.out.open("a") as file:
                        file.write(json.dumps(rows[-1]) + "\n")
            show(name, size, members, rows)


def measure(table: Table, size: int, members: tuple[str, ...], split: int) -> dict[str, Any]:
    """Return the figures of one fit."""
    order = np.random.default_rng(split).permutation(len(table))
    chosen = np.sort(order[:size])
    with tempfile.TemporaryDirectory() as folder:
        sample = cut(table, chosen, Path(folder) / "sample.h5")
        how = {"members": members} if isinstance(table.space, ListedSpace) else {}
        fitted = fit(sample, seed=split, metrics=(ACCURACY,), **how)
    unseen = order[size:]
    space = table.space
    if isinstance(space, ListedSpace):
        classes = space.canonical_indices[table.archs]
        unseen = unseen[~np.isin(classes[unseen], classes[chosen])]
    else:
        unseen = unseen[:MOST_ASKED]  # rows are classes there
    predicted = fitted.models[ACCURACY].predict(table.archs[unseen].astype(np.int64)).mean[:, -1]
    values = table.column(ACCURACY)[unseen]
    trained = by_seed(table, ACCURACY, table.epochs[-1:])
    ranking = None if trained is None else against_one_training(predicted, trained[unseen, :, -1])
    if ranking is None:
        shorter = metanas.load_table(SHORTER[table.name]).column(ACCURACY)[unseen]
        one = float(kendalltau(shorter, values).statistic)
        surrogate, n = float(kendalltau(predicted, values).statistic), len(unseen)
    else:
        surrogate, one, n = ranking
    r2 = r_squared(predicted, values)
    return {"unseen": n, "r2": r2, "surrogate": surrogate, "one": one, "seconds": fitted.cpu_seconds}


def cut(table: Table, rows: np.ndarray, path: Path) -> Table:
    """Write some rows of a table, the objective alone, as a table of its own."""
    entry = table.metrics[ACCURACY]
    write_table(
        path,
        name="cut/sample-v1",
        space=table.space_name,
        task=table.task,
        arch_index=table.archs[rows],
        seeds=table.seeds,
        epochs=table.epochs,
        metrics={ACCURACY: (entry, table.values(ACCURACY)[rows])},
        protocol=table.protocol,
        provenance={},
    )
    return Table.open(path)


def show(name: str, size: int, members: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    cells = [name, f"{size:,}", ", ".join(members), str(len(rows)), f"{np.mean([row['unseen'] for row in rows]):,.0f}"]
    for key, places in (("r2", 3), ("surrogate", 4), ("one", 4), ("seconds", 0)):
        values = np.array([row[key] for row in rows])
        error = f" ± {values.std(ddof=1) / np.sqrt(len(values)):.{places}f}" if places and len(values) > 1 else ""
        cells.append(f"{values.mean():.{places}f}{error}")
    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
