"""The controller: a recurrent network that makes an architecture decision by decision.

Zoph and Le, "Neural Architecture Search with Reinforcement Learning", ICLR 2017 (arXiv:1611.01578), section 3.1 and
figure 2: a recurrent network predicts one decision after the other; each prediction, drawn from a softmax, is the input
of the next step. Section 4.1: two LSTM layers of 35 units, weights uniform between -0.08 and 0.08.

Here each choice of each decision has an embedding (the input of the next step), each decision a softmax layer of its
own; the first input is a learned vector. A further output estimates the reward to come, for strategies that want it.

The network is written in NumPy, with its gradient: for networks so small that costs less than torch's overhead, and it
comes to the same numbers whatever the number of threads. Rows are drawn several at a time, and a drawing keeps what its
gradient needs. Where a row is known, layer l is at decision t - l while the first is at t: one product for all layers.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from metanas.strategies._controller import Array, Assessment, Rows, inverted, mask, softmax


class _Weights(NamedTuple):
    """All weights of a controller by name, views of one vector."""

    embedding: Array  # (1 + n_choices in all, units); row 0 is the first input
    layers: Array
    head: Array  # (n_decisions, most choices, units)
    bias: Array  # (n_decisions, most choices)
    value: Array  # (units + 1,)


class _Tape(NamedTuple):
    """What the layers did with ``n`` rows. At wave w layer l is at decision w - l; zeros where there is no such one.

    Waves come first: what one reads and another writes lies apart in memory, or NumPy looks for overlaps at length.

    Attributes:
        embedded: rows of the embedding, ``(n_decisions, n)``.
        entered: input, hidden state before, and 1, ``(waves + 1, layers, 2 units + 1, n)``.
        gates: new, input, forget, output, ``(waves, layers, 4 units, n)``.
        cells: before each wave, ``(waves + 1, layers, units, n)``.
        squashed: tanh of the cells after each wave, ``(waves, layers, units, n)``.
    """

    embedded: Rows
    entered: Array
    gates: Array
    cells: Array
    squashed: Array


class _Step(NamedTuple):
    """What some layers read and write in one wave, views of a tape: ``(layers, …, n)``."""

    weights: Array
    entered: Array
    gates: Array
    logistic: Array  # of the gates all but the new value
    new: Array
    enter: Array
    keep: Array
    leave: Array
    cell_before: Array
    cell: Array
    squashed: Array
    hidden: Array
    below: Array  # hidden states of the layers that have one above them
    above: Array  # inputs of those


class _Back(NamedTuple):
    """What is filled on the way back through a tape.

    Attributes:
        by_gate: gradient by what goes into the gates, as they are.
        by_entered: by input and hidden state before each wave, ``(waves + 1, layers, 2 units, n)``.
        waves: views of these for each wave: by all gates, those of the cell ``(layers, 3, units, n)`` and that of the
            output; by what entered; by the hidden states after the wave, all, those of the layers below another, what
            comes back to these from the inputs of the layers above, and that of the last layer.
    """

    by_gate: Array
    by_entered: Array
    waves: list[tuple[Array, ...]]


class LstmPolicy:
    """The controller: every decision depends on those before it.

    There is one tape for each number of rows: an assessment's gradient can be had until as many rows are next drawn or
    assessed, and is good until the next gradient.
    """

    def __init__(
        self,
        decisions: Sequence[int],
        rng: np.random.Generator,
        *,
        units: int = 35,
        layers: int = 2,
        dtype: type[np.floating[Any]] = np.float64,
    ) -> None:
        """Draw the weights.

        Args:
            decisions: number of choices of each decision, ``(n_decisions,)``.
            rng: draws the weights, uniform between -0.08 and 0.08.
            units: of each layer; also the length of an embedding.
            layers: number of LSTM layers.
            dtype: of the weights and of all that is made of them.
        """
        self._decisions, self._units, self._layers = tuple(decisions), units, layers
        self._offsets: Rows = 1 + np.cumsum(decisions) - np.array(decisions)
        size = self._named(np.zeros(0), count=True)
        assert isinstance(size, int)
        self.weights: Array = rng.uniform(-0.08, 0.08, size=size).astype(dtype)
        named = self._named(self.weights)
        assert isinstance(named, _Weights)
        self._w = named
        self._mask = mask(decisions).astype(dtype)
        self._gradient = np.zeros_like(self.weights)
        grads = self._named(self._gradient)
        assert isinstance(grads, _Weights)
        self._grads = grads
        self._tapes: dict[int, _Tape] = {}
        self._backs: dict[int, _Back] = {}
        self._steps: dict[tuple[int, int, int, int], _Step] = {}

    def sample(self, rng: np.random.Generator, n: int) -> tuple[Rows, Assessment]:
        """Draw rows, decision by decision."""
        tape, units, top = self._tape(n), self._units, self._layers - 1
        rows = np.empty((n, len(self._decisions)), dtype=np.int64)
        logits = np.empty((n, len(self._decisions), max(self._decisions)), dtype=self.weights.dtype)
        quantiles = rng.random((len(self._decisions), n))
        for place, n_choices in enumerate(self._decisions):
            if place:
                np.add(rows[:, place - 1], self._offsets[place - 1], out=tape.embedded[place])
            tape.entered[place, 0, :units] = self._w.embedding[tape.embedded[place]].T
            for layer in range(self._layers):
                self._advance(n, place + layer, layer, layer + 1)
            here = logits[:, place]
            np.matmul(self._w.head[place], tape.entered[place + top + 1, top, units:-1], out=here.T)
            here += self._w.bias[place]
            if n == 1:
                rows[0, place] = _chosen(here[0, :n_choices].tolist(), float(quantiles[place, 0]))
            else:
                chances = np.exp(here[:, :n_choices] - here[:, :n_choices].max(axis=1, keepdims=True))
                rows[:, place] = inverted(chances, quantiles[place])
        return rows, self._assessment(rows, tape, logits)

    def assess(self, rows: Rows) -> Assessment:
        """Read rows of choices."""
        tape, (n, steps) = self._tape(len(rows)), rows.shape
        tape.embedded[1:] = rows[:, :-1].T + self._offsets[:-1, None]
        tape.entered[:steps, 0, : self._units] = self._w.embedding[tape.embedded].transpose(0, 2, 1)
        for wave in range(len(tape.gates)):
            self._advance(n, wave, max(0, wave - steps + 1), min(self._layers, wave + 1))
        logits = np.matmul(self._w.head, self._top(tape)).transpose(2, 0, 1) + self._w.bias
        return self._assessment(rows, tape, logits)

    def gradient(self, assessment: Assessment, by_logit: Array, by_value: Array | None = None) -> Array:
        """Go back through time."""
        tape: _Tape = assessment.tape
        grads, top = self._grads, self._top(tape)
        np.matmul(by_logit.transpose(1, 2, 0), top.transpose(0, 2, 1), out=grads.head)
        by_logit.sum(axis=0, out=grads.bias)
        back = np.matmul(self._w.head.transpose(0, 2, 1), by_logit.transpose(1, 2, 0))
        if by_value is None:
            grads.value[:] = 0.0
        else:
            by_value = by_value.T[:, None]
            grads.value[:-1] = (by_value * top).sum(axis=(0, 2))
            grads.value[-1] = by_value.sum()
            back += by_value * self._w.value[:-1, None]
        by_embedding = self._backward(tape, back, grads.layers).transpose(0, 2, 1).reshape(-1, self._units)
        picked = np.arange(len(self._w.embedding))[:, None] == tape.embedded.reshape(-1)
        np.matmul(picked.astype(by_embedding.dtype), by_embedding, out=grads.embedding)
        return self._gradient

    def _tape(self, n: int) -> _Tape:
        """Return the tape of ``n`` rows. What is written to it is written anew every time."""
        if n not in self._tapes:
            self._tapes[n] = self._blank(n)
            self._backs[n] = self._back(self._tapes[n])
        return self._tapes[n]

    def _blank(self, n: int) -> _Tape:
        layers, units, steps = self._layers, self._units, len(self._decisions)
        waves, dtype = steps + layers - 1, self.weights.dtype
        entered = np.zeros((waves + 1, layers, 2 * units + 1, n), dtype=dtype)
        entered[:, :, -1] = 1.0
        return _Tape(
            np.zeros((steps, n), dtype=np.int64),
            entered,
            np.zeros((waves, layers, 4 * units, n), dtype=dtype),
            np.zeros((waves + 1, layers, units, n), dtype=dtype),
            np.zeros((waves, layers, units, n), dtype=dtype),
        )

    def _back(self, tape: _Tape) -> _Back:
        units, (waves, layers, _, n) = self._units, tape.squashed.shape
        by_gate = np.zeros_like(tape.gates)
        by_entered = np.zeros((waves + 1, layers, 2 * units, n), dtype=by_gate.dtype)
        views: list[tuple[Array, ...]] = []
        for wave in range(waves):
            gates, after = by_gate[wave], by_entered[wave + 1]
            through_cell = gates[:, : 3 * units].reshape(layers, 3, units, n)
            hidden = after[:, units:]
            views.append(
                (
                    *(gates, through_cell, gates[:, 3 * units :], by_entered[wave]),
                    *(hidden, hidden[:-1], after[1:, :units], hidden[-1]),
                )
            )
        return _Back(by_gate, by_entered, views)

    def _advance(self, n: int, wave: int, first: int, end: int) -> None:
        """Take the layers from ``first`` to before ``end`` one decision on, on the tape of ``n`` rows."""
        key = n, wave, first, end
        if key not in self._steps:
            self._steps[key] = self._step(self._tapes[n], wave, first, end)
        step = self._steps[key]
        np.matmul(step.weights, step.entered, out=step.gates)
        logistic = step.logistic  # of x: (1 + tanh(x / 2)) / 2, without overflow
        logistic *= 0.5
        np.tanh(step.gates, out=step.gates)
        logistic *= 0.5
        logistic += 0.5
        np.multiply(step.keep, step.cell_before, out=step.cell)
        np.add(step.cell, step.enter * step.new, out=step.cell)
        np.tanh(step.cell, out=step.squashed)
        np.multiply(step.leave, step.squashed, out=step.hidden)
        if len(step.above):
            step.above[:] = step.below

    def _step(self, tape: _Tape, wave: int, first: int, end: int) -> _Step:
        """Return the views of a wave."""
        units, gates, after = self._units, tape.gates[wave, first:end], tape.entered[wave + 1, first : end + 1]
        hidden, above = after[: end - first, units:-1], after[1:, :units]
        return _Step(
            self._w.layers[first:end],
            tape.entered[wave, first:end],
            gates,
            gates[:, units:],
            gates[:, :units],
            gates[:, units : 2 * units],
            gates[:, 2 * units : 3 * units],
            gates[:, 3 * units :],
            tape.cells[wave, first:end],
            tape.cells[wave + 1, first:end],
            tape.squashed[wave, first:end],
            hidden,
            hidden[: len(above)],
            above,
        )

    def _top(self, tape: _Tape) -> Array:
        """Return the hidden states of the last layer, ``(n_decisions, units, n)``."""
        return tape.entered[self._layers :, -1, self._units : -1]

    def _assessment(self, rows: Rows, tape: _Tape, logits: Array) -> Assessment:
        """Return what the logits say, ``(n, n_decisions, most choices)``."""
        values = (self._w.value[:-1] @ self._top(tape) + self._w.value[-1]).T
        return Assessment(*softmax(logits + self._mask, rows), values, tape)

    def _backward(self, tape: _Tape, by_top: Array, grad: Array) -> Array:
        """Fill in the gradient of the layers; return that by what enters the first, ``(n_decisions, units, n)``."""
        units, (waves, layers, _, n) = self._units, tape.squashed.shape
        new, enter, keep, leave = (tape.gates[:, :, k * units : (k + 1) * units] for k in range(4))
        to_cell = 1 - tape.squashed**2
        to_cell *= leave
        back = self._backs[n]
        by_gate = back.by_gate  # at first what the gradient by cell or hidden state is multiplied with
        by_new, by_enter, by_keep, by_leave = (by_gate[:, :, k * units : (k + 1) * units] for k in range(4))
        logistic = tape.gates[:, :, units:]
        np.multiply(logistic, 1 - logistic, out=by_gate[:, :, units:])
        np.multiply(enter, 1 - new**2, out=by_new)
        by_enter *= new
        by_keep *= tape.cells[:-1]
        by_leave *= tape.squashed
        weights = self._w.layers[..., :-1].transpose(0, 2, 1)
        if n > 1:
            weights = np.ascontiguousarray(weights)  # products with it take half the time
        by_cell = np.zeros((layers, 1, units, n), dtype=by_top.dtype)
        by_cells = by_cell[:, 0]
        back.by_entered[-1] = 0.0  # nothing comes back from after the end; all else is written anew
        for wave in range(waves)[::-1]:
            by_this_gate, through_cell, by_output, by_this_entered, by_hidden, lower, from_above, top = back.waves[wave]
            lower += from_above
            if wave >= layers - 1:
                top += by_top[wave - layers + 1]
            by_cells += by_hidden * to_cell[wave]
            through_cell *= by_cell
            by_output *= by_hidden
            np.matmul(weights, by_this_gate, out=by_this_entered)
            by_cells *= keep[wave]
        steps = len(by_top)
        for layer in range(layers):
            gates, entered = by_gate[layer : layer + steps, layer], tape.entered[layer : layer + steps, layer]
            rows = entered.transpose(0, 2, 1).reshape(steps * n, -1)
            np.matmul(gates.transpose(1, 0, 2).reshape(4 * units, -1), rows, out=grad[layer])
        return back.by_entered[: len(by_top), 0, :units]

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
            take(self._layers, 4 * units, 2 * units + 1),
            take(places, most, units),
            take(places, most),
            take(units + 1),
        )
        return used if count else named


def _chosen(logits: list[float], quantile: float) -> int:
    """Return the choice at a quantile of one distribution."""
    greatest = max(logits)
    upto = list(accumulate(math.exp(logit - greatest) for logit in logits))
    return min(bisect_right(upto, quantile * upto[-1]), len(upto) - 1)
