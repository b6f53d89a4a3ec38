"""Rows of a batch shared out among native threads without the interpreter.

A caller posts a job on a *board* of shared numbers; whoever is watching takes chunks of rows from it by an atomic
counter, and so does the caller itself. The work is done whether or not anybody helps, so nothing ever waits for a
thread to wake up. See :mod:`iatcore.threads` for who watches and when.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from llvmlite import binding, ir
from numba import cfunc, njit, types
from numba.core import cgutils, errors
from numba.extending import intrinsic

from .blocks import OPTIONS

LINE = 8
"""Entries of a cache line."""
OPEN, HELPERS, NEXT, TASK, ARGUMENTS, ROWS, CHUNK, SEATS, FAILED = (LINE * i for i in range(9))
"""Entries of a board: number of the open job (0: none), helpers inside, next chunk, what to call and with what, rows,
rows in a chunk, helpers still wanted, and whether a chunk has failed."""
BOARD_SIZE = 9 * LINE

_INT = ir.IntType(64)
_BYTES = ir.IntType(8).as_pointer()
_TASK = ir.FunctionType(_INT, [_BYTES, _INT, _INT])


def _place(builder: Any, board: Any, entry: Any) -> Any:
    offset = builder.mul(entry, ir.Constant(_INT, 8))
    return builder.inttoptr(builder.add(board, offset), _INT.as_pointer())


@intrinsic
def atomic_read(typingctx: Any, board: Any, entry: Any) -> Any:
    """An entry of a board."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load_atomic(_place(builder, *args), ordering="seq_cst", align=8)

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def atomic_write(typingctx: Any, board: Any, entry: Any, value: Any) -> Any:
    """Set an entry of a board."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store_atomic(args[2], _place(builder, args[0], args[1]), ordering="seq_cst", align=8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


@intrinsic
def atomic_add(typingctx: Any, board: Any, entry: Any, value: Any) -> Any:
    """Add to an entry of a board; returns what it was before."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", _place(builder, args[0], args[1]), args[2], "seq_cst")

    return types.int64(types.int64, types.int64, types.int64), codegen


@intrinsic
def pause(typingctx: Any) -> Any:
    """Tell the processor that this is a waiting loop, where it has an instruction for that."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if binding.get_process_triple().startswith(("x86_64", "i386", "i686")):
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def _call_task(typingctx: Any, task: Any, arguments: Any, start: Any, stop: Any) -> Any:
    """Call a posted task on a range of rows; 0 if it succeeded."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        function = builder.inttoptr(args[0], _TASK.as_pointer())
        return builder.call(function, [builder.inttoptr(args[1], _BYTES), args[2], args[3]])

    return types.int64(types.int64, types.int64, types.int64, types.int64), codegen


@intrinsic
def _post_task(typingctx: Any, board: Any, kernel: Any, arguments: Any) -> Any:
    """Write to the board what is to be called: ``kernel(*arguments, start, stop)``.

    The arguments lie in the frame of the calling function, which therefore must not return before the job is closed.
    """
    if not isinstance(kernel, types.Dispatcher) or not isinstance(arguments, (types.Tuple, types.UniTuple)):
        raise errors.TypingError(f"a task is a compiled function and a tuple, got {kernel} and {arguments}")
    inner: Any = kernel.get_call_type(typingctx, (*tuple(arguments), types.int64, types.int64), {})

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        compiled = kernel.dispatcher.get_compile_result(inner)
        context.add_linking_libs([compiled.library])
        slot = cgutils.alloca_once_value(builder, args[2])
        name = context.mangler(f"{compiled.fndesc.llvm_func_name}_task", ())
        task = ir.Function(builder.module, _TASK, name)
        task.linkage = "internal"
        body = ir.IRBuilder(task.append_basic_block("entry"))
        packed = body.load(body.bitcast(task.args[0], slot.type))
        values = [*cgutils.unpack_tuple(body, packed, arguments.count), task.args[1], task.args[2]]
        callee = context.declare_function(builder.module, compiled.fndesc)
        status, _ = context.call_conv.call_function(body, callee, inner.return_type, inner.args, values)
        body.ret(body.zext(status.is_error, _INT))
        builder.store(builder.ptrtoint(task, _INT), _place(builder, args[0], ir.Constant(_INT, TASK)))
        builder.store(builder.ptrtoint(slot, _INT), _place(builder, args[0], ir.Constant(_INT, ARGUMENTS)))
        return context.get_dummy_value()

    return types.void(board, kernel, arguments), codegen


