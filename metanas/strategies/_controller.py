"""Policies that make an architecture decision by decision, for strategies that learn by reinforcement.

Zoph and Le, "Neural Architecture Search with Reinforcement Learning", ICLR 2017 (arXiv:1611.01578), section 3.1 and
figure 2: a recurrent network predicts one decision after the other; each prediction, drawn from a softmax, is the input
of the next step. Section 4.1: two LSTM layers of 35 units, weights uniform between -0.08 and 0.08.

Here each choice of each decision has an embedding (the input of the next step), each decision a softmax layer of its
own; the first input is a learned vector. A further output estimates the reward to come, for strategies that want it.

The network is written in NumPy, with its gradient: for networks so small that costs less than torch's overhead, and it
comes to the same numbers whatever the number of threads.

Choices that together are no architecture of the space are drawn anew, so that the policy is the one conditioned on
validity; its gradient leaves out the normalization by the chance of validity.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from metanas.arch import Arch
from metanas.errors import InvalidArchError
from metanas.problem import Problem
from metanas.spaces import DecisionSpace

_PATIENCE = 1000  # draws in vain before an architecture is drawn uniformly

Array = NDArray[np.float64]
Rows = NDArray[np.int64]


class Draw(NamedTuple):
    """An architecture as it was drawn.

    Attributes:
        arch: the architecture.
        choices: its decisions, ``(n_decisions,)``.
        log_probs: logarithm of the probability of each choice when it was drawn, ``(n_decisions,)``.
    """

    arch: Arch
    choices: tuple[int, ...]
    log_probs: tuple[float, ...]


class Assessment(NamedTuple):
    """What a policy says of given rows of choices.

    Attributes:
        probs: probability of every choice given the choices before it, ``(n, n_decisions, most choices)``; 0 beyond a
            decision's choices.
        log_probs: logarithm of the probability of each choice that was taken, ``(n, n_decisions)``.
        values: estimated reward before each decision, ``(n, n_decisions)``; 0 for a policy without values.
        tape: what :meth:`Policy.gradient` needs.
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

    def start(self) -> Any:
        """Return the state before the first decision."""

    def step(self, state: Any, place: int, previous: int) -> tuple[Any, Array]:
        """Return the next state and the logits of decision ``place``, given the choice before, ``(n_choices,)``."""

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
        self._mask = _mask(decisions)

    def start(self) -> None:
        """Return nothing: there is no state."""

    def step(self, state: None, place: int, previous: int) -> tuple[None, Array]:
        """Return the logits of a decision, whatever came before."""
        return None, self._logits[place, : self._decisions[place]]

    def assess(self, rows: Rows) -> Assessment:
        """Return the same probabilities for all."""
        logits = np.broadcast_to(self._logits + self._mask, (len(rows), *self._logits.shape))
        return Assessment(*_softmax(logits, rows), np.zeros(rows.shape), None)

    def gradient(self, assessment: Assessment, by_logit: Array, by_value: Array | None = None) -> Array:
        """Return the sum over rows."""
        total: Array = by_logit.sum(axis=0).reshape(-1)
        return total


class _Layer(NamedTuple):
    """Weights of an LSTM layer, views of one vector; gates in the order input, forget, new, output."""

    inputs: Array  # (4 units, units)
    recurrent: Array  # (4 units, units)
    bias: Array  # (4 units,)


class _Weights(NamedTuple):
    """All weights of a controller by name, views of one vector."""

    embedding: Array  # (1 + n_choices in all, units); row 0 is the first input
    layers: list[_Layer]
    head: Array  # (n_decisions, most choices, units)
    bias: Array  # (n_decisions, most choices)
    value: Array  # (units + 1,)


class _Pass(NamedTuple):
    """What a layer did with ``n`` rows; ``(n_decisions, n, units)``, gates ``(n_decisions, n, 4 units)``."""

    inputs: Array
    gates: Array
    cells: Array
    hidden: Array


