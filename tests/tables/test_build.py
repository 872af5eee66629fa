from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cheap_training import TASK, CheapProtocol, train, train_and_die, train_but_one

from metanas.arch import Arch
from metanas.errors import InvalidFileError, InvalidValueError, MetanasError, NotMeasuredError, UnknownNameError
from metanas.files import exclusive_lock
from metanas.spaces import load_space
from metanas.tables import Table
from metanas.tables.assemble import assemble, default_path
from metanas.tables.build import Progress, build, default_work, make_plan
from metanas.tables.shards import Key, Plan, finished, representatives
from metanas.tables.worker import cpu_name
from metanas.tasks import load_task

SPACE = load_space("nb201-conv")


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan("nb201-conv", TASK, CheapProtocol())


def values_of(table: Table) -> dict[str, np.ndarray]:
    return {name: table.values(name) for name in table.metrics}


def test_the_plan(plan: Plan) -> None:
    assert plan.name == f"nb201/{TASK}"
    assert plan.indices == tuple(sorted({SPACE.index(SPACE.canonical(SPACE.arch(int(i)))) for i in SPACE.indices}))
    assert len(plan.indices) == 1011
    assert plan.n_blocks == 11
    assert [index for block in range(11) for index in plan.block(block)] == list(plan.indices)
    assert len(plan.block(10)) == 11
    assert plan.keys((3, 1), blocks=2) == [Key(3, 0), Key(3, 1), Key(1, 0), Key(1, 1)]
    assert default_work(plan).parts[-3:] == ("work", "nb201", TASK)
    with pytest.raises(UnknownNameError, match="Did you mean 'noto_scripts-v1'"):
        make_plan("nb201-conv", "noto_script-v1", CheapProtocol())


def test_a_plan_of_chosen_architectures(plan: Plan) -> None:
    some = make_plan("nb201-conv", TASK, CheapProtocol(), name="nb201/some-v1", indices=plan.indices[5:1:-1])
    assert (some.name, some.indices) == ("nb201/some-v1", plan.indices[2:6])
    twin = next(int(i) for i in SPACE.indices if SPACE.canonical_indices[i] != i)
    with pytest.raises(InvalidValueError, match=f"index {twin} is none"):
        make_plan("nb201-conv", TASK, CheapProtocol(), indices=[twin])


def test_every_value_is_where_it_belongs(plan: Plan, tmp_path: Path) -> None:
    build(plan, tmp_path, (2, 0), train=train)
    path = tmp_path / "table.h5"
    sha256 = assemble(plan, tmp_path, path)
    table = Table.open(path)
    assert (table.sha256, table.seeds, table.epochs) == (sha256, (0, 2), (1, 2, 3))
    assert (table.name, table.task, table.space_name) == (f"nb201/{TASK}", TASK, "nb201-conv")
    assert table.protocol_sha256 == plan.protocol.sha256
    task = load_task(TASK)
    for row in (0, 99, 100, 1010):
        for seed in (0, 2):
            alone = train([SPACE.arch(plan.indices[row])], task, CheapProtocol(), seed)
            for name in set(alone) - {"cost/parameters"}:
                got = [table.query(plan.indices[row], name, epoch=epoch, seed=seed) for epoch in table.epochs]
                assert got == alone[name][0].tolist(), name
            assert table.query(plan.indices[row], "cost/parameters") == alone["cost/parameters"][0]
    assert all(table.measured(name).all() for name in table.metrics)


def test_provenance_says_how_it_came_about(plan: Plan, tmp_path: Path) -> None:
    build(plan, tmp_path, (0, 1), train=train, blocks=1)
    build(plan, tmp_path, (0,), train=train)
    assemble(plan, tmp_path, tmp_path / "table.h5")
    provenance = Table.open(tmp_path / "table.h5").provenance
    assert provenance["task_sha256"] == load_task(TASK).sha256
    assert provenance["trainings"] == 1011 + 100
    assert provenance["trainings_missing"] == 911
    assert provenance["versions"]["numpy"] == [np.__version__]
    assert provenance["core_seconds"] >= 0
    assert len(provenance["cpu"]) == len(provenance["dates"]) == 1
    assert provenance["diverged"] == {}


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_processors_of_one_name_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text("processor\t: 0\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\n\nmodel name\t: other\n")
    assert cpu_name(path) == "AMD EPYC (family 25, model 17)"
    path.with_name("bare").write_text("model name\t: One\n")
    assert cpu_name(path.with_name("bare")) == "One"
    assert cpu_name(path.with_name("absent"))


