"""What one training gives, instead of the mean over seeds: an oracle that draws the outcome of each training.

A mean over seeds is known only to whoever trains several times. A search that trains once meets one outcome, and may
take a lucky architecture for a good one. Two kinds:

* ``"seed"``: what one of the table's own seeds gave, drawn among those that were measured.
* ``"drawn"``: the mean, and the deviation of a real training (:class:`~metanas.tables.training_noise.TrainingNoise`);
  there is no end of such outcomes, also where an architecture has one seed, or its mean is only predicted.

In a run, an architecture is trained once: every value of it, at all epochs and in all metrics, is of the same training,
and asking again gives it again. What that training is derives from the run's world and the architecture alone, not
from the order of asking, so that a replay meets the same. Costs, seconds among them, stay the mean over the seeds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from metanas.arch import Arch
from metanas.errors import NotMeasuredError, UnknownNameError
from metanas.oracles import Answer, TableOracle, Values
from metanas.spaces import listed
from metanas.tables.training_noise import TrainingNoise, by_seed

if TYPE_CHECKING:
    from metanas.tables import Table

Outcome = Literal["seed", "drawn"]
OUTCOMES = ("seed", "drawn")

_Curves = dict[str, NDArray[np.float64]]


class Outcomes:
    """What trainings of one table can give; :meth:`world` makes the oracle of a run. Holds no test value."""

    def __init__(self, table: Table, oracle: TableOracle, outcome: Outcome) -> None:
        """Copy what is needed out of ``table``.

        Args:
            table: measured values with several seeds.
            oracle: the same table's means, with the objective first.
            outcome: which kind.

        Raises:
            UnknownNameError: there is no such kind.
            NotMeasuredError: the objective has no seeds; or, for ``"seed"``, some architecture has no seed with all
                epochs.
        """
        if outcome not in OUTCOMES:
            raise UnknownNameError("outcome", outcome, ("mean", *OUTCOMES))
        self.oracle = oracle
        objective = oracle.metrics[0]
        validation = [name for name in oracle.metrics if name in table.metrics and name.startswith("validation/")]
        values = {name: by_seed(table, name, oracle.epochs if table.epochs else ()) for name in validation}
        noisy = {name: part for name, part in values.items() if part is not None}
        if objective not in noisy:
            msg = f"{objective} of table {table.name} has no seeds; what one training gives is not known (outcome)."
            raise NotMeasuredError(msg)
        self._noise: TrainingNoise | None = None
        self._by_seed: dict[str, NDArray[np.float64]] = {}
        self._whole = np.empty((0, 0), dtype=bool)  # which seeds have the objective at all epochs
        if outcome == "drawn":
            usable = [name for name, part in noisy.items() if not np.isnan(part).all(axis=(0, 1)).any()]
            self._noise = TrainingNoise.of(table, usable, oracle.epochs if table.epochs else ())
        else:
            self._by_seed = noisy
            self._rows = self._check_seeds(table, noisy[objective], objective)

    def world(self, world: int) -> OutcomeOracle:
        """Return an oracle in whose world each architecture has one training; the same number, the same world."""
        return OutcomeOracle(self, world)

    def training(self, index: int, rng: np.random.Generator) -> _Curves:
        """Draw a training of an architecture: every noisy metric at every epoch, ``(n_epochs,)`` each."""
        if self._noise is not None:
            means = self.oracle.curves(index)
            noisy = {name: means[name][None] for name in self._noise.models}
            return {name: values[0] for name, values in self._noise.draw(noisy, rng).items()}
        row = self._rows[index]
        seeds = np.flatnonzero(self._whole[row])
        seed = int(rng.choice(seeds))
        return {name: values[row, seed] for name, values in self._by_seed.items()}

    def _check_seeds(self, table: Table, values: NDArray[np.float64], objective: str) -> NDArray[np.int32]:
        rows = table.row_of_index
        assert rows is not None  # the oracle has checked that the space has a list
        self._whole = np.asarray(~np.isnan(values).any(axis=2))
        asked = rows[listed(self.oracle.space).indices]
        bare = int(((asked < 0) | ~self._whole[asked].any(axis=1)).sum())
        if bare:
            msg = (
                f"Table {table.name} has {bare:,} architectures of which no seed has {objective} at all epochs. "
                f"Take outcome = 'drawn'."
            )
            raise NotMeasuredError(msg)
        return rows


class OutcomeOracle:
    """Answers with one training of each architecture; see the module.

    Attributes:
        space: the architectures that it answers for.
        epochs: as those of the oracle of means.
        timed: whether it knows seconds.
        metrics: the metrics that it answers with.
    """

    def __init__(self, outcomes: Outcomes, world: int) -> None:
        """Use :meth:`Outcomes.world`."""
        means = outcomes.oracle
        self.space, self.epochs, self.timed, self.metrics = means.space, means.epochs, means.timed, means.metrics
        self._outcomes, self._world = outcomes, world
        self._trainings: dict[int, _Curves] = {}

    def index(self, arch: Arch) -> int:
        """Return the index of ``arch``; raise :class:`~metanas.errors.InvalidArchError` outside the space."""
        return self._outcomes.oracle.index(arch)

    def answer(self, index: int, epochs: int) -> Answer:
        """Return what the training of the architecture has given after so many epochs."""
        training = self._trainings.get(index)
        if training is None:
            seed = np.random.SeedSequence(self._world, spawn_key=(index,))
            rng = np.random.Generator(np.random.PCG64(seed))
            training = self._trainings[index] = self._outcomes.training(index, rng)
        means, curve = self._outcomes.oracle.answer(index, epochs)
        at = self.epochs.index(epochs)
        values = Values({**means, **{name: float(part[at]) for name, part in training.items() if name in means}})
        return Answer(values, None if curve is None else training[self.metrics[0]][: at + 1].copy())

    def seconds(self, index: int, epochs: int) -> float:
        """Return the seconds of training from scratch, mean over the measured seeds; NaN without times."""
        return self._outcomes.oracle.seconds(index, epochs)
