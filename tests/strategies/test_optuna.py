"""What is done here in place of optuna gives optuna's results: the same choices, trial by trial."""

from __future__ import annotations

import warnings
from collections import deque
from typing import Any

import numpy as np
import pytest

optuna = pytest.importorskip("optuna", minversion="5.0")

from optuna.distributions import CategoricalDistribution  # noqa: E402
from optuna.samplers import TPESampler  # noqa: E402
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator, _ParzenEstimatorParameters  # noqa: E402
from optuna.samplers._tpe.sampler import default_weights  # noqa: E402
from optuna.trial import TrialState  # noqa: E402

from metanas.strategies._optuna import CategoricalDensity, Decision, QuickTpe  # noqa: E402

SIZES = [(4,) * 6, (3, 5, 2, 1, 4, 2, 2, 3, 2, 2, 2, 6), (9, 2, 17)]


def asked(kind: type, distribution: Any, sizes: tuple[int, ...], workers: int, direction: str) -> list[dict[str, int]]:
    """Search with some trials under way at once; of the rows one in seven is no architecture."""
    spaces = {f"decision {place}": distribution(n) for place, n in enumerate(sizes)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # experimental settings
        sampler = kind(n_startup_trials=10, multivariate=True, constant_liar=workers > 1, seed=3)
        study, rows, under_way = optuna.create_study(sampler=sampler, direction=direction), [], deque()
        for _ in range(150):
            trial = study.ask(spaces)
            rows.append(trial.params)
            under_way.append(trial)
            if len(under_way) == workers:
                told = under_way.popleft()
                value = sum(told.params.values())
                if value % 7 == 0:
                    study.tell(told, state=TrialState.FAIL)
                else:
                    study.tell(told, float(value % 5))
    return rows


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize(("workers", "direction"), [(1, "maximize"), (1, "minimize"), (4, "maximize")])
def test_the_quick_sampler_asks_for_what_optunas_does(sizes: tuple[int, ...], workers: int, direction: str) -> None:
    quick = asked(QuickTpe, Decision, sizes, workers, direction)
    assert quick == asked(TPESampler, lambda n: CategoricalDistribution(range(n)), sizes, workers, direction)
    assert len({tuple(row.values()) for row in quick}) > 20


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("n", [0, 1, 24, 25, 26, 200])
def test_the_density_is_optunas(sizes: tuple[int, ...], n: int) -> None:
    rng = np.random.default_rng(n)
    rows, points = (np.stack([rng.integers(size, size=m) for size in sizes], axis=1) for m in (n, 30))
    spaces = {str(place): CategoricalDistribution(range(size)) for place, size in enumerate(sizes)}
    parameters = _ParzenEstimatorParameters(1.0, True, False, default_weights, True)
    theirs = _ParzenEstimator(dict(zip(spaces, rows.T, strict=True)), spaces, parameters)
    ours = CategoricalDensity(rows, sizes)
    expected = theirs.log_pdf(dict(zip(spaces, points.T, strict=True)))
    assert ours.log_pdf(points) == pytest.approx(expected, rel=1e-12)
    drawn = theirs.sample(np.random.RandomState(5), 300)
    assert (ours.sample(np.random.RandomState(5), 300) == np.stack(list(drawn.values()), axis=1)).all()


def test_a_decision_is_a_categorical_variable() -> None:
    decision, plain = Decision(4), CategoricalDistribution(range(4))
    assert [decision.to_internal_repr(choice) for choice in decision.choices] == [0, 1, 2, 3]
    assert decision.choices == plain.choices
    assert decision == Decision(4) != Decision(5)
    assert hash(decision) == hash(Decision(4))
