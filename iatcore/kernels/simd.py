"""Vectors of doubles as numba types, so that kernels can be written with samples as lanes.

Auto-vectorisation of loops over samples needs no-alias facts that numba cannot give; explicit vectors need none.
LLVM lowers ``<8 x double>`` to whatever the machine has (one AVX-512 register, two AVX2 ones, four of NEON or SSE2).
Vectors of 16 hold two independent blocks of eight: where a long chain of operations waits for itself, two chains side
by side take hardly longer than one.

Operators: ``+ - * /``, unary ``-``, comparisons (giving a mask), ``& | ^ ~`` on masks. A number in an operation is
broadcast.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils, errors
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, models, register_model

LANES = 8
DOUBLES = ir.VectorType(ir.DoubleType(), LANES)
INTEGERS = ir.VectorType(ir.IntType(64), LANES)


class Vector(types.Type):
    """Doubles, ``lanes`` of them."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(name=f"f64x{lanes}")


class Mask(types.Type):
    """Truth values, ``lanes`` of them."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(name=f"b1x{lanes}")


vector, mask = Vector(LANES), Mask(LANES)


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, ir.VectorType(ir.DoubleType(), fe_type.lanes))


@register_model(Mask)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, ir.VectorType(ir.IntType(1), fe_type.lanes))


def constant_vector(value: float) -> ir.Constant:
    """Eight equal doubles."""
    return ir.Constant(DOUBLES, [ir.Constant(ir.DoubleType(), value)] * LANES)


def shuffle(builder: Any, a: Any, b: Any, order: list[int]) -> Any:
    """The entries ``order`` of two vectors laid end to end."""
    number = ir.IntType(32)
    places = ir.Constant(ir.VectorType(number, len(order)), [ir.Constant(number, i) for i in order])
    return builder.shuffle_vector(a, b, places)


def promote(context: Any, builder: Any, value: Any, kind: Any, lanes: int = LANES) -> Any:
    """A vector from a vector or from a scalar number."""
    if isinstance(kind, Vector):
        return value
    scalar = context.cast(builder, value, kind, types.float64)
    undefined = ir.Constant(ir.VectorType(ir.DoubleType(), 1), ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
    return shuffle(builder, first, undefined, [0] * lanes)


Build = Callable[..., Any]


def _lanes(args: Any) -> int:
    """The common number of lanes of all vectors and masks; 0 if there is none or they differ."""
    counts = {a.lanes for a in args if isinstance(a, (Vector, Mask))}
    return counts.pop() if len(counts) == 1 else 0


def _define(symbol: Any, build: Build, operands: tuple[type, ...], result: Any) -> None:
    """Give a Python operator a meaning on vectors or masks, mixed with plain numbers where one is a vector."""

    @infer_global(symbol)
    class _Template(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            if all(isinstance(a, operands) for a in args) and _lanes(args):
                return signature(result(_lanes(args)), *args)
            return None

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if operands == (Mask,):
            return build(builder, *args)
        lanes = sig.return_type.lanes
        return build(builder, *(promote(context, builder, v, k, lanes) for v, k in zip(args, sig.args, strict=True)))

    if symbol in (operator.neg, operator.invert):
        lower_builtin(symbol, operands[0])(lower)
    elif operands == (Mask,):
        lower_builtin(symbol, Mask, Mask)(lower)
    else:
        for left, right in ((Vector, Vector), (Vector, types.Number), (types.Number, Vector)):
            lower_builtin(symbol, left, right)(lower)


_CONTRACT = ("contract", "nsz")
_OPERANDS = (Vector, types.Number)
_define(operator.add, lambda b, x, y: b.fadd(x, y, flags=_CONTRACT), _OPERANDS, Vector)
_define(operator.sub, lambda b, x, y: b.fsub(x, y, flags=_CONTRACT), _OPERANDS, Vector)
_define(operator.mul, lambda b, x, y: b.fmul(x, y, flags=_CONTRACT), _OPERANDS, Vector)
_define(operator.truediv, lambda b, x, y: b.fdiv(x, y), _OPERANDS, Vector)
_define(operator.neg, lambda b, x: b.fneg(x), (Vector,), Vector)
_define(operator.lt, lambda b, x, y: b.fcmp_ordered("<", x, y), _OPERANDS, Mask)
_define(operator.le, lambda b, x, y: b.fcmp_ordered("<=", x, y), _OPERANDS, Mask)
_define(operator.gt, lambda b, x, y: b.fcmp_ordered(">", x, y), _OPERANDS, Mask)
_define(operator.ge, lambda b, x, y: b.fcmp_ordered(">=", x, y), _OPERANDS, Mask)
_define(operator.eq, lambda b, x, y: b.fcmp_ordered("==", x, y), _OPERANDS, Mask)
_define(operator.and_, lambda b, x, y: b.and_(x, y), (Mask,), Mask)
_define(operator.or_, lambda b, x, y: b.or_(x, y), (Mask,), Mask)
_define(operator.xor, lambda b, x, y: b.xor(x, y), (Mask,), Mask)
_define(operator.invert, lambda b, x: b.not_(x), (Mask,), Mask)


@intrinsic
def splat(typingctx: Any, x: Any) -> Any:
    """A vector with ``x`` in every lane."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return promote(context, builder, args[0], sig.args[0])

    return vector(x), codegen


