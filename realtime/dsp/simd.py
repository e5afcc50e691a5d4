"""Vectors of frames for kernels: what LLVM makes of a loop depends on the day, this does not.

A Vector holds 16 float32 (or int32) or 8 float64 numbers, one a frame, in a register where the
machine has one so wide and in several where not. `+ - * /` work on two of a kind and on one and a
number. A kernel that takes all its frames in whole vectors does the same to each, wherever a block
begins, so how a signal is cut into blocks does not change a bit; what lies behind the last frame
must be room, and is not taken. [audio-thread] Nothing here allocates or can raise.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, register_model

from realtime.dsp.intrinsics import pulled, vector_muladd

LANES_F32, LANES_F64 = 16, 8
A_VECTOR_ON = np.float32(LANES_F32)  # added to what `frames_from` gives, it gives the next vector's
_I32 = ir.IntType(32)


class Vector(types.Type):
    """So many frames of numbers of one kind."""

    def __init__(self, element: types.Type, lanes: int) -> None:
        self.element, self.lanes = element, lanes
        super().__init__(name=f"Vector({element}, {lanes})")


F32 = Vector(types.float32, LANES_F32)
I32 = Vector(types.int32, LANES_F32)
F64 = Vector(types.float64, LANES_F64)
_OF = {types.float32: F32, types.float64: F64}


@register_model(Vector)
class _Model(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        element = dmm.lookup(fe_type.element).get_value_type()
        super().__init__(dmm, fe_type, ir.VectorType(element, fe_type.lanes))


def _order(indices):
    return ir.Constant(ir.VectorType(_I32, len(indices)), [_I32(i) for i in indices])


def _splat(context, builder, value, kind, vector):
    """`value` as that vector: itself, or a number in every lane."""
    if isinstance(kind, Vector):
        return value
    number = context.cast(builder, value, kind, vector.element)
    one = ir.Constant(context.get_value_type(vector), ir.Undefined)
    one = builder.insert_element(one, number, _I32(0))
    return builder.shuffle_vector(one, one, _order([0] * vector.lanes))


def _operator(key, on_floats: str, on_ints: str = "") -> None:
    @infer_global(key)
    class _Typing(AbstractTemplate):
        def generic(self, args, kws):
            vectors = [a for a in args if isinstance(a, Vector)]
            if len(args) != 2 or not vectors:
                return None
            (vector, *others) = vectors
            if any(v != vector for v in others):
                return None
            floats = isinstance(vector.element, types.Float)
            return signature(vector, *args) if floats or on_ints else None

    def lower(context, builder, sig, args):
        vector = sig.return_type
        values = [
            _splat(context, builder, *pair, vector) for pair in zip(args, sig.args, strict=True)
        ]
        floats = isinstance(vector.element, types.Float)
        return getattr(builder, on_floats if floats else on_ints)(*values)

    for kinds in ((Vector, Vector), (Vector, types.Number), (types.Number, Vector)):
        lower_builtin(key, *kinds)(lower)


_operator(operator.add, "fadd", "add")
_operator(operator.sub, "fsub", "sub")
_operator(operator.mul, "fmul", "mul")
_operator(operator.truediv, "fdiv")
_operator(operator.lshift, "", "shl")
_operator(operator.rshift, "", "ashr")


def _place(context, builder, sig, args, vector):
    data = context.make_array(sig.args[0])(context, builder, args[0]).data
    pointer = builder.gep(data, [args[1]])
    return builder.bitcast(pointer, context.get_value_type(vector).as_pointer())


@intrinsic
def load(typingctx, array, index):
    """The vector of a contiguous array's numbers from `index` on."""
    vector = _OF[array.dtype]

    def codegen(context, builder, sig, args):
        return builder.load(_place(context, builder, sig, args, vector), align=4)

    return vector(array, types.int64), codegen


@intrinsic
def store(typingctx, array, index, vector):
    """Write a vector, or a number in each lane, to a contiguous array from `index` on."""
    kind = _OF[array.dtype]

    def codegen(context, builder, sig, args):
        value = _splat(context, builder, args[2], sig.args[2], kind)
        builder.store(value, _place(context, builder, sig, args, kind), align=4)
        return context.get_dummy_value()

    return types.void(array, types.int64, vector), codegen


def _of_two(emit: Callable):
    @intrinsic
    def function(typingctx, v, w):
        vector = v if isinstance(v, Vector) else w

        def codegen(context, builder, sig, args):
            values = [
                _splat(context, builder, *pair, vector) for pair in zip(args, sig.args, strict=True)
            ]
            return emit(builder, *values)

        return vector(v, w), codegen

    return function


def _chosen(comparison: str):
    def emit(builder, v, w):
        return builder.select(builder.fcmp_ordered(comparison, v, w), v, w)

    return emit


# The larger and the smaller of two, lane by lane; the second where the first is no number.
larger, smaller = _of_two(_chosen(">")), _of_two(_chosen("<"))


