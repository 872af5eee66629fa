"""What all tests share: one thread a process, Hypothesis without deadlines, the published tables where they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # torch reads it when it is first imported, here and in child processes

# Nothing here is judged by the time it takes; and what fails once must fail again.
settings.register_profile("metanas", deadline=None, derandomize=True, database=None)
settings.load_profile("metanas")


@pytest.fixture(scope="session")
def published_tables() -> Path:
    """Return the folder of tables published by others; skip where it is absent."""
    folder = Path(os.environ.get("METANAS_PUBLISHED") or Path(__file__).parents[2] / "shared" / "published")
    if not (folder / "nb201.npz").is_file():
        pytest.skip(f"published tables are not in {folder}: name their folder in METANAS_PUBLISHED")
    return folder
