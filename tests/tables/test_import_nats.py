"""The official directory format, cell by cell against the official reader, and broken directories."""

from __future__ import annotations

import bz2
import contextlib
import os
import pickle
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metanas.errors import InvalidFileError, InvalidValueError, MetanasError, NotMeasuredError, UnknownNameError
from metanas.files import exclusive_lock
from metanas.spaces import load_space
from metanas.tables import Table
from metanas.tables import import_nats as import_nats_module
from metanas.tables.import_nats import cell_files, import_nats
from metanas.tables.import_store import Store
from metanas.tables.nats_cell import SETS, Run, read_cell
from metanas.tables.nats_parts import read_part, write_part

CELLS = (0, 11, 284)
SPLIT_OF = {  # column -> the official reader's name of the set
    dataset: {"training/": "train", **{prefix: name for name, prefix in sets.items()}} for dataset, sets in SETS.items()
}


@pytest.fixture(scope="module")
def sample(published_tables: Path) -> Path:
    folder = published_tables / "natsbench-format" / "NATS-tss-v1_0-3ffb9-simple"
    if not folder.is_dir():
        pytest.skip(f"the sample of NATS-Bench's format is not in {published_tables}")
    return folder


@pytest.fixture(scope="module")
def tables(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Run, Table]:
    found = {}
    for imported in import_nats(sample, store=Store(tmp_path_factory.mktemp("nats"))):
        table = Table(imported.path)
        dataset = next(name for name in SETS if name.lower() == table.task)
        found[Run(dataset, table.epochs[-1])] = table
    return found


