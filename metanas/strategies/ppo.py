"""Proximal policy optimization with an LSTM controller.

Schulman, Wolski, Dhariwal, Radford and Klimov, "Proximal Policy Optimization Algorithms", 2017 (arXiv:1707.06347):
the clipped surrogate L^CLIP (eq. 7), with the squared error of the values and an entropy bonus (eq. 9), and truncated
generalized advantage estimation (eq. 11 and 12); algorithm 1: gather a batch with the policy as it is, then take
``passes`` steps on it. An episode makes one architecture, an action is one decision, and the only reward comes at the
end, so that gamma = 1. The controller is described in :mod:`metanas.strategies._lstm`; its value output shares
the network. MnasNet (Tan et al., CVPR 2019, arXiv:1807.11626), section 4.2, searches so; where the problem has limits
the reward is MnasNet's, eq. 2 and 3 (:func:`metanas.strategies._controller.reward`).

As in the paper: epsilon = 0.2 (table 1), lambda = 0.95, passes 10 (table 3), value coefficient 1 and entropy
coefficient 0.01 (table 5).

Differences: batches of 10 architectures (60 decisions in NAS-Bench-201) where the paper has 2,048 actions, each pass
over all of a batch; Adam's rate is 0.003 where it is 0.0003 for a million actions: a few hundred trainings are some
twenty batches. Rewards are standardized by the mean and standard deviation of all so far, because values and entropy
have no scale in common with an objective; advantages are standardized within a batch, as implementations do. With
several workers a batch holds what was told; old probabilities are those of the time of drawing, so that the ratio
accounts for the policy's having moved on. Draws that a batch still lacks are made at once, in single precision; those
that are left when the policy changes are dropped.
"""

from __future__ import annotations

from collections import defaultdict, deque

import numpy as np

from metanas.arch import Arch
from metanas.errors import InvalidValueError
from metanas.problem import Observation, Problem, Requirements, Trial
from metanas.spaces import with_decisions
from metanas.strategies._controller import Adam, Array, Draw, Rows, at_choices, draw, given, reward, unique_of
from metanas.strategies._lstm import LstmPolicy
from metanas.strategies.base import Memory, Unique

FAMILY = "reinforcement learning"
REQUIRES = Requirements(space=("decisions",), repeats=True)

_PATIENCE = 5  # known draws in a row before a new architecture is drawn uniformly


