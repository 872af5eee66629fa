"""What a run has reached at every point of its budget: an incumbent chosen by validation, or a front.

Both are chosen by what the strategy has seen, and both are then looked up: the value after a full training, validation
and test.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metanas.leaderboard.hypervolume import Archive, front, hypervolume, scaled

Index = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Climb:
    """What a run has reached over the budget, in ``m`` steps: its incumbent's values, or its front's hypervolume.

    Attributes:
        spent: budget spent when the step was taken, in the board's unit, ascending, ``(m,)``.
        arch: index of the incumbent, ``(m,)``; −1 where there is none, and for fronts.
        validation: its validation value, NaN where there is no incumbent, ``(m,)``.
        test: its test value, ``(m,)``.
        members: indices of the architectures of the last front; empty for an incumbent.
    """

    spent: Values
    arch: Index
    validation: Values
    test: Values
    members: tuple[int, ...] = ()

    def at(self, budget: Values) -> tuple[Values, Values]:
        """Return validation and test value at points of the budget, NaN before the first step."""
        step = np.searchsorted(self.spent, budget, side="right") - 1
        started = step >= 0
        if not started.any():
            return np.full(len(budget), np.nan), np.full(len(budget), np.nan)
        return np.where(started, self.validation[step], np.nan), np.where(started, self.test[step], np.nan)


class Incumbents:
    """Follows the best architecture by validation, the first of equals, among those that may be it.

    Attributes:
        best_validation: best validation value of all that may be it.
        best_test: best test value of them.
        optimum_test: test value of the one with the best validation value.
        mean_validation: mean validation value of them: what one drawn at random is expected to reach.
        mean_test: the same of the test value.
    """

    def __init__(
        self, indices: Index, validation: Values, test: Values, signs: tuple[float, float], may: NDArray[np.bool_]
    ) -> None:
        """Take the labels.

        Args:
            indices: all architectures of the space, ``(n,)``.
            validation: after a full training, ``(index range,)``.
            test: the same of the test split.
            signs: 1 where a greater value is better, −1 otherwise; of validation and test.
            may: whether an architecture may be the incumbent (keeps every limit), ``(index range,)``.
        """
        self._validation, self._test, self._sign, self._may = validation, test, signs[0], may
        allowed = indices[may[indices]]
        best = int(allowed[np.argmax(signs[0] * validation[allowed])])
        self.best_validation = float(validation[best])
        self.optimum_test = float(test[best])
        self.best_test = float(signs[1] * (signs[1] * test[allowed]).max())
        self.mean_validation, self.mean_test = float(validation[allowed].mean()), float(test[allowed].mean())

    def climb(self, spent: Values, index: Index, seen: Values) -> Climb:
        """Return the incumbent over the budget.

        Args:
            spent: at each trial, in the order of telling, ``(m,)``.
            index: architecture of each, ``(m,)``.
            seen: validation value that the strategy was told, ``(m,)``.
        """
        if not len(index):
            return Climb(spent, index, seen, seen)
        score = np.where(self._may[index], self._sign * seen, -np.inf)
        best = np.maximum.accumulate(score)
        new = score > np.concatenate(([-np.inf], best[:-1]))
        step = np.maximum.accumulate(np.where(new, np.arange(len(index)), -1))
        arch = np.where(step >= 0, index[step], -1)
        validation, test = (np.where(arch >= 0, label[arch], np.nan) for label in (self._validation, self._test))
        return Climb(spent, arch, validation, test)


class Fronts:
    """Follows the front of what was trained, and its hypervolume: the share of the space's box that it dominates.

    The front is chosen by validation and costs. Its test value is the hypervolume of the same architectures with their
    test values in place of the validation values.

    Attributes:
        best_validation: hypervolume of the front of all architectures.
        best_test: hypervolume of the front by test values.
        optimum_test: hypervolume by test values of the front by validation.
        mean_validation: mean hypervolume of single architectures: what one drawn at random is expected to reach.
        mean_test: the same by test values.
        members: architectures of the front of all by validation.
    """

    def __init__(
        self, indices: Index, validation: Values, test: Values, signs: tuple[float, float], costs: list[Values]
    ) -> None:
        """Take the labels; see :class:`Incumbents`.

        Args:
            indices: all architectures of the space, ``(n,)``.
            validation: after a full training, ``(index range,)``.
            test: the same of the test split.
            signs: 1 where a greater value is better, −1 otherwise; of validation and test.
            costs: to be minimized, each ``(index range,)``.
        """
        both = [np.column_stack((-sign * label, *costs)) for sign, label in zip(signs, (validation, test), strict=True)]
        self._validation, self._test = (scaled(points, points[indices]) for points in both)
        self.members = indices[front(self._validation[indices])]
        self.best_validation = hypervolume(self._validation[self.members])
        self.optimum_test = hypervolume(self._test[self.members])
        self.best_test = hypervolume(self._test[indices[front(self._test[indices])]])
        self.mean_validation, self.mean_test = (  # of one point: the box between it and the worst values
            float((1.0 - points[indices]).prod(axis=1).mean()) for points in (self._validation, self._test)
        )

    def climb(self, spent: Values, index: Index) -> Climb:
        """Return the hypervolume over the budget, one step for every change of the front.

        Args:
            spent: at each trial, in the order of telling, ``(m,)``.
            index: architecture of each, ``(m,)``.
        """
        archive, steps = Archive(), []
        for at, member in zip(spent.tolist(), index.tolist(), strict=True):
            if archive.add(member, self._validation[member]):
                volumes = [hypervolume(points[archive.members]) for points in (self._validation, self._test)]
                steps.append((at, *volumes))
        table = np.array(steps, dtype=np.float64).reshape(-1, 3)
        nothing = np.full(len(table), -1, dtype=np.int64)
        return Climb(table[:, 0], nothing, table[:, 1], table[:, 2], tuple(archive.members))
