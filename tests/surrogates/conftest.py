"""A table that measured some of the classes of a space, and its surrogate, fitted with ridge regression for speed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from metanas.surrogates.figures import figures
from metanas.surrogates.fitting import Fitted, fit
from metanas.surrogates.store import open_surrogate, surrogate_path, write_surrogate
from metanas.surrogates.table import SurrogateTable
from metanas.tables import Table

sys.path.insert(0, str(Path(__file__).parent / "support"))
from sampled import CLASSES, file_of


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return file_of(tmp_path_factory.mktemp("sample") / "sample.h5")


@pytest.fixture(scope="session")
def fitted(sample: Table) -> Fitted:
    return fit(sample, members=("ridge",))


@pytest.fixture(scope="session")
def surrogate(sample: Table, fitted: Fitted) -> SurrogateTable:
    found = {name: figures(sample, name, model) for name, model in fitted.models.items()}
    write_surrogate(fitted, surrogate_path(sample.path), found)
    return open_surrogate(sample.path)


@pytest.fixture(scope="session")
def unseen(sample: Table) -> np.ndarray:
    """Return the classes that were not measured."""
    return np.setdiff1d(CLASSES, sample.archs)
