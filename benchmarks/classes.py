"""Prints how much the published test accuracies spread within classes of equal cells: published classes against ours.

    python benchmarks/classes.py

Two cells of one class are the same network trained again, so what they differ by should be the noise of training.
Spread is the pooled standard deviation within classes, the square root of (sum of squared differences from the mean
of the class) / (cells − classes), in percent, of NAS-Bench-201's mean test accuracy after 200 epochs. Needs
``../shared/published`` or the folder that ``METANAS_PUBLISHED`` names.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from metanas.spaces import load_space

DATA_SETS = ("cifar10", "cifar100", "imagenet16-120")


def spread(values: NDArray[np.floating], classes: NDArray[np.integer]) -> float:
    """Return the pooled standard deviation of ``values`` (n,) within ``classes`` (n,)."""
    number = np.unique(classes, return_inverse=True)[1].reshape(-1)
    sizes = np.bincount(number)
    mean = np.bincount(number, values) / sizes
    return float(np.sqrt(((values - mean[number]) ** 2).sum() / (len(values) - len(sizes))))


def main() -> None:
    folder = Path(os.environ.get("METANAS_PUBLISHED") or Path(__file__).parents[2] / "shared" / "published")
    published = np.load(folder / "nb201.npz", allow_pickle=False)
    ids = published["unique_id"].astype(np.int64)
    ours = load_space("nb201").canonical_indices
    pairs = np.unique(np.stack([ids, ours]), axis=1)
    mixed = int((np.unique(pairs[0], return_counts=True)[1] > 1).sum())
    joined = int((np.unique(pairs[1], return_counts=True)[1] > 1).sum())
    console = Console()
    console.print(
        f"{len(np.unique(ids)):,} published classes, {mixed} of which mix several of ours; "
        f"{len(np.unique(ours)):,} classes of ours, {joined} of which join several published ones."
    )
    table = Table("data set", "published classes", "ours", "ratio", title="spread of test accuracy within a class (%)")
    for name in DATA_SETS:
        values = published[f"{name}/test_acc_mean@200"].astype(np.float64)
        before, after = spread(values, ids), spread(values, ours)
        table.add_row(name, f"{before:.3f}", f"{after:.3f}", f"{after / before:.2f}")
    console.print(table)


if __name__ == "__main__":
    main()
