from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from sampled import CLASSES, TRUTH, content, file_of
from scipy.stats import kendalltau

from metanas.errors import InvalidValueError, NotMeasuredError, UnknownNameError
from metanas.spaces.nb101 import SPACE as NB101
from metanas.surrogates.fitting import Fitted, fit
from metanas.surrogates.store import open_surrogate, surrogate_path, write_surrogate
from metanas.tables import Table, metric, write_table

ACCURACY = "validation/accuracy"


def test_unseen_architectures_are_predicted(fitted: Fitted, unseen: np.ndarray) -> None:
    mean, std = fitted.models[ACCURACY].predict(unseen)
    true = TRUTH[np.searchsorted(CLASSES, unseen)]
    assert std is not None
    for at in range(3):
        assert kendalltau(mean[:, at], true[:, at]).statistic > 0.75
        assert 0.6 < (np.abs(mean[:, at] - true[:, at]) < 1.2816 * std[:, at]).mean() <= 1


def test_the_same_seed_gives_the_same_bytes(sample: Table, tmp_path: Path) -> None:
    def hash_of(name: str, seed: int, members: Sequence[str]) -> str:
        few = {"extra_trees": {"trees": 5}}
        made = fit(sample, seed=seed, metrics=(ACCURACY,), members=members, settings=few)
        return write_surrogate(made, tmp_path / f"{name}.npz", {})

    members = ("ridge", "extra_trees")
    first, again, other = (hash_of(name, seed, members) for name, seed in (("a", 3), ("b", 3), ("c", 4)))
    assert first == again != other


def test_a_metric_is_learned_from_itself_alone(fitted: Fitted, tmp_path: Path) -> None:
    change = content()
    entry, values = change["metrics"]["test/accuracy"]
    change["metrics"]["test/accuracy"] = (entry, values[::-1])
    write_table(tmp_path / "other.h5", **change)
    other = fit(Table.open(tmp_path / "other.h5"), members=("ridge",))
    for name, same in ((ACCURACY, True), ("test/accuracy", False)):
        first, second = (one.models[name].predict(CLASSES).mean for one in (fitted, other))
        assert np.array_equal(first, second) is same


def test_noise_is_not_predicted(tmp_path: Path) -> None:
    change = content()
    entry, values = change["metrics"][ACCURACY]
    rng = np.random.default_rng(0)
    change["metrics"][ACCURACY] = (entry, values[rng.permutation(len(values))])
    write_table(tmp_path / "shuffled.h5", **change)
    table = Table.open(tmp_path / "shuffled.h5")
    model = fit(table, metrics=(ACCURACY,), members=("ridge",)).models[ACCURACY]
    assert model.held_out is not None
    held_out = model.held_out.mean[:, -1]
    assert np.ptp(held_out) == 0 or abs(kendalltau(held_out, table.column(ACCURACY)).statistic) < 0.15
    mean, std = model.predict(CLASSES)
    assert mean.std() < 0.5 * table.column(ACCURACY).std()
    assert std is not None
    assert std.mean() > 0.7 * table.column(ACCURACY).std()


def test_what_cannot_be_fitted(sample: Table, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'validation/accuracy'"):
        fit(sample, metrics=("validation/acuracy",))
    with pytest.raises(UnknownNameError, match="predictor"):
        fit(sample, metrics=(ACCURACY,), members=("ridg",))
    few = file_of(tmp_path / "few.h5", n=49)
    with pytest.raises(NotMeasuredError, match="whole for 49 architectures; a surrogate needs 50"):
        fit(few, members=("ridge",))


def nb101_table(path: Path, n: int = 150) -> Table:
    rng = np.random.default_rng(0)
    found = sorted({NB101.index(NB101.canonical(NB101.sample(rng))) for _ in range(n)})
    ops = [NB101.graph(NB101.arch(index)).ops.count("conv3x3-bn-relu") for index in found]
    values = 50 + 8 * np.array(ops)[:, None] + rng.normal(0, 1, (len(found), 1))
    write_table(
        path,
        name="nb101/sample-v1",
        space="nb101",
        task="made",
        arch_index=found,
        seeds=(),
        epochs=(108,),
        metrics={ACCURACY: (metric(ACCURACY, ("arch", "epoch")), values)},
        protocol="",
        provenance={},
    )
    return Table.open(path)


def test_a_space_without_a_list_keeps_trees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from metanas.surrogates import growing

    monkeypatch.setattr(growing, "TREES", {**growing.TREES, "rounds": 60, "members": 2})
    table = nb101_table(tmp_path / "nb101.h5")
    made = fit(table)
    write_surrogate(made, surrogate_path(table.path), {})
    read = open_surrogate(table.path)
    rng = np.random.default_rng(9)
    asked = [NB101.sample(rng) for _ in range(60)]
    indices = np.array([NB101.index(arch) for arch in asked])
    mean, std = made.models[ACCURACY].predict(indices)
    np.testing.assert_array_equal(read.predict(asked, ACCURACY).mean, mean[:, -1])  # read without XGBoost
    ops = [NB101.graph(NB101.canonical(arch)).ops.count("conv3x3-bn-relu") for arch in asked]
    assert kendalltau(mean[:, -1], ops).statistic > 0.5
    assert std is not None
    assert (std > 0).all()
    stranger = next(arch for arch in asked if not read.measured([arch], ACCURACY)[0])
    answer = read.query([stranger, NB101.arch(int(table.archs[3]))], ACCURACY)
    assert answer.measured.tolist() == [False, True]
    assert answer.value[1] == table.column(ACCURACY)[3]
    assert np.isnan(answer.std[1])  # one training: no noise is known
    with pytest.raises(NotMeasuredError, match="one value for each architecture"):
        read.draw(asked[:2], rng)
    with pytest.raises(NotMeasuredError, match="listed spaces only"):
        read.column(ACCURACY)
    with pytest.raises(InvalidValueError, match="only boosted trees are kept"):
        fit(table, members=("ridge",))
