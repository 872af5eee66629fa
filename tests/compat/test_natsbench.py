"""The official interface over tables: the usual scripts run, values are the official reader's, nothing falls back."""

from __future__ import annotations

import collections
import copy
import importlib
import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metanas.compat.natsbench import NATSBench, create, search_space_info, standing_in, version
from metanas.errors import InvalidArchError, InvalidValueError, NotMeasuredError, UnknownNameError
from metanas.spaces import load_space
from metanas.spaces.base import listed
from metanas.tables import Metric, Table, metric, write_table
from metanas.tables.import_nats import import_nats
from metanas.tables.import_store import Store

CELLS = (0, 11, 284)
SEEDS, EPOCHS = (777, 888), (1, 2, 3)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a made-up table of all of nb201 on cifar10-valid: seed 888 not run in some, test at the end alone."""
    rng, n = np.random.default_rng(0), 15625
    validation = rng.uniform(10, 90, (n, 2, 3))
    test = np.full((n, 2, 3), np.nan)
    test[..., -1] = rng.uniform(10, 90, (n, 2))
    validation[: n // 2, 1] = test[: n // 2, 1] = np.nan
    parameters = rng.integers(70_000, 1_500_000, n).astype(float)
    parameters[0] = np.nan
    columns: dict[str, tuple[Metric, Any]] = {
        "validation/accuracy": (metric("validation/accuracy"), validation),
        "test/accuracy": (metric("test/accuracy"), test),
        "cost/seconds": (metric("cost/seconds", ("arch", "epoch")), np.cumsum(rng.uniform(1, 9, (n, 3)), axis=1)),
        "cost/parameters": (metric("cost/parameters", ("arch",)), parameters),
    }
    path = tmp_path_factory.mktemp("made") / "made.h5"
    write_table(
        path,
        name="made/cifar10-v1",
        space="nb201",
        task="cifar10-valid",
        arch_index=np.arange(n),
        seeds=SEEDS,
        epochs=EPOCHS,
        metrics=columns,
        protocol="",
        provenance={},
    )
    return path


@pytest.fixture
def api(made: Path) -> NATSBench:
    return create(made, "tss", fast_mode=True, verbose=False)


# Scripts as they are written against the official interface: they import it, and know of nothing else.


class Structure:
    """A cell as the scripts' own library has it: nodes of (operation, source), and ``tostr``."""

    def __init__(self, nodes: list[tuple[tuple[str, int], ...]]) -> None:
        self.nodes = nodes

    def tostr(self) -> str:
        return "+".join("|" + "|".join(f"{op}~{source}" for op, source in node) + "|" for node in self.nodes)


def random_structure(ops: list[str]) -> Structure:
    return Structure([tuple((random.choice(ops), source) for source in range(node)) for node in range(1, 4)])


def mutated(parent: Structure, ops: list[str]) -> Structure:
    child = copy.deepcopy(parent)
    node = random.randint(0, len(child.nodes) - 1)
    edges = list(child.nodes[node])
    edge = random.randint(0, len(edges) - 1)
    edges[edge] = (random.choice([op for op in ops if op != edges[edge][0]]), edges[edge][1])
    child.nodes[node] = tuple(edges)
    return child


def random_search(dataset: str, budget: float, hp: str) -> tuple[str, list[int], list[float]]:
    nats_bench = importlib.import_module("nats_bench")
    api = nats_bench.create(None, "tss", fast_mode=True, verbose=False)
    ops = nats_bench.search_space_info("nats-bench", "tss")["op_names"]
    api.reset_time()
    best, best_accuracy, times, trace = None, -1.0, [], []
    while not times or times[-1] < budget:
        arch = random_structure(ops)
        accuracy, _, _, total = api.simulate_train_eval(arch, dataset, hp=hp)
        times.append(total)
        if best is None or best_accuracy < accuracy:
            best, best_accuracy = arch, accuracy
        trace.append(api.query_index_by_arch(best))
    assert api.used_time == times[-1]
    return api.query_info_str_by_arch(best, hp), trace, times