def test_values_depend_neither_on_workers_nor_on_order(plan: Plan, tmp_path: Path) -> None:
    build(plan, tmp_path / "one", (0, 1), train=train)
    build(plan, tmp_path / "two", (1,), train=train, blocks=3)
    build(plan, tmp_path / "two", (1, 0), train=train, jobs=2)
    tables = []
    for work in ("one", "two"):
        assemble(plan, tmp_path / work, tmp_path / f"{work}.h5")
        tables.append(values_of(Table.open(tmp_path / f"{work}.h5")))
    assert tables[0].keys() == tables[1].keys()
    for name, values in tables[0].items():
        assert np.array_equal(values, tables[1][name]), name


def test_assembling_the_same_shards_gives_the_same_bytes(plan: Plan, tmp_path: Path) -> None:
    build(plan, tmp_path, (0,), train=train, blocks=2)
    assert assemble(plan, tmp_path, tmp_path / "a.h5") == assemble(plan, tmp_path, tmp_path / "b.h5")
    assert default_path(plan, tmp_path) == tmp_path / f"{TASK}.h5"


def test_extending_a_table_equals_building_all_of_it(plan: Plan, tmp_path: Path) -> None:
    build(plan, tmp_path / "all", (0, 1, 3), train=train)
    assemble(plan, tmp_path / "all", tmp_path / "all.h5")
    whole = Table.open(tmp_path / "all.h5")
    assemble(plan, tmp_path / "all", tmp_path / "earlier.h5", seeds=(0, 3))
    earlier = Table.open(tmp_path / "earlier.h5")
    build(plan, tmp_path / "later", (1,), train=train)
    assemble(plan, tmp_path / "later", tmp_path / "extended.h5", earlier=earlier)
    extended = Table.open(tmp_path / "extended.h5")
    assert (earlier.seeds, extended.seeds) == ((0, 3), (0, 1, 3))
    for name, values in values_of(whole).items():
        assert np.array_equal(extended.values(name), values), name
        assert extended.values(name).dtype == values.dtype, name
    for what in ("trainings", "trainings_missing", "versions", "cpu", "diverged", "method", "task_sha256"):
        assert extended.provenance[what] == whole.provenance[what], what
    seconds = extended.provenance["core_seconds"]  # measured: the sum of both
    later = sum(float(shard.facts["core_seconds"]) for shard in finished(plan, tmp_path / "later").values())
    assert seconds == pytest.approx(earlier.provenance["core_seconds"] + later, abs=0.11)


def test_extending_counts_what_is_missing_and_keeps_the_earlier_seeds(plan: Plan, tmp_path: Path) -> None:
    build(plan, tmp_path / "a", (0,), train=train)
    assemble(plan, tmp_path / "a", tmp_path / "a.h5")
    earlier = Table.open(tmp_path / "a.h5")
    build(plan, tmp_path / "b", (0, 5), train=train, blocks=1)  # its shard of seed 0 is not needed
    assemble(plan, tmp_path / "b", tmp_path / "b.h5", seeds=(0, 5), earlier=earlier)
    table = Table.open(tmp_path / "b.h5")
    assert table.seeds == (0, 5)
    assert (table.provenance["trainings"], table.provenance["trainings_missing"]) == (1011 + 100, 911)
    assert table.measured("validation/accuracy")[:, 0].all()
    with pytest.raises(InvalidValueError, match="lacks 911 trainings"):
        assemble(plan, tmp_path / "b", tmp_path / "c.h5", earlier=table)
    with pytest.raises(NotMeasuredError, match=f"no finished block .* that nb201/{TASK} lacks"):
        assemble(plan, tmp_path / "a", tmp_path / "c.h5", earlier=earlier)


def test_a_table_of_another_plan_is_not_extended(plan: Plan, tmp_path: Path) -> None:
    build(plan, tmp_path / "a", (0,), train=train)
    assemble(plan, tmp_path / "a", tmp_path / "a.h5")
    other = dataclasses.replace(plan, protocol=CheapProtocol(text="another"), indices=plan.indices[1:])
    build(other, tmp_path / "b", (1,), train=train)
    with pytest.raises(InvalidValueError, match="another protocol, set of architectures than"):
        assemble(other, tmp_path / "b", tmp_path / "b.h5", earlier=Table.open(tmp_path / "a.h5"))


def test_only_what_is_missing_is_trained(plan: Plan, tmp_path: Path) -> None:
    trained: list[tuple[int, int]] = []

    def watched(archs: Sequence[Arch], task: Any, protocol: Any, seed: int) -> dict[str, np.ndarray]:
        trained.append((seed, len(archs)))
        return train(archs, task, protocol, seed)

    build(plan, tmp_path, (0,), train=watched, blocks=2)
    assert trained == [(0, 100)] * 2
    Key(0, 0).path(tmp_path).unlink()
    build(plan, tmp_path, (1, 0), train=watched, blocks=3)
    assert sorted(trained[2:]) == [(0, 100)] * 2 + [(1, 100)] * 3
    build(plan, tmp_path, (1, 0), train=watched, blocks=3)
    assert len(trained) == 7