@intrinsic
def outside(typingctx, v, limit):
    """How many numbers of v do not lie within +-limit; what is no number does not."""

    def codegen(context, builder, sig, args):
        bound = _splat(context, builder, args[1], sig.args[1], v)
        size = builder.call(_intrinsic_of(builder, "fabs", v), [args[0]])
        found = builder.fcmp_unordered(">", size, bound)
        found = builder.bitcast(found, ir.IntType(v.lanes))
        return builder.zext(builder.ctpop(found), ir.IntType(64))

    return types.int64(v, limit), codegen


@intrinsic
def within(typingctx, v, limit):
    """v, and 0 in place of what is `outside`."""

    def codegen(context, builder, sig, args):
        bound = _splat(context, builder, args[1], sig.args[1], v)
        size = builder.call(_intrinsic_of(builder, "fabs", v), [args[0]])
        sound = builder.fcmp_ordered("<=", size, bound)
        return builder.select(sound, args[0], ir.Constant(args[0].type, None))

    return v(v, limit), codegen


def _intrinsic_of(builder, name: str, vector: Vector):
    """LLVM's function of that name on such vectors, which llvmlite cannot name."""
    number = ir.FloatType() if vector.element == types.float32 else ir.DoubleType()
    kind = ir.VectorType(number, vector.lanes)
    full = f"llvm.{name}.v{vector.lanes}f{vector.element.bitwidth}"
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind]), full)


def _of_one(name: str):
    @intrinsic
    def function(typingctx, v):
        def codegen(context, builder, sig, args):
            return builder.call(_intrinsic_of(builder, name, v), args)

        return v(v), codegen

    return function


magnitude, root = _of_one("fabs"), _of_one("sqrt")


@intrinsic
def muladd(typingctx, factor, v, more):
    """factor * v + more, rounded once where the machine can."""
    vector = next(a for a in (factor, v, more) if isinstance(a, Vector))

    def codegen(context, builder, sig, args):
        values = [
            _splat(context, builder, *pair, vector) for pair in zip(args, sig.args, strict=True)
        ]
        number = context.get_value_type(vector.element)
        return builder.call(vector_muladd(builder.module, number, vector.lanes), values)

    return vector(factor, v, more), codegen


@intrinsic
def lanes(typingctx, v):
    """How many numbers a vector holds."""

    def codegen(context, builder, sig, args):
        return ir.IntType(64)(v.lanes)

    return types.int64(v), codegen


@intrinsic
def frames_from(typingctx, first):
    """float32: first, first + 1, first + 2, ..."""

    def codegen(context, builder, sig, args):
        kind = ir.VectorType(ir.FloatType(), LANES_F32)
        start = _splat(context, builder, args[0], sig.args[0], F32)
        return builder.fadd(start, ir.Constant(kind, [float(i) for i in range(LANES_F32)]))

    return F32(first), codegen


@intrinsic(prefer_literal=True)
def late(typingctx, before, now, frames):
    """`now`, so many frames (a literal) later, with the end of `before` in front of it."""
    if not isinstance(frames, types.IntegerLiteral):
        return None

    def codegen(context, builder, sig, args):
        return pulled(context, builder, args[0], args[1], frames.literal_value)

    return now(before, now, frames), codegen


def _mixed(indices):
    @intrinsic
    def mixed(typingctx, v, w):
        def codegen(context, builder, sig, args):
            return builder.shuffle_vector(args[0], args[1], _order(indices))

        return v(v, v), codegen

    return mixed


_PAIRS = [lane // 2 + LANES_F32 * (lane % 2) for lane in range(2 * LANES_F32)]
# Two vectors of float32 shuffled like cards: the first and the second half of the pack.
cards_first, cards_second = _mixed(_PAIRS[:LANES_F32]), _mixed(_PAIRS[LANES_F32:])
# And back: what came from the first vector, what from the second.
evens, odds = _mixed([*range(0, 2 * LANES_F32, 2)]), _mixed([*range(1, 2 * LANES_F32, 2)])


def _part(first: int, lanes: int):
    @intrinsic
    def part(typingctx, v):
        def codegen(context, builder, sig, args):
            half = builder.shuffle_vector(args[0], args[0], _order(range(first, first + lanes)))
            return builder.fpext(half, context.get_value_type(F64))

        return F64(F32), codegen

    return part


# A vector of float32 as two of float64, and back.
first_half, second_half = _part(0, LANES_F64), _part(LANES_F64, LANES_F64)


@intrinsic
def halves(typingctx, first, second):
    """Two vectors of float64 as one of float32."""

    def codegen(context, builder, sig, args):
        short = ir.VectorType(ir.FloatType(), LANES_F64)
        parts = [builder.fptrunc(arg, short) for arg in args]
        return builder.shuffle_vector(*parts, _order(range(LANES_F32)))

    return F32(F64, F64), codegen
