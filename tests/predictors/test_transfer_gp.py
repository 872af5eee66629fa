from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from metanas.encodings import encode
from metanas.errors import InvalidValueError, NotMeasuredError
from metanas.predictors.transfer_gp import PARTS, TransferGP
from metanas.spaces import load_space

SPACE = load_space("nb201")
PUBLISHED = Path(os.environ.get("METANAS_PUBLISHED", Path(__file__).parents[3] / "shared" / "published"))


def devices(k: int, seed: int = 0) -> np.ndarray:
    """Return made-up latencies: each operation has its cost on a device, wherever it stands; a bit of noise."""
    rng = np.random.default_rng(seed)
    counts = encode(SPACE, SPACE.indices, "onehot").reshape(-1, 6, 5).sum(axis=1)
    costs = rng.uniform(0, 1, size=(5, k)) * [[0.1], [0.2], [1.0], [2.0], [1.5]]
    return (1 + counts @ costs) * np.exp(0.02 * rng.standard_normal((len(counts), k)))


def make(sources: np.ndarray | None, seed: int = 0, **config: object) -> TransferGP:
    return TransferGP(SPACE, np.random.default_rng(seed), sources=sources, **config)  # type: ignore[arg-type]


def test_ten_chosen_measurements_describe_a_new_device() -> None:
    latencies = devices(8)
    target, predictor = latencies[:, 7], make(latencies[:, :7], log=True)
    chosen = predictor.propose(10)
    assert len(set(chosen.tolist())) == 10
    prediction = predictor.fit(chosen, target[chosen]).predict(SPACE.indices)
    few = spearmanr(prediction.mean, target).statistic
    zero = spearmanr(predictor.prior(SPACE.indices), target).statistic
    assert few > 0.97
    assert few > zero
    assert np.median(np.abs(prediction.mean / target - 1)) < 0.06  # in milliseconds, not only in order
    within = np.abs(prediction.mean - target) < 1.28 * prediction.std
    assert 0.65 < within.mean() < 0.97  # of 80 %


def test_a_device_that_compiles_is_predicted_from_devices_that_do_not() -> None:
    """What nothing uses costs nothing there, and cells that compute nothing are folded away; published: pixel3."""
    latencies = devices(8, seed=5)
    nothing = np.array([not SPACE.cell(SPACE.arch(int(index))).output for index in SPACE.canonical_indices])
    target = np.where(nothing, 0.003, latencies[SPACE.without_dead_code, 7])
    predictor = make(latencies[:, :7], log=True)
    chosen = predictor.propose(12)
    assert not nothing[chosen].any()
    for cells in (chosen, np.append(chosen, np.flatnonzero(nothing)[:2])):
        predicted = predictor.fit(cells, target[cells]).predict(SPACE.indices).mean
        assert spearmanr(predicted[~nothing], target[~nothing]).statistic > 0.97
        as_written = predictor.fit(cells, latencies[cells, 7]).predict(SPACE.indices).mean
        assert spearmanr(as_written, latencies[:, 7]).statistic > 0.97


def test_chosen_cells_tell_more_than_drawn_ones() -> None:
    latencies = devices(8, seed=3)
    target, predictor = latencies[:, 0], make(latencies[:, 1:], log=True)
    rng = np.random.default_rng(0)

    def reached(cells: np.ndarray) -> float:
        return float(spearmanr(predictor.fit(cells, target[cells]).predict(SPACE.indices).mean, target).statistic)

    drawn = [reached(rng.choice(15625, 6, replace=False)) for _ in range(10)]
    assert reached(predictor.propose(6)) > np.mean(drawn)


def test_the_variances_tell_what_varies_between_devices() -> None:
    shared = devices(1)
    rng = np.random.default_rng(1)
    alike = shared * np.exp(0.05 * rng.standard_normal((15625, 6)))
    found = make(alike, log=True).variances
    assert set(found) == {*PARTS, "noise"}
    assert max(PARTS, key=lambda part: found[part]) in ("mean", "sources")
    assert found["counts"] < 0.1 * found["mean"] + 0.1 * found["sources"]


def test_without_sources_it_is_a_plain_gaussian_process() -> None:
    target = devices(1)[:, 0]
    seen = np.random.default_rng(0).choice(15625, 100, replace=False)
    predicted = make(None).fit(seen, target[seen]).predict(SPACE.indices)
    assert spearmanr(predicted.mean, target).statistic > 0.9
    with pytest.raises(InvalidValueError, match="nothing to rank by"):
        make(None).prior(SPACE.indices)


def test_same_seed_same_result() -> None:
    latencies = devices(5)
    first, second = (make(latencies[:, :4], seed=7, log=True) for _ in range(2))
    np.testing.assert_array_equal(first.propose(8), second.propose(8))
    seen = first.propose(8)
    y = latencies[seen, 4]
    np.testing.assert_array_equal(first.fit(seen, y).predict(seen).mean, second.fit(seen, y).predict(seen).mean)


def test_a_cell_that_a_source_lacks_is_named_and_never_proposed() -> None:
    sources = devices(4)
    sources[:15000, 2] = np.nan
    predictor = make(sources, log=True)
    assert (predictor.propose(20) >= 15000).all()
    predictor.fit(np.arange(15000, 15010), devices(1)[15000:15010, 0])
    with pytest.raises(NotMeasuredError, match=r"no value for \|.*1 of 2 are missing"):
        predictor.predict(np.array([0, 15001]))


def test_bad_input_is_refused() -> None:
    sources = devices(3)
    with pytest.raises(InvalidValueError, match="must be \\(15625, k\\)"):
        make(sources[:100])
    with pytest.raises(InvalidValueError, match="positive sources"):
        make(-sources, log=True)
    with pytest.raises(InvalidValueError, match="the same for all"):
        make(np.ones((15625, 2)))
    predictor = make(sources, log=True)
    with pytest.raises(InvalidValueError, match="before it was fitted"):
        predictor.predict(np.array([3]))
    with pytest.raises(InvalidValueError, match="positive values"):
        predictor.fit(np.array([1, 2]), [0.0, 1.0])
    with pytest.raises(InvalidValueError, match="1 <= n <="):
        predictor.propose(0)
    with pytest.raises(InvalidValueError, match="no list of them"):
        TransferGP(load_space("nb101"), np.random.default_rng(0))


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason=f"published tables are not at {PUBLISHED}")
def test_published_devices_of_an_unseen_family() -> None:
    """GPUs at batch 256 from phones, servers and small batches: .75 by ridge on the sources, here above .93."""
    with np.load(PUBLISHED / "nb201_latency.npz", allow_pickle=False) as file:
        table = {name.split("/")[0]: file[name].astype(np.float64) for name in file.files}
    sources = np.stack([values for name, values in table.items() if not name.endswith("_256")], axis=1)
    sources[sources <= 0] = np.nan
    predictor = make(sources, log=True)
    chosen = predictor.propose(10)
    usable = np.setdiff1d(np.flatnonzero(~np.isnan(sources).any(axis=1)), chosen)
    for name in ("1080ti_256", "2080ti_256", "titanx_256", "titanxp_256"):
        predicted = predictor.fit(chosen, table[name][chosen]).predict(usable).mean
        assert spearmanr(predicted, table[name][usable]).statistic > 0.93, name
