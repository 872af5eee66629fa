"""Few-shot latency on devices that were never seen: published latencies of 21 devices, families of them held out.

    python benchmarks/devices.py [--shots 10 20] [--seeds 10]

For every held-out device, Spearman's correlation over all 15,625 cells but those measured, mean over seeds:

- ``ridge``: ridge regression of the logarithms on the source devices, on cells drawn at random;
- ``drawn``: the predictor ``transfer_gp`` on the same cells;
- ``chosen``: ``transfer_gp`` on the cells that it proposes;
- ``ceiling``: ridge on all pairs of edges' operations, from 900 cells of the device itself.

Needs the published latencies: ``../shared/published`` or the folder that ``METANAS_PUBLISHED`` names.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr
from sklearn.linear_model import Ridge

from metanas.encodings import encode
from metanas.predictors.transfer_gp import TransferGP
from metanas.spaces import load_space

PUBLISHED = Path(os.environ.get("METANAS_PUBLISHED", Path(__file__).resolve().parents[2] / "shared" / "published"))
FAMILIES = {
    "large batches": ("1080ti_256", "2080ti_256", "titanx_256", "titanxp_256"),
    "phones": ("essential_ph_1", "pixel3", "samsung_a50", "samsung_s7"),
    "servers": ("gold_6240", "silver_4114", "silver_4210r"),
}
HELP = ("1080ti_1", "1080ti_32", "1080ti_256", "silver_4114", "silver_4210r", "samsung_a50", "pixel3",
        "essential_ph_1", "samsung_s7")  # fmt: skip


def splits(names: list[str]) -> dict[str, list[str]]:
    """Return the devices that are held out, by the name of the split."""
    gpus = [name for name in names if name.endswith(("_1", "_32")) and not name.startswith("essential")]
    return {**{key: list(held) for key, held in FAMILIES.items()}, "GPUs": gpus,
            "all but HELP's nine": [name for name in names if name not in HELP]}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shots", type=int, nargs="+", default=[10, 20])
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    with np.load(PUBLISHED / "nb201_latency.npz", allow_pickle=False) as file:
        table = {name.split("/")[0]: file[name].astype(np.float64) for name in file.files}
    for values in table.values():
        values[values <= 0] = np.nan  # one cell on pixel3: no latency is 0
    space = load_space("nb201")
    onehot = encode(space, space.indices, "onehot").astype(np.float64)
    pairs = (onehot[:, :, None] * onehot[:, None, :]).reshape(len(onehot), -1)
    for split, held in splits(list(table)).items():
        sources = np.stack([values for name, values in table.items() if name not in held], axis=1)
        print(f"\n{split} held out, {sources.shape[1]} source devices")
        shots = "".join(f" |{n:3d} ridge  drawn   chosen (least)" for n in options.shots)
        print(f"device          {shots} | ceiling")
        results: dict[str, dict[tuple[int, str], list[float]]] = {name: {} for name in held}
        seconds = 0.0
        for seed in range(options.seeds):
            rng = np.random.default_rng(seed)
            predictor = TransferGP(space, rng, sources=sources, log=True)
            start = time.process_time()
            chosen = {n: predictor.propose(n) for n in options.shots}
            seconds += time.process_time() - start
            usable = np.flatnonzero(~np.isnan(sources).any(axis=1))
            for name in held:
                y = table[name]
                for n in options.shots:
                    drawn = rng.choice(usable[~np.isnan(y[usable])], n, replace=False)
                    own = chosen[n][~np.isnan(y[chosen[n]])]
                    found = {
                        "ridge": (drawn, ridge(np.log(sources), np.log(y), drawn)),
                        "drawn": (drawn, answer(predictor, drawn, y, usable)),
                        "chosen": (own, answer(predictor, own, y, usable)),
                    }
                    for method, (seen, predicted) in found.items():
                        rest = np.setdiff1d(usable[~np.isnan(y[usable])], seen)
                        results[name].setdefault((n, method), []).append(spearmanr(predicted[rest], y[rest]).statistic)
        for name in held:
            ok = np.flatnonzero(~np.isnan(table[name]))
            many = np.random.default_rng(0).permutation(ok)
            model = Ridge(3.0).fit(pairs[many[:900]], np.log(table[name][many[:900]]))
            top = spearmanr(model.predict(pairs[many[900:]]), table[name][many[900:]]).statistic
            cells = ""
            for n in options.shots:
                means = {method: np.mean(results[name][n, method]) for method in ("ridge", "drawn", "chosen")}
                least = min(results[name][n, "chosen"])
                cells += f" |    {means['ridge']:.3f}  {means['drawn']:.3f}  {means['chosen']:.3f} ({least:.3f})"
            print(f"{name:16s}{cells} | {top:.3f}", flush=True)
        print(f"{seconds / options.seeds:.1f} CPU seconds to learn the variances and choose the cells")


def ridge(sources: np.ndarray, y: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return ridge regression on standardized sources, for all cells."""
    z = (sources - np.nanmean(sources, axis=0)) / np.nanstd(sources, axis=0)
    return np.nan_to_num(z) @ Ridge(1.0).fit(z[seen], y[seen]).coef_


def answer(predictor: TransferGP, seen: np.ndarray, y: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Return the predictions for all cells, NaN where a source has none."""
    predicted = np.full(len(y), np.nan)
    predicted[usable] = predictor.fit(seen, y[seen]).predict(usable).mean
    return predicted


if __name__ == "__main__":
    main()