def regularized_evolution(dataset: str, budget: float) -> tuple[str, list[int], list[float]]:
    nats_bench = importlib.import_module("nats_bench")
    api = nats_bench.create(None, "tss", fast_mode=True, verbose=False)
    ops = nats_bench.search_space_info("nats-bench", "tss")["op_names"]
    population: collections.deque[tuple[float, Structure]] = collections.deque()
    history, times, trace = [], [], []

    def evaluate(arch: Structure) -> None:
        accuracy, _, _, total = api.simulate_train_eval(arch, dataset, hp=api.full_train_epochs)
        population.append((accuracy, arch))
        history.append((accuracy, arch))
        times.append(total)
        trace.append(api.query_index_by_arch(max(history, key=lambda entry: entry[0])[1]))

    api.reset_time()
    while len(population) < 10:
        evaluate(random_structure(ops))
    while times[-1] < budget:
        sample = [random.choice(list(population)) for _ in range(3)]
        evaluate(mutated(max(sample, key=lambda entry: entry[0])[1], ops))
        population.popleft()
    return api.query_by_arch(max(history, key=lambda entry: entry[0])[1], str(api.full_train_epochs)), trace, times


def test_random_search_runs_unchanged(made: Path) -> None:
    with standing_in(made):
        random.seed(1)
        text, trace, times = random_search("cifar10", 2000, "3")
    assert times == sorted(times)
    assert times[-2] < 2000 <= times[-1]
    values = Table(made).query(trace, "validation/accuracy", missing="nan")
    assert values[-1] > values[0]
    assert load_space("nb201").format(load_space("nb201").arch(trace[-1])) in text


def test_regularized_evolution_runs_unchanged(made: Path) -> None:
    with standing_in(made):
        random.seed(2)
        text, trace, times = regularized_evolution("cifar10", 3000)
    assert times == sorted(times)
    assert len(trace) > 100
    assert "cifar10-valid" in text


def test_the_same_script_twice_is_the_same_search(made: Path) -> None:
    found = []
    for _ in range(2):
        with standing_in(made, seed=5):
            random.seed(3)
            found.append(random_search("cifar10", 500, "3"))
    assert found[0] == found[1]


def test_standing_in_leaves_nothing_behind(made: Path) -> None:
    import sys

    before = sys.modules.get("nats_bench")
    with standing_in(made):
        assert importlib.import_module("nats_bench").version() == version() == "v1.8"
    assert sys.modules.get("nats_bench") is before


# Against the official reader


def same(ours: Any, theirs: Any) -> bool:
    if ours is None or theirs is None:
        return ours is theirs
    return bool(ours == pytest.approx(theirs, rel=2e-7))


