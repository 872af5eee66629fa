"""Latency by formulas and by a look-up table of operations, against measured latencies of the same cells.

    python benchmarks/device_models.py                    # all published tables devices/*
    python benchmarks/device_models.py work/devices/*/*.h5
    python benchmarks/device_models.py --energy           # modelled energy of cells, against published figures

Models are never measurements: what they give is called modelled here. For each device:

- ``look-up``: the sum of operations measured by themselves (``metanas.devices.lookup``), from the file by the table;
- ``roofline``: ``metanas.devices.roofline``, its ceilings measured on the machine that runs this: the fastest of some
  matrix products, and of some copies of 256 MB (kept in ``work/devices/ceilings.json``), or given by options;
- ``arrays``: two systolic arrays, which are other devices than the measured ones: only their ranking is comparable;
- ``MACs``: multiply-accumulates alone.

Spearman's correlation over the table's cells; mean relative error; and the same once the model was multiplied by the
median ratio of measured to modelled latency on 16 drawn cells, which are then left out. Figures go to
``docs/devices.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr

from metanas.devices.lookup import read_lookup
from metanas.devices.measure import torch_threads
from metanas.devices.networks import STANDARD
from metanas.devices.roofline import HOROWITZ_FP32, HOROWITZ_INT8, SMALL_ARRAY, SUFFIX, TPU_V1, Roofline
from metanas.devices.setting import Setting
from metanas.files import atomic_write_text
from metanas.nets.standard_cost import standard_cost
from metanas.nets.standard_program import Program, standard_program
from metanas.spaces import load_space
from metanas.tables import Table, load_table, table_names

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "devices.md"
CEILINGS = ROOT / "work" / "devices" / "ceilings.json"
OTHERS = Path(os.environ.get("METANAS_PUBLISHED") or ROOT.parent / "shared" / "published") / "nb201_hw.npz"
SHOTS = 16
SPACE = load_space("nb201")
Floats = NDArray[np.float64]


def write_figures(name: str, lines: list[str]) -> None:
    """Print figures and put them into the page between their marks."""
    print("\n".join(lines))
    begin, end = f"<!-- figures: benchmarks/{name} -->", "<!-- end of figures -->"
    before, mark, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    if not mark:
        msg = f"{PAGE} has no mark {begin}"
        raise ValueError(msg)
    _, _, after = rest.partition(end)
    atomic_write_text(PAGE, "\n".join([before + begin, *lines, end + after]))


def device_tables(names: list[str]) -> list[Table]:
    """Return tables of latencies of the standard network: those named, or all published ones."""
    chosen = names or [name for name in table_names() if name.startswith("devices/")]
    tables = [Table.open(name) if name.endswith(".h5") else load_table(name) for name in chosen]
    return [table for table in tables if table.task == STANDARD and "setting" in table.provenance]


def ceilings(threads: int) -> tuple[float, float]:
    """Return the most floating-point operations and moved bytes a second that this machine gave, kept in a file."""
    kept = json.loads(CEILINGS.read_text()) if CEILINGS.is_file() else {}
    if str(threads) not in kept:
        generator = torch.Generator().manual_seed(0)
        a, b = (torch.randn(1024, 1024, generator=generator) for _ in range(2))
        large, target = torch.ones(2**26), torch.zeros(2**26)
        with torch_threads(threads):
            arithmetic = 2 * 1024**3 / min(seconds(lambda: a @ b) for _ in range(20))
            bandwidth = 2 * large.nbytes / min(seconds(lambda: target.copy_(large)) for _ in range(10))
        kept[str(threads)] = [arithmetic, bandwidth]
        CEILINGS.parent.mkdir(parents=True, exist_ok=True)
        atomic_write_text(CEILINGS, json.dumps(kept))
    arithmetic, bandwidth = kept[str(threads)]
    return arithmetic, bandwidth


def seconds(run: object) -> float:
    start = time.perf_counter()
    run()  # type: ignore[operator]
    return time.perf_counter() - start


def modelled(
    table: Table, programs: dict[int, Program], given: argparse.Namespace
) -> Iterator[tuple[str, Floats, bool]]:
    """Yield name, modelled values in the order of the rows, and whether these are ms of this very device."""
    setting = Setting(**table.provenance["setting"])
    name = table.name.removeprefix("devices/").rpartition("-v")[0]
    archs = [SPACE.arch(int(index)) for index in table.archs]
    own = [programs[int(index)] for index in table.archs]
    operations = table.path.with_name(f"{name}-lookup.toml")
    if operations.is_file():
        yield f"look-up{SUFFIX}", read_lookup(operations).latency(archs), True
    arithmetic, bandwidth = (
        (1e9 * given.gflops, 1e9 * given.gbytes) if given.gflops and given.gbytes else ceilings(setting.threads)
    )
    width = {"fp32": 4, "bf16": 2, "int8": 1}[setting.precision]
    roof = Roofline(f"roofline{SUFFIX}", arithmetic, bandwidth, 1e-6 * given.start, width, "measured or given here")
    for device, same in ((roof, True), (TPU_V1, False), (SMALL_ARRAY, False)):
        yield device.name, np.array([device.latency(program, setting.batch) for program in own]), same
    yield "MACs", np.array([standard_cost(arch)[1] for arch in archs], dtype=np.float64), False


def errors(truth: Floats, model: Floats) -> tuple[float, float]:
    """Return the mean relative error, and that of the other cells after a correction by some."""
    drawn = np.random.default_rng(0).permutation(len(truth))
    few, rest = drawn[:SHOTS], drawn[SHOTS:]
    factor = float(np.median(truth[few] / model[few]))
    off = np.abs(model - truth) / truth
    return float(off.mean()), float((np.abs(factor * model[rest] - truth[rest]) / truth[rest]).mean())


def compare(tables: list[Table], given: argparse.Namespace) -> None:
    """Write how well each model says what was measured."""
    wanted = sorted({int(index) for table in tables for index in table.archs})
    programs = {index: standard_program(SPACE.arch(index)) for index in wanted}
    lines = [
        "| device | model | Spearman | mean relative error | after correction by 16 cells |",
        "|---|---|---|---|---|",
    ]
    used: dict[int, tuple[float, float]] = {}
    for table in tables:
        name = table.name.removeprefix("devices/").rpartition("-v")[0]
        truth = table.column(f"latency/{name}")
        for label, values, same in modelled(table, programs, given):
            plain, corrected = errors(truth, values)
            figures = f"{100 * plain:.0f} %" if same else "–"
            rank = float(spearmanr(values, truth).statistic)
            lines.append(f"| {name} | {label} | {rank:.3f} | {figures} | {100 * corrected:.0f} % |")
        if not (given.gflops and given.gbytes):
            threads = int(table.provenance["setting"]["threads"])
            used[threads] = ceilings(threads)
    said = [f"{threads} thread{'s' * (threads > 1)}: {a / 1e9:.0f} GFLOP/s, {b / 1e9:.1f} GB/s" for threads, (a, b) in
            sorted(used.items())]  # fmt: skip
    if said:
        lines += ["", f"Ceilings of the roofline, measured: {'; '.join(said)}."]
    write_figures("device_models.py", lines)


def energy(cells: int) -> None:
    """Print modelled energies, and how they rank cells beside the energies and latencies that others published."""
    index = np.sort(np.random.default_rng(0).permutation(len(SPACE))[:cells])
    programs = [standard_program(SPACE.arch(int(i))) for i in index]
    own = {table.name: np.array([table.energy(program) for program in programs])
           for table in (HOROWITZ_FP32, HOROWITZ_INT8)}  # fmt: skip
    for name, values in own.items():
        low, middle, high = np.quantile(values, (0, 0.5, 1))
        print(f"{name}: {low:.3f} to {high:.3f} mJ an image, median {middle:.3f} ({cells} cells; modelled)")
    arrays = {device.name: np.array([device.latency(program) for program in programs])
              for device in (TPU_V1, SMALL_ARRAY)}  # fmt: skip
    if not OTHERS.is_file():
        print(f"{OTHERS} is not there: no published figures to compare with")
        return
    with np.load(OTHERS, allow_pickle=False) as file:
        others = {name: file[name][index].astype(float) for name in file.files if name.startswith("cifar10/")}
    for name, values in others.items():
        models = own if name.endswith("energy_mj") else arrays
        there = np.isfinite(values)
        ranks = ", ".join(
            f"{label} {spearmanr(model[there], values[there]).statistic:.3f}" for label, model in models.items()
        )
        print(f"{name:32s} Spearman with {ranks}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", help="names or .h5 files; all published devices/* if absent")
    parser.add_argument("--gflops", type=float, help="ceiling of arithmetic, instead of measuring it")
    parser.add_argument("--gbytes", type=float, help="ceiling of memory traffic a second, instead of measuring it")
    parser.add_argument("--start", type=float, default=0.0, help="µs that each operation takes besides")
    parser.add_argument("--energy", action="store_true")
    parser.add_argument("--cells", type=int, default=1000, help="with --energy")
    given = parser.parse_args()
    if given.energy:
        energy(given.cells)
        return
    tables = device_tables(given.tables)
    if not tables:
        print("No table of latencies is published here. Measure: python benchmarks/device_tables.py --register")
        return
    compare(tables, given)


if __name__ == "__main__":
    main()
