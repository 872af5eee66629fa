"""Bayesian optimization with a random forest, as SMAC does: expected improvement, interleaved with random choices.

Hutter, Hoos and Leyton-Brown, "Sequential Model-Based Optimization for General Algorithm Configuration", LION 2011,
section 4: a forest of 10 trees on bootstrap samples, splits among 5/6 of the inputs, at least 10 examples to split
(section 4.1); the mean and the variance of the trees' answers are those of a normal distribution (section 4.1), whose
expected improvement decides (section 4.3); every second architecture is random (section 4.3, "interleaving").

Differences: there is one instance, so nothing is raced and every architecture is trained once; where SMAC searches
locally from the best and among 10,000 random configurations, a small space is ranked whole and a pool of children and
random architectures elsewhere; a node with 3 examples may be split (as in SMAC3), since there are hundreds of examples,
not tens of thousands; the decisions of the architecture are one-hot; targets are normal scores, not logarithms; the
forest is grown anew when the examples have grown by a twentieth, and the next in its order is taken until then.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metanas.encodings import encode
from metanas.extras import require
from metanas.predictors._targets import normal_scores
from metanas.problem import Problem, Requirements, Trial
from metanas.spaces import ListedSpace
from metanas.strategies._rounds import Rounds
from metanas.strategies._surrogate import (
    Acquisition,
    Examples,
    Floats,
    Ints,
    acquire,
    check_acquisition,
    check_range,
    is_small,
)
from metanas.strategies.base import Unique

FAMILY = "Bayesian optimization"
REQUIRES = Requirements(packages=("sklearn",))

_sklearn = require("sklearn", "predictors", "The strategy 'smac'")
_DecisionTree = require("sklearn.tree", "predictors", "The strategy 'smac'").DecisionTreeRegressor

_INPUTS = 5 / 6  # share of the inputs that a split looks at
_GROWTH = 20  # the forest is grown anew when one in so many examples is new


class Smac(Rounds):
    """The strategy; see the module."""

    def __init__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        initial: int = 10,
        trees: int = 10,
        split: int = 3,
        random: float = 0.5,
        encoding: str = "onehot",
        acquisition: Acquisition = "ei",
        pool: int = 500,
        unique: Unique = "code",
    ) -> None:
        """Prepare the first architectures.

        Args:
            problem: what is searched.
            rng: source of all randomness.
            initial: random architectures at the beginning.
            trees: of the forest.
            split: fewest examples of a node that is split.
            random: share of random architectures, 0 to 1; one half is every second.
            encoding: name of the encoding.
            acquisition: ``"ei"``, ``"ts"``, ``"ucb"`` or ``"mean"``.
            pool: candidates where the space is not ranked whole.
            unique: what is not trained twice, the same ``"code"`` or the same function (``"canonical"``).

        Raises:
            InvalidValueError: a number out of range.
            UnknownNameError: there is no such encoding or acquisition function.
        """
        super().__init__(problem, rng, initial=initial, unique=unique)
        check_acquisition(acquisition)
        check_range("trees", trees, 2)
        check_range("split", split, 2)
        check_range("random", random, 0, 1)
        check_range("pool", pool, 2)
        self._trees = trees
        self._split = split
        self._random = random
        self._due = 0.0  # share of a random architecture that is owed
        self._encoding = encoding
        self._acquisition = acquisition
        self._pool = pool

    def ask(self) -> Trial:
        """Return a random architecture as often as is due, else the next by expected improvement."""
        if len(self._archive.asked) >= self._initial:
            self._due += self._random
            if self._due >= 1:
                self._due -= 1
                return self._archive.draw()
        return super().ask()

    def _round(self, examples: Examples) -> Sequence[int]:
        z = normal_scores(examples.scores)
        seed = int(self._rng.integers(2**31))
        forest = grow(self._vectors(examples.indices), z, self._trees, self._split, seed)
        candidates = self._archive.candidates(examples, self._pool)
        rows = self._vectors(candidates)
        said: Floats = np.array([tree.value[:, 0, 0][tree.apply(rows)] for tree in forest])
        promise = acquire(self._acquisition, said.mean(axis=0), said.std(axis=0), float(z.max()), self._rng)
        promise = promise + 1e-9 * self._rng.random(len(promise))  # trees are flat: equals in random order
        wanted = min(max(1, len(z) // _GROWTH), len(promise))
        if not wanted:
            return []
        best = np.flatnonzero(promise >= np.partition(promise, -wanted)[-wanted])
        chosen: list[int] = candidates[best[np.argsort(-promise[best], kind="stable")[:wanted]]].tolist()
        return chosen

    def _vectors(self, indices: Ints) -> NDArray[np.float32]:
        """Return encodings, ``(n, d)``."""
        if self._whole is None:
            return encode(self._archive.space, indices, self._encoding)
        vectors, place = self._whole
        return vectors[place[indices]]

    @cached_property
    def _whole(self) -> tuple[NDArray[np.float32], Ints] | None:
        """Encodings of all architectures of a small space, looked up once, and the row of every index."""
        space = self._archive.space
        if not is_small(space):
            return None
        assert isinstance(space, ListedSpace)
        place = np.zeros(len(space.canonical_indices), dtype=np.int64)
        place[space.indices] = np.arange(len(space.indices))
        return encode(space, space.indices, self._encoding), place


def grow(x: NDArray[np.float32], z: Floats, trees: int, split: int, seed: int) -> list[Any]:
    """Return the trees of a forest, ``sklearn.tree._tree.Tree`` each.

    They are those of ``RandomForestRegressor(trees, max_features=5 / 6, min_samples_split=split, random_state=seed)``,
    which spends most of its time on examining arguments and copying trees that were not grown yet.

    Args:
        x: vectors, ``(n, d)``.
        z: targets, ``(n,)``.
        trees: how many.
        split: fewest examples of a node that is split.
        seed: of all that is drawn.
    """
    state, own, grown = np.random.RandomState(seed), np.random.RandomState(), []  # scikit-learn draws by such
    with _sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        for _ in range(trees):
            number = int(state.randint(np.iinfo(np.int32).max))
            own.seed(number)
            weights = np.bincount(own.randint(0, len(z), len(z)), minlength=len(z)).astype(np.float64)  # bootstrap
            own.seed(number)  # cheaper than a generator for each tree, which asks the system for randomness first
            tree = _DecisionTree(max_features=_INPUTS, min_samples_split=split, random_state=own)
            grown.append(tree.fit(x, z, sample_weight=weights, check_input=False).tree_)
    return grown


build = Smac
