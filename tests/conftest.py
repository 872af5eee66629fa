"""What all tests share: one thread a process, an empty cache, Hypothesis without deadlines, the published tables."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # torch reads it when it is first imported, here and in child processes
# What somebody imported on this machine is not what is tested, nor what another folder of content holds.
os.environ.pop("METANAS_DATA", None)
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="metanas-tests-")
atexit.register(shutil.rmtree, os.environ["XDG_CACHE_HOME"], ignore_errors=True)

# Nothing here is judged by the time it takes; and what fails once must fail again.
settings.register_profile("metanas", deadline=None, derandomize=True, database=None)
settings.load_profile("metanas")


@pytest.fixture(autouse=True)
def seeded_torch() -> None:
    """Start every test from the same weights: torch's layers draw theirs from its global generator."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session")
def published_tables() -> Path:
    """Return the folder of tables published by others; skip where it is absent."""
    folder = Path(os.environ.get("METANAS_PUBLISHED") or Path(__file__).parents[2] / "shared" / "published")
    if not (folder / "nb201.npz").is_file():
        pytest.skip(f"published tables are not in {folder}: name their folder in METANAS_PUBLISHED")
    return folder


@pytest.fixture(scope="session")
def search_table_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a made-up table that can be searched: every class of nb201-conv, gaps in one seed, four epochs, times."""
    import numpy as np

    from metanas.spaces import load_space
    from metanas.tables import metric, write_table

    space, rng = load_space("nb201-conv"), np.random.default_rng(0)
    index = np.unique(space.canonical_indices[space.indices])
    n, seeds, epochs = len(index), (0, 1, 2), (1, 2, 3, 4)
    quality = rng.normal(50, 8, size=n)
    grown = quality[:, None, None] * (1 - 0.3 / np.array(epochs))
    validation, test = (grown + rng.normal(0, 1, size=(n, len(seeds), len(epochs))) for _ in range(2))
    validation[: n // 3, 2], test[: n // 3, 2] = np.nan, np.nan  # that seed was not run everywhere
    seconds = np.cumsum(rng.uniform(1, 3, size=(n, len(seeds), len(epochs))), axis=2)
    columns = {
        "validation/accuracy": validation,
        "validation/cross_entropy": (100 - validation) / 25,
        "test/accuracy": test,
        "cost/seconds": seconds,
    }
    path = tmp_path_factory.mktemp("search") / "searched.h5"
    write_table(
        path,
        name="made/searched-v1",
        space="nb201-conv",
        task="searched",
        arch_index=index,
        seeds=seeds,
        epochs=epochs,
        metrics={name: (metric(name), values) for name, values in columns.items()},
        protocol="",
        provenance={},
    )
    return path
