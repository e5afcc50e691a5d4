"""NumPy's arrays as compiled code finds them, for a function that Python calls often.

Numba finds out at each call which version of a function suits its arguments, and gives up
Python's lock even where that takes longer than the work. A function compiled for OBJECT takes
whatever it is called with, and reads what it needs from where NumPy keeps it: in the structure
that every extension module compiled against NumPy relies on (PyArrayObject_fields of
ndarraytypes.h). Python's lock is held until it is given up.
"""

from __future__ import annotations

from llvmlite import ir
from numba import njit, types
from numba.core.datamodel import models
from numba.extending import NativeValue, intrinsic, register_model, unbox

from realtime.dsp.intrinsics import JIT

_HEAD = object.__basicsize__
_TYPE = _HEAD - 8
_DATA, _NDIM, _SHAPE, _DTYPE, _FLAGS = _HEAD, _HEAD + 8, _HEAD + 16, _HEAD + 40, _HEAD + 48
_NEEDED = 0x0001 | 0x0100 | 0x0400  # C-contiguous, aligned, writeable
_INT = 0xFFFFFFFF
_I64 = ir.IntType(64)


class _Object(types.Opaque):
    """Any Python object."""


OBJECT = _Object("object")
register_model(_Object)(models.OpaqueModel)


@unbox(_Object)
def _as_it_is(kind, obj, c):
    return NativeValue(obj)


@intrinsic
def _address(typingctx, obj):
    def codegen(context, builder, signature, args):
        return builder.ptrtoint(args[0], _I64)

    return types.int64(obj), codegen


@intrinsic
def _word(typingctx, address):
    """The 64 bits that lie at an address."""

    def codegen(context, builder, signature, args):
        return builder.load(builder.inttoptr(args[0], _I64.as_pointer()), align=8)

    return types.int64(types.int64), codegen


@njit(inline="always", **JIT)
def data_of(array):
    """Where the numbers of an array (an OBJECT) lie."""
    return _word(_address(array) + _DATA)


@njit(inline="always", **JIT)
def shape_if_sound(x, array, dtype):
    """Frames and channels of a block; -1, -1 if the OBJECT x is none.

    A block is of the same type as `array`, C-contiguous, aligned, writeable, and of two
    dimensions. dtype: id() of the dtype that its numbers have
    """
    at, other = _address(x), _address(array)
    if _word(at + _TYPE) != _word(other + _TYPE) or _word(at + _DTYPE) != dtype:
        return -1, -1
    if _word(at + _NDIM) & _INT != 2 or _word(at + _FLAGS) & _NEEDED != _NEEDED:
        return -1, -1
    shape = _word(at + _SHAPE)
    return _word(shape), _word(shape + 8)


@intrinsic
def give_up_lock(typingctx):
    """Let Python run in other threads; returns what `take_lock` wants."""

    def codegen(context, builder, signature, args):
        return context.get_python_api(builder).save_thread()

    return types.voidptr(), codegen


@intrinsic
def take_lock(typingctx, thread):
    """Wait for Python's lock."""

    def codegen(context, builder, signature, args):
        context.get_python_api(builder).restore_thread(args[0])
        return context.get_dummy_value()

    return types.void(types.voidptr), codegen
