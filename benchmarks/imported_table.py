"""An imported table of 15,625 cells: time to open it, time and memory for all of its columns, one query.

    python benchmarks/imported_table.py
    python benchmarks/imported_table.py TABLE.h5

Without a file, the published columns (nb201.npz, in the folder that METANAS_PUBLISHED names) are imported into a
temporary folder, and each table of 200 epochs is measured. Each measurement is a process of its own, that has imported
what it needs before; the least of five is printed. The target: open in 20 ms, all columns that are asked for in 50 MB.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from published_nb201 import published_folder

from metanas.tables.import_columns import import_columns
from metanas.tables.import_store import Store

ROOT = Path(__file__).parents[1]
MILLISECONDS, MEGABYTES = 20.0, 50.0
CODE = """
import gc, json, resource, sys, time
import h5py, numpy
from metanas.tables import Table
def resident():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
before, start = resident(), time.perf_counter()
table = Table.open(sys.argv[1])
opened = time.perf_counter() - start
column = next(name for name in sorted(table.metrics) if name.startswith("validation/"))
start = time.perf_counter(); table.query(4321, column); first = time.perf_counter() - start
n_columns, start = 0, time.perf_counter()
for name, entry in table.metrics.items():  # everything that can be asked for: each seed and the mean, each epoch
    for seed in (None, *(table.seeds if "seed" in entry.axes else ())):
        for epoch in table.epochs if "epoch" in entry.axes else (None,):
            table.column(name, epoch=epoch, seed=seed)
            n_columns += 1
columns = time.perf_counter() - start
used = resident() - before
warm = []
for _ in range(5):
    start = time.perf_counter()
    for index in range(0, 15000, 15):
        table.query(index, column)
    warm.append((time.perf_counter() - start) / 1000)
many = numpy.arange(len(table.row_of_index))
start = time.perf_counter(); table.query(many, column); batch = time.perf_counter() - start
print(json.dumps([opened, first, columns, used, min(warm), batch / len(many), n_columns, len(table)]))
"""


def measure(path: Path) -> list[float]:
    """Return the least of five processes."""
    command = [sys.executable, "-c", CODE, str(path)]
    runs = [
        json.loads(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout)
        for _ in range(5)
    ]
    return [min(values) for values in zip(*runs, strict=True)]


def show(path: Path) -> bool:
    """Print the figures of a table; return whether they are within the targets."""
    opened, first, columns, used, warm, batch, n_columns, rows = measure(path)
    print(f"{path.stem}: {rows:,.0f} rows, {n_columns:.0f} columns, {path.stat().st_size / 1e6:.1f} MB on disk")
    print(f"  open {opened * 1e3:.2f} ms, first query {first * 1e3:.2f} ms, all columns {columns * 1e3:.1f} ms")
    print(f"  memory with all columns {used / 1e6:.1f} MB")
    print(f"  a query {warm * 1e9:,.0f} ns, of a batch of all {batch * 1e9:.1f} ns")
    return opened * 1e3 <= MILLISECONDS and used / 1e6 <= MEGABYTES


def main() -> None:
    if len(sys.argv) > 1:
        fine = all([show(Path(name).resolve()) for name in sys.argv[1:]])
    else:
        with tempfile.TemporaryDirectory() as folder:
            source = published_folder() / "nb201.npz"
            made = import_columns(source, name="published/nb201-v1", store=Store(Path(folder)), map_name="nb201")
            fine = all([show(entry.path) for entry in made if "200ep" in entry.name])
    print(f"target (open in {MILLISECONDS:g} ms, {MEGABYTES:g} MB): {'met' if fine else 'NOT met'}")


if __name__ == "__main__":
    main()
