"""Few-shot accuracy on a task that nobody trained on, from tables of other tasks: one task left out at a time.

    python benchmarks/tasks.py --targets 'nb201/*' --shots 0,5,10,20,50 --seeds 10
    python benchmarks/tasks.py --targets 'published/nb201-cifar10-200ep-v1' --sources 'nb201*/*'

Sources are all other tasks' tables among ``--sources`` (patterns of names; every table of the target's own task and
of tasks that share its data is left out), complete; of several tables of one task the one with the most architectures.
Of the target a method sees the values of its examples alone, drawn by the seed, the same for all methods;
``NAME:chosen`` lets the method choose them. What is predicted is the validation accuracy after the last epoch:

- of a published table the mean of the seeds that exist, for examples and truth alike, as papers do;
- of a table with more seeds than one, examples have the value of a drawn one, and the truth is the mean of the others;
- of a table with one seed that one value for both.

Methods: predictors of the package that take sources; ``ridge`` on the sources' columns; ``gaussian_process`` on the
examples alone; ``score``, the zero-cost score or count of parameters that is best on the target itself, an oracle's
choice that needs no example. ``NAME+scores`` has four zero-cost scores of the target (parameters, synflow, NASWOT,
jacov; no training in them) as further sources, half of the prior weight theirs; ``NAME+described`` weighs the sources
by how alike the descriptions of their tasks are to the target's (data statistics and scores of anchors);
``NAME+losses`` has the sources' training cross-entropies (less is better) in the place of their validation accuracies,
``NAME+both`` beside them. Settings follow the name: ``task_gp,smooth=false``. Columns:

- ``tau`` over all cells that the target's table answers (``--cells shared``: that every source has a value of, too),
  the examples among them, and ``others``: without cells that compute the same function as an example;
- ``tenth``: tau within the best tenth by truth; ``regret``: how much lower in test accuracy the predicted best is than
  the best of all, percent; ± is the standard error over seeds; CPU seconds of making and fitting.

A result is a file in ``--out``: what is there is not run again (``--fresh``: it is).
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import os
import re
import time
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau
from sklearn.linear_model import Ridge

from metanas.errors import UnknownNameError
from metanas.files import atomic_write_text
from metanas.leaderboard.predictor_source import find_predictor
from metanas.leaderboard.predictor_target import by_index
from metanas.leaderboard.setting import open_table
from metanas.predictors import FROM_SOURCES, make_predictor
from metanas.predictors._sources import read_sources
from metanas.predictors._targets import Targets
from metanas.proxies.store import load_scores
from metanas.spaces import listed, load_space
from metanas.tables import Table, table_names
from metanas.tables.table import mean_over_seeds
from metanas.tasks import load_task, relatives
from metanas.tasks.descriptors import alike, describe

METRIC, REPORT, LOSS = "validation/accuracy", "test/accuracy", "training/cross_entropy"
_MODIFIERS = re.compile(r"\+(scores|described|losses|both)")
SCORES = ("params", "synflow", "naswot", "nwot", "jacov")
METHODS = ("score", "gaussian_process", "ridge", "stacked_sources", "task_gp", "task_gp:chosen", "task_gnn", "reptile")
PUBLISHED = Path(os.environ.get("METANAS_PUBLISHED", Path(__file__).resolve().parents[2] / "shared" / "published"))


class Case:
    """One target: what is predicted, and what else is known."""

    def __init__(self, table: Table, sources: list[Table], cells: str) -> None:
        self.table, self.sources = table, sources
        self.space = listed(load_space(table.space_name))
        self.columns = np.column_stack([by_index(source, METRIC) for source in sources])
        mean = by_index(table, METRIC)
        where = np.isfinite(mean)
        if cells == "shared":
            where &= np.isfinite(self.columns).all(axis=1)
        self.cells = self.space.indices[where[self.space.indices]]
        self.report = by_index(table, REPORT)
        self.held_out = len(table.seeds) > 1 and not table.name.startswith("published/")
        self.truth = "mean of the other seeds" if self.held_out else "mean of all seeds, examples too"
        self._mean = mean
        self._padded = [np.append(table.column(METRIC, seed=seed), np.nan) for seed in table.seeds]

    def values(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return values of examples, and the truth, by index."""
        if not self.held_out:
            return self._mean, self._mean
        by_seed = np.stack(self._padded)[:, self.table.row_of_index]
        one = int(rng.integers(len(by_seed)))
        others = mean_over_seeds(np.delete(by_seed, one, axis=0).T)
        return by_seed[one], np.where(np.isfinite(others), others, self._mean)

    def described(self) -> np.ndarray | None:
        """Return how alike the sources' tasks are to the target's by their descriptions; None where one has no card."""
        try:
            target, *others = (describe(load_task(table.task), anchors(table)) for table in (self.table, *self.sources))
        except UnknownNameError:
            return None
        return alike(target, others)

    @property
    def losses(self) -> np.ndarray:
        """What the sources' networks made of their own examples: minus the loss of training, last epoch."""
        return np.column_stack([-by_index(source, LOSS) for source in self.sources])

    @property
    def key(self) -> str:
        content = [self.table.sha256, *(source.sha256 for source in self.sources), str(len(self.cells))]
        return hashlib.sha256("".join(content).encode()).hexdigest()[:12]


