"""Reading and writing vectors: scratch rows, columns of a batch, single lanes.

Scratch arrays hold one vector per row: shape ``(n, 8)``, C-contiguous float64; with ``a = address(array)``,
``load(a, i)`` is row i.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils, errors
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, models, register_model
from numba.np.arrayobj import populate_array

from .simd import DOUBLES, INTEGERS, LANES, Vector, constant_vector, join, promote, shuffle, vector

ROW = 8 * LANES
"""Bytes of a vector."""


@intrinsic
def address(typingctx: Any, array: Any) -> Any:
    """Where the data of a C-contiguous array starts, as an integer.

    Helpers of a kernel take addresses, because passing an array to a function costs two atomic operations. Whoever
    makes an address keeps the array alive: call :func:`keep` on it after the last use.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        return builder.ptrtoint(data, ir.IntType(64))

    if not isinstance(array, types.Array) or array.layout != "C":
        raise errors.TypingError(f"address of a C-contiguous array only, got {array}")
    return types.int64(array), codegen


@intrinsic
def keep(typingctx: Any, array: Any) -> Any:
    """Does nothing, but the array lives until here."""
    return types.void(array), lambda context, builder, sig, args: context.get_dummy_value()


@njit(cache=True, forceinline=True)
def first_line(array):
    """:func:`address` rounded up to a cache line: rows that cross lines are moved at half the speed.

    The array needs one row of eight doubles more than what is put there.
    """
    return (address(array) + ROW - 1) & -ROW


def _pointer(builder: Any, base: Any, index: Any, kind: Any, size: int) -> Any:
    offset = builder.mul(index, ir.Constant(ir.IntType(64), size))
    return builder.inttoptr(builder.add(base, offset), kind.as_pointer())


