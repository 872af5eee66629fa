"""How long it takes to import metanas, open a table and look values up, each beside a plainer way, as a ratio.

    python benchmarks/query.py [TABLE]

TABLE is the name of a published table or an .h5 file; without one, a table of the size of a published one (1,011
architectures, 3 seeds, 10 epochs) is made up for the measurement. Every time is the least of several repeats.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from metanas.spaces import load_space
from metanas.tables import Table, metric, open_table, write_table

METRIC = "validation/accuracy"
ROOT = Path(__file__).parents[1]


def fresh_process(code: str, repeats: int = 5) -> float:
    """Return the seconds that ``code`` takes in a process of its own, start of the interpreter not counted."""
    timed = f"import time; _start = time.perf_counter()\n{code}\nprint(time.perf_counter() - _start)"
    command = [sys.executable, "-c", timed]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT) for _ in range(repeats)]
    return min(float(run.stdout.split()[-1]) for run in runs)


def least(call: Callable[[], Any], number: int, repeats: int = 5) -> float:
    """Return the least seconds a call."""
    return min(timeit.repeat(call, number=number, repeat=repeats)) / number


def say(what: str, seconds: float, target: float, plain: str, plain_seconds: float) -> None:
    """Print a row: what, its time, the target, and the ratio to the plain way."""
    print(
        f"{what:<44} {_time(seconds):>10}  target {_time(target):>8}  "
        f"{seconds / plain_seconds:6.2f} x {plain} ({_time(plain_seconds)})"
    )


def _time(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def made_up(path: Path) -> None:
    """Write a table of the usual size."""
    rng = np.random.default_rng(0)
    space = load_space("nb201-conv")
    index = np.unique(space.canonical_indices[space.indices])
    shape = (len(index), 3, 10)
    metrics: dict[str, Any] = {}
    for split in ("training", "validation", "test"):
        for quantity, high in (("accuracy", 90), ("cross_entropy", 3)):
            name = f"{split}/{quantity}"
            metrics[name] = (metric(name), rng.uniform(0, high, shape).astype(np.float32))
    metrics["cost/seconds"] = (metric("cost/seconds"), np.cumsum(rng.uniform(0.1, 0.2, shape), axis=-1))
    write_table(
        path,
        name="nb201/made_up-v1",
        space="nb201-conv",
        task="made_up-v1",
        arch_index=index,
        seeds=(0, 1, 2),
        epochs=range(1, 11),
        metrics=metrics,
        protocol="",
        provenance={},
    )


def naive_open(path: Path, row: int) -> float:
    """Open the file, read the whole array, take the mean over the seeds of one row."""
    with h5py.File(path, "r") as file:
        return float(np.nanmean(file[f"metrics/{METRIC}"][()][row, :, -1]))


def measure(path: Path) -> None:
    """Print all rows."""
    loaded = fresh_process("import metanas, sys; assert 'torch' not in sys.modules")
    say("import metanas, fresh process, no torch", loaded, 0.15, "import numpy", fresh_process("import numpy"))

    table = Table(path)
    space = table.space
    row = int(np.flatnonzero(~np.isnan(table.column(METRIC)))[0])
    index = int(table.archs[row])

    def open_and_ask() -> float:
        return Table(path).query(index, METRIC)

    naive = least(lambda: naive_open(path, row), 20)
    say("open + first query", least(open_and_ask, 20), 20e-3, "h5py: open, read one array", naive)
    libraries = "import numpy, h5py, metanas.tables, metanas.spaces.nb201\n"
    first = fresh_process(
        f"{libraries}_start = time.perf_counter()\nmetanas.tables.Table({str(path)!r}).query({index}, {METRIC!r})"
    )
    naive_code = f"f = h5py.File({str(path)!r}, 'r'); f['metrics/{METRIC}'][()][{row}, :, -1].mean()"
    plain_first = fresh_process(f"{libraries}_start = time.perf_counter()\n{naive_code}")
    say("open + first query, fresh process", first, 20e-3, "h5py: open, read one array", plain_first)

    arch = space.arch(index)
    forms = {"index": index, "Arch": arch, "string": space.format(arch)}
    for name, form in forms.items():
        plain = {form: table.query(form, METRIC)}
        dictionary = least(lambda plain=plain, form=form: plain[form], 100_000)
        warm = least(lambda form=form: table.query(form, METRIC), 100_000)
        say(f"scalar query by {name}, warm", warm, 2e-6, "dict", dictionary)

    indices = np.random.default_rng(0).choice(space.indices, 100_000)
    values = dict(zip(space.indices.tolist(), table.query(space.indices, METRIC, missing="nan").tolist(), strict=True))
    listed = indices.tolist()
    batched = least(lambda: table.query(indices, METRIC, missing="nan"), 20) / len(indices)
    plain_batched = least(lambda: [values[i] for i in listed], 5) / len(indices)
    say("batched query, a value (100,000 indices)", batched, 20e-9, "dict in a loop", plain_batched)
    array = np.array([values.get(i, np.nan) for i in range(int(space.indices.max()) + 1)])
    floor = least(lambda: array.take(indices), 20) / len(indices)
    say("batched query, a value (100,000 indices)", batched, 20e-9, "bare ndarray.take", floor)


def main() -> None:
    """Measure the named table, or one that is made up."""
    if len(sys.argv) > 1:
        measure(open_table(sys.argv[1]).path)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made_up.h5"
        made_up(path)
        measure(path)


if __name__ == "__main__":
    main()
