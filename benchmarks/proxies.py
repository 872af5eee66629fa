"""Zero-cost scores: how quick, how like the published ones, and what they are worth.

    python benchmarks/proxies.py speed                    # scores a second, one by one and batched
    python benchmarks/proxies.py published --cells 300    # on the standard NAS-Bench-201 network (an hour of one core)
    python benchmarks/proxies.py worth                    # on all tables, with the published scores

``published`` compares with the tables in ``../shared/published`` (or the folder that METANAS_PUBLISHED names). It goes
on where it was stopped: scored cells are kept in ``work/proxies/``. ``published`` and ``worth`` write their figures
into ``docs/zero-cost.md``.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import kendalltau, spearmanr
from torch import nn

from metanas.files import atomic_write_text
from metanas.nets.nb201_standard import standard_cost, standard_network
from metanas.proxies import Batch, Block, load_proxy, proxy_names, scoring_batch
from metanas.proxies.aggregation import AZ_NAS, aggregate, ranks
from metanas.proxies.zen import change_and_variances
from metanas.spaces import load_space

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = Path(os.environ.get("METANAS_PUBLISHED") or ROOT.parent / "shared" / "published")
PAGE = ROOT / "docs" / "zero-cost.md"
KEPT = ROOT / "work" / "proxies" / "published.json"
PARTS = ("az_expressivity", "az_progressivity", "az_trainability")
RUNNING_ZEN = "zen, running variances"
EXAMPLES = {"zen": 8, RUNNING_ZEN: 8, "naswot": 16, "jacov": 16, **dict.fromkeys(PARTS, 4)}  # others look at none
PUBLISHED_NAMES = {"naswot": "nwot", RUNNING_ZEN: "zen"}  # where the published file names a score otherwise
GAUSSIAN = ("naswot", "jacov")  # these need inputs, and get noise here
SIZES = ("params", "flops")
AVERAGE = "*rank average of all*"
Floats = NDArray[np.float64]
SCORED = ("synflow", "zen", RUNNING_ZEN, "l2_norm", *GAUSSIAN, *PARTS)


def write_figures(name: str, lines: list[str]) -> None:
    """Print figures and put them into the page between their marks."""
    print("\n".join(lines))
    begin, end = f"<!-- figures: benchmarks/proxies.py {name} -->", "<!-- end of figures -->"
    before, mark, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    if not mark:
        msg = f"{PAGE} has no mark {begin}"
        raise ValueError(msg)
    _, _, after = rest.partition(end)
    atomic_write_text(PAGE, "\n".join([before + begin, *lines, end + after]))


def speed(task_name: str, n: int) -> None:
    """Print scores a second, one by one (building each network counts) and batched."""
    from metanas.protocol import load_protocol
    from metanas.tasks import load_task

    torch.set_num_threads(1)
    space, protocol, task = load_space("nb201-conv"), load_protocol("small-v1"), load_task(task_name)
    batch, skeleton = scoring_batch(task, protocol), protocol.skeleton(task.shape, task.n_classes)
    chosen = np.random.default_rng(0).permutation(np.unique(space.canonical_indices[space.indices]))[:n]
    cells = [space.cell(space.arch(int(index))) for index in chosen]
    print(f"{n} classes of nb201-conv, {task.name}, {protocol.name}, {len(batch.x)} examples; scores a CPU second")
    print(f"{'score':18s} {'one by one':>11s} {'batched':>11s} {'ratio':>7s}")
    for name in proxy_names():
        proxy, block = load_proxy(name), Block(cells, skeleton, batch)
        start = time.process_time()
        for network in block.networks():
            proxy(network, batch)
        alone = n / (time.process_time() - start)
        if proxy.many is None:
            print(f"{name:18s} {alone:11,.0f} {'–':>11s}")
            continue
        start = time.process_time()
        proxy.of_block(block)
        together = n / (time.process_time() - start)
        print(f"{name:18s} {alone:11,.0f} {together:11,.0f} {together / alone:6.0f}x")


def score_published(cells: int, names: list[str]) -> dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Score the first cells of a fixed random order of those with published scores; return cells and scores by name."""

    torch.set_num_threads(1)
    with np.load(PUBLISHED / "nb201_zero_cost.npz", allow_pickle=False) as arrays:
        scored = np.flatnonzero(np.isfinite(arrays["cifar10/synflow"]))
    order = np.random.default_rng(0).permutation(scored)[:cells]
    space = load_space("nb201")
    kept: dict[str, dict[str, float | None]] = json.loads(KEPT.read_text()) if KEPT.is_file() else {}
    noise = torch.randn(64, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    for count, index in enumerate(order.tolist(), start=1):
        arch, known = space.arch(index), kept.setdefault(str(index), {})
        missing = [name for name in names if name not in known]
        if not missing:
            continue
        network = standard_network(arch, seed=0)
        for name in missing:
            examples = EXAMPLES.get(name, 2)
            batch = Batch(noise[:examples], torch.arange(examples) % 10, seed=0)
            value = running_zen(network, batch) if name == RUNNING_ZEN else load_proxy(name)(network, batch)
            known[name] = value if np.isfinite(value) else None
        known |= dict(zip(("params", "flops"), map(float, standard_cost(arch)), strict=True))
        if count % 10 == 0 or count == len(order):
            atomic_write_text(KEPT, json.dumps(kept))
            print(f"{count} of {len(order)} cells", flush=True)
    found: dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}
    for name in dict.fromkeys(name for own in kept.values() for name in own):
        cells = [index for index in order.tolist() if name in kept[str(index)]]
        found[name] = np.array(cells), np.array([kept[str(index)][name] for index in cells], dtype=np.float64)
    return found


