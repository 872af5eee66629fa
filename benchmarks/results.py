"""Writes docs/results.md from finished runs: what every strategy reaches on the project's boards, over all tables.

    metanas run --board anytime-v1
    python benchmarks/results.py runs/anytime-v1

The folder is what ``metanas run`` wrote; its summary and its plot are read. Figures of a board that is not named stay.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from metanas.files import atomic_write_text

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "results.md"
IMAGES = ROOT / "docs" / "images"
END = "<!-- end of figures -->"


def rows(summary: dict[str, Any]) -> list[str]:
    """Return the lines of the table over all tables of a board."""
    tables = summary["tables"]
    by_label: dict[str, list[dict[str, Any]]] = {}
    for table in tables:
        for entry in table["strategies"]:
            by_label.setdefault(entry["strategy"], []).append(entry)
    unit = "" if summary["unit"] == "trainings" else " s"
    points = [f"@{point['at']:g}{unit}" for point in summary["overall"][0]["normalized_regret"]]
    lines = [
        f"| | strategy | family | {' | '.join(points)} | mean rank | optimum found | CPU, µs a trial |",
        "|---|---|---|" + "---|" * (len(points) + 3),
    ]
    for place, row in enumerate(summary["overall"], start=1):
        entries = by_label[row["strategy"]]
        found = sum(entry["optimum"]["found"] for entry in entries) / len(entries)
        cpu = sum(entry["cpu_seconds_per_trial"] for entry in entries) / len(entries)
        regrets = " | ".join(_figure(point) for point in row["normalized_regret"])
        rank = "–" if row["mean_rank"] is None else f"{row['mean_rank']:.2f}"
        lines.append(
            f"| {place} | `{row['strategy']}` | {entries[0]['family']} | {regrets} | {rank} | {found:.0%} "
            f"| {1e6 * cpu:,.0f} |"
        )
    seeds = {entry["runs"] for entries in by_label.values() for entry in entries}
    return [*lines, "", f"{len(tables)} tables, {' or '.join(map(str, sorted(seeds)))} runs of each strategy on each."]


def write(folder: Path) -> str:
    """Put a board's figures on the page and its plot beside it; return the figures."""
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    text = PAGE.read_text(encoding="utf-8")
    begin = f"<!-- figures: benchmarks/results.py {summary['board']} -->"
    before, mark, rest = text.partition(begin)
    if not mark:
        msg = f"{PAGE} has no place for board {summary['board']}: {begin}"
        raise SystemExit(msg)
    figures = "\n".join(rows(summary))
    atomic_write_text(PAGE, f"{before}{begin}\n{figures}\n{END}{rest.partition(END)[2]}")
    shutil.copyfile(folder / "regret.png", IMAGES / f"{summary['board']}-all.png")
    return figures


def _figure(point: dict[str, Any]) -> str:
    if point["mean"] is None:
        return "–"
    error = point["standard_error"]
    return f"{100 * point['mean']:.1f}" + ("" if error is None else f" ± {100 * error:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="as runs/anytime-v1")
    for folder in parser.parse_args().folders:
        print(write(folder))


if __name__ == "__main__":
    main()