def anchors(table: Table) -> dict[str, np.ndarray]:
    """Return published zero-cost scores of eight architectures, the same on every task; none where there are none."""
    try:
        scores = load_scores(table.task)
    except UnknownNameError:
        return {}
    some = np.random.default_rng(0).choice(np.sort(scores.archs), 8, replace=False)
    return {name: scores.query(some, f"proxy/{name}", missing="nan") for name in ("naswot", "jacov", "synflow")}


def scores_of(case: Case) -> dict[str, np.ndarray]:
    """Return zero-cost scores of the target by index: those published with the package or with the table, and size."""
    found = {"parameters": by_index(case.table, "cost/parameters")}
    try:
        table = load_scores(case.table.task)
        names = [name for name in table.metrics if name.startswith("proxy/") and not name.endswith(".seconds")]
        found |= {name.partition("/")[2]: by_index(table, name) for name in names}
    except UnknownNameError:
        path = PUBLISHED / "nb201_zero_cost.npz"
        if case.table.name.startswith("published/") and path.is_file():
            with np.load(path, allow_pickle=False) as file:
                own = [name for name in file.files if name.startswith(f"{case.table.task}/") and "val_acc" not in name]
                found |= {name.partition("/")[2]: file[name].astype(float) for name in own}
    return {name: np.where(np.isfinite(column), column, np.nan) for name, column in found.items()}