def running_zen(network: nn.Module, batch: Batch) -> float:
    """Return the Zen-score as the authors' code has it: with the running variances after two passes."""
    change, variances = change_and_variances(copy.deepcopy(network).train(), batch)
    with np.errstate(divide="ignore"):
        return float(np.log(float(change)) + sum(0.5 * np.log(float((0.81 + 0.19 * v).mean())) for v in variances))


def published(cells: int, names: list[str]) -> None:
    """Compare our scores on the standard network with the published scores and with the published accuracies."""
    ours = score_published(cells, names)
    with np.load(PUBLISHED / "nb201.npz", allow_pickle=False) as arrays:
        accuracy = np.nanmean(arrays["cifar10/val_acc@200"], axis=1)
    with np.load(PUBLISHED / "nb201_zero_cost.npz", allow_pickle=False) as arrays:
        theirs = {name.removeprefix("cifar10/"): arrays[name] for name in arrays.files if name.startswith("cifar10/")}
    if set(AZ_NAS) <= set(ours):
        index = ours[PARTS[-1]][0]  # a beginning of the same order
        parts = {name: ours[name][1][: len(index)] for name in AZ_NAS}
        ours["az_nas"] = index, aggregate("az_nas", parts)
    scored = np.isfinite(theirs["synflow"])
    lines = [
        f"Cells: the first of a random order (seed 0) of the {int(scored.sum()):,} with published scores.",
        "",
        "| score | cells | ours, accuracy | published, accuracy | – (all published cells) | ours, published |",
        "|---|---|---|---|---|---|",
    ]
    for name in sorted(ours, key=lambda name: -spearman(ours[name][1], accuracy[ours[name][0]])):
        index, values = ours[name]
        other = theirs.get(PUBLISHED_NAMES.get(name, name))
        label = f"{name}{' (noise)' if name in GAUSSIAN else ''}"
        row = [label, str(len(index)), f"{spearman(values, accuracy[index]):.3f}"]
        if other is None:
            row += ["–", "–", "–"]
        else:
            row.append(f"{spearman(other[index], accuracy[index]):.3f}")
            row.append(f"{spearman(other[scored], accuracy[scored]):.3f}")
            row.append(f"{spearman(values, other[index]):.3f}")
        lines.append(f"| {' | '.join(row)} |")
    write_figures("published", lines)