def test_progress_counts_trainings_and_estimates_what_is_left(plan: Plan, tmp_path: Path) -> None:
    build(plan, tmp_path, (0,), train=train, blocks=1)
    told: list[Progress] = []
    build(plan, tmp_path, (0,), train=train, report=told.append)
    assert [(progress.done, progress.total) for progress in told[:3]] == [(100, 1011), (200, 1011), (300, 1011)]
    assert (told[0].key, told[0].seconds_left) == (None, None)
    assert (told[-1].done, told[-1].seconds_left) == (1011, 0)
    assert {progress.key for progress in told[1:]} == {Key(0, block) for block in range(1, 11)}
    assert all(progress.seconds_left is not None and progress.seconds_left > 0 for progress in told[1:-1])


def test_a_partial_table_has_gaps_that_say_so(plan: Plan, tmp_path: Path) -> None:
    build(plan, tmp_path, (0,), train=train, blocks=2)
    build(plan, tmp_path, (1,), train=train, blocks=1)
    assemble(plan, tmp_path, tmp_path / "table.h5")
    table = Table.open(tmp_path / "table.h5")
    measured = table.measured("test/accuracy")
    assert measured[:200, 0].all()
    assert measured[:100, 1].all()
    assert measured.sum() == 300 * 3
    assert table.query(plan.indices[150], "test/accuracy") == table.query(plan.indices[150], "test/accuracy", seed=0)
    for index, seed in ((150, 1), (200, None)):
        with pytest.raises(NotMeasuredError):
            table.query(plan.indices[index], "test/accuracy", seed=seed)


def test_nothing_to_assemble(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(NotMeasuredError, match="no finished block"):
        assemble(plan, tmp_path, tmp_path / "table.h5")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"protocol": CheapProtocol(text="epochs = 3\nblock_size = 100\nlearning_rate = 0.2\n")}, "protocol"),
        ({"task_sha256": "0" * 64}, "task"),
        ({"space": "nbgraph"}, "space"),
        ({"indices": representatives("nb201-conv")[1:]}, "block of architectures"),
    ],
)
def test_shards_of_something_else_are_refused(plan: Plan, tmp_path: Path, change: dict[str, Any], what: str) -> None:
    build(plan, tmp_path, (0,), train=train, blocks=1)
    other = dataclasses.replace(plan, **change)
    with pytest.raises(InvalidFileError, match=f"of another {what} than .*--work"):
        build(other, tmp_path, (0,), train=train)
    with pytest.raises(InvalidFileError, match=f"of another {what} than"):
        assemble(other, tmp_path, tmp_path / "table.h5")
    assert finished(plan, tmp_path).keys() == {Key(0, 0)}


def test_a_shard_under_another_seeds_name_is_refused(plan: Plan, tmp_path: Path) -> None:
    build(plan, tmp_path, (0,), train=train, blocks=1)
    Key(1, 0).path(tmp_path).parent.mkdir()
    Key(0, 0).path(tmp_path).rename(Key(1, 0).path(tmp_path))
    with pytest.raises(InvalidFileError, match="of another seed"):
        build(plan, tmp_path, (0,), train=train)


