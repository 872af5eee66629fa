"""REINFORCE with an LSTM controller.

Zoph and Le, "Neural Architecture Search with Reinforcement Learning", ICLR 2017 (arXiv:1611.01578), section 3.2: a
controller draws an architecture; the reward is its validation accuracy; the gradient is that of Williams (1992),
sum_t grad log P(a_t | a_1..t-1) (R - b), with a moving average of the rewards as the baseline b. The controller is
described in :mod:`metanas.strategies._lstm`.

``policy="softmax"`` takes independent decisions instead, as the authors' code of NATS-Bench does (Dong, Liu, Musial
and Gabrys, TPAMI 2021, arXiv:2009.00437); that is what their published REINFORCE is. From there come, for a few hundred
trainings, Adam with the rate 0.01 (Zoph and Le: 0.0006 for 12,800 architectures), one architecture an update (they: 8
children of each of 100 replicas), and the average of momentum 0.9, corrected for its start, that the current reward has
already entered.

Differences: the reward is the objective itself, after a full training (Zoph and Le cube it, and take the best of the
last five epochs; NATS-Bench takes the accuracy after 12 epochs); under Adam its scale does not matter. Where the
problem has limits it is MnasNet's (:func:`metanas.strategies._controller.reward`). The gradient is taken when the
training ends, with the weights of then: with several workers these are not quite those that drew. Choices that are no
architecture are drawn anew.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, get_args

import numpy as np

from metanas.arch import Arch
from metanas.errors import InvalidValueError, UnknownNameError
from metanas.problem import Observation, Problem, Requirements, Trial
from metanas.spaces import with_decisions
from metanas.strategies._controller import Adam, Draw, Policy, SoftmaxPolicy, at_choices, draw, reward, unique_of
from metanas.strategies._lstm import LstmPolicy
from metanas.strategies.base import Memory, Unique

FAMILY = "reinforcement learning"
REQUIRES = Requirements(space=("decisions",), repeats=True)

Kind = Literal["lstm", "softmax"]

_POLICIES: dict[Kind, Callable[..., Policy]] = {"lstm": partial(LstmPolicy, dtype=np.float32), "softmax": SoftmaxPolicy}
_PATIENCE = 5  # known draws in a row before a new architecture is drawn uniformly


class Reinforce:
    """Draw from a policy; make what was better than usual more likely."""

    def __init__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        policy: Kind = "lstm",
        rate: float = 0.01,
        momentum: float = 0.9,
        alpha: float = -0.07,
        beta: float = -0.07,
        unique: Unique | None = None,
    ) -> None:
        """Make the policy.

        Args:
            problem: what is searched.
            rng: source of all randomness.
            policy: ``"lstm"``, or ``"softmax"``: independent decisions.
            rate: learning rate of Adam.
            momentum: of the moving average of rewards.
            alpha: exponent of MnasNet's reward within a limit.
            beta: exponent of MnasNet's reward beyond a limit.
            unique: ``"none"``: what is drawn again is trained and paid again, as in the papers; ``"code"`` or
                ``"canonical"``: the policy learns from the reward that is known, at no cost, and draws again; when
                all that it draws is known, an architecture that is new is drawn uniformly. If None, ``"none"`` where
                repeats are charged, else ``"code"``.

        Raises:
            UnknownNameError: another ``policy`` or ``unique``.
            InvalidValueError: unless ``rate > 0`` and ``0 <= momentum < 1``.
        """
        if policy not in get_args(Kind):
            raise UnknownNameError("policy", policy, get_args(Kind))
        if not (rate > 0 and 0 <= momentum < 1):
            msg = f"rate > 0 and 0 <= momentum < 1 must hold, but got rate={rate}, momentum={momentum}."
            raise InvalidValueError(msg)
        self._problem = problem
        self._rng = rng
        self._space = with_decisions(problem.space)
        self._policy = _POLICIES[policy](self._space.decisions, rng)
        self._optimizer = Adam(self._policy.weights, rate)
        self._momentum = momentum
        self._exponents = alpha, beta
        self._memory = Memory(problem.space, unique_of(problem, unique))
        self._rewards: dict[Arch, float] = {}  # by key
        self._last: Draw | None = None  # the last draw, unless the policy has changed since
        self._sum, self._weight = 0.0, 0.0  # of the moving average

    def ask(self) -> Trial:
        """Return the policy's next draw."""
        for _ in range(_PATIENCE):
            self._last = draw(self._policy, self._space, self._rng)[0]
            arch = self._last.arch
            if self._memory.add(arch):
                return Trial(arch, self._problem.max_epochs)
            known = self._rewards.get(self._memory.key(arch))  # None: under way with another worker
            if known is not None:
                self._learn(arch, known)
        return Trial(self._memory.draw(self._rng), self._problem.max_epochs)

    def tell(self, observation: Observation) -> None:
        """Take one step up the gradient."""
        arch = observation.trial.arch
        got = reward(self._problem, observation.values, *self._exponents)
        if self._memory.unique != "none":
            self._rewards[self._memory.key(arch)] = got
        self._learn(arch, got)

    def _learn(self, arch: Arch, got: float) -> None:
        self._sum = self._momentum * self._sum + (1 - self._momentum) * got
        self._weight = self._momentum * self._weight + (1 - self._momentum)
        advantage = got - self._sum / self._weight  # R_k - b
        last, self._last = self._last, None
        if last and last.assessment and last.arch == arch:
            rows, drawn = np.array([last.choices]), last.assessment
        else:
            rows = np.array([self._space.choices(arch)])
            drawn = self._policy.assess(rows)
        by_logit = drawn.probs.copy()  # of -log P(a_t | a_1..t-1): the probability, less 1 for the choice taken
        by_logit[at_choices(rows)] -= 1.0
        by_logit *= advantage
        self._optimizer.step(self._policy.gradient(drawn, by_logit))  # section 3.2


build = Reinforce