class Ppo:
    """Draw a batch from a policy; improve the policy on it without going far."""

    def __init__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        batch: int = 10,
        passes: int = 10,
        clip: float = 0.2,
        rate: float = 0.003,
        value: float = 1.0,
        entropy: float = 0.01,
        decay: float = 0.95,
        alpha: float = -0.07,
        beta: float = -0.07,
        unique: Unique | None = None,
    ) -> None:
        """Make the policy.

        Args:
            problem: what is searched.
            rng: source of all randomness.
            batch: architectures of a batch (N T of algorithm 1, in episodes).
            passes: K, steps of the gradient on a batch.
            clip: epsilon of eq. 7.
            rate: learning rate of Adam.
            value: c_1 of eq. 9.
            entropy: c_2 of eq. 9, in standard deviations of the reward a nat.
            decay: lambda of eq. 11.
            alpha: exponent of MnasNet's reward within a limit.
            beta: exponent of MnasNet's reward beyond a limit.
            unique: ``"none"``: what is drawn again is trained and paid again, as in the paper; ``"code"`` or
                ``"canonical"``: it enters the batch with the reward that is known, at no cost; when all that is
                drawn is known, an architecture that is new is drawn uniformly. If None, ``"none"`` where repeats are
                charged, else ``"code"``.

        Raises:
            InvalidValueError: a setting out of range.
            UnknownNameError: another ``unique``.
        """
        positive = batch >= 1 and passes >= 1 and clip > 0 and rate > 0
        if not (positive and value >= 0 and entropy >= 0 and 0 <= decay <= 1):
            msg = (
                f"batch >= 1, passes >= 1, clip > 0, rate > 0, value >= 0, entropy >= 0 and 0 <= decay <= 1 must hold, "
                f"but got {batch=}, {passes=}, {clip=}, {rate=}, {value=}, {entropy=}, {decay=}."
            )
            raise InvalidValueError(msg)
        self._problem = problem
        self._rng = rng
        self._space = with_decisions(problem.space)
        self._policy = LstmPolicy(self._space.decisions, rng, dtype=np.float32)
        self._adam = Adam(self._policy.weights, rate)
        self._size, self._passes, self._clip = batch, passes, clip
        self._value, self._entropy, self._decay = value, entropy, decay
        self._exponents = alpha, beta
        self._memory = Memory(problem.space, unique_of(problem, unique))
        self._known: dict[Arch, float] = {}  # rewards by key
        self._drawn: defaultdict[Arch, deque[Draw]] = defaultdict(deque)  # under way
        self._ahead: list[Draw] = []  # draws of the policy as it is, not yet asked for
        self._batch: list[tuple[Draw, float]] = []
        self._rewards: list[float] = []  # all so far

    def ask(self) -> Trial:
        """Return the policy's next draw."""
        for _ in range(_PATIENCE):
            if not self._ahead:
                left = self._size - len(self._batch)
                self._ahead = draw(self._policy, self._space, self._rng, left)[::-1]
            drawn = self._ahead.pop()
            if self._memory.add(drawn.arch):
                break
            known = self._known.get(self._memory.key(drawn.arch))  # None: under way with another worker
            if known is not None:
                self._finish(drawn, known)
        else:
            drawn = given(self._policy, self._space, self._memory.draw(self._rng))
        self._drawn[drawn.arch].append(drawn)
        return Trial(drawn.arch, self._problem.max_epochs)

    def tell(self, observation: Observation) -> None:
        """Add an episode; improve the policy when the batch is full."""
        arch = observation.trial.arch
        got = reward(self._problem, observation.values, *self._exponents)
        if self._memory.unique != "none":
            self._known[self._memory.key(arch)] = got
        self._finish(self._drawn[arch].popleft(), got)

    def _finish(self, episode: Draw, got: float) -> None:
        self._rewards.append(got)
        self._batch.append((episode, got))
        if len(self._batch) >= self._size:
            self._improve()
            self._batch, self._ahead = [], []

    def _improve(self) -> None:
        """Run the inner loop of algorithm 1."""
        rows = np.array([episode.choices for episode, _ in self._batch])
        old = np.array([episode.log_probs for episode, _ in self._batch], dtype=self._policy.weights.dtype)
        spread = float(np.std(self._rewards)) or 1.0
        rewards = (np.array([got for _, got in self._batch]) - np.mean(self._rewards)) / spread
        rewards = rewards.astype(old.dtype)
        now = self._policy.assess(rows)
        gains = advantages(rewards, now.values, self._decay)
        targets = gains + now.values  # V^targ of eq. 9
        gains = (gains - gains.mean()) / (gains.std() + 1e-8)
        for number in range(self._passes):
            now = self._policy.assess(rows) if number else now
            by_log_prob, _ = clipped(now.log_probs, old, gains, self._clip)
            by_logit = _through_softmax(by_log_prob, now.probs, rows)
            by_logit -= self._entropy * _entropy_gradient(now.probs)
            by_value = 2 * self._value * (now.values - targets)
            self._adam.step(self._policy.gradient(now, by_logit / rows.size, by_value / rows.size))  # eq. 9, negated


def advantages(rewards: Array, values: Array, decay: float) -> Array:
    """Return the generalized advantages of episodes with a reward at their end, gamma = 1 (eq. 11 and 12).

    Args:
        rewards: ``(n,)``.
        values: V(s_t), ``(n, n_decisions)``.
        decay: lambda.

    Returns:
        ``(n, n_decisions)``.
    """
    errors = np.concatenate([values[:, 1:], rewards[:, None]], axis=1) - values  # delta_t, eq. 12
    gains = errors.copy()
    for at in range(values.shape[1] - 2, -1, -1):
        gains[:, at] += decay * gains[:, at + 1]  # eq. 11
    return gains


def clipped(log_probs: Array, old: Array, gains: Array, clip: float) -> tuple[Array, Array]:
    """Return the gradient of -L^CLIP by every logarithm of a probability, and L^CLIP of every action (eq. 7).

    Args:
        log_probs: of the actions now, any shape.
        old: of the actions when they were drawn, the same shape.
        gains: advantages, the same shape.
        clip: epsilon.
    """
    ratio = np.exp(np.minimum(log_probs - old, 20.0))
    free, bound = ratio * gains, np.minimum(np.maximum(ratio, 1 - clip), 1 + clip) * gains
    return np.where(free <= bound, -free, 0.0), np.minimum(free, bound)


def _through_softmax(by_log_prob: Array, probs: Array, rows: Rows) -> Array:
    """Return the gradient by logits of what has a gradient by the logarithms of probabilities of choices."""
    by_logit = -by_log_prob[..., None] * probs
    by_logit[at_choices(rows)] += by_log_prob
    return by_logit


def _entropy_gradient(probs: Array) -> Array:
    """Return the gradient of each decision's entropy by its logits."""
    logs = np.log(np.maximum(probs, np.finfo(probs.dtype).tiny))
    entropy = -(probs * logs).sum(axis=-1, keepdims=True)
    gradient: Array = -probs * (logs + entropy)
    return gradient


build = Ppo