def spearman(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Return Spearman's correlation; a value that is not defined ranks below all others."""
    return float(spearmanr(ranks(a), ranks(b)).statistic)


def kendall(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Return Kendall's tau-b; a value that is not defined ranks below all others."""
    return float(kendalltau(ranks(a), ranks(b)).statistic)


def worth() -> None:
    """Say how well each score, and some of them together, rank the architectures of each task's table."""
    from metanas.proxies import load_scores, scored_tasks
    from metanas.tables import load_table, table_names

    tasks = [task for task in scored_tasks() if f"nb201/{task}" in table_names()]
    values, truth, seconds = {}, {}, []
    for task in tasks:
        table, scores = load_table(f"nb201/{task}"), load_scores(task)
        names = [name for name in scores.metrics if not name.endswith(".seconds")]
        own = {name.removeprefix("proxy/"): scores.query(table.archs, name, missing="nan") for name in names}
        data = {name: column for name, column in own.items() if name not in SIZES}
        values[task] = own | {
            AVERAGE: aggregate("rank_average", own),
            "*rank average, params and flops left out*": aggregate("rank_average", data),
            "*log-rank sum of all*": aggregate("log_rank_sum", own),
            "*AZ-NAS*": aggregate("az_nas", own),
        }
        truth[task] = table.column("validation/accuracy")
        seconds.append({name: float(np.mean(scores.column(f"proxy/{name}.seconds"))) for name in own})
    every = list(dict.fromkeys(name for own in values.values() for name in own))
    lines = ["Spearman's correlation and Kendall's tau (small), over the 1,011 classes of each table:", ""]
    lines += matrix(every, tasks, values, truth, 1.0, seconds)
    lines += ["", "The same in each table's top decile, by validation accuracy (the mean of its seeds):", ""]
    lines += matrix(every, tasks, values, truth, 0.1, seconds)
    lines += ["", *summary(every, tasks, values, truth)]
    write_figures("worth", lines)


def matrix(
    every: list[str],
    tasks: list[str],
    values: dict[str, dict[str, Floats]],
    truth: dict[str, Floats],
    share: float,
    seconds: list[dict[str, float]],
) -> list[str]:
    """Return the lines of a table: a row a score, a column a task."""
    rows = {}
    for name in every:
        pairs = [both(values[task].get(name), truth[task], share) for task in tasks]
        means = np.nanmean(pairs, axis=0)
        cells = [f"{rho:.2f} <sub>{tau:.2f}</sub>" if rho == rho else "–" for rho, tau in (means, *pairs)]
        cost = [own[name] for own in seconds if name in own]
        cells.append(f"{1e3 * float(np.mean(cost)):.2f}" if cost else "–")
        rows[name] = (means[0], f"| {name} | {' | '.join(cells)} |")
    single = sorted((name for name in every if "*" not in name), key=lambda name: -rows[name][0])
    order = [*single, *(name for name in every if "*" in name)]
    head = ["score", "mean", *(task.removesuffix("-v1") for task in tasks), "ms a score"]
    return [f"| {' | '.join(head)} |", "|" + "---|" * len(head), *(rows[name][1] for name in order)]


def both(values: Floats | None, truth: Floats, share: float) -> tuple[float, float]:
    """Return Spearman's correlation and tau among the best share of the classes; NaN where there are no values."""
    if values is None:
        return np.nan, np.nan
    top = np.argsort(-truth, kind="stable")[: round(share * len(truth))]
    return spearman(values[top], truth[top]), kendall(values[top], truth[top])


def summary(
    every: list[str], tasks: list[str], values: dict[str, dict[str, Floats]], truth: dict[str, Floats]
) -> list[str]:
    """Return sentences: the ensemble against the best single score and against parameters."""
    lines = []
    for share, where in ((1.0, "over all classes"), (0.1, "in the top decile")):
        rho = {name: [both(values[task].get(name), truth[task], share)[0] for task in tasks] for name in every}
        single = {name: own for name, own in rho.items() if "*" not in name}
        best = max(single, key=lambda name: float(np.mean(single[name])))
        ahead = [sum(a > b for a, b in zip(rho[best], rho[other], strict=True)) for other in ("params", AVERAGE)]
        each = [max(single, key=lambda name, place=place: single[name][place]) for place in range(len(tasks))]
        wins = {name: each.count(name) for name in sorted(set(each), key=lambda name: -each.count(name))}
        lines.append(
            f"- {where.capitalize()} the best single score by its mean is **{best}** ({np.mean(rho[best]):.2f}; params "
            f"{np.mean(rho['params']):.2f}, rank average {np.mean(rho[AVERAGE]):.2f}); on {ahead[0]} of {len(tasks)} "
            f"tasks it is ahead of params, on {ahead[1]} of the rank average. The best of each task: "
            + ", ".join(f"{name} on {count}" for name, count in wins.items())
            + "."
        )
    return lines


def main() -> None:
    """Take the action and its options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["speed", "published", "worth"])
    parser.add_argument("--cells", type=int, default=None, help="48 for speed, 300 for published")
    parser.add_argument("--task", default="fashion_mnist")
    parser.add_argument("--names", default=";".join(SCORED), help="scores, with ; between them")
    options = parser.parse_args()
    if options.action == "speed":
        speed(options.task, options.cells or 48)
    elif options.action == "published":
        published(options.cells or 300, options.names.split(";"))
    else:
        worth()


if __name__ == "__main__":
    main()