class LstmPolicy:
    """The controller: every decision depends on those before it."""

    def __init__(self, decisions: Sequence[int], rng: np.random.Generator, *, units: int = 35, layers: int = 2) -> None:
        """Draw the weights.

        Args:
            decisions: number of choices of each decision, ``(n_decisions,)``.
            rng: draws the weights, uniform between -0.08 and 0.08.
            units: of each layer; also the length of an embedding.
            layers: number of LSTM layers.
        """
        self._decisions, self._units, self._layers = tuple(decisions), units, layers
        self._offsets: list[int] = (1 + np.cumsum(decisions) - np.array(decisions)).tolist()
        size = self._named(np.zeros(0), count=True)
        assert isinstance(size, int)
        self.weights: Array = rng.uniform(-0.08, 0.08, size=size)
        named = self._named(self.weights)
        assert isinstance(named, _Weights)
        self._w = named
        self._mask = _mask(decisions)

    def start(self) -> list[tuple[Array, Array]]:
        """Return hidden and cell states of all layers, zero."""
        return [(np.zeros(self._units), np.zeros(self._units))] * self._layers

    def step(self, state: list[tuple[Array, Array]], place: int, previous: int) -> tuple[Any, Array]:
        """Go one step on with one architecture."""
        value = self._w.embedding[self._offsets[place - 1] + previous if place else 0]
        after = []
        for layer, (hidden, cell) in zip(self._w.layers, state, strict=True):
            gates = layer.inputs @ value
            gates += layer.recurrent @ hidden
            gates += layer.bias
            value, cell = _activate(gates, cell, self._units)
            after.append((value, cell))
        n_choices = self._decisions[place]
        return after, self._w.head[place, :n_choices] @ value + self._w.bias[place, :n_choices]

    def assess(self, rows: Rows) -> Assessment:
        """Read rows of choices."""
        embedded = np.zeros(rows.shape, dtype=np.int64)
        embedded[:, 1:] = rows[:, :-1] + self._offsets[:-1]
        value, passes = self._w.embedding[embedded.T], []
        for layer in self._w.layers:
            passes.append(self._forward(layer, value))
            value = passes[-1].hidden
        logits = np.einsum("tnh,tkh->ntk", value, self._w.head) + self._w.bias + self._mask
        values = (value @ self._w.value[:-1] + self._w.value[-1]).T
        return Assessment(*_softmax(logits, rows), values, (embedded, passes))

    def gradient(self, assessment: Assessment, by_logit: Array, by_value: Array | None = None) -> Array:
        """Go back through time."""
        embedded, passes = assessment.tape
        flat = np.zeros_like(self.weights)
        grads = self._named(flat)
        assert isinstance(grads, _Weights)
        top = passes[-1].hidden
        grads.head[:] = np.einsum("ntk,tnh->tkh", by_logit, top)
        grads.bias[:] = by_logit.sum(axis=0)
        back = np.einsum("ntk,tkh->tnh", by_logit, self._w.head)
        if by_value is not None:
            grads.value[:-1] = np.einsum("nt,tnh->h", by_value, top)
            grads.value[-1] = by_value.sum()
            back += by_value.T[:, :, None] * self._w.value[:-1]
        for layer, grad, done in zip(self._w.layers[::-1], grads.layers[::-1], passes[::-1], strict=True):
            back = self._backward(layer, grad, done, back)
        np.add.at(grads.embedding, embedded.T.reshape(-1), back.reshape(-1, self._units))
        return flat

    def _forward(self, layer: _Layer, inputs: Array) -> _Pass:
        """Run one layer over all steps."""
        n_steps, n_rows, units = inputs.shape
        gates = inputs @ layer.inputs.T + layer.bias
        hidden, cells = np.empty_like(inputs), np.empty_like(inputs)
        before, cell = np.zeros((n_rows, units)), np.zeros((n_rows, units))
        for at in range(n_steps):
            if at:
                gates[at] += before @ layer.recurrent.T
            before, cell = _activate(gates[at], cell, units)
            hidden[at], cells[at] = before, cell
        return _Pass(inputs, gates, cells, hidden)

    def _backward(self, layer: _Layer, grad: _Layer, done: _Pass, by_hidden: Array) -> Array:
        """Fill in the gradient of a layer; return that by its inputs. Gates hold their values, not what goes in."""
        units, (steps, n) = self._units, done.cells.shape[:2]
        enter, keep, new, leave = (done.gates[..., k * units : (k + 1) * units] for k in range(4))
        squashed = np.tanh(done.cells)
        to_cell = leave * (1 - squashed**2)
        by_gate = np.empty(
            (steps, n, 4, units)
        )  # at first what the gradient by cell or hidden state is multiplied with
        np.multiply(new, enter * (1 - enter), out=by_gate[:, :, 0])
        by_gate[0, :, 1] = 0.0
        np.multiply(done.cells[:-1], (keep * (1 - keep))[1:], out=by_gate[1:, :, 1])
        np.multiply(enter, 1 - new**2, out=by_gate[:, :, 2])
        np.multiply(squashed, leave * (1 - leave), out=by_gate[:, :, 3])
        next_hidden, next_cell = np.zeros((n, units)), np.zeros((n, units))
        for at in range(steps)[::-1]:
            by_this = by_hidden[at] + next_hidden
            by_cell = next_cell + by_this * to_cell[at]
            here = by_gate[at]
            here[:, :3] *= by_cell[:, None]
            here[:, 3] *= by_this
            next_hidden, next_cell = here.reshape(n, -1) @ layer.recurrent, by_cell * keep[at]
        flat = by_gate.reshape(-1, 4 * units)
        grad.inputs[:] = flat.T @ done.inputs.reshape(-1, units)
        if steps > 1:
            grad.recurrent[:] = flat[n:].T @ done.hidden[:-1].reshape(-1, units)
        grad.bias[:] = flat.sum(axis=0)
        by_input: Array = (flat @ layer.inputs).reshape(steps, n, units)
        return by_input

    def _named(self, vector: Array, *, count: bool = False) -> _Weights | int:
        """Return views of a vector by name, or how long it must be."""
        units, places, most = self._units, len(self._decisions), max(self._decisions)
        used = 0

        def take(*shape: int) -> Array:
            nonlocal used
            size = math.prod(shape)
            used += size
            return np.zeros(shape) if count else vector[used - size : used].reshape(shape)

        named = _Weights(
            take(1 + sum(self._decisions), units),
            [_Layer(take(4 * units, units), take(4 * units, units), take(4 * units)) for _ in range(self._layers)],
            take(places, most, units),
            take(places, most),
            take(units + 1),
        )
        return used if count else named


