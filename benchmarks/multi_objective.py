"""Several objectives and hard limits on published NAS-Bench-201: every strategy beside random search.

    python benchmarks/multi_objective.py
    python benchmarks/multi_objective.py --seeds 30 --strategy nsga2 --strategy ehvi --data-set cifar100
    python benchmarks/multi_objective.py --known

First table: validation accuracy (mean over the seeds that exist), latency on a device and parameters at once. The
hypervolume of what a run trained, as a share of the box between the best and the worst values of the space (the
front of the whole space is in the first row), after 50, 100 and 200 trainings, mean ± standard error over the runs, and
the strategy's own CPU seconds for a run of 200. Second table: one objective and a latency limit; test accuracy of the
architecture that is best by validation among those within the limit, in percent, and the share of trainings that kept
the limit. ``--known`` hands the costs out beforehand, as boards do that name them among their scores.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from published_nb201 import published_folder, write_published

from metanas.harness import Rules, Trace, generator, make_problem, search
from metanas.leaderboard.hypervolume import front, hypervolume, scaled
from metanas.oracles import TableOracle
from metanas.problem import Budget, Constraint, Objective
from metanas.strategies import find_strategy
from metanas.tables import Table

AT = (50, 100, 200)
LIMITS = {"1080ti_1": 7.0, "pixel3": 6.0, "silver_4114": 12.0}  # ms, those of board published-limit-v1
FRONTS = (
    "random_search",
    "nsga2",
    "mo_evolution",
    "pareto_local_search",
    "random_scalarization",
    "ehvi",
)
LIMITED = (
    "random_search",
    "local_search",
    "regularized_evolution",
    "nsga2",
    "nsga2,constraint=rejection",
    "mo_evolution",
    "mo_evolution,constraint=rejection",
    "pareto_local_search",
    "pareto_local_search,constraint=rejection",
    "ehvi",
    "ehvi,constraint=rejection",
)
ACCURACY, PARAMETERS = "validation/accuracy", "cost/parameters"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ground:
    """A data set on a device.

    Attributes:
        oracle: what answers.
        device: its name.
        costs: validation accuracy negated, latency, parameters, ``(15625, 3)``.
        test: test accuracy, ``(15625,)``.
        known: latency and parameters by metric.
    """

    oracle: TableOracle
    device: str
    costs: Floats
    test: Floats
    known: Mapping[str, Floats]

    @property
    def latency(self) -> str:
        return f"latency/{self.device}"

    @property
    def limit(self) -> Constraint:
        return Constraint(self.latency, LIMITS[self.device])

    def volume(self, index: NDArray[np.int64]) -> float:
        """Return the hypervolume of some architectures."""
        points = scaled(self.costs, self.costs)[index]
        return hypervolume(points[front(points)])

    def best(self, index: NDArray[np.int64]) -> int | None:
        """Return the best by validation among those within the limit; None if there is none."""
        within = index[self.costs[index, 1] <= self.limit.at_most]
        return int(within[np.argmin(self.costs[within, 0])]) if len(within) else None

    def run(self, strategy: str, seed: int, trainings: int, *, limited: bool, known: bool = False) -> Trace:
        """Let a strategy search for the front, or for the best within the limit."""
        accuracy = Objective(ACCURACY)
        others = () if limited else (Objective(self.latency, "minimize"), Objective(PARAMETERS, "minimize"))
        rules = Rules(Budget(trainings=trainings))
        limits = (self.limit,) if limited else ()
        scores = self.known if known else None
        problem = make_problem(self.oracle, (accuracy, *others), rules, constraints=limits, scores=scores)
        source = find_strategy(strategy)
        rng = generator("multi-objective", self.device, source.name, seed)
        return search(source.build(problem, rng), self.oracle, accuracy, rules, name=source.label)


def grounds(published: Path, data_set: str, devices: Sequence[str], folder: Path) -> list[Ground]:
    """Return a data set on some devices."""
    table = Table.open(write_published(published, data_set, folder))
    with np.load(published / "nb201.npz", allow_pickle=False) as file:
        validation = np.nanmean(file[f"{data_set}/val_acc@200"], axis=1)
        test = file[f"{data_set}/test_acc_mean@200"].astype(np.float64)
        parameters = file["params_m_cifar10"].astype(np.float64)
    found = []
    with np.load(published / "nb201_latency.npz", allow_pickle=False) as file:
        for device in devices:
            latency = file[f"{device}/latency_ms"].astype(np.float64)
            known = {f"latency/{device}": latency, PARAMETERS: parameters}
            oracle = TableOracle(table, Objective(ACCURACY), costs=known)
            found.append(Ground(oracle, device, np.column_stack((-validation, latency, parameters)), test, known))
    return found


def volumes(
    ground: Ground, strategy: str, seeds: int, at: Sequence[int], *, known: bool = False
) -> tuple[Floats, float]:
    """Return the hypervolume after some trainings, ``(seeds, len(at))``, and the CPU seconds of a run."""
    rows, seconds = [], 0.0
    for seed in range(seeds):
        trace = ground.run(strategy, seed, at[-1], limited=False, known=known)
        rows.append([ground.volume(trace.index[:count]) for count in at])
        seconds += trace.cpu_seconds / seeds
    return np.array(rows), seconds


def limited(
    ground: Ground, strategy: str, seeds: int, at: Sequence[int], *, known: bool = False
) -> tuple[Floats, float, float]:
    """Return the test accuracy of the best within the limit, ``(seeds, len(at))``, NaN where none was found.

    Returns:
        Also the share of trainings that kept the limit, and the CPU seconds of a run.
    """
    rows, kept, seconds = [], 0.0, 0.0
    for seed in range(seeds):
        trace = ground.run(strategy, seed, at[-1], limited=True, known=known)
        best = [ground.best(trace.index[:count]) for count in at]
        rows.append([math.nan if each is None else ground.test[each] for each in best])
        kept += float((ground.costs[trace.index, 1] <= ground.limit.at_most).mean()) / seeds
        seconds += trace.cpu_seconds / seeds
    return np.array(rows), kept, seconds


def shown(values: Floats, digits: int) -> str:
    """Return mean ± standard error of some runs, and how many found nothing."""
    there = values[np.isfinite(values)]
    if not len(there):
        return "none"
    error = there.std(ddof=1) / math.sqrt(len(there)) if len(there) > 1 else math.nan
    nothing = f" ({len(values) - len(there)} none)" if len(there) < len(values) else ""
    return f"{there.mean():.{digits}f} ± {error:.{digits}f}{nothing}"


def row(name: str, cells: Sequence[str]) -> None:
    print(f"{name:<42}" + "".join(f"{cell:>18}" for cell in cells), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="runs of each strategy on each device")
    parser.add_argument("--data-set", default="cifar10")
    parser.add_argument("--device", action="append", help=f"repeatable; {', '.join(LIMITS)} if absent")
    parser.add_argument("--strategy", action="append", help="repeatable; those of each table if absent")
    parser.add_argument("--known", action="store_true", help="costs are known beforehand")
    parser.add_argument("--table", choices=("fronts", "limit", "both"), default="both")
    options = parser.parse_args()
    devices = options.device or list(LIMITS)
    with tempfile.TemporaryDirectory() as folder:
        found = grounds(published_folder(), options.data_set, devices, Path(folder))
    everything = np.arange(len(found[0].test))
    heads = [f"@{count}" for count in AT]
    for ground in found if options.table != "limit" else ():
        row(f"{options.data_set}, {ground.device}: hypervolume", [*heads, "CPU s a run"])
        row("the whole space", [f"{ground.volume(everything):.4f}"] * len(AT))
        for strategy in options.strategy or FRONTS:
            values, seconds = volumes(ground, strategy, options.seeds, AT, known=options.known)
            row(strategy, [*(shown(column, 4) for column in values.T), f"{seconds:.2f}"])
        print()
    for ground in found if options.table != "fronts" else ():
        within = f"{options.data_set}, {ground.device} <= {ground.limit.at_most:g} ms: test"
        row(within, [*heads, "kept the limit", "CPU s a run"])
        best = ground.best(everything)
        share = float((ground.costs[:, 1] <= ground.limit.at_most).mean())
        tested = "none" if best is None else f"{ground.test[best]:.2f}"
        row("the best in validation", [*[tested] * len(AT), f"{share:.0%} of the space"])
        for strategy in options.strategy or LIMITED:
            values, kept, seconds = limited(ground, strategy, options.seeds, AT, known=options.known)
            row(strategy, [*(shown(column, 2) for column in values.T), f"{kept:.0%}", f"{seconds:.2f}"])
        print()


if __name__ == "__main__":
    main()
