"""Compiled loops of the fused networks, single-threaded; arrays are ``(n, positions * channels, batch)``.

They stay within one thread and sum in a fixed order, so that a training gives the same numbers to the bit on one kind
of processor, whatever runs beside it. NaN and infinities pass through: a diverged network must be seen as such.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from metanas.nets.fused.tiles import (
    LANES,
    ROWS,
    VECTORS,
    outer_narrow,
    outer_wide,
    product_narrow,
    product_wide,
)

# Sums may be vectorized and multiply-adds contracted; NaN and infinity keep their meaning.
_jit: Callable[..., Any] = numba.njit(cache=True, boundscheck=False, fastmath={"contract", "reassoc", "nsz"})


@_jit
def products(x: Any, weight: Any, starts: Any, sources: Any, taps: Any, out: Any) -> None:
    """Write to each output position the products of its neighbours' features with the weights of their taps.

    Args:
        x: ``(n, positions * inputs, batch)``.
        weight: ``(n, taps, inputs, outputs)``.
        starts: ``(positions + 1,)``: the neighbours of position ``p`` are ``starts[p]`` to ``starts[p + 1]``.
        sources: their positions in ``x``, uint32.
        taps: their taps, uint32.
        out: ``(n, positions * outputs, batch)``, overwritten.
    """
    n, _, batch = x.shape
    _, _, inputs, outputs = weight.shape
    step = LANES * VECTORS
    wide = batch // step * step
    rows = outputs // ROWS * ROWS
    for net in range(n):
        own, factors, to = x[net].reshape(-1), weight[net].reshape(-1), out[net].reshape(-1)
        for p in range(len(starts) - 1):
            begin, end = starts[p], starts[p + 1]
            for o in range(0, rows, ROWS):
                at = (p * outputs + o) * batch
                for b in range(0, wide, step):
                    product_wide(own, b, factors, o, sources, taps, begin, end, inputs, batch, outputs, to, at + b)
            for o in range(outputs):
                at = (p * outputs + o) * batch
                for b in range(wide if o < rows else 0, batch):
                    product_narrow(own, b, factors, o, sources, taps, begin, end, inputs, batch, outputs, to, at + b)


@_jit
def outer_products(x: Any, grad: Any, starts: Any, sources: Any, targets: Any, out: Any) -> None:
    """Write the gradients of the weights: for each tap the sum over all pairs of positions that it joins.

    Args:
        x: ``(n, positions * inputs, batch)``.
        grad: of the outputs, ``(n, positions * outputs, batch)``.
        starts: ``(taps + 1,)``: the pairs of tap ``t`` are ``starts[t]`` to ``starts[t + 1]``.
        sources: positions in ``x``, uint32.
        targets: positions in ``grad``, uint32.
        out: ``(n, taps, inputs, outputs)``, overwritten.
    """
    n, _, batch = x.shape
    _, n_taps, inputs, outputs = out.shape
    wide = batch // LANES * LANES
    rows, columns = inputs // 2 * 2, outputs // ROWS * ROWS
    rest = batch - wide
    for net in range(n):
        left, right, to = x[net].reshape(-1), grad[net].reshape(-1), out[net].reshape(-1)
        to[:] = 0
        for tap in range(n_taps):
            begin, end = starts[tap], starts[tap + 1]
            for i in range(inputs):
                even = i < rows
                for o in range(outputs):
                    inner = even and o < columns
                    at = (tap * inputs + i) * outputs + o
                    if inner and i % 2 == 0 and o % ROWS == 0:
                        outer_wide(
                            left, i * batch, right, o * batch, sources, targets, begin, end, inputs, outputs, batch,
                            wide, to, at,
                        )  # fmt: skip
                    first, length = (wide, rest) if inner else (0, batch)
                    if length:
                        outer_narrow(
                            left, i * batch + first, right, o * batch + first, sources, targets, begin, end, inputs,
                            outputs, batch, length, to, at,
                        )  # fmt: skip


@_jit
def gather(values: Any, starts: Any, slots: Any, counts: Any, out: Any, relu: bool) -> None:
    """Write sums of slots, or their positive parts, to the rows of ``out``.

    Args:
        values: ``(n_slots, features, batch)``.
        starts: ``(rows + 1,)``: the terms of row ``r`` are ``starts[r]`` to ``starts[r + 1]``.
        slots: which slot each term reads.
        counts: how often it counts, of the type of ``values``.
        out: ``(rows, features, batch)``.
        relu: positive parts only.
    """
    zero = values.dtype.type(0)  # not the integer: numbers would be unified to double precision
    for r in range(len(starts) - 1):
        to = out[r].reshape(-1)
        begin, end = starts[r], starts[r + 1]
        if begin == end:
            to[:] = zero
            continue
        source, count = values[slots[begin]].reshape(-1), counts[begin]
        if end == begin + 1 and relu:
            for k in range(to.size):
                value = count * source[k]
                to[k] = zero if value < zero else value
            continue
        for k in range(to.size):
            to[k] = count * source[k]
        for j in range(begin + 1, end):
            source, count = values[slots[j]].reshape(-1), counts[j]
            if relu and j + 1 == end:
                for k in range(to.size):
                    value = to[k] + count * source[k]
                    to[k] = zero if value < zero else value
            else:
                for k in range(to.size):
                    to[k] += count * source[k]


@_jit
def scatter(grad: Any, active: Any, starts: Any, slots: Any, counts: Any, grads: Any, relu: bool) -> None:
    """Add the rows of ``grad`` to the slots that :func:`gather` read; with ``relu`` where ``active`` is not zero."""
    zero = grad.dtype.type(0)
    for r in range(len(starts) - 1):
        source, gate = grad[r].reshape(-1), active[r].reshape(-1)
        for j in range(starts[r], starts[r + 1]):
            to, count = grads[slots[j]].reshape(-1), counts[j]
            if relu:
                for k in range(to.size):
                    to[k] += zero if gate[k] <= zero else count * source[k]
            else:
                for k in range(to.size):
                    to[k] += count * source[k]


@_jit
def norm_forward(
    z: Any,
    scale: Any,
    shift: Any,
    mean: Any,
    variance: Any,
    batch_mean: Any,
    inverse_std: Any,
    out: Any,
    training: bool,
    epsilon: float,
    momentum: float,
) -> None:
    """Write the batch-normalized ``z`` to ``out``, both ``(n, positions * channels, batch)``.

    ``scale``, ``shift`` and the running ``mean`` and ``variance`` are ``(n, channels)``. With ``training`` the
    statistics are the batch's: they are left in ``batch_mean`` and ``inverse_std``, in double precision, and move the
    running ones.
    """
    n, rows, batch = z.shape
    channels = scale.shape[1]
    count = rows // channels * batch
    kind = z.dtype.type
    sums, squares = np.empty(channels), np.empty(channels)
    factors, terms = np.empty(channels, z.dtype), np.empty(channels, z.dtype)
    for net in range(n):
        if training:
            sums[:] = 0.0
            squares[:] = 0.0
            for row in range(rows):
                source = z[net, row]
                total, square = kind(0), kind(0)
                for b in range(batch):
                    total += source[b]
                    square += source[b] * source[b]
                sums[row % channels] += total
                squares[row % channels] += square
        for c in range(channels):
            if training:
                middle = sums[c] / count
                spread = squares[c] / count - middle * middle
                spread = 0.0 if spread < 0.0 else spread
                batch_mean[net, c] = middle
                inverse_std[net, c] = 1.0 / np.sqrt(spread + epsilon)
                mean[net, c] += kind(momentum) * (kind(middle) - mean[net, c])
                variance[net, c] += kind(momentum) * (kind(spread * count / (count - 1)) - variance[net, c])
                factor = scale[net, c] * inverse_std[net, c]
            else:
                middle = np.float64(mean[net, c])
                factor = scale[net, c] / np.sqrt(np.float64(variance[net, c]) + epsilon)
            factors[c] = factor
            terms[c] = shift[net, c] - factor * middle
        for row in range(rows):
            source, to = z[net, row], out[net, row]
            own, term = factors[row % channels], terms[row % channels]
            for b in range(batch):
                to[b] = source[b] * own + term


@_jit
def norm_backward(
    grad: Any, z: Any, scale: Any, batch_mean: Any, inverse_std: Any, scale_grad: Any, shift_grad: Any
) -> None:
    """Turn ``grad``, of the output, in place into that of ``z``, and set those of scale and shift."""
    n, rows, batch = z.shape
    channels = scale.shape[1]
    count = rows // channels * batch
    kind = z.dtype.type
    sums, products = np.empty(channels), np.empty(channels)
    a, b, c = np.empty(channels, z.dtype), np.empty(channels, z.dtype), np.empty(channels, z.dtype)
    for net in range(n):
        sums[:] = 0.0
        products[:] = 0.0
        for row in range(rows):
            one, two = grad[net, row], z[net, row]
            total, product = kind(0), kind(0)
            for k in range(batch):
                total += one[k]
                product += one[k] * two[k]
            sums[row % channels] += total
            products[row % channels] += product
        for i in range(channels):
            # The gradient of z is a * grad + b * z + c, with one a, b and c a channel.
            along = inverse_std[net, i] * (products[i] - batch_mean[net, i] * sums[i])
            shift_grad[net, i] = sums[i]
            scale_grad[net, i] = along
            first = scale[net, i] * inverse_std[net, i]
            second = -first * inverse_std[net, i] * along / count
            a[i], b[i], c[i] = first, second, -first * sums[i] / count - second * batch_mean[net, i]
        for row in range(rows):
            source, to = z[net, row], grad[net, row]
            own, other, term = a[row % channels], b[row % channels], c[row % channels]
            for k in range(batch):
                to[k] = own * to[k] + (other * source[k] + term)


@_jit
def pool(x: Any, height: int, width: int, channels: int, scale_in: Any, scale_out: Any, scratch: Any, out: Any) -> None:
    """Write to each position the sum of its neighbourhood of 3x3 (3 if ``height`` is 1), scaled.

    Args:
        x: ``(n, height * width * channels, batch)``.
        height: rows of the image.
        width: positions of a row.
        channels: features of a position.
        scale_in: factor of each position of ``x``, ``(positions,)``.
        scale_out: factor of each position of ``out``, ``(positions,)``.
        scratch: ``(features, batch)``.
        out: like ``x``.
    """
    n, _, batch = x.shape
    size = channels * batch
    rows = scratch.reshape(height * width, size)
    for net in range(n):
        source, to = x[net].reshape(-1, size), out[net].reshape(-1, size)
        for p in range(height * width):
            column = p % width
            own, row = source[p], rows[p]
            factor = scale_in[p]
            for k in range(size):
                row[k] = factor * own[k]
            if column:
                own, factor = source[p - 1], scale_in[p - 1]
                for k in range(size):
                    row[k] += factor * own[k]
            if column + 1 < width:
                own, factor = source[p + 1], scale_in[p + 1]
                for k in range(size):
                    row[k] += factor * own[k]
        for p in range(height * width):
            line = p // width
            own, target = rows[p], to[p]
            factor = scale_out[p]
            if line and line + 1 < height:
                above, below = rows[p - width], rows[p + width]
                for k in range(size):
                    target[k] = factor * (own[k] + above[k] + below[k])
            elif line or line + 1 < height:
                other = rows[p - width] if line else rows[p + width]
                for k in range(size):
                    target[k] = factor * (own[k] + other[k])
            else:
                for k in range(size):
                    target[k] = factor * own[k]
