"""The published NAS-Bench-201 columns as tables, written to a folder of yours.

One row a cell: published values differ between cells of one functional class, so every index has a row of its own.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from metanas.errors import MetanasError
from metanas.leaderboard.board import Board
from metanas.tables import metric, write_table

DATA_SETS = ("cifar10", "cifar100", "imagenet16-120")
SEEDS = (777, 888, 999)
EPOCHS = (200,)


def published_folder() -> Path:
    """Return the folder of published tables, which ``METANAS_PUBLISHED`` may name."""
    folder = Path(os.environ.get("METANAS_PUBLISHED") or Path(__file__).parents[2] / "shared" / "published")
    if not (folder / "nb201.npz").is_file():
        msg = f"The published tables (nb201.npz) are not in {folder}: name their folder in METANAS_PUBLISHED."
        raise MetanasError(msg)
    return folder


def write_published(published: Path, data_set: str, folder: Path) -> Path:
    """Write the table of a data set: validation by seed, test as the mean that was published, seconds.

    Args:
        published: folder that holds ``nb201.npz``.
        data_set: one of :data:`DATA_SETS`.
        folder: where to write.
    """
    with np.load(published / "nb201.npz", allow_pickle=False) as file:
        validation = file[f"{data_set}/val_acc@200"]  # (15625, 3), NaN where a seed was not run
        test = file[f"{data_set}/test_acc_mean@200"]  # (15625,)
        seconds = file[f"{data_set}/train_seconds@200"]  # (15625,)
    path = folder / f"{data_set}.h5"
    write_table(
        path,
        name=f"nb201/{data_set}-v1",
        space="nb201",
        task=data_set,
        arch_index=np.arange(len(test)),
        seeds=SEEDS,
        epochs=EPOCHS,
        metrics={
            "validation/accuracy": (metric("validation/accuracy"), validation[:, :, None]),
            "test/accuracy": (metric("test/accuracy", ("arch", "epoch")), test[:, None]),
            "cost/seconds": (metric("cost/seconds", ("arch", "epoch")), seconds[:, None]),
        },
        protocol='source = "NAS-Bench-201, 200 epochs"\n',
        provenance={"source": "NAS-Bench-201 as published, NATS-Bench index order"},
    )
    return path


def published_board(trainings: int, at: tuple[float, ...], seeds: int) -> Board:
    """Return the board of ``anytime-v1`` over the whole space and the published tables."""
    return Board.model_validate(
        {
            "name": "published-v1",
            "title": "anytime-v1 on the published NAS-Bench-201 tables",
            "space": "nb201",
            "tables": tuple(f"nb201/{data_set}-v1" for data_set in DATA_SETS),
            "label": "mean_of_measured_seeds",
            "seeds": seeds,
            "objective": {"metric": "validation/accuracy", "direction": "maximize"},
            "report": {"metric": "test/accuracy", "at": at},
            "budget": {"trainings": trainings},
            "rules": {"fidelity": "full", "workers": 1, "repeats": "charged", "continuation": "continue"},
        }
    )
