"""How good a surrogate is: errors out of fold, and whether it ranks better than one real training does.

The test is that of NAS-Bench-301 and NAS-Bench-x11 (Zela et al., "Surrogate NAS Benchmarks", ICLR 2022, section 2; Yan
et al. 2021, sections 3.2 and 3.3): of architectures that it has not seen, a surrogate should know the order better than
one training of each of them would tell.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metanas.extras import require
from metanas.predictors.calibration import half_width
from metanas.surrogates.fitting import Model
from metanas.tables import Table
from metanas.tables.training_noise import by_seed

Floats = NDArray[np.float64]

_LEVEL = 0.8
_FEWEST = 30  # architectures with several seeds that a tau is taken over


class Ranking(NamedTuple):
    """Kendall's tau with the mean of other trainings, mean over which training is set against them.

    Attributes:
        predicted: of the prediction.
        training: of one training of each architecture.
        architectures: how many.
    """

    predicted: float
    training: float
    architectures: int

    @property
    def passed(self) -> bool:
        """Whether the prediction ranks better than one training."""
        return self.predicted > self.training


def against_one_training(predicted: Floats, trainings: Floats) -> Ranking | None:
    """Set a prediction against one real training, both judged by the mean of the architecture's other trainings.

    Args:
        predicted: of architectures that the predictor has not seen, ``(n,)``.
        trainings: their values by seed, ``(n, n_seeds)``, NaN = not measured. Of the seeds, each is left out in turn,
            over the architectures that have all seeds.

    Returns:
        None if fewer than 30 architectures have all of at least two seeds.
    """
    whole = ~np.isnan(trainings).any(axis=1)
    n_seeds = trainings.shape[1]
    if n_seeds < 2 or whole.sum() < _FEWEST:
        return None
    known, values = predicted[whole], trainings[whole]
    pairs = []
    for seed in range(n_seeds):
        others = np.delete(values, seed, axis=1).mean(axis=1)
        pairs.append((tau(known, others), tau(values[:, seed], others)))
    first, second = np.mean(pairs, axis=0).tolist()
    return Ranking(first, second, int(whole.sum()))


def tau(a: Floats, b: Floats) -> float:
    """Return Kendall's tau-b; 0 where one of them is constant and says nothing of an order."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(require("scipy.stats", "predictors", "Kendall's tau").kendalltau(a, b).statistic)


def r_squared(predicted: Floats, values: Floats) -> float:
    """Return the share of the values' variance that is predicted."""
    return 1 - float(((predicted - values) ** 2).mean() / values.var())


def figures(table: Table, name: str, model: Model) -> dict[str, float]:
    """Return what is stated of a metric, after its last epoch, out of fold.

    ``tau``, ``r2``, ``rmse``; ``coverage_80``, the share of values within the central 80 % interval; where there are
    seeds, ``tau_other_trainings`` and ``tau_one_training`` of :func:`against_one_training`.
    """
    assert model.held_out is not None
    mean, std = (part[:, -1] for part in model.held_out if part is not None)
    epoch = model.epochs[-1] if model.epochs else None
    values = table.column(name, epoch=epoch)[model.rows]
    found = {
        "tau": tau(mean, values),
        "r2": r_squared(mean, values),
        "rmse": float(np.sqrt(((mean - values) ** 2).mean())),
        "coverage_80": float((np.abs(mean - values) <= half_width(_LEVEL) * std).mean()),
    }
    trained = by_seed(table, name, model.epochs[-1:])
    ranking = None if trained is None else against_one_training(mean, trained[model.rows, :, -1])
    if ranking is not None:
        found |= {"tau_other_trainings": ranking.predicted, "tau_one_training": ranking.training}
    return {key: round(value, 4) for key, value in found.items()}


__all__ = ["Ranking", "against_one_training", "figures", "r_squared", "tau"]