@intrinsic
def fill(typingctx: Any, like: Any, x: Any) -> Any:
    """A vector of as many lanes as another, with ``x`` in every lane."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return promote(context, builder, args[1], sig.args[1], sig.return_type.lanes)

    return like(like, x), codegen


@intrinsic
def join(typingctx: Any, a: Any, b: Any) -> Any:
    """Two vectors (or masks) of 8 as one of 16."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return shuffle(builder, *args, list(range(2 * LANES)))

    if a != b or a not in (vector, mask):
        raise errors.TypingError(f"join takes two vectors or two masks of eight, got {a} and {b}")
    return type(a)(2 * LANES)(a, b), codegen


@intrinsic
def first_half(typingctx: Any, a: Any) -> Any:
    """The first 8 lanes of 16."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return shuffle(builder, args[0], args[0], list(range(LANES)))

    return type(a)(LANES)(a), codegen


@intrinsic
def second_half(typingctx: Any, a: Any) -> Any:
    """The last 8 lanes of 16."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return shuffle(builder, args[0], args[0], list(range(LANES, 2 * LANES)))

    return type(a)(LANES)(a), codegen


@intrinsic
def total(typingctx: Any, a: Any) -> Any:
    """Eight lanes as they are; of sixteen, the sum of both halves."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value = args[0]
        if sig.args[0].lanes == LANES:
            return value
        halves = (shuffle(builder, value, value, list(range(i, i + LANES))) for i in (0, LANES))
        return builder.fadd(*halves)

    return vector(a), codegen


@intrinsic
def select(typingctx: Any, m: Any, a: Any, b: Any) -> Any:
    """``a`` where the mask holds and ``b`` elsewhere."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        x = promote(context, builder, args[1], sig.args[1], sig.return_type.lanes)
        y = promote(context, builder, args[2], sig.args[2], sig.return_type.lanes)
        return builder.select(args[0], x, y)

    return Vector(m.lanes)(m, a, b), codegen


def _extreme(relation: str, text: str) -> Any:
    @intrinsic
    def extreme(typingctx: Any, a: Any, b: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            lanes = sig.return_type.lanes
            x, y = (promote(context, builder, v, k, lanes) for v, k in zip(args, sig.args, strict=True))
            return builder.select(builder.fcmp_ordered(relation, x, y), x, y)

        return Vector(_lanes((a, b)))(a, b), codegen

    extreme.__doc__ = text
    return extreme


minimum = _extreme("<", "The smaller of a and b; b where one is nan. One instruction, unlike that which looks for nan.")
maximum = _extreme(">", "The larger of a and b; b where one is nan.")


def _math(name: str, count: int) -> Any:
    def typed(*args: Any) -> Any:
        return Vector(_lanes(args))(*args), codegen

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        lanes = sig.return_type.lanes
        values = [promote(context, builder, v, k, lanes) for v, k in zip(args, sig.args, strict=True)]
        kind = ir.VectorType(ir.DoubleType(), lanes)
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(kind, [kind] * count), f"llvm.{name}.v{lanes}f64"
        )
        return builder.call(function, values)

    if count == 1:

        @intrinsic
        def unary(typingctx: Any, a: Any) -> Any:
            return typed(a)

        return unary

    @intrinsic
    def ternary(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
        return typed(a, b, c)

    return ternary


sqrt = _math("sqrt", 1)
absolute = _math("fabs", 1)
floor = _math("floor", 1)
nearest = _math("rint", 1)
fma = _math("fma", 3)


@intrinsic
def bits(typingctx: Any, m: Any) -> Any:
    """The mask as an integer: bit l is lane l."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.zext(builder.bitcast(args[0], ir.IntType(sig.args[0].lanes)), ir.IntType(64))

    return types.int64(m), codegen


@intrinsic
def lanes_of(typingctx: Any, word: Any) -> Any:
    """The mask of eight lanes whose :func:`bits` are the lowest eight of a number."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(builder.trunc(args[0], ir.IntType(LANES)), ir.VectorType(ir.IntType(1), LANES))

    return mask(types.int64), codegen


@intrinsic
def all_bits(typingctx: Any, m: Any) -> Any:
    """:func:`bits` of a mask that holds everywhere."""
    return types.int64(m), lambda context, builder, sig, args: ir.Constant(ir.IntType(64), 2**m.lanes - 1)


@intrinsic
def lowest_bit(typingctx: Any, word: Any) -> Any:
    """The number of the lowest bit that is set; 64 if none is."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.int64), codegen


@intrinsic
def unlikely(typingctx: Any, condition: Any) -> Any:
    """The condition itself; the compiler keeps what it guards out of the way of everything else."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bit = ir.IntType(1)
        kind = ir.FunctionType(bit, [bit, bit])
        expect = cgutils.get_or_insert_function(builder.module, kind, "llvm.expect.i1")
        return builder.call(expect, [args[0], ir.Constant(bit, 0)])

    return types.boolean(types.boolean), codegen


@intrinsic
def largest_lane(typingctx: Any, value: Any) -> Any:
    """The largest of the eight numbers."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.DoubleType(), [DOUBLES])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.vector.reduce.fmax.v8f64")
        return builder.call(function, [args[0]])

    return types.float64(vector), codegen


@njit(cache=True, forceinline=True)
def is_any(m):
    """Whether some lane holds."""
    return bits(m) != 0


@njit(cache=True, forceinline=True)
def is_all(m):
    """Whether every lane holds."""
    return bits(m) == all_bits(m)