@njit(**OPTIONS)
def _take_chunks(board):
    """Do chunks of the open job until none is left."""
    task, arguments = atomic_read(board, TASK), atomic_read(board, ARGUMENTS)
    rows, chunk = atomic_read(board, ROWS), atomic_read(board, CHUNK)
    start = atomic_add(board, NEXT, 1) * chunk
    while start < rows:
        if _call_task(task, arguments, start, min(start + chunk, rows)) != 0:
            atomic_write(board, FAILED, 1)
        start = atomic_add(board, NEXT, 1) * chunk


@njit(**OPTIONS)
def watch(board, patience):
    """Help with every job that is opened on a board, until ``patience`` looks in a row saw none."""
    served, looks = 0, 0
    while looks < patience:
        job = atomic_read(board, OPEN)
        if job != 0 and job != served:
            # first enter, then look again: who closes a job does it in the other order
            atomic_add(board, HELPERS, 1)
            if atomic_read(board, OPEN) == job and atomic_add(board, SEATS, -1) > 0:
                _take_chunks(board)
            atomic_add(board, HELPERS, -1)
            served, looks = job, 0
        looks += 1
        pause()


def _member(board):
    """What each thread of an OpenMP team runs."""
    _take_chunks(board)


@lru_cache
def member_address() -> Any:
    """Address of a C function ``void member(board)`` that does chunks of the job on a board."""
    return cfunc(types.void(types.int64), cache=True)(_member).address


@intrinsic
def _openmp_team(typingctx: Any, fork: Any, entry: Any, board: Any, threads: Any) -> Any:
    """``GOMP_parallel(entry, board, threads, 0)``."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        number = ir.IntType(32)
        function = ir.FunctionType(ir.VoidType(), [_BYTES, _BYTES, number, number])
        fork, entry, board, threads = args
        builder.call(
            builder.inttoptr(fork, function.as_pointer()),
            [
                builder.inttoptr(entry, _BYTES),
                builder.inttoptr(board, _BYTES),
                builder.trunc(threads, number),
                ir.Constant(number, 0),
            ],
        )
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.int64), codegen


@njit(forceinline=True, nogil=True, error_model="numpy")
def share(team, kernel, arguments, rows):
    """Call ``kernel(*arguments, start, stop)`` on ranges that cover ``rows`` rows.

    It is inlined and not kept on disk itself, since an index of compiled code cannot hold signatures with a compiled
    function as an argument.

    Args:
        team: ``(board, job, helpers, chunk, fork, entry)``: address of a board that nobody else posts on, a number
            other than that of the job before, helpers wanted, rows in a chunk; address of ``GOMP_parallel``
            and :func:`member_address` if an OpenMP runtime is to provide the helpers, else 0.

    Raises:
        MemoryError: a chunk failed; kernels fail in no other way.
    """
    board, job, helpers, chunk, fork, entry = team
    atomic_write(board, ROWS, rows)
    atomic_write(board, CHUNK, chunk)
    atomic_write(board, SEATS, helpers)
    atomic_write(board, FAILED, 0)
    atomic_write(board, NEXT, 0)
    _post_task(board, kernel, arguments)
    if helpers > 0 and fork != 0:
        _openmp_team(fork, entry, board, helpers + 1)
    else:
        if helpers > 0:
            atomic_write(board, OPEN, job)
        _take_chunks(board)
    atomic_write(board, OPEN, 0)
    while atomic_read(board, HELPERS) != 0:
        pause()
    if atomic_read(board, FAILED) != 0:
        raise MemoryError("no memory for the scratch arrays of a kernel")
