"""How well predictors rank NAS-Bench-201 from few trainings, under the published protocols.

P1 trains on n random cells and scores all 15,625. P2 has only the cells that have zero-cost scores (one of each
published class), halved at random: it trains on n cells of one half and scores the other; with ``--scores`` the scores
are inputs too. Values are validation accuracies after 200 epochs, the mean of the seeds that exist.

    python benchmarks/predictors.py --predictor gaussian_process --seeds 10
    python benchmarks/predictors.py --protocol p2 --scores --predictor gaussian_process --seeds 10

A row: Kendall's tau over all that is scored, mean and standard error over seeds; tau within the best tenth by true
value; how much worse than the best the cell with the best prediction is, in percent; coverage of the 50, 80 and 95 %
intervals, the continuous ranked probability score and the rank correlation of uncertainty and error; and CPU seconds of
fitting and of predicting. ``--data-set cifar100`` is for choosing, cifar10 for reporting.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from published_nb201 import DATA_SETS, published_folder
from scipy.stats import kendalltau

from metanas.encodings import encode
from metanas.predictors import make_predictor
from metanas.predictors.calibration import LEVELS, reliability
from metanas.spaces import listed, load_space

SIZES = {"p1": (78, 156, 469, 781, 1563), "p2": (46, 233, 467, 935)}
SPACE = listed(load_space("nb201"))


class Outcome(NamedTuple):
    tau: float
    best_tenth: float
    regret: float
    covers: tuple[float, ...]
    crps: float
    rank: float
    fit: float
    predict: float


def accuracies(data_set: str) -> np.ndarray:
    """Return validation accuracy of every cell, percent."""
    with np.load(published_folder() / "nb201.npz") as columns, warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of no seed is NaN
        return np.nanmean(columns[f"{data_set}/val_acc@200"], axis=1)


def zero_cost_scores(data_set: str) -> np.ndarray:
    """Return the published scores of every cell, NaN where there are none, ``(15625, scores)``."""
    with np.load(published_folder() / "nb201_zero_cost.npz") as columns:
        names = sorted(name for name in columns.files if name.startswith(f"{data_set}/"))
        return np.column_stack([columns[name].astype(np.float64) for name in names])


def split(protocol: str, n: int, seed: int, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells to train on and those to score."""
    rng = np.random.default_rng(seed)
    if protocol == "p1":
        return rng.choice(len(SPACE), n, replace=False), np.arange(len(SPACE))
    scored = rng.permutation(np.flatnonzero(np.isfinite(scores).any(axis=1)))
    half = len(scored) * 4675 // 9445
    return scored[:n], scored[half:]


def measure(
    name: str, config: dict[str, Any], data_set: str, protocol: str, with_scores: bool, n: int, seeds: int
) -> Iterator[Outcome]:
    y, scores = accuracies(data_set), zero_cost_scores(data_set)
    for seed in range(seeds):
        train, test = split(protocol, n, seed, scores)
        rng = np.random.default_rng([seed, 1])
        predictor = make_predictor(name, SPACE, rng, scores=scores if with_scores else None, **config)
        start = time.process_time()
        predictor.fit(train, y[train])
        fitted = time.process_time()
        prediction = predictor.predict(test)
        done = time.process_time()
        truth, mean = y[test], prediction.mean
        best = np.argsort(-truth, kind="stable")[: len(truth) // 10]
        trust = None if prediction.std is None else reliability(prediction, truth)
        yield Outcome(
            float(kendalltau(mean, truth).statistic),
            float(kendalltau(mean[best], truth[best]).statistic),
            float(truth.max() - truth[np.argmax(mean)]),
            tuple(np.nan if trust is None else trust.coverage[level] for level in LEVELS),
            np.nan if trust is None else trust.crps,
            np.nan if trust is None else trust.rank,
            fitted - start,
            done - fitted,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictor", action="append", help="name; may be given several times")
    parser.add_argument("--config", type=json.loads, default={}, help="settings of the predictor, JSON")
    parser.add_argument("--protocol", choices=sorted(SIZES), default="p1")
    parser.add_argument("--scores", action="store_true", help="zero-cost scores as inputs")
    parser.add_argument("--data-set", choices=DATA_SETS, default="cifar10")
    parser.add_argument("--n", type=int, action="append", help="cells to train on; may be given several times")
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    encode(SPACE, SPACE.indices, "functional")  # once a process, and not part of a fit
    scores = " with scores" if arguments.scores else ""
    print(f"{arguments.protocol} {arguments.data_set}{scores}, {arguments.seeds} seeds, settings {arguments.config}")
    print(
        f"{'predictor':<20} {'n':>5} {'tau':>6} {'±':>6} {'best tenth':>10} {'±':>6} {'regret':>6} "
        f"{'cover 50/80/95':>14} {'CRPS':>5} {'rank':>5} {'fit s':>6} {'predict s':>9}"
    )
    for name in arguments.predictor or ["extra_trees", "gaussian_process"]:
        for n in arguments.n or SIZES[arguments.protocol]:
            options = (name, arguments.config, arguments.data_set, arguments.protocol, arguments.scores, n)
            rows = list(measure(*options, arguments.seeds))
            mean = Outcome(*(np.mean([row[at] for row in rows], axis=0) for at in range(len(Outcome._fields))))
            tau, tenth = (np.std([row[at] for row in rows], ddof=1) / np.sqrt(len(rows)) for at in (0, 1))
            cover = "/".join(f"{100 * share:.0f}" for share in mean.covers)
            print(
                f"{name:<20} {n:>5} {mean.tau:>6.3f} {tau:>6.3f} {mean.best_tenth:>10.3f} {tenth:>6.3f} "
                f"{mean.regret:>6.2f} {cover:>14} {mean.crps:>5.2f} {mean.rank:>5.2f} {mean.fit:>6.2f} "
                f"{mean.predict:>9.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