@pytest.mark.parametrize("damage", ["cut", "altered", "empty", "text"])
def test_damaged_shards_are_named(plan: Plan, tmp_path: Path, damage: str) -> None:
    build(plan, tmp_path, (0,), train=train, blocks=2)
    path = Key(0, 1).path(tmp_path)
    data = bytearray(path.read_bytes())
    if damage == "altered":
        data[len(data) // 2] ^= 0xFF
    path.write_bytes({"cut": data[: len(data) // 2], "altered": data, "empty": b"", "text": b"not a shard"}[damage])
    with pytest.raises(InvalidFileError, match=r"block-0001\.npz is damaged .* Delete it"):
        build(plan, tmp_path, (0,), train=train)
    path.unlink()
    build(plan, tmp_path, (0,), train=train, blocks=2)
    assert finished(plan, tmp_path).keys() == {Key(0, 0), Key(0, 1)}


def test_foreign_files_are_left_alone(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "shards" / "seed-0000").mkdir(parents=True)
    (tmp_path / "shards" / "seed-0000" / "block-notes.npz").write_text("mine")
    build(plan, tmp_path, (0,), train=train, blocks=1)
    assert (tmp_path / "shards" / "seed-0000" / "block-notes.npz").read_text() == "mine"


def test_two_builds_in_one_folder(plan: Plan, tmp_path: Path) -> None:
    with exclusive_lock(tmp_path / ".lock"), pytest.raises(MetanasError, match="One process at a time"):
        build(plan, tmp_path, (0,), train=train)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            lambda v: v.update({"test/accuracy": v["test/accuracy"][:, :2]}),
            r"\(100, 3\) or \(100,\), but gave \(100, 2\)",
        ),
        (lambda v: v["test/accuracy"].__setitem__((4, 1), np.nan), "finite numbers, but 'test/accuracy' of seed 0"),
        (lambda v: v["cost/seconds"].__setitem__((4, 1), np.inf), "'cost/seconds'"),
        (lambda v: v.update({"test/accuracy": np.full((100, 3), "high")}), "must give 'test/accuracy'"),
        (lambda v: v.update({"test/acuracy": v["test/accuracy"]}), "Did you mean 'accuracy'"),
    ],
)
def test_training_that_returns_garbage(plan: Plan, tmp_path: Path, change: Any, match: str) -> None:
    def broken(archs: Sequence[Arch], task: Any, protocol: Any, seed: int) -> dict[str, np.ndarray]:
        values = train(archs, task, protocol, seed)
        change(values)
        return values

    with pytest.raises(MetanasError, match=match):
        build(plan, tmp_path, (0,), train=broken)
    assert finished(plan, tmp_path) == {}


@pytest.mark.parametrize("jobs", [1, 2])
def test_one_block_that_cannot_be_trained_does_not_stop_the_others(plan: Plan, tmp_path: Path, jobs: int) -> None:
    with pytest.raises(MetanasError, match=r"1 of 4 blocks could not be trained.*Seed 0, block 2: It diverged\."):
        build(plan, tmp_path, (0,), train=train_but_one, blocks=4, jobs=jobs)
    assert finished(plan, tmp_path).keys() == {Key(0, 0), Key(0, 1), Key(0, 3)}


def test_a_training_that_diverged_is_marked_not_invented(plan: Plan, tmp_path: Path) -> None:
    def diverging(archs: Sequence[Arch], task: Any, protocol: Any, seed: int) -> dict[str, np.ndarray]:
        values = train(archs, task, protocol, seed)
        if seed == 1:
            values["test/cross_entropy"][3] = np.inf
            values["test/cross_entropy"][8, 2] = np.nan
            values["test/accuracy"][8, 2] = np.nan  # as train_block gives it
        return values

    build(plan, tmp_path, (0, 1), train=diverging, blocks=1)
    assemble(plan, tmp_path, tmp_path / "table.h5")
    table = Table.open(tmp_path / "table.h5")
    assert table.provenance["diverged"] == {
        "test/cross_entropy seed 1": [plan.indices[3], plan.indices[8]],
        "test/accuracy seed 1": [plan.indices[8]],
    }
    with pytest.raises(NotMeasuredError):
        table.query(plan.indices[3], "test/cross_entropy", seed=1)
    assert table.query(plan.indices[3], "test/accuracy", seed=1) > 0


def test_parameters_that_differ_between_seeds_are_refused(plan: Plan, tmp_path: Path) -> None:
    def changing(archs: Sequence[Arch], task: Any, protocol: Any, seed: int) -> dict[str, np.ndarray]:
        values = train(archs, task, protocol, seed)
        values["cost/parameters"][6] += seed
        return values

    build(plan, tmp_path, (0, 1), train=changing, blocks=1)
    with pytest.raises(InvalidFileError, match=r"'cost/parameters' depends on the architecture alone, but block 0"):
        assemble(plan, tmp_path, tmp_path / "table.h5")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"seeds": ()}, "at least one"),
        ({"seeds": (1, 1)}, "distinct"),
        ({"seeds": (-1,)}, "from 0 on"),
        ({"jobs": 0}, "jobs >= 1"),
        ({"blocks": 0}, "blocks >= 1"),
        ({"backend": "dsak"}, "Did you mean 'dask'"),
        ({"backend": "dask"}, "belong together"),
        ({"address": "tcp://127.0.0.1:1"}, "belong together"),
    ],
)
def test_arguments_out_of_range(plan: Plan, tmp_path: Path, arguments: dict[str, Any], match: str) -> None:
    with pytest.raises(MetanasError, match=match):
        build(plan, tmp_path, **{"seeds": (0,), "train": train} | arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore:A worker stopped while some jobs:UserWarning")
def test_a_worker_that_dies_takes_no_finished_block_along(plan: Plan, tmp_path: Path) -> None:
    build(plan, tmp_path, (0,), train=train, blocks=4)
    with pytest.raises(MetanasError, match=r"A worker process died.*are kept"):
        build(plan, tmp_path, (0,), train=train_and_die, jobs=2)
    assert set(finished(plan, tmp_path)) >= {Key(0, block) for block in range(4)}
    build(plan, tmp_path, (0,), train=train)
    assert len(finished(plan, tmp_path)) == plan.n_blocks
