"""A directory of NATS-Bench: our tables against the official reader, in time and memory, as ratios.

    python benchmarks/nats.py DIRECTORY

DIRECTORY is an unpacked NATS-tss-v1_0-3ffb9-simple, or a part of it. It is imported into a temporary folder first. Each
measurement of a reader is a process of its own. Needs the package nats_bench.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from metanas.tables.import_nats import cell_files, import_nats
from metanas.tables.import_store import Store

ROOT = Path(__file__).parents[1]
CODE = """
import gc, json, resource, sys, time, warnings
warnings.simplefilter("ignore")
def memory():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
cells = json.loads(sys.argv[2])
{import_}
before = memory()
start = time.perf_counter(); reader = {open}; opened = time.perf_counter() - start
start = time.perf_counter(); ask(reader, cells[0]); first = time.perf_counter() - start
start = time.perf_counter()
for cell in cells[1:]:
    ask(reader, cell)
others = (time.perf_counter() - start) / max(len(cells) - 1, 1)
warm = []
for _ in range(5):
    start = time.perf_counter()
    for _ in range(200):
        ask(reader, cells[0])
    warm.append((time.perf_counter() - start) / 200)
print(json.dumps([opened, first, others, min(warm), memory() - before]))
"""
READERS = {
    "official": (
        "from nats_bench import create\n"
        "def ask(reader, cell): return reader.get_more_info(cell, 'cifar100', hp='200', is_random=777)",
        "create(sys.argv[1], 'tss', fast_mode=True, verbose=False)",
    ),
    "metanas.compat": (
        "import h5py\nfrom metanas.compat.natsbench import create\n"  # imports are not counted, of either
        "def ask(reader, cell): return reader.get_more_info(cell, 'cifar100', hp='200', is_random=777)",
        "create(sys.argv[1], 'tss')",
    ),
    "Table.query": (
        "import h5py\nfrom metanas.tables import Table\n"
        "def ask(reader, cell): return reader.query(cell, 'validation/accuracy', seed=777)",
        "Table(sys.argv[1] + '/published/nats-cifar100-200ep-v1.h5')",
    ),
}
ROWS = ("open", "first query of a cell", "first query of another cell", "the same query again", "memory")


def measure(reader: str, folder: Path, cells: list[int]) -> list[float]:
    """Return the least of three processes."""
    import_, open_ = READERS[reader]
    code = CODE.replace("{import_}", import_).replace("{open}", open_)
    command = [sys.executable, "-c", code, str(folder), json.dumps(cells)]
    runs = [
        json.loads(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout)
        for _ in range(3)
    ]
    return [min(values) for values in zip(*runs, strict=True)]


def show(value: float, row: str) -> str:
    if row == "memory":
        return f"{value / 1e6:.2f} MB"
    return f"{value * 1e3:.3g} ms" if value >= 1e-3 else f"{value * 1e6:.3g} µs"


def main() -> None:
    directory = Path(sys.argv[1]).resolve()
    cells = sorted(cell_files(directory))[:200]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        start = time.perf_counter()
        imported = import_nats(directory, store=Store(folder))
        seconds, count = time.perf_counter() - start, len(cell_files(directory))
        size = sum(entry.path.stat().st_size for entry in imported)
        print(f"import of {count:,} cells, once: {seconds:.2f} s, {size / 1e6:.1f} MB in {len(imported)} tables")
        found = {reader: measure(reader, directory if reader == "official" else folder, cells) for reader in READERS}
    print(f"\n{len(cells)} cells; cifar100, 200 epochs, one seed. Table.query asks one metric, the others all of them.")
    print(f"{'':<30}" + "".join(f"{reader:>26}" for reader in READERS))
    for number, row in enumerate(ROWS):
        base = found["official"][number]
        line = f"{row:<30}{show(base, row):>26}"
        for reader in list(READERS)[1:]:
            value = found[reader][number]
            ratio = f"({base / value:,.1f} x less)" if value > 0 else ""
            line += f"{show(value, row) + ' ' + ratio:>26}"
        print(line)


if __name__ == "__main__":
    main()
