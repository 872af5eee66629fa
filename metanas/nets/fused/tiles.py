"""Products of small matrices in registers, for compiled code: what Numba cannot vectorize by itself.

Activations are ``(features, batch)`` with the batch innermost. A *tile* computes some features of one position for
``lanes`` neighbouring examples, with its sums in vector registers from the first product to the last; Numba has no
vector type, so the tiles are written in LLVM's language. The order of the sums is fixed: the same input gives the same
result to the bit on one kind of processor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LANES = 8
VECTORS = 2
ROWS = 4
_FAST = ("contract", "nsz")


def _product_tile(rows: int, vectors: int, lanes: int) -> Callable[..., None]:
    """Make ``tile(x, weight, sources, taps, begin, end, inputs, batch, outputs, out, target)``.

    With ``x`` at an offset of examples, ``weight`` ``(taps, inputs, outputs)`` at an offset of outputs, both flat: for
    each row ``r``, example ``b``: ``out[target + r * batch + b] = sum over begin <= j < end, i of weight[taps[j], i, r]
    * x[sources[j] * inputs + i, b]``.
    """

    @intrinsic
    def tile(
        typingctx: Any,
        x: Any,
        x_at: Any,
        weight: Any,
        weight_at: Any,
        sources: Any,
        taps: Any,
        begin: Any,
        end: Any,
        inputs: Any,
        batch: Any,
        outputs: Any,
        out: Any,
        out_at: Any,
    ) -> Any:
        signature = types.void(
            x, x_at, weight, weight_at, sources, taps, begin, end, inputs, batch, outputs, out, out_at
        )

        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            data = _pointers(context, builder, sig, args)
            x, x_at, weight, weight_at, sources, taps, begin, end, inputs, batch, outputs, out, out_at = data
            scalar = context.get_value_type(sig.args[0].dtype)
            vector = _vector(scalar, lanes)
            sums = [[_zero(builder, vector) for _ in range(vectors)] for _ in range(rows)]
            step = builder.mul(inputs, outputs)
            row = builder.mul(inputs, batch)
            with cgutils.for_range_slice(builder, begin, end, begin.type(1)) as (j, _):
                source = builder.zext(_load(builder, sources, j), begin.type)
                tap = builder.zext(_load(builder, taps, j), begin.type)
                x_row = builder.add(x_at, builder.mul(source, row))
                w_row = builder.add(weight_at, builder.mul(tap, step))
                with cgutils.for_range(builder, inputs) as loop:
                    i = loop.index
                    at = builder.add(x_row, builder.mul(i, batch))
                    values = [_load(builder, x, builder.add(at, at.type(v * lanes)), vector) for v in range(vectors)]
                    w_at = builder.add(w_row, builder.mul(i, outputs))
                    for r in range(rows):
                        factor = _load(builder, weight, builder.add(w_at, w_at.type(r)))
                        _accumulate(builder, sums[r], [_splat(builder, factor, lanes)] * vectors, values)
            for r in range(rows):
                for v in range(vectors):
                    at = builder.add(builder.add(out_at, builder.mul(batch, batch.type(r))), batch.type(v * lanes))
                    _store(builder, builder.load(sums[r][v]), out, at)
            return context.get_dummy_value()

        return signature, generate

    return tile


def _outer_tile(rows: int, columns: int, lanes: int) -> Callable[..., None]:
    """Make ``tile(x, x_at, grad, grad_at, sources, targets, begin, end, inputs, outputs, batch, length, out, out_at)``.

    For each row ``i`` and column ``o``: adds to ``out[out_at + i * outputs + o]`` the sum over ``begin <= j < end`` and
    ``length`` examples of ``x[sources[j] * inputs + i, b] * grad[targets[j] * outputs + o, b]``.
    """

    @intrinsic
    def tile(
        typingctx: Any,
        x: Any,
        x_at: Any,
        grad: Any,
        grad_at: Any,
        sources: Any,
        targets: Any,
        begin: Any,
        end: Any,
        inputs: Any,
        outputs: Any,
        batch: Any,
        length: Any,
        out: Any,
        out_at: Any,
    ) -> Any:
        signature = types.void(
            x, x_at, grad, grad_at, sources, targets, begin, end, inputs, outputs, batch, length, out, out_at
        )

        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            data = _pointers(context, builder, sig, args)
            x, x_at, grad, grad_at, sources, targets, begin, end, inputs, outputs, batch, length, out, out_at = data
            scalar = context.get_value_type(sig.args[0].dtype)
            vector = _vector(scalar, lanes)
            sums = [[_zero(builder, vector) for _ in range(columns)] for _ in range(rows)]
            x_step, grad_step = builder.mul(inputs, batch), builder.mul(outputs, batch)
            with cgutils.for_range_slice(builder, begin, end, begin.type(1)) as (j, _):
                source = builder.zext(_load(builder, sources, j), begin.type)
                target = builder.zext(_load(builder, targets, j), begin.type)
                x_row = builder.add(x_at, builder.mul(source, x_step))
                grad_row = builder.add(grad_at, builder.mul(target, grad_step))
                with cgutils.for_range_slice(builder, length.type(0), length, length.type(lanes)) as (b, _):
                    left = [
                        _load(builder, x, builder.add(builder.add(x_row, b), builder.mul(batch, b.type(r))), vector)
                        for r in range(rows)
                    ]
                    for c in range(columns):
                        at = builder.add(builder.add(grad_row, b), builder.mul(batch, b.type(c)))
                        right = _load(builder, grad, at, vector)
                        _accumulate(builder, [sums[r][c] for r in range(rows)], left, [right] * rows)
            for r in range(rows):
                for c in range(columns):
                    at = builder.add(builder.add(out_at, builder.mul(outputs, outputs.type(r))), outputs.type(c))
                    value = builder.load(sums[r][c])
                    total = _load(builder, out, at)
                    for lane in range(lanes):
                        part = builder.extract_element(value, ir.IntType(32)(lane)) if lanes > 1 else value
                        total = builder.fadd(total, part)
                    _store(builder, total, out, at)
            return context.get_dummy_value()

        return signature, generate

    return tile


def _pointers(context: Any, builder: Any, sig: Any, args: Any) -> list[Any]:
    """Return the data pointers of the arrays and the other arguments as they are."""
    return [
        context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
        for kind, value in zip(sig.args, args, strict=True)
    ]


def _vector(scalar: Any, lanes: int) -> Any:
    return ir.VectorType(scalar, lanes) if lanes > 1 else scalar


def _zero(builder: Any, kind: Any) -> Any:
    # Not cgutils.alloca_once_value: the sums start anew wherever the tile is called.
    place = cgutils.alloca_once(builder, kind)  # type: ignore[no-untyped-call]
    builder.store(ir.Constant(kind, None if isinstance(kind, ir.VectorType) else 0.0), place)
    return place


def _load(builder: Any, base: Any, at: Any, kind: Any = None) -> Any:
    place = builder.gep(base, [at])
    if isinstance(kind, ir.VectorType):
        return builder.load(builder.bitcast(place, kind.as_pointer()), align=_alignment(kind.element))
    return builder.load(place)


def _store(builder: Any, value: Any, base: Any, at: Any) -> None:
    place = builder.gep(base, [at])
    if isinstance(value.type, ir.VectorType):
        builder.store(value, builder.bitcast(place, value.type.as_pointer()), align=_alignment(value.type.element))
    else:
        builder.store(value, place)


def _alignment(scalar: Any) -> int:
    return 8 if isinstance(scalar, ir.DoubleType) else 4


def _splat(builder: Any, value: Any, lanes: int) -> Any:
    if lanes == 1:
        return value
    kind = ir.VectorType(value.type, lanes)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.IntType(32)(0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
    return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), zeros)


def _accumulate(builder: Any, places: list[Any], left: list[Any], right: list[Any]) -> None:
    for place, a, b in zip(places, left, right, strict=True):
        product = builder.fmul(a, b, flags=_FAST)
        builder.store(builder.fadd(builder.load(place), product, flags=_FAST), place)


product_wide = _product_tile(ROWS, VECTORS, LANES)
product_narrow = _product_tile(1, 1, 1)
outer_wide = _outer_tile(2, ROWS, LANES)
outer_narrow = _outer_tile(1, 1, 1)
