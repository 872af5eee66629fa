"""Policies that make an architecture decision by decision, for strategies that learn by reinforcement.

The policies are independent decisions, here, and the recurrent network of :mod:`metanas.strategies._lstm`.

Choices that together are no architecture of the space are drawn anew, so that the policy is the one conditioned on
validity; its gradient leaves out the normalization by the chance of validity.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from metanas.arch import Arch
from metanas.errors import InvalidArchError
from metanas.problem import Problem
from metanas.spaces import DecisionSpace
from metanas.strategies.base import Unique

_PATIENCE = 1000  # draws in vain before an architecture is drawn uniformly

Array = NDArray[np.floating[Any]]
Rows = NDArray[np.int64]


class Draw(NamedTuple):
    """An architecture as it was drawn.

    Attributes:
        arch: the architecture.
        choices: its decisions, ``(n_decisions,)``.
        log_probs: logarithm of the probability of each choice when it was drawn, ``(n_decisions,)``.
        assessment: of its row, where it was drawn alone.
    """

    arch: Arch
    choices: tuple[int, ...]
    log_probs: tuple[float, ...]
    assessment: Assessment | None = None


class Assessment(NamedTuple):
    """What a policy says of given rows of choices.

    Attributes:
        probs: probability of every choice given the choices before it, ``(n, n_decisions, most choices)``; 0 beyond a
            decision's choices.
        log_probs: logarithm of the probability of each choice that was taken, ``(n, n_decisions)``.
        values: estimated reward before each decision, ``(n, n_decisions)``; 0 for a policy without values.
        tape: what :meth:`Policy.gradient` needs; a policy may write over it when it next draws or assesses.
    """

    probs: Array
    log_probs: Array
    values: Array
    tape: Any


class Policy(Protocol):
    """A distribution over rows of choices.

    Attributes:
        weights: all that is trained, one vector; change it in place.
    """

    weights: Array

    def sample(self, rng: np.random.Generator, n: int) -> tuple[Rows, Assessment]:
        """Draw rows of choices, ``(n, n_decisions)``; return them and what :meth:`assess` says of them."""

    def assess(self, rows: Rows) -> Assessment:
        """Return what the policy says of rows of choices, ``(n, n_decisions)``."""

    def gradient(self, assessment: Assessment, by_logit: Array, by_value: Array | None = None) -> Array:
        """Return the gradient of a loss by the weights.

        Args:
            assessment: of the rows that the loss is about, with these weights.
            by_logit: gradient of the loss by every logit, ``(n, n_decisions, most choices)``.
            by_value: gradient of the loss by every value, ``(n, n_decisions)``; None for a loss without values.
        """


class SoftmaxPolicy:
    """Independent decisions: a row of logits for each, as in the authors' code of NATS-Bench.

    Dong, Liu, Musial and Gabrys, "NATS-Bench", TPAMI 2021 (arXiv:2009.00437): logits start as 1e-3 times a standard
    normal number.
    """

    def __init__(self, decisions: Sequence[int], rng: np.random.Generator) -> None:
        """Start close to uniform."""
        self._decisions = tuple(decisions)
        self.weights: Array = 1e-3 * rng.standard_normal(len(decisions) * max(decisions))
        self._logits = self.weights.reshape(len(decisions), -1)
        self._mask = mask(decisions)

    def sample(self, rng: np.random.Generator, n: int) -> tuple[Rows, Assessment]:
        """Draw every decision by itself."""
        chances = np.exp(self._logits + self._mask - self._logits.max(axis=1, keepdims=True))
        quantiles = rng.random((n, len(chances)))
        rows = np.stack([inverted(mass[None], at) for mass, at in zip(chances, quantiles.T, strict=True)], axis=1)
        return rows, self.assess(rows)

    def assess(self, rows: Rows) -> Assessment:
        """Return the same probabilities for all."""
        logits = np.broadcast_to(self._logits + self._mask, (len(rows), *self._logits.shape))
        return Assessment(*softmax(logits, rows), np.zeros(rows.shape), None)

    def gradient(self, assessment: Assessment, by_logit: Array, by_value: Array | None = None) -> Array:
        """Return the sum over rows."""
        total: Array = by_logit.sum(axis=0).reshape(-1)
        return total


class Adam:
    """Kingma and Ba, "Adam", ICLR 2015 (arXiv:1412.6980), algorithm 1."""

    def __init__(self, weights: Array, rate: float) -> None:
        """Train ``weights``, in place."""
        self._weights, self._rate = weights, rate
        self._first, self._second = np.zeros_like(weights), np.zeros_like(weights)  # times 1 / (1 - beta)
        self._scratch = np.empty_like(weights)
        self._steps = 0

    def step(self, gradient: Array) -> None:
        """Take a step down the gradient."""
        self._steps += 1
        scratch = self._scratch
        self._first *= 0.9
        self._first += gradient
        self._second *= 0.999
        self._second += np.multiply(gradient, gradient, out=scratch)
        spread = math.sqrt(0.001 / (1 - 0.999**self._steps))
        np.sqrt(self._second, out=scratch)
        scratch += 1e-8 / spread
        np.divide(self._first, scratch, out=scratch)
        scratch *= self._rate * 0.1 / (1 - 0.9**self._steps) / spread
        self._weights -= scratch


def draw(policy: Policy, space: DecisionSpace, rng: np.random.Generator, n: int = 1) -> list[Draw]:
    """Draw architectures, at least one: those of ``n`` rows that are of the space, and anew until there are some."""
    for _ in range(-(-_PATIENCE // n)):
        rows, assessment = policy.sample(rng, n)
        drawn = []
        for choices, logs in zip(rows.tolist(), assessment.log_probs.tolist(), strict=True):
            try:
                arch = space.from_choices(choices)
            except InvalidArchError:
                continue
            drawn.append(Draw(arch, tuple(choices), tuple(logs), assessment if n == 1 else None))
        if drawn:
            return drawn
    return [given(policy, space, space.sample(rng))]


def unique_of(problem: Problem, unique: Unique | None) -> Unique:
    """Return what a policy does not train twice: nothing is spared where repeats are charged, unless it is said.

    Where they are free, a policy that has made up its mind would repeat itself for ever.
    """
    return unique or ("none" if problem.repeats == "charged" else "code")


def given(policy: Policy, space: DecisionSpace, arch: Arch) -> Draw:
    """Return an architecture from elsewhere, with the probability that the policy would have drawn it with."""
    row = space.choices(arch)
    return Draw(arch, row, tuple(policy.assess(np.array([row])).log_probs[0].tolist()))


def reward(problem: Problem, values: Mapping[str, float], alpha: float, beta: float) -> float:
    """Return the objective, greater is better, softly constrained.

    Tan et al., "MnasNet: Platform-Aware Neural Architecture Search for Mobile", CVPR 2019 (arXiv:1807.11626), section
    3: ACC(m) * (LAT(m) / T)^w (eq. 2), w = alpha where LAT(m) <= T, else beta (eq. 3). Of several limits every one
    has its factor. A negative score (of a minimized metric) is divided instead. A cost that was not measured counts as
    ten times its limit.
    """
    score = problem.objective.score(values)
    for constraint in problem.constraints:
        ratio = values[constraint.metric] / constraint.at_most
        ratio = 10.0 if np.isnan(ratio) else max(ratio, 1e-9)
        factor = ratio ** (alpha if ratio <= 1 else beta)
        score = score * factor if score >= 0 else score / factor
    return float(score)


def inverted(mass: Array, quantiles: NDArray[np.float64]) -> Rows:
    """Return the choices at quantiles, ``(n,)``, of masses, ``(n, n_choices)`` or ``(1, n_choices)``."""
    upto = mass.cumsum(axis=1, dtype=np.float64)
    rows: Rows = (upto[:, :-1] <= (quantiles * upto[:, -1])[:, None]).sum(axis=1)
    return rows


def at_choices(rows: Rows) -> tuple[Rows, Rows, Rows]:
    """Return the index of the choices taken in an array ``(n, n_decisions, most choices)``."""
    n, places = rows.shape
    return np.arange(n)[:, None], np.arange(places), rows


def softmax(logits: Array, rows: Rows) -> tuple[Array, Array]:
    """Return the probabilities, and the logarithms of those of the choices taken."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    mass = np.exp(shifted)
    total = mass.sum(axis=-1, keepdims=True)
    taken: Array = shifted[at_choices(rows)] - np.log(total[..., 0])
    mass /= total
    return mass, taken


def mask(decisions: Sequence[int]) -> NDArray[np.float64]:
    """Return 0 for every choice of a decision and -infinity beyond, ``(n_decisions, most choices)``."""
    return np.where(np.arange(max(decisions)) < np.array(decisions)[:, None], 0.0, -np.inf)
