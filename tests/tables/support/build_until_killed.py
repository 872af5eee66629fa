"""Build a table in the folder that the first argument names; say each block that was written."""

from __future__ import annotations

import sys
from pathlib import Path

from cheap_training import TASK, CheapProtocol, train_slowly

from metanas.tables.build import Progress, build, make_plan


def say(progress: Progress) -> None:
    if progress.key is not None:
        sys.stdout.write(f"{progress.key.seed} {progress.key.block}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    build(
        make_plan("nb201-conv", TASK, CheapProtocol(block_size=300)),
        Path(sys.argv[1]),
        seeds=(0, 1),
        train=train_slowly,
        jobs=int(sys.argv[2]),
        report=say,
    )