def _reader(kind: Any, size: int, result: Any) -> Any:
    @intrinsic
    def read(typingctx: Any, base: Any, index: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.load(_pointer(builder, *args, kind, size), align=8)

        return result(types.int64, types.int64), codegen

    return read


load = _reader(DOUBLES, 8 * LANES, vector)
load.__doc__ = "``load(base, i)``: row i of the (n, 8) float64 array at address ``base``."
real_at = _reader(ir.DoubleType(), 8, types.float64)
real_at.__doc__ = "``real_at(base, i)``: entry i of the float64 array at address ``base``."
int_at = _reader(ir.IntType(64), 8, types.int64)
int_at.__doc__ = "``int_at(base, i)``: entry i of the int64 array at address ``base``."


@intrinsic
def load_like(typingctx: Any, like: Any, base: Any, index: Any) -> Any:
    """:func:`load`, twice side by side if ``like`` has 16 lanes."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value = builder.load(_pointer(builder, args[1], args[2], DOUBLES, ROW), align=8)
        lanes = sig.return_type.lanes
        return value if lanes == LANES else shuffle(builder, value, value, list(range(LANES)) * 2)

    return like(like, types.int64, types.int64), codegen


@intrinsic
def load_two(typingctx: Any, base: Any, index: Any) -> Any:
    """Rows ``index`` and ``index + 1`` as one vector of 16."""
    both = ir.VectorType(ir.DoubleType(), 2 * LANES)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        offset = builder.mul(args[1], ir.Constant(ir.IntType(64), ROW))
        return builder.load(builder.inttoptr(builder.add(args[0], offset), both.as_pointer()), align=8)

    return Vector(2 * LANES)(types.int64, types.int64), codegen


@intrinsic
def rows_at(typingctx: Any, base: Any, count: Any) -> Any:
    """The (count, 8) array at an address, for as long as its owner keeps it."""
    kind = types.Array(types.float64, 2, "C")

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        result = context.make_array(kind)(context, builder)
        number = ir.IntType(64)
        populate_array(
            result,
            data=builder.inttoptr(args[0], ir.DoubleType().as_pointer()),
            shape=(args[1], ir.Constant(number, LANES)),
            strides=(ir.Constant(number, ROW), ir.Constant(number, 8)),
            itemsize=ir.Constant(number, 8),
            meminfo=None,
        )
        return result._getvalue()

    return kind(types.int64, types.int64), codegen


@intrinsic
def entries_at(typingctx: Any, like: Any, base: Any, start: Any, count: Any) -> Any:
    """Entries ``start`` to ``start + count`` of the array of numbers of the type of ``like`` at address ``base``."""
    kind = types.Array(like, 1, "C")

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        number, item = ir.IntType(64), context.get_data_type(like)
        size = ir.Constant(number, like.bitwidth // 8)
        offset = builder.mul(args[2], size)
        result = context.make_array(kind)(context, builder)
        populate_array(
            result,
            data=builder.inttoptr(builder.add(args[1], offset), item.as_pointer()),
            shape=(args[3],),
            strides=(size,),
            itemsize=size,
            meminfo=None,
        )
        return result._getvalue()

    if not isinstance(like, types.Float):
        raise errors.TypingError(f"entries are real numbers, got {like}")
    return kind(like, types.int64, types.int64, types.int64), codegen


@intrinsic
def store(typingctx: Any, base: Any, index: Any, value: Any) -> Any:
    """Write ``value`` to row ``index`` of the (n, 8) float64 array at address ``base``."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _pointer(builder, args[0], args[1], DOUBLES, 8 * LANES)
        builder.store(promote(context, builder, args[2], sig.args[2]), pointer, align=8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, value), codegen


@intrinsic
def store_lane(typingctx: Any, base: Any, index: Any, value: Any) -> Any:
    """Write one float64 to entry ``index`` of the array at address ``base``."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(builder, args[0], args[1], ir.DoubleType(), 8), align=8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.float64), codegen


@intrinsic
def store_int(typingctx: Any, base: Any, index: Any, value: Any) -> Any:
    """Write one int64 to entry ``index`` of the array at address ``base``."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(builder, args[0], args[1], ir.IntType(64), 8), align=8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


@intrinsic
def column(typingctx: Any, base: Any, stride: Any, count: Any) -> Any:
    """Eight numbers ``stride`` entries apart from address ``base`` on; lanes from ``count`` on are 0.

    ``base`` is ``entry(array, i)``; its dtype (float32 or float64) is that of the array.
    """
    if not isinstance(base, Entry):
        raise errors.TypingError(f"column starts at an entry, got {base}")

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        scalar = ir.FloatType() if base.is_float32 else ir.DoubleType()
        size = 4 if base.is_float32 else 8
        result = constant_vector(0.0)
        step = builder.mul(args[1], ir.Constant(ir.IntType(64), size))
        at = args[0]
        whole = builder.icmp_signed(">=", args[2], ir.Constant(ir.IntType(64), LANES))
        slot = cgutils.alloca_once_value(builder, result)
        with builder.if_else(whole) as (full, partial):
            with full:
                value = ir.Constant(ir.VectorType(scalar, LANES), ir.Undefined)
                for lane in range(LANES):
                    number = builder.load(builder.inttoptr(at, scalar.as_pointer()), align=size)
                    value = builder.insert_element(value, number, ir.Constant(ir.IntType(32), lane))
                    at = builder.add(at, step)
                builder.store(builder.fpext(value, DOUBLES) if base.is_float32 else value, slot)
            with partial:
                at = args[0]
                with cgutils.for_range(builder, args[2]) as loop:
                    position = builder.add(at, builder.mul(loop.index, step))
                    number = builder.load(builder.inttoptr(position, scalar.as_pointer()), align=size)
                    number = builder.fpext(number, ir.DoubleType()) if base.is_float32 else number
                    lane = builder.trunc(loop.index, ir.IntType(32))
                    builder.store(builder.insert_element(builder.load(slot), number, lane), slot)
        return builder.load(slot)

    return vector(base, types.int64, types.int64), codegen


@intrinsic
def scatter(typingctx: Any, base: Any, stride: Any, count: Any, value: Any) -> Any:
    """Write lanes ``0 .. count - 1`` of ``value`` to numbers ``stride`` entries apart from an entry on."""
    if not isinstance(base, Entry):
        raise errors.TypingError(f"scatter starts at an entry, got {base}")

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        scalar = ir.FloatType() if base.is_float32 else ir.DoubleType()
        size = 4 if base.is_float32 else 8
        value = args[3]
        if base.is_float32:
            value = builder.fptrunc(value, ir.VectorType(scalar, LANES))
        step = builder.mul(args[1], ir.Constant(ir.IntType(64), size))
        at = args[0]
        for lane in range(LANES):
            constant = ir.Constant(ir.IntType(64), lane)
            with builder.if_then(builder.icmp_signed("<", constant, args[2]), likely=True):
                number = builder.extract_element(value, ir.Constant(ir.IntType(32), lane))
                builder.store(number, builder.inttoptr(at, scalar.as_pointer()), align=size)
            at = builder.add(at, step)
        return context.get_dummy_value()

    return types.void(base, types.int64, types.int64, vector), codegen


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """Eight vectors as the columns of eight others: three rounds that exchange blocks of 4, 2 and 1."""
    for size in (4, 2, 1):
        low = [i + (0 if i % (2 * size) < size else LANES - size) for i in range(LANES)]
        high = [i + size if i % (2 * size) < size else i + LANES for i in range(LANES)]
        following = list(rows)
        for i in range(LANES):
            if i % (2 * size) < size:
                a, b = rows[i], rows[i + size]
                following[i], following[i + size] = shuffle(builder, a, b, low), shuffle(builder, a, b, high)
        rows = following
    return rows


def _tile(is_load: bool) -> Any:
    def move(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        start, stride, block, first = args
        small = sig.args[0].is_float32
        kind = ir.VectorType(ir.FloatType(), LANES) if small else DOUBLES
        size = 4 if small else 8
        step = builder.mul(stride, ir.Constant(ir.IntType(64), size))
        batch = [
            builder.inttoptr(builder.add(start, builder.mul(step, ir.Constant(ir.IntType(64), i))), kind.as_pointer())
            for i in range(LANES)
        ]
        lanes = [
            _pointer(builder, block, builder.add(first, ir.Constant(ir.IntType(64), i)), DOUBLES, ROW)
            for i in range(LANES)
        ]
        source, target = (batch, lanes) if is_load else (lanes, batch)
        values = [builder.load(pointer, align=size if is_load else 8) for pointer in source]
        if is_load and small:
            values = [builder.fpext(value, DOUBLES) for value in values]
        values = _transposed(builder, values)
        if small and not is_load:
            values = [builder.fptrunc(value, kind) for value in values]
        for value, pointer in zip(values, target, strict=True):
            builder.store(value, pointer, align=8 if is_load else size)
        return context.get_dummy_value()

    @intrinsic
    def tile(typingctx: Any, start: Any, stride: Any, block: Any, first: Any) -> Any:
        if not isinstance(start, Entry):
            raise errors.TypingError(f"a tile starts at an entry, got {start}")
        return types.void(start, types.int64, types.int64, types.int64), move

    return tile


load_tile = _tile(True)
load_tile.__doc__ = "Eight columns of eight rows, ``stride`` entries apart, as rows ``first ...`` of a block."
store_tile = _tile(False)
store_tile.__doc__ = "The reverse of :data:`load_tile`."


def _gather(per_lane: bool) -> Any:
    @intrinsic
    def read(typingctx: Any, base: Any, index: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            position = builder.fptosi(args[1], INTEGERS)
            if per_lane:
                lanes = ir.Constant(INTEGERS, [ir.Constant(ir.IntType(64), i) for i in range(LANES)])
                eight = ir.Constant(INTEGERS, [ir.Constant(ir.IntType(64), LANES)] * LANES)
                position = builder.add(builder.mul(position, eight), lanes)
            value = ir.Constant(DOUBLES, ir.Undefined)
            for i in range(LANES):
                constant = ir.Constant(ir.IntType(32), i)
                pointer = _pointer(builder, args[0], builder.extract_element(position, constant), ir.DoubleType(), 8)
                value = builder.insert_element(value, builder.load(pointer, align=8), constant)
            return value

        return vector(types.int64, vector), codegen

    return read


gather = _gather(per_lane=True)
gather.__doc__ = "``gather(base, rows)``: lane l of row ``rows[l]`` of the (n, 8) array at ``base``; rows as doubles."
lookup = _gather(per_lane=False)
lookup.__doc__ = "``lookup(base, index)``: entries ``index[l]`` of the float64 array at ``base``; index as doubles."


@njit(cache=True, forceinline=True)
def gather_two(base, rows, rows_2):
    """:func:`gather` for two rows of indices, as one vector of 16."""
    return join(gather(base, rows), gather(base, rows_2))


@intrinsic
def scatter_rows(typingctx: Any, base: Any, index: Any, value: Any) -> Any:
    """Write lane l of ``value`` to lane l of row ``index[l]`` of the (n, 8) array at ``base``."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        position = builder.fptosi(args[1], INTEGERS)
        value = promote(context, builder, args[2], sig.args[2])
        for i in range(LANES):
            constant = ir.Constant(ir.IntType(32), i)
            row = builder.mul(builder.extract_element(position, constant), ir.Constant(ir.IntType(64), LANES))
            offset = builder.add(row, ir.Constant(ir.IntType(64), i))
            pointer = _pointer(builder, args[0], offset, ir.DoubleType(), 8)
            builder.store(builder.extract_element(value, constant), pointer, align=8)
        return context.get_dummy_value()

    return types.void(types.int64, vector, value), codegen


@intrinsic
def scatter_add(typingctx: Any, base: Any, index: Any, value: Any) -> Any:
    """Add lane l of ``value`` to lane l of row ``index[l]`` of the (n, 8) array at ``base``."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        position = builder.fptosi(args[1], INTEGERS)
        for i in range(LANES):
            constant = ir.Constant(ir.IntType(32), i)
            row = builder.mul(builder.extract_element(position, constant), ir.Constant(ir.IntType(64), LANES))
            offset = builder.add(row, ir.Constant(ir.IntType(64), i))
            pointer = _pointer(builder, args[0], offset, ir.DoubleType(), 8)
            total = builder.fadd(builder.load(pointer, align=8), builder.extract_element(args[2], constant))
            builder.store(total, pointer, align=8)
        return context.get_dummy_value()

    return types.void(types.int64, vector, vector), codegen


class Entry(types.Type):
    """The address of an entry of a float32 or float64 array."""

    def __init__(self, is_float32: bool) -> None:
        self.is_float32 = is_float32
        super().__init__(name=f"entry<float{32 if is_float32 else 64}>")


@register_model(Entry)
class _EntryModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, ir.IntType(64))


@intrinsic
def entry(typingctx: Any, array: Any, index: Any) -> Any:
    """The address of entry ``index`` (in C order) of a contiguous float32 or float64 array."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        size = 4 if array.dtype == types.float32 else 8
        base = builder.ptrtoint(data, ir.IntType(64))
        return builder.add(base, builder.mul(args[1], ir.Constant(ir.IntType(64), size)))

    return Entry(array.dtype == types.float32)(array, types.int64), codegen


@infer_global(operator.add)
class _EntryOffset(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        if isinstance(args[0], Entry) and isinstance(args[1], types.Integer):
            return signature(args[0], args[0], types.int64)
        return None


@lower_builtin(operator.add, Entry, types.int64)
def _offset(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """``entry + n``: n entries further."""
    size = ir.Constant(ir.IntType(64), 4 if sig.args[0].is_float32 else 8)
    return builder.add(args[0], builder.mul(args[1], size))
