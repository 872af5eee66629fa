"""Latency tables of this machine: one a setting, all classes of nb201-conv and 1,000 drawn ones with pooling.

    python benchmarks/device_tables.py --plan             # how long it takes, from ten cells
    python benchmarks/device_tables.py --register         # measures all that is missing, and publishes it

The networks are the standard ones of NAS-Bench-201 on cifar10, cells as written (``metanas.devices``). Blocks of cells
are measured in all settings in turn, so that every setting spans the whole time; a finished block is a file in
``work/devices/<setting>/``, and stopped at any instant, the same command goes on. In the end the blocks in which the
anchor network was too far off are measured anew (twice at most), 64 cells are measured a second time, and so are
the operations by themselves (for the look-up table). A setting whose anchor still drifts is flagged and not published.
Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metanas.devices.card import card
from metanas.devices.lookup import measure_operations, write_lookup
from metanas.devices.measure import MOST_DRIFT, WARM_UP, drift_of, measure, set_aside, times_set_aside, torch_threads
from metanas.devices.networks import Family, ready, standard_family
from metanas.devices.reference import class_representatives, reference_cells
from metanas.devices.runtimes import load_runtime
from metanas.devices.setting import DeviceFile, Setting, this_host, write_device
from metanas.devices.table import repeatability, write_latencies
from metanas.spaces import load_space
from metanas.tables import Table, register
from metanas.tables.lint import lint

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "work" / "devices"
BLOCK = 48
POOLED = 1000
AGAIN = 64
SPACE = load_space("nb201")


class Way(NamedTuple):
    """A setting, and how often each network is timed in it."""

    setting: Setting
    rounds: int


WAYS = {
    way.setting.name: way
    for way in (
        Way(Setting(runtime="torch_eager"), 7),
        Way(Setting(runtime="torch_eager", batch=4), 5),
        Way(Setting(runtime="onnxruntime"), 15),
        Way(Setting(runtime="onnxruntime", threads=2), 21),
        Way(Setting(runtime="onnxruntime", batch=8), 5),
        Way(Setting(runtime="openvino"), 11),
        Way(Setting(runtime="openvino", threads=2), 11),
    )
}


def order() -> NDArray[np.int64]:
    """Return the cells in the order in which they are measured: at random, so that no drift looks like an operation."""
    cells = class_representatives(conv=True, pooled=POOLED)
    return np.random.default_rng(0).permutation(cells)


def cached(family: Family) -> Family:
    """Return the family with the networks of one block kept: every setting measures the same ones."""
    return replace(family, make=lru_cache(maxsize=BLOCK + 1)(family.make))


def plan(names: list[str], cells: int) -> None:
    """Print CPU and wall seconds a cell in each setting, from some cells, and the time that all cells would take."""
    family, chosen = cached(standard_family()), order()
    indices = chosen[:cells].tolist()
    start, wall = time.process_time(), time.perf_counter()
    for index in indices:
        ready(family, SPACE.arch(index), 1)
    building = (time.process_time() - start) / cells, (time.perf_counter() - wall) / cells
    everything = len(chosen) + len(chosen) / BLOCK + AGAIN
    total = np.array(building) * everything
    print(f"{len(chosen):,} cells; load {os.getloadavg()[0]:.1f}; CPU seconds and wall seconds a cell")
    minutes = total / 60
    print(
        f"{'building':52s} {building[0]:8.3f} {building[1]:8.3f}   {minutes[0]:5.1f} {minutes[1]:5.1f} min", flush=True
    )
    for name in names:
        setting, rounds = WAYS[name]
        runtime = load_runtime(setting.runtime, setting.precision)
        spent, runs = np.zeros((cells, 2)), np.zeros((cells, 2))
        with torch_threads(setting.threads):
            for number, index in enumerate(indices):
                start, wall = time.process_time(), time.perf_counter()
                network, example = ready(family, SPACE.arch(index), setting.batch)
                run = runtime.prepare(network, example, setting.threads, setting.precision)
                spent[number] = time.process_time() - start, time.perf_counter() - wall
                run()
                start, wall = time.process_time(), time.perf_counter()
                run()
                runs[number] = (time.process_time() - start) / setting.threads, time.perf_counter() - wall
        each = spent.mean(axis=0) + (WARM_UP + rounds) * runs.mean(axis=0)
        total += each * everything
        shown = f"prepare {spent.mean(axis=0)[0]:.3f} run {1e3 * runs.mean(axis=0)[0]:7.2f} ms"
        minutes = each * everything / 60
        print(f"{name:28s} {shown} {each[0]:8.3f} {each[1]:8.3f}   {minutes[0]:5.1f} {minutes[1]:5.1f} min", flush=True)
    print(f"in all {total[0] / 60:.0f} CPU minutes; {total[1] / 60:.0f} minutes as the machine is now")


def measured(
    names: list[str], cells: NDArray[np.int64], work: Path, folder: str, anchor: int
) -> dict[str, dict[str, NDArray]]:
    """Measure cells in all settings, block after block; return what :func:`metanas.devices.measure.measure` gives."""
    found: dict[str, dict[str, NDArray]] = {}
    family, start = cached(standard_family()), time.perf_counter()
    fresh = 0
    for end in range(BLOCK, len(cells) + BLOCK, BLOCK):
        for name in names:
            setting, rounds = WAYS[name]
            path = work / name / folder
            missing = not (path / f"block-{end // BLOCK - 1:04d}.npz").exists()
            # All blocks up to this one: those before are only read.
            found[name] = measure(SPACE, cells[:end], family, setting, path, anchor=anchor, rounds=rounds, block=BLOCK)
            if missing:
                fresh += 1
                anchors = found[name]["anchor"]
                minutes = (time.perf_counter() - start) / 60
                print(f"{folder} {min(end, len(cells)):5d} of {len(cells)} {name:28s} anchor {anchors[-1]:8.3f} ms "
                      f"({anchors[-1] / np.median(anchors) - 1:+.1%}), load {os.getloadavg()[0]:.1f}, "
                      f"{minutes:.1f} min", flush=True)  # fmt: skip
    return found


def finish(
    name: str, found: dict[str, NDArray], again: dict[str, NDArray], work: Path, publish: bool, replace_it: bool
) -> None:
    """Write the table, the look-up table and the device file of a setting; publish them if the machine was steady."""
    setting, rounds = WAYS[name]
    anchor = SPACE.format(SPACE.arch(int(reference_cells(SPACE, 1)[0])))
    drift = drift_of(anchor, found["anchor"], times_set_aside(work / name / "cells"))
    family, folder = standard_family(), work / name
    path = folder / f"{name}.h5"
    same = repeatability(found, again)
    write_latencies(path, name, SPACE, family, setting, found, drift, rounds, again=same)
    operations = folder / f"{name}-lookup.toml"
    if not operations.exists():
        write_lookup(operations, measure_operations(name, setting, rounds=31 if setting.batch == 1 else 11))
    print(f"{name}: anchor {drift.least:.3f} to {drift.greatest:.3f} ms ({drift.relative:.1%}), "
          f"{drift.remeasured} blocks measured anew; again: {same}")  # fmt: skip
    if drift.relative > MOST_DRIFT:
        print(f"{name}: FLAGGED, the anchor drifted by more than {MOST_DRIFT:.0%}; not published")
        return
    if not publish:
        return
    table = Table.open(path)
    entry = register(path, card(table), replace=replace_it)
    version = load_runtime(setting.runtime, setting.precision).version()
    device = DeviceFile(name=name, network=family.name, space=SPACE.name, date=table.provenance["date"], rounds=rounds,
                        setting=setting, host=this_host(version), drift=drift)  # fmt: skip
    write_device(entry.path.with_name(f"{name}.toml"), device)
    (entry.path.with_name(operations.name)).write_bytes(operations.read_bytes())
    print(
        f"{name}: published as {entry.name}; lint: {[str(finding) for finding in lint(entry.path, entry)] or 'sound'}"
    )


def main() -> None:
    """Take the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plan", action="store_true", help="only estimate how long it takes")
    parser.add_argument("--plan-cells", type=int, default=10)
    parser.add_argument("--settings", nargs="+", choices=list(WAYS), default=list(WAYS), metavar="SETTING")
    parser.add_argument("--cells", type=int, help="only the first so many cells of the order, to try it out")
    parser.add_argument("--register", action="store_true", help="publish the tables of settings that did not drift")
    parser.add_argument("--replace", action="store_true", help="replace published tables of these names")
    options = parser.parse_args()
    if options.plan:
        plan(options.settings, options.plan_cells)
        return
    if options.cells and options.register:
        parser.error("--register publishes all cells; leave --cells out")
    cells = order()[: options.cells]
    work = WORK / "trial" if options.cells else WORK  # its last block holds other cells than a full one
    anchor = int(reference_cells(SPACE, 1)[0])
    found = measured(options.settings, cells, work, "cells", anchor)
    for _ in range(2):
        if not sum(set_aside(work / name / "cells", values["anchor"]) for name, values in found.items()):
            break
        found = measured(options.settings, cells, work, "cells", anchor)
    twice = np.random.default_rng(1).permutation(cells)[:AGAIN]
    again = measured(options.settings, twice, work, "again", anchor)
    for name in options.settings:
        finish(name, found[name], again[name], work, options.register, options.replace)


if __name__ == "__main__":
    main()
