"""What the audio thread needs of the machine: whole cache lines, atomics, a clock, flush-to-zero.

Everything but `one_record` is [audio-thread]: no allocation, no lock, no Python.
"""

from __future__ import annotations

import platform
import sys

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from realtime.dsp.intrinsics import JIT

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_LINE = 64  # bytes


def one_record(dtype: np.dtype) -> npt.NDArray[np.void]:
    """A structured array of one, all zeros, that begins where a cache line does."""
    room = np.zeros(dtype.itemsize + _LINE, np.uint8)
    first = -room.ctypes.data % _LINE
    return room[first : first + dtype.itemsize].view(dtype)


def _element(context, builder, array_type, array, index):
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [index])


@intrinsic
def atomic_exchange(typingctx, array, index, value):
    """Put `value` into int64 array[index] and return what stood there (acquire, release)."""

    def codegen(context, builder, signature, args):
        pointer = _element(context, builder, signature.args[0], args[0], args[1])
        return builder.atomic_rmw("xchg", pointer, args[2], "acq_rel")

    return types.int64(array, types.int64, types.int64), codegen


@intrinsic
def atomic_load(typingctx, array, index):
    """int64 array[index] (acquire)."""

    def codegen(context, builder, signature, args):
        pointer = _element(context, builder, signature.args[0], args[0], args[1])
        return builder.load_atomic(pointer, "acquire", 8)

    return types.int64(array, types.int64), codegen


@intrinsic
def atomic_store(typingctx, array, index, value):
    """int64 array[index] = value (release)."""

    def codegen(context, builder, signature, args):
        pointer = _element(context, builder, signature.args[0], args[0], args[1])
        builder.store_atomic(args[2], pointer, "release", 8)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64), codegen


@intrinsic
def address_of(typingctx, pointer):
    """A void pointer as an integer; 0 is the null pointer."""

    def codegen(context, builder, signature, args):
        return builder.ptrtoint(args[0], _I64)

    return types.int64(types.voidptr), codegen


@intrinsic
def pointer_to(typingctx, address):
    """An integer as a void pointer."""

    def codegen(context, builder, signature, args):
        return builder.inttoptr(args[0], context.get_value_type(types.voidptr))

    return types.voidptr(address), codegen


@intrinsic
def _clock(typingctx):
    """Monotonic ticks: nanoseconds on POSIX, performance-counter ticks on Windows."""

    def codegen(context, builder, signature, args):
        if sys.platform == "win32":
            slot = cgutils.alloca_once(builder, _I64)
            kind = ir.FunctionType(_I32, [_I64.as_pointer()])
            function = cgutils.get_or_insert_function(
                builder.module, kind, "QueryPerformanceCounter"
            )
            builder.call(function, [slot])
            return builder.load(slot)
        monotonic = 6 if sys.platform == "darwin" else 1
        timespec = ir.LiteralStructType([_I64, _I64])
        slot = cgutils.alloca_once(builder, timespec)
        kind = ir.FunctionType(_I32, [_I32, timespec.as_pointer()])
        function = cgutils.get_or_insert_function(builder.module, kind, "clock_gettime")
        builder.call(function, [_I32(monotonic), slot])
        seconds = builder.extract_value(builder.load(slot), 0)
        nanoseconds = builder.extract_value(builder.load(slot), 1)
        return builder.add(builder.mul(seconds, _I64(1_000_000_000)), nanoseconds)

    return types.int64(), codegen


@intrinsic
def this_thread(typingctx):
    """The calling thread: pthread_self on POSIX, its number on Windows. No system call."""

    def codegen(context, builder, signature, args):
        name, kind = (
            ("GetCurrentThreadId", _I32) if sys.platform == "win32" else ("pthread_self", _I64)
        )
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, []), name)
        thread = builder.call(function, [])
        return thread if kind is _I64 else builder.zext(thread, _I64)

    return types.int64(), codegen


def _nanoseconds_per_tick() -> float:
    if sys.platform != "win32":
        return 1.0
    import ctypes

    frequency = ctypes.c_int64()
    ctypes.windll.kernel32.QueryPerformanceFrequency(ctypes.byref(frequency))  # type: ignore[attr-defined]
    return 1e9 / frequency.value


_NS_PER_TICK = _nanoseconds_per_tick()


@njit(**JIT)
def now_ns():
    """A monotonic clock in nanoseconds, int64."""
    if _NS_PER_TICK == 1.0:
        return _clock()
    return np.int64(_clock() * _NS_PER_TICK)


_X86 = platform.machine().lower() in ("x86_64", "amd64", "i686")
_ARM64 = platform.machine().lower() in ("aarch64", "arm64")
_FLUSH = 0x8040 if _X86 else 1 << 24  # MXCSR: FTZ and DAZ; FPCR: FZ


def _x86_control(builder, name, value):
    slot = cgutils.alloca_once(builder, _I32)
    builder.store(value, slot)
    pointer = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [pointer])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.sse.{name}")
    builder.call(function, [builder.bitcast(slot, pointer)])
    return builder.zext(builder.load(slot), _I64)


@intrinsic
def _read_control(typingctx):
    def codegen(context, builder, signature, args):
        if _X86:
            return _x86_control(builder, "stmxcsr", _I32(0))
        if _ARM64:
            kind = ir.FunctionType(_I64, [])
            asm = ir.InlineAsm(kind, "mrs $0, fpcr", "=r", side_effect=True)
            return builder.call(asm, [])
        return _I64(0)

    return types.int64(), codegen


@intrinsic
def _write_control(typingctx, value):
    def codegen(context, builder, signature, args):
        if _X86:
            _x86_control(builder, "ldmxcsr", builder.trunc(args[0], _I32))
        elif _ARM64:
            kind = ir.FunctionType(ir.VoidType(), [_I64])
            asm = ir.InlineAsm(kind, "msr fpcr, $0", "r", side_effect=True)
            builder.call(asm, args)
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@njit(**JIT)
def flush_to_zero():
    """Make this thread treat subnormals as zero; returns what `restore_float_mode` takes back.

    Numbers below 1e-38 make some CPUs up to a hundred times slower.
    """
    before = _read_control()
    _write_control(before | _FLUSH)
    return before


@njit(**JIT)
def restore_float_mode(before):
    """Give the thread the float mode back that it had."""
    _write_control(before)