class Adam:
    """Kingma and Ba, "Adam", ICLR 2015 (arXiv:1412.6980), algorithm 1."""

    def __init__(self, weights: Array, rate: float) -> None:
        """Train ``weights``, in place."""
        self._weights, self._rate = weights, rate
        self._first, self._second = np.zeros_like(weights), np.zeros_like(weights)
        self._steps = 0

    def step(self, gradient: Array) -> None:
        """Take a step down the gradient."""
        self._steps += 1
        self._first *= 0.9
        self._first += 0.1 * gradient
        self._second *= 0.999
        self._second += 0.001 * gradient**2
        spread = np.sqrt(self._second)
        spread *= 1 / math.sqrt(1 - 0.999**self._steps)
        spread += 1e-8
        np.divide(self._first, spread, out=spread)
        spread *= self._rate / (1 - 0.9**self._steps)
        self._weights -= spread


def draw(policy: Policy, space: DecisionSpace, rng: np.random.Generator) -> Draw:
    """Draw an architecture, one decision after the other, anew until it is one of the space."""
    for _ in range(_PATIENCE):
        state, previous = policy.start(), 0
        choices: list[int] = []
        logs: list[float] = []
        for place in range(len(space.decisions)):
            state, logits = policy.step(state, place, previous)
            shifted = logits - logits.max()
            upto = np.exp(shifted).cumsum()
            previous = min(int(upto.searchsorted(rng.random() * upto[-1], side="right")), len(upto) - 1)
            choices.append(previous)
            logs.append(float(shifted[previous] - np.log(upto[-1])))
        try:
            return Draw(space.from_choices(choices), tuple(choices), tuple(logs))
        except InvalidArchError:
            continue
    return given(policy, space, space.sample(rng))


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


def _activate(gates: Array, cell: Array, units: int) -> tuple[Array, Array]:
    """Turn what goes into the gates into their values, in place; return the hidden and the cell state after them."""
    scale, offset = _logistic(units)
    gates *= scale
    np.tanh(gates, out=gates)
    gates *= scale
    gates += offset
    new = gates[..., 2 * units : 3 * units]
    cell = gates[..., units : 2 * units] * cell + gates[..., :units] * new
    return gates[..., 3 * units :] * np.tanh(cell), cell


@cache
def _logistic(units: int) -> tuple[Array, Array]:
    """Return what makes the logistic function of tanh, without overflow, for all gates but the new value, ``(4 u,)``.

    It is ``scale * tanh(scale * x) + offset``.
    """
    scale, offset = np.full(4 * units, 0.5), np.full(4 * units, 0.5)
    scale[2 * units : 3 * units], offset[2 * units : 3 * units] = 1.0, 0.0
    return scale, offset


def _softmax(logits: Array, rows: Rows) -> tuple[Array, Array]:
    """Return the probabilities, and the logarithms of those of the choices taken."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    mass = np.exp(shifted)
    total = mass.sum(axis=-1, keepdims=True)
    taken: Array = (np.take_along_axis(shifted, rows[..., None], axis=-1) - np.log(total))[..., 0]
    return mass / total, taken


def _mask(decisions: Sequence[int]) -> Array:
    """Return 0 for every choice of a decision and -infinity beyond, ``(n_decisions, most choices)``."""
    return np.where(np.arange(max(decisions)) < np.array(decisions)[:, None], 0.0, -np.inf)