@pytest.fixture(scope="module")
def pair(published_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[NATSBench, Any]:
    """Return ours and the official reader on the sample."""
    nats_bench = pytest.importorskip("nats_bench")
    sample = published_tables / "natsbench-format" / "NATS-tss-v1_0-3ffb9-simple"
    if not sample.is_dir():
        pytest.skip(f"the sample of NATS-Bench's format is not in {published_tables}")
    folder = tmp_path_factory.mktemp("imported")
    import_nats(sample, store=Store(folder))
    official = nats_bench.create(str(sample), "tss", fast_mode=True, verbose=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it unpickles names that NumPy has moved
        for cell in CELLS:
            official.query_meta_info_by_index(cell, "12")
    return create(folder, "tss"), official


@pytest.mark.parametrize("dataset", ["cifar10-valid", "cifar10", "cifar100", "ImageNet16-120"])
@pytest.mark.parametrize("hp", ["12", "200"])
def test_more_info_and_costs_are_the_official_ones(pair: tuple[NATSBench, Any], dataset: str, hp: str) -> None:
    ours, official = pair
    for cell in CELLS:
        costs = official.get_cost_info(cell, dataset, hp)
        assert ours.get_cost_info(cell, dataset, hp).keys() == costs.keys()
        assert all(same(value, costs[key]) for key, value in ours.get_cost_info(cell, dataset, hp).items())
        seeds = official.query_meta_info_by_index(cell, hp).get_dataset_seeds(dataset)
        assert ours.query_meta_info_by_index(cell, hp).get_dataset_seeds(dataset) == seeds
        for iepoch in (None, 0, 5, int(hp) - 1):
            for seed in (False, *seeds):
                theirs = official.get_more_info(cell, dataset, iepoch, hp, seed)
                theirs.pop("comment", None)
                found = ours.get_more_info(cell, dataset, iepoch, hp, seed)
                assert found.keys() == theirs.keys()
                assert all(same(found[key], theirs[key]) for key in theirs)


def test_records_are_the_official_ones(pair: tuple[NATSBench, Any]) -> None:
    ours, official = (reader.query_by_index(11, "cifar100", "200") for reader in pair)
    assert list(ours) == list(official) == [777, 888, 999]
    for seed, theirs in official.items():
        found = ours[seed]
        assert found.get_train(7).keys() == theirs.get_train(7).keys()
        assert all(same(found.get_train(7)[key], value) for key, value in theirs.get_train(7).items())
        assert all(same(found.get_eval("x-test")[key], value) for key, value in theirs.get_eval("x-test").items())
        assert set(found.get_eval_set()) == set(theirs.get_eval_set())
        assert found.get_times().keys() == theirs.get_times().keys()
        assert (found.get_total_epoch(), found.name) == (theirs.get_total_epoch(), theirs.name)
        assert same(found.get_latency(), theirs.get_latency())
        assert same(found.params, theirs.params)
        assert same(found.flop, theirs.flop)
        assert found.seed == int(theirs.seed)
    mean, their_mean = (r.query_by_index(11, hp="200").get_metrics("cifar100", "valid") for r in pair)
    assert all(same(mean[key], value) for key, value in their_mean.items())


def test_the_list_is_the_official_one(pair: tuple[NATSBench, Any]) -> None:
    ours, official = pair
    assert len(ours) == len(official) == 15625
    assert ours.meta_archs == official.meta_archs
    text = official.arch(284)
    for arch in (284, text, Structure(official.str2lists(text))):
        assert ours.query_index_by_arch(arch) == official.query_index_by_arch(arch) == 284
    assert ours.query_index_by_arch("|x~0|") == official.query_index_by_arch("|x~0|") == -1
    assert ours.str2lists(text) == official.str2lists(text)
    assert np.array_equal(ours.str2matrix(text), official.str2matrix(text))
    assert ours.get_net_config(11, "cifar100") == official.get_net_config(11, "cifar100")
    assert search_space_info("nats-bench", "tss")["op_names"][3] == "nor_conv_3x3"
    assert ours.full_train_epochs == official.full_train_epochs == 200


def test_a_simulated_training_takes_the_official_time(pair: tuple[NATSBench, Any]) -> None:
    ours, official = pair
    for reader in pair:
        reader.reset_time()
    for dataset in ("cifar10", "cifar100", "ImageNet16-120"):
        found, theirs = (reader.simulate_train_eval(11, dataset, hp="12") for reader in (ours, official))
        assert all(same(a, b) for a, b in zip(found[1:], theirs[1:], strict=True))
        accuracies = {
            info["valid-accuracy"] for info in _by_seed(ours, "cifar10-valid" if dataset == "cifar10" else dataset)
        }
        assert found[0] in accuracies
    assert same(ours.used_time, official.used_time)


def _by_seed(reader: NATSBench, dataset: str) -> list[dict[str, Any]]:
    seeds = reader.query_meta_info_by_index(11, "12").get_dataset_seeds(dataset)
    return [reader.get_more_info(11, dataset, hp="12", is_random=seed) for seed in seeds]


def test_validation_and_test_together_is_no_validation(pair: tuple[NATSBench, Any]) -> None:
    ours, official = pair
    assert official.simulate_train_eval(11, "cifar100", iepoch=5, hp="200")[0] > 0  # validation+test, unsaid
    before = ours.used_time
    with pytest.raises(NotMeasuredError, match="no validation accuracy after iepoch=5"):
        ours.simulate_train_eval(11, "cifar100", iepoch=5, hp="200")
    assert ours.used_time == before


# Over any table


def test_no_other_seed_set_or_epoch_stands_in(api: NATSBench) -> None:
    with pytest.raises(NotMeasuredError, match="not trained with seed 888"):
        api.get_more_info(0, "cifar10-valid", hp="3", is_random=888)
    with pytest.raises(NotMeasuredError, match="not trained with seed 999"):
        api.query_by_index(0, hp="3").get_metrics("cifar10-valid", "x-valid", is_random=999)
    assert {key for key in api.get_more_info(0, "cifar10-valid", iepoch=1, hp="3") if "accuracy" in key} == {
        "valid-accuracy"
    }
    with pytest.raises(NotMeasuredError, match="after 2 epochs"):
        api.query_by_index(0, hp="3").get_metrics("cifar10-valid", "ori-test", iepoch=1)
    with pytest.raises(InvalidValueError, match="0 <= iepoch < 3"):
        api.get_more_info(0, "cifar10-valid", iepoch=3, hp="3")
    with pytest.raises(InvalidValueError, match="must be one of 3"):
        api.get_more_info(0, "cifar10-valid", hp="12")
    with pytest.raises(UnknownNameError, match="cifar100"):
        api.get_more_info(0, "cifar100", hp="3")
    with pytest.raises(UnknownNameError, match="x-test"):
        api.query_by_index(0, hp="3").get_metrics("cifar10-valid", "x-test")
    with pytest.raises(InvalidValueError, match="draws no seed"):
        api.query_by_index(0, hp="3").get_metrics("cifar10-valid", "x-valid", is_random=True)
    with pytest.raises(NotMeasuredError, match="no trained weights"):
        api.get_net_param(0, "cifar10-valid", None)


def test_an_unknown_architecture_is_never_the_last_one(api: NATSBench) -> None:
    with pytest.raises(IndexError):
        api[-1]
    for call in (
        api.arch,
        api.query_meta_info_by_index,
        lambda index: api.get_more_info(index, "cifar10-valid", hp="3"),
    ):
        with pytest.raises(InvalidArchError, match="must be one of the 15,625"):
            call(-1)
    with pytest.raises(InvalidArchError, match=r"\|x~0\|"):
        api.simulate_train_eval("|x~0|", "cifar10", hp="3")
    with pytest.raises(InvalidArchError):
        api.query_index_by_arch(15625)


def test_means_and_drawn_trainings(api: NATSBench, made: Path) -> None:
    table, last = Table(made), 15624
    by_seed = [table.query(last, "validation/accuracy", seed=seed) for seed in SEEDS]
    assert api.get_more_info(last, "cifar10-valid", hp="3", is_random=False)["valid-accuracy"] == np.mean(by_seed)
    drawn = {api.get_more_info(last, "cifar10-valid", hp=3)["valid-accuracy"] for _ in range(50)}
    assert drawn == set(by_seed)
    state = random.getstate(), np.random.get_state()[1].tobytes()  # noqa: NPY002
    api.random()
    api.simulate_train_eval(last, "cifar10", hp="3")
    assert state == (random.getstate(), np.random.get_state()[1].tobytes())  # noqa: NPY002
    assert [create(made, seed=4).random() for _ in range(2)] == [create(made, seed=4).random()] * 2


def test_a_mean_over_trainings_is_no_training(tmp_path: Path) -> None:
    values = {
        "validation/accuracy": (metric("validation/accuracy"), np.array([[[50.0], [60.0]]])),
        "test/accuracy": (metric("test/accuracy", ("arch", "epoch")), np.array([[70.0]])),
    }
    write_table(
        tmp_path / "t.h5",
        name="made/means-v1",
        space="nb201",
        task="cifar100-v2",
        arch_index=[0],
        seeds=SEEDS,
        epochs=(200,),
        metrics=values,
        protocol="",
        provenance={},
    )
    api = create(str(tmp_path / "t.h5"))
    assert api.get_more_info(0, "cifar100", hp="200", is_random=False)["test-accuracy"] == 70.0
    assert "test-accuracy" not in api.get_more_info(0, "cifar100", hp="200", is_random=777)
    with pytest.raises(NotMeasuredError, match="no training time"):
        api.simulate_train_eval(0, "cifar100", hp="200")
    assert api.get_latency(0, "cifar100", "200") is None


def test_find_best(api: NATSBench, made: Path) -> None:
    table = Table(made)
    validation = table.column("validation/accuracy")
    assert api.find_best("cifar10", "valid", hp="3") == (int(validation.argmax()), validation.max())
    allowed = np.where(table.column("cost/parameters") <= 200_000, table.column("test/accuracy"), np.nan)
    assert api.find_best("cifar10-valid", "ori-test", param_max=0.2, hp="3")[0] == np.nanargmax(allowed)
    with pytest.raises(NotMeasuredError, match="within the limits"):
        api.find_best("cifar10-valid", "valid", flop_max=1.0, hp="3")
    with pytest.raises(NotMeasuredError, match="no accuracy on 'train'"):
        api.find_best("cifar10-valid", "train", hp="3")


def test_a_sub_space_is_numbered_by_itself(search_table_path: Path) -> None:
    api = create(search_table_path, "tss")
    space = listed(load_space("nb201-conv"))
    assert len(api) == 4096 == len(list(api))
    assert all(api.query_index_by_arch(api.arch(index)) == index for index in (0, 17, 4095))
    assert api.query_index_by_arch("|avg_pool_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|") == -1
    table = Table(search_table_path)
    found = api.get_more_info(17, "searched", hp="4", is_random=False)["valid-accuracy"]
    assert found == table.query(int(space.indices[17]), "validation/accuracy")
    assert api.simulate_train_eval(api.random(), "searched", hp="4")[3] > 0
    best, accuracy = api.find_best("searched", "test", hp="4")
    assert accuracy == table.column("test/accuracy").max() == table.query(api.arch(best), "test/accuracy")


def test_a_table_under_another_name(search_table_path: Path) -> None:
    api = create({("cifar10", "12"): search_table_path, "cifar100": Table(search_table_path)}, "tss")
    assert api.simulate_train_eval(3, "cifar10", hp="12")[3] > 0
    assert api.simulate_train_eval(3, "cifar100", hp="4")[3] > 0


def test_which_tables_answer(
    made: Path, search_table_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from metanas import published
    from metanas.tables import register

    with pytest.raises(InvalidValueError, match="must be of one space"):
        create([made, search_table_path])
    with pytest.raises(InvalidValueError, match="Several tables answer for cifar10-valid"):
        create([made, made]).get_more_info(0, "cifar10-valid", hp="3")
    with pytest.raises(InvalidValueError, match="metanas import nats"):
        create(tmp_path)
    with pytest.raises(InvalidValueError, match="must be 'tss'"):
        create(made, "sss")
    with pytest.raises(UnknownNameError, match="table"):
        create("published/nothing-v1")
    monkeypatch.setattr(published, "roots", lambda: (tmp_path,))
    monkeypatch.setenv("METANAS_DATA", str(tmp_path))
    with pytest.raises(InvalidValueError, match="There is no table"):
        create(None)
    register(search_table_path, "")
    assert len(create()) == 4096
    register(made, "")
    assert len(create(None, "topology")) == 15625
    assert create("made/cifar10-v1").avaliable_hps == ["3"]


def test_words_and_what_has_no_meaning(api: NATSBench, capsys: pytest.CaptureFixture[str]) -> None:
    api.show(11)
    assert capsys.readouterr().out == f"3 epochs:\n{api.query_info_str_by_arch(11, '3')}\n"
    api.clear_params(11)
    api.reload(index=11)
    assert "15625 architectures, cifar10-valid@3" in repr(api)
    assert api.get_unique_str(api.arch(5)) == api.get_unique_str(5)