def predict(case: Case, method: str, n: int, seed: int) -> dict[str, object] | None:
    """Return the figures of one fit; None where a method cannot answer from so few examples."""
    rng = np.random.default_rng([seed, n])
    examples, truth = case.values(rng)
    usable = case.cells[np.isfinite(examples[case.cells])]
    drawn = rng.choice(usable, n, replace=False)
    label, _, choice = method.partition(":")
    own = np.random.default_rng([seed, 1])
    start = time.process_time()
    note = ""
    if label == "score":
        if n:
            return None
        scores = scores_of(case)
        taus = {name: kendall(column, truth, case.cells) for name, column in scores.items()}
        note = max(taus, key=lambda name: taus[name])
        mean = scores[note]
    elif label == "ridge":
        _, sources = read_sources(case.space, case.columns)
        z = np.column_stack([source.z for source in sources])
        if n:
            model = Ridge(1.0).fit(z[drawn], Targets(examples[drawn], "normal").forward(examples[drawn]))
            mean = z @ model.coef_
        else:
            mean = z.mean(axis=1)
    else:
        found = find_predictor(_MODIFIERS.sub("", label))
        if found.name in FROM_SOURCES:
            build = importlib.import_module(f"metanas.predictors.{found.name}").build
            columns, settings = case.columns, dict(found.config)
            if "+losses" in label:
                columns = case.losses
            if "+both" in label:
                columns = np.column_stack([columns, case.losses])
            if "+scores" in label:
                further = [column for name, column in scores_of(case).items() if name in SCORES]
                if not further:
                    return None
                counts = (columns.shape[1], len(further))
                columns = np.column_stack([columns, *further])
                settings["weights"] = [0.5 / count for count in counts for _ in range(count)]
            if "+described" in label:
                weights = case.described()
                if weights is None:
                    return None
                settings["weights"] = np.tile(weights, columns.shape[1] // len(weights))
            predictor = build(case.space, own, sources=columns, **settings)
        elif not n:
            return None
        else:
            predictor = make_predictor(found.name, case.space, own, **found.config)
        if choice and n:
            drawn = predictor.propose(n, usable)
        mean = np.full(len(truth), np.nan)
        if n:
            mean[case.cells] = predictor.fit(drawn, examples[drawn]).predict(case.cells).mean
        else:
            mean[case.cells] = predictor.prior(case.cells)
    seconds = time.process_time() - start
    scored = case.cells[np.isfinite(mean[case.cells])]
    classes = case.space.canonical_indices
    others = scored[~np.isin(classes[scored], classes[drawn])]
    best = scored[np.argsort(-truth[scored], kind="stable")[: max(2, len(scored) // 10)]]
    chosen = scored[int(np.argmax(mean[scored]))]
    return {
        "tau": kendall(mean, truth, scored),
        "others": kendall(mean, truth, others),
        "tenth": kendall(mean, truth, best),
        "regret": float(case.report[case.cells].max() - case.report[chosen]),
        "cells": len(scored),
        "seconds": seconds,
        "note": note,
    }


def kendall(a: np.ndarray, b: np.ndarray, where: np.ndarray) -> float:
    where = where[np.isfinite(a[where])]
    return float(kendalltau(a[where], b[where]).statistic) if np.ptp(a[where]) else 0.0


def tables_of(patterns: str) -> list[Table]:
    names = [name for name in table_names() if any(fnmatchcase(name, pattern) for pattern in patterns.split(","))]
    opened = [open_table(name) for name in names]
    return [table for table in opened if {METRIC, REPORT} <= set(table.metrics) and table.row_of_index is not None]


def widest(tables: list[Table]) -> list[Table]:
    """Return one table of each task, that with the most architectures: no task is to count twice."""
    of_task: dict[str, Table] = {}
    for table in sorted(tables, key=len):
        of_task[table.task] = table
    return list(of_task.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", default="nb201/*,published/nb201-*-200ep-v1", help="patterns of tables' names")
    parser.add_argument("--sources", default="nb201/*,published/nb201-*-200ep-v1", help="patterns of tables' names")
    parser.add_argument("--shots", default="0,5,10,20,50")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--methods", default=";".join(METHODS), help="separated by ';'")
    parser.add_argument("--cells", choices=("all", "shared"), default="all")
    parser.add_argument("--out", type=Path, default=Path("runs/tasks"))
    parser.add_argument("--fresh", action="store_true")
    options = parser.parse_args()
    shots = [int(text) for text in options.shots.split(",")]
    pool = widest(tables_of(options.sources))
    for table in tables_of(options.targets):
        own = relatives(table.task)
        sources = [other for other in pool if not {other.task, other.task.rpartition("-v")[0]} & own]
        if not sources:
            print(f"{table.name}: no table of another task among {options.sources}")
            continue
        case = Case(table, sources, options.cells)
        folder = options.out / f"{table.name.replace('/', '_')}-{case.key}"
        print(f"\n{table.name}, {len(case.cells):,} cells; truth: {case.truth}; sources: ", end="")
        print(", ".join(source.name for source in sources))
        columns = "".join(f" {name:>6} {'±':>5}" for name in ("tau", "others", "tenth", "regret"))
        print(f"{'method':<26} {'n':>3}{columns} {'s':>5}")
        for method in options.methods.split(";"):
            for n in shots:
                rows = []
                for seed in range(options.seeds):
                    if seed and n == 0 and not case.held_out:
                        break  # nothing is drawn
                    path = folder / f"{method.replace(':', '-')},n={n},seed={seed}.json"
                    if options.fresh or not path.is_file():
                        result = predict(case, method, n, seed)
                        path.parent.mkdir(parents=True, exist_ok=True)
                        atomic_write_text(path, json.dumps(result))
                    rows.append(json.loads(path.read_text()))
                if rows[0] is not None:
                    show(method, n, rows)


def show(method: str, n: int, rows: list[dict[str, object]]) -> None:
    line = f"{method:<26} {n:>3}"
    for name, digits in (("tau", 3), ("others", 3), ("tenth", 3), ("regret", 2)):
        values = np.array([row[name] for row in rows], dtype=float)
        error = f"{values.std(ddof=1) / np.sqrt(len(values)):.{digits}f}" if len(values) > 1 else ""
        line += f" {values.mean():>6.{digits}f} {error:>5}"
    seconds = np.mean([float(str(row["seconds"])) for row in rows])
    notes = ", ".join(sorted({f"{row['note']} ({row['cells']:,} cells)" for row in rows if row["note"]}))
    print(f"{line} {seconds:>5.1f}  {notes}", flush=True)


if __name__ == "__main__":
    main()
