"""What a cell of nothing but 3x3 convolutions reaches on each task: writes it onto the tasks' cards.

    python benchmarks/plain_cell.py

Test accuracy in percent after the last epoch, mean over the seeds of the task's table ``nb201/<task>``, beside the
card's other baselines; tasks without a table are left alone.
"""

from __future__ import annotations

import re
from pathlib import Path

import metanas
from metanas.files import atomic_write_text

ROOT = Path(__file__).resolve().parents[1]
CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
NAME = "plain_conv3x3_cell"


def main() -> None:
    for name in metanas.table_names():
        if not name.startswith("nb201/"):
            continue
        table = metanas.load_table(name)
        card = ROOT / "tasks" / f"{table.task}.toml"
        reached = table.query(CELL, "test/accuracy")
        text = re.sub(rf"\n{NAME} = .*", "", card.read_text(encoding="utf-8")).rstrip()
        if "[baselines]" not in text:
            text += "\n\n[baselines]"
        atomic_write_text(card, f"{text}\n{NAME} = {reached:.2f}\n")
        logistic = metanas.load_task(table.task).card.baselines.get("logistic_regression")
        print(f"{table.task:20s} {reached:6.2f} over {len(table.seeds)} seeds (logistic regression {logistic})")


if __name__ == "__main__":
    main()