@pytest.fixture(scope="module")
def official(sample: Path) -> Any:
    nats_bench = pytest.importorskip("nats_bench")
    api = nats_bench.create(str(sample), "tss", fast_mode=True, verbose=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it unpickles names that NumPy has moved
        for cell in CELLS:
            api.query_meta_info_by_index(cell, "12")
    return api


def test_every_run_is_a_table_of_its_own(tables: dict[Run, Table]) -> None:
    assert set(tables) == {Run(dataset, epochs) for dataset in SETS for epochs in (12, 200)}
    for run, table in tables.items():
        assert table.name == f"published/nats-{run.dataset.lower()}-{run.epochs}ep-v1"
        assert table.archs.tolist() == list(CELLS)
        assert table.epochs == tuple(range(1, run.epochs + 1))
        assert run.dataset in table.protocol


@pytest.mark.parametrize("dataset", SETS)
@pytest.mark.parametrize("epochs", [12, 200])
def test_every_value_is_the_official_readers(
    tables: dict[Run, Table], official: Any, dataset: str, epochs: int
) -> None:
    table, compared = tables[Run(dataset, epochs)], 0
    for cell in CELLS:
        record = official.query_meta_info_by_index(cell, str(epochs))
        assert sorted(record.get_dataset_seeds(dataset)) == list(table.seeds)
        for name, entry in table.metrics.items():
            if entry.split not in ("training", "validation", "test") or entry.quantity == "top5_accuracy":
                continue
            quantity = entry.quantity.removeprefix("valtest_")
            theirs = SPLIT_OF[dataset][name.removesuffix(quantity)]
            key = {"accuracy": "accuracy", "cross_entropy": "loss"}[quantity]
            values = table.values(name)[table.archs.tolist().index(cell)]
            for seed, curve in zip(table.seeds, values, strict=True):
                result = record.query(dataset, seed)
                for epoch, ours in zip(table.epochs, curve, strict=True):
                    try:
                        stated = (
                            result.get_train(epoch - 1) if theirs == "train" else result.get_eval(theirs, epoch - 1)
                        )
                    except KeyError:  # not evaluated after that epoch
                        assert np.isnan(ours), (name, cell, seed, epoch)
                        continue
                    assert ours == np.float32(stated[key]), (name, cell, seed, epoch)
                    compared += 1
    assert compared >= len(CELLS) * len(table.seeds) * epochs * 4


@pytest.mark.parametrize("dataset", SETS)
@pytest.mark.parametrize("epochs", [12, 200])
def test_costs_are_the_official_readers(tables: dict[Run, Table], official: Any, dataset: str, epochs: int) -> None:
    table = tables[Run(dataset, epochs)]
    for cell in CELLS:
        costs = official.get_cost_info(cell, dataset, str(epochs))
        assert table.query(cell, "cost/parameters") == pytest.approx(costs["params"] * 1e6, rel=1e-12)
        assert table.query(cell, "cost/macs") == pytest.approx(costs["flops"] * 1e6, rel=1e-12)
        assert table.query(cell, "latency/gpu") == pytest.approx(costs["latency"] * 1e3, rel=1e-12)
        assert table.query(cell, "cost/seconds") == pytest.approx(costs["T-train@total"], rel=1e-12)
        for name, prefix in SETS[dataset].items():
            ours = {"validation/": "validation", "test/": "test", "test/valtest_": "valtest"}[prefix]
            assert table.query(cell, f"cost/{ours}_seconds") == pytest.approx(costs[f"T-{name}@epoch"], rel=1e-12)
        for epoch in (1, epochs // 2, epochs):
            stated = official.get_more_info(cell, dataset, iepoch=epoch - 1, hp=str(epochs), is_random=False)
            assert table.query(cell, "cost/seconds", epoch=epoch) == pytest.approx(stated["train-all-time"], rel=1e-12)


def test_a_query_answers_by_seed_and_epoch(tables: dict[Run, Table], official: Any) -> None:
    table, result = tables[Run("cifar10-valid", 200)], official.query_by_index(11, "cifar10-valid", "200")
    for seed, epoch in ((777, 1), (888, 100), (999, 200)):
        stated = result[seed].get_eval("x-valid", epoch - 1)["accuracy"]
        assert table.query(11, "validation/accuracy", seed=seed, epoch=epoch) == np.float32(stated)
    with pytest.raises(NotMeasuredError):
        table.query(11, "test/accuracy", seed=777, epoch=199)


def test_the_mean_over_seeds_is_the_official_mean(tables: dict[Run, Table], official: Any) -> None:
    for cell in CELLS:
        stated = official.get_more_info(cell, "cifar100", hp="200", is_random=False)
        ours = tables[Run("cifar100", 200)]
        assert ours.query(cell, "validation/accuracy") == pytest.approx(stated["valid-accuracy"], rel=1e-6)
        assert ours.query(cell, "test/accuracy") == pytest.approx(stated["test-accuracy"], rel=1e-6)


def test_the_sample_agrees_with_the_published_columns(tables: dict[Run, Table], published_tables: Path) -> None:
    with np.load(published_tables / "nb201.npz") as columns:
        for dataset in ("cifar100", "ImageNet16-120"):
            for split, key in (("validation", "val_acc"), ("test", "test_acc")):
                ours = tables[Run(dataset, 200)].values(f"{split}/accuracy")[:, :, -1]
                assert np.allclose(ours, columns[f"{dataset.lower()}/{key}@200"][list(CELLS)], atol=1e-3)


def test_several_processes_write_the_same_bytes(sample: Path, tables: dict[Run, Table], tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    imported = import_nats(
        sample,
        store=Store(tmp_path),
        datasets=["cifar10"],
        jobs=2,
        report=lambda done, total: seen.append((done, total)),
    )
    assert [entry.name for entry in imported] == ["published/nats-cifar10-12ep-v1", "published/nats-cifar10-200ep-v1"]
    assert seen == [(0, 3), (3, 3)]
    assert not (tmp_path / ".parts").exists()
    for path in (entry.path for entry in imported):
        run = Run("cifar10", Table(path).epochs[-1])
        assert path.read_bytes() == tables[run].path.read_bytes()


# Broken directories, made from the sample: the content is unpickled, altered and pickled again.

Change = Callable[[dict[str, Any]], Any]
FIRST = ("cifar100", 777)


@pytest.fixture
def broken(sample: Path, tmp_path: Path) -> Callable[[Change], Path]:
    """Return what makes a directory whose only cell was changed."""

    def make(change: Change) -> Path:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = pickle.loads(bz2.decompress((sample / "000011.pickle.pbz2").read_bytes()))
        changed = change(content)
        folder = tmp_path / "broken"
        folder.mkdir(exist_ok=True)
        (folder / "000011.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps(content if changed is None else changed)))
        shutil.copyfile(sample / "meta.pickle.pbz2", folder / "meta.pickle.pbz2")
        return folder

    return make


def put(*path: object) -> Change:
    """Return the change that puts the last of ``path`` at the rest of it."""
    *parents, key, value = path

    def change(content: Any) -> None:
        for parent in parents:
            content = content[parent]
        content[key] = value

    return change


RESULT = ("200", "all_results", FIRST)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (put("200", "arch_index", 12), "arch_index of the 200 epochs must be 11"),
        (put("200", "arch_str", "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"), "must be of one architecture"),
        (put("two", {}), "listed by their epochs"),
        (put("200", [1]), "must be a dict"),
        (put("200", "dataset_seed", "cifar100", [777, 888]), "does not list the trainings"),
        (put("200", "all_results", ("svhn", 777), {}), "must be of a seed and one of"),
        (put(*RESULT, "epochs", 199), "epochs of cifar100, seed 777, 200 epochs must be 200"),
        (put(*RESULT, "seed", "0888"), "must be '777'"),
        (put(*RESULT, "name", "cifar10"), "name of cifar100, seed 777, 200 epochs must be 'cifar100'"),
        (put(*RESULT, "train_acc1es", 200, 1.0), "keyed by epochs 0 to 199"),
        (put(*RESULT, "train_acc1es", 3, "90"), "must hold numbers alone"),
        (put(*RESULT, "train_acc1es", 3, True), "must hold numbers alone"),
        (put(*RESULT, "train_losses", None), "must be a dict"),
        (put(*RESULT, "eval_acc1es", "y-valid@3", 1.0), "must be keyed set@epoch"),
        (put(*RESULT, "eval_acc1es", "x-valid", 1.0), "must be keyed set@epoch"),
        (put(*RESULT, "params", None), "must be a number"),
        (put(*RESULT, "flop", float("nan")), "must be a number"),
        (put(*RESULT, "train_times", 7, -1.0), "seconds above 0"),
        (put(*RESULT, "arch_config", "arch_str", "|x~0|"), "must be of one architecture"),
        (lambda content: [content], "must be a dict"),
        (lambda content: {}, "of none"),
    ],
)
def test_what_breaks_the_format_is_refused(
    broken: Callable[[Change], Path], tmp_path: Path, change: Change, rule: str
) -> None:
    with pytest.raises(InvalidFileError, match=rule):
        import_nats(broken(change), store=Store(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("value", [-1.0, 100.5])
def test_what_breaks_a_tables_invariants_is_refused(
    broken: Callable[[Change], Path], tmp_path: Path, value: float
) -> None:
    with pytest.raises(InvalidValueError, match="'training/accuracy'"):
        import_nats(broken(put(*RESULT, "train_acc1es", 3, value)), store=Store(tmp_path / "out"))


class Evil:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> Any:
        return (os.system, ("touch was-here",))


def test_a_malicious_cell_is_refused_by_name(
    broken: Callable[[Change], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = broken(put(*RESULT, "net_state_dict", Evil()))
    with pytest.raises(InvalidFileError, match=rf"{os.name}\.system"):
        import_nats(folder, store=Store(tmp_path / "out"))
    assert not (tmp_path / "was-here").exists()


def test_a_cell_that_unpacks_to_too_much_is_refused(broken: Callable[[Change], Path], tmp_path: Path) -> None:
    with pytest.raises(InvalidFileError, match="bytes"):
        import_nats(broken(put("12", "arch_str", "x" * 2**25)), store=Store(tmp_path / "out"))


def test_a_cell_that_is_cut_short_is_refused(sample: Path, tmp_path: Path) -> None:
    (tmp_path / "cell").write_bytes((sample / "000011.pickle.pbz2").read_bytes()[:-100])
    with pytest.raises(InvalidFileError, match="cut short"):
        read_cell(tmp_path / "cell", 11)
    (tmp_path / "cell").write_bytes(b"no bz2")
    with pytest.raises(InvalidFileError, match="cannot be read"):
        read_cell(tmp_path / "cell", 11)


def test_trainings_that_disagree_about_parameters_are_not_believed(
    broken: Callable[[Change], Path], tmp_path: Path
) -> None:
    imported = import_nats(broken(put(*RESULT, "params", 0.9)), store=Store(tmp_path / "out"), datasets=["cifar100"])
    table = Table(imported[1].path)
    with pytest.raises(NotMeasuredError):
        table.query(11, "cost/parameters")
    assert table.query(11, "cost/macs") == 113957220
    assert any("cost/parameters is not taken" in note and "cells 11." in note for note in imported[1].notes)
    assert table.provenance["notes"] == list(imported[1].notes)


def test_seconds_that_differ_keep_their_seeds(broken: Callable[[Change], Path], tmp_path: Path) -> None:
    def slower(content: dict[str, Any]) -> None:
        for number, seed in enumerate((777, 888, 999)):
            result = content["200"]["all_results"]["cifar100", seed]
            result["train_times"] = {epoch: 1.0 + epoch * (number < 2) + 10 * number for epoch in range(200)}
            result["eval_times"] = {key: seconds * (1 + number) for key, seconds in result["eval_times"].items()}

    table = Table(import_nats(broken(slower), store=Store(tmp_path / "out"), datasets=["cifar100"])[1].path)
    assert table.metrics["cost/seconds"].axes == ("arch", "seed", "epoch")
    assert table.query(11, "cost/seconds", seed=777, epoch=3) == 6.0
    assert table.query(11, "cost/seconds", seed=888, epoch=3) == 36.0
    assert table.query(11, "cost/seconds", seed=999, epoch=3) == 63.0
    assert table.metrics["cost/validation_seconds"].axes == ("arch", "seed")


def test_what_is_not_available_is_not_measured(broken: Callable[[Change], Path], tmp_path: Path) -> None:
    def poorer(content: dict[str, Any]) -> None:
        for seed in (777, 888, 999):
            result = content["200"]["all_results"]["cifar100", seed]
            result.update(latency=[-1.0], train_times=None)
            result["train_losses"][5] = float("inf")

    table = Table(import_nats(broken(poorer), store=Store(tmp_path / "out"), datasets=["cifar100"])[1].path)
    assert not {"latency/gpu", "cost/seconds"} & set(table.metrics)
    assert np.isnan(table.query(11, "training/cross_entropy", epoch=6, missing="nan"))
    assert "3 values are infinite and taken as not measured." in table.provenance["notes"]


# Many cells, made of the sample's short trainings under other numbers.

UNTIL_KILLED = """
import sys
from pathlib import Path
from metanas.tables import import_nats
from metanas.tables.import_store import Store
import_nats.CELLS = 8
folder, out, jobs = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
import_nats.import_nats(folder, store=Store(out), jobs=jobs, report=lambda done, total: print(done, flush=True))
"""


@pytest.fixture(scope="module")
def many(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, space = tmp_path_factory.mktemp("many"), load_space("nb201")
    shutil.copyfile(sample / "meta.pickle.pbz2", folder / "meta.pickle.pbz2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        short = [pickle.loads(bz2.decompress((sample / f"{cell:06}.pickle.pbz2").read_bytes()))["12"] for cell in CELLS]
    for number, index in enumerate(range(7, 15_625, 130)):
        state, text = short[number % len(short)], space.format(space.arch(index))
        state.update(arch_index=index, arch_str=text)
        for result in state["all_results"].values():
            result["arch_config"]["arch_str"] = text
        data = bz2.compress(pickle.dumps({"12": state}, protocol=4), compresslevel=1)
        (folder / f"{index:06}.pickle.pbz2").write_bytes(data)
    return folder


@pytest.mark.skipif(os.name != "posix", reason="kills processes")
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_import_that_is_killed_goes_on(many: Path, tmp_path: Path, jobs: int) -> None:
    total, done, kills, out = len(cell_files(many)), 0, 0, tmp_path / "out"
    command = [sys.executable, "-c", UNTIL_KILLED, str(many), str(out), str(jobs)]
    for _ in range(3):
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        ) as process:
            assert process.stdout is not None
            said = int(process.stdout.readline())
            assert said >= done  # nothing that was read is read again
            while said < min(done + 24, total):
                said = int(process.stdout.readline())
            kills += process.poll() is None
            with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
                os.killpg(process.pid, signal.SIGKILL)
            done = max([said, *map(int, process.stdout.read().split())])
    assert kills >= 2
    assert not list(out.rglob("*.h5"))
    assert len(list(out.glob(".parts/*/part-*.npz"))) >= done // 8
    steps: list[int] = []
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patch:
        patch.setattr(import_nats_module, "CELLS", 8)
        imported = import_nats(many, store=Store(out), jobs=jobs, report=lambda done, _: steps.append(done))
    assert steps[0] >= done
    assert steps[-1] == total
    assert not (out / ".parts").exists()
    undisturbed = import_nats(many, store=Store(tmp_path / "undisturbed"))
    assert len(imported) == len(undisturbed) == len(SETS)
    for one, other in zip(imported, undisturbed, strict=True):
        assert one.path.read_bytes() == other.path.read_bytes()
        assert one.rows == total


def test_an_import_goes_on_from_whole_parts_of_the_same_files(many: Path, tmp_path: Path) -> None:
    files = sorted(cell_files(many).items())[:3]
    cells = [(index, tmp_path / path.name) for index, path in files]
    for (_, path), (_, copy) in zip(files, cells, strict=True):
        shutil.copyfile(path, copy)
    space = load_space("nb201")
    texts = [space.format(space.arch(index)) for index, _ in cells]
    path = tmp_path / "part.npz"
    assert read_part(path, cells, ["cifar10"]) is None
    assert write_part(path, cells, texts, ["cifar10"]) == 3
    part = read_part(path, cells, ["cifar10"])
    assert part is not None
    assert part.cells == tuple(index for index, _ in cells)
    assert set(part.runs) == {Run("cifar10", 12)}
    assert read_part(path, cells, ["cifar100"]) is None
    assert read_part(path, cells[:2], ["cifar10"]) is None
    with pytest.raises(InvalidFileError, match="must be of"):
        write_part(path, cells, texts[::-1], ["cifar10"])
    shutil.copyfile(files[1][1], cells[0][1])  # a file that changed
    assert read_part(path, cells, ["cifar10"]) is None
    shutil.copyfile(files[0][1], cells[0][1])
    assert read_part(path, cells, ["cifar10"]) == part
    path.write_bytes(path.read_bytes()[:-50])
    assert read_part(path, cells, ["cifar10"]) is None


def test_two_imports_of_one_directory_at_once(many: Path, tmp_path: Path) -> None:
    work = import_nats_module._work(Store(tmp_path), many, tuple(SETS))
    with exclusive_lock(work / ".lock"), pytest.raises(MetanasError, match="One process at a time"):
        import_nats(many, store=Store(tmp_path))


def test_other_folders_are_refused(sample: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidFileError, match="must be a directory of NATS-Bench"):
        import_nats(tmp_path, store=Store(tmp_path / "out"))
    shutil.copyfile(sample / "meta.pickle.pbz2", tmp_path / "meta.pickle.pbz2")
    with pytest.raises(InvalidFileError, match="there is none"):
        import_nats(tmp_path, store=Store(tmp_path / "out"))
    shutil.copyfile(sample / "000011.pickle.pbz2", tmp_path / "15625.pickle.pbz2")
    with pytest.raises(InvalidFileError, match=r"15625\.pickle\.pbz2 is none of them"):
        import_nats(tmp_path, store=Store(tmp_path / "out"))
    (tmp_path / "15625.pickle.pbz2").rename(tmp_path / "000012.pickle.pbz2")
    with pytest.raises(InvalidFileError, match="arch_index of the 12 epochs must be 12"):
        import_nats(tmp_path, store=Store(tmp_path / "out"))
    shutil.copyfile(sample / "000011.pickle.pbz2", tmp_path / "12.pickle.pbz2")
    with pytest.raises(InvalidFileError, match="cell 12 twice"):
        import_nats(tmp_path, store=Store(tmp_path / "out"))
    (tmp_path / "meta.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps({"meta_archs": ["8:8:8:8:8"]})))
    (tmp_path / "12.pickle.pbz2").unlink()
    with pytest.raises(InvalidFileError, match="must list the 15,625 cells"):
        import_nats(tmp_path, store=Store(tmp_path / "out"))


def test_wrong_arguments(sample: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'cifar100'"):
        import_nats(sample, store=Store(tmp_path), datasets=["cifar1000"])
    with pytest.raises(InvalidValueError, match="at least 1"):
        import_nats(sample, store=Store(tmp_path), jobs=0)
    with pytest.raises(MetanasError, match="named family/name-vN"):
        import_nats(sample, store=Store(tmp_path), name="My Tables", datasets=["cifar10"])


def test_the_command(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import json

    from metanas.cli import main

    monkeypatch.delenv("METANAS_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    arguments = ["import", "nats", str(sample), "--dataset", "cifar10"]
    assert main([*arguments, "--out", str(tmp_path / "out"), "--json"]) == 0
    assert [row["architectures"] for row in json.loads(capsys.readouterr().out)] == [3, 3]
    assert (tmp_path / "out" / "published" / "nats-cifar10-12ep-v1.h5").is_file()
    assert main([*arguments, "--jobs", "1"]) == 0
    assert "published/nats-cifar10-12ep-v1: 3 architectures on cifar10" in capsys.readouterr().out
    assert main(["query", "published/nats-cifar10-12ep-v1", "11", "--metric", "test/accuracy", "--seed", "111"]) == 0
    assert "74" in capsys.readouterr().out
    assert main(["import", "nats", str(tmp_path)]) == 2
