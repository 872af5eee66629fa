"""How well final accuracies are predicted from the first epochs of a training.

    python benchmarks/curves.py --train 100 --seeds 10

``nb101``: 20,001 published cells with validation accuracy after 4, 12, 36 and 108 epochs of one run. ``fashion_mnist``:
the table of this project, seed 0 of each cell to predict from, the mean of the other seeds' finals to predict, so that
the noise of the one run is not predicted by itself. A row: Kendall's tau over the trainings not learned from, mean and
standard error over seeds; root mean squared error in percent; coverage of the 80 % interval.
"""

from __future__ import annotations

import argparse

import numpy as np
from published_nb201 import published_folder
from scipy.stats import kendalltau

from metanas.predictors.calibration import reliability
from metanas.predictors.curves import curve_predictor_names, make_curve_predictor
from metanas.tables import load_table


def nb101() -> tuple[list[int], np.ndarray, np.ndarray]:
    """Return the epochs, the curves ``(n, n_epochs)`` in percent and the finals ``(n,)``."""
    with np.load(published_folder() / "nb101_20k.npz") as columns:
        curves = columns["val_acc"].astype(np.float64)
        epochs = columns["epochs"].tolist()
    curves = 100 * curves if curves.max() <= 1 else curves
    whole = np.isfinite(curves).all(axis=1)
    return epochs, curves[whole], curves[whole, -1]


def fashion_mnist() -> tuple[list[int], np.ndarray, np.ndarray]:
    """Return the epochs, the first seed's curves in percent and the mean of the others' finals."""
    table = load_table("nb201/fashion_mnist-v1")
    values, epochs = np.asarray(table.values("validation/accuracy"), dtype=np.float64), table.epochs
    whole = np.isfinite(values).all(axis=(1, 2))
    return list(epochs), values[whole, 0], values[whole, 1:, -1].mean(axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=int, default=100, help="whole trainings to learn from")
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    print(f"{'data':<14} {'predictor':<11} {'epochs':>6} {'tau':>6} {'±':>6} {'rmse':>6} {'cover 80':>8}")
    for data in (nb101, fashion_mnist):
        epochs, curves, finals = data()
        for length in range(1, len(epochs)):
            for name in curve_predictor_names():
                rows = []
                for seed in range(arguments.seeds):
                    order = np.random.default_rng(seed).permutation(len(finals))
                    train, test = order[: arguments.train], order[arguments.train :]
                    predictor = make_curve_predictor(name, epochs).fit(curves[train], finals[train])
                    prediction = predictor.predict(curves[test, :length])
                    trust = reliability(prediction, finals[test])
                    tau = float(kendalltau(prediction.mean, finals[test]).statistic)
                    rows.append((tau, trust.rmse, trust.coverage[0.8]))
                tau, rmse, cover = np.mean(rows, axis=0)
                error = np.std([row[0] for row in rows], ddof=1) / np.sqrt(len(rows))
                label = f"{data.__name__:<14} {name:<11} {epochs[length - 1]:>6}"
                print(f"{label} {tau:>6.3f} {error:>6.3f} {rmse:>6.2f} {100 * cover:>7.0f}%", flush=True)


if __name__ == "__main__":
    main()
