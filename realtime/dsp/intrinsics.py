"""What Numba lacks for kernels: stack scratch, bit casts, vectorisable log2 and exp2.

Everything here is [audio-thread]: it allocates nothing and cannot raise.
"""

from __future__ import annotations

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from realtime.dsp.kernel_cache import drop_stale_kernels

drop_stale_kernels()

# 'contract' only: a licence to fuse multiply and add. Numba's other fast-math flags would let
# LLVM drop the checks for NaN.
JIT = {
    "cache": True,
    "nogil": True,
    "_nrt": False,
    "error_model": "numpy",
    "fastmath": {"contract"},
}
# Without the licence to fuse, a vectorised loop and its scalar rest give the same bits, so a
# kernel's output does not depend on how its input was cut into blocks.
JIT_EXACT = {**JIT, "fastmath": False}


def _array_at(context, builder, array_type, pointer, shape):
    """A C-contiguous array over memory that nobody counts references to."""
    array = context.make_array(array_type)(context, builder)
    itemsize = context.get_constant(types.intp, array_type.dtype.bitwidth // 8)
    strides = [itemsize]
    for length in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], length))
    context.populate_array(
        array, data=pointer, shape=shape, strides=strides, itemsize=itemsize, meminfo=None
    )
    return array._getvalue()


def _scratch(element):
    @intrinsic(prefer_literal=True)
    def scratch(typingctx, size):
        if not isinstance(size, types.IntegerLiteral):
            return None
        array_type = types.Array(element, 1, "C")

        def codegen(context, builder, signature, args):
            number = context.get_data_type(element)
            with builder.goto_entry_block():
                block = builder.alloca(ir.ArrayType(number, size.literal_value))
                block.align = 64
            pointer = builder.bitcast(block, number.as_pointer())
            shape = [context.get_constant(types.intp, size.literal_value)]
            return _array_at(context, builder, array_type, pointer, shape)

        return array_type(size), codegen

    return scratch


# scratch_x(SIZE): an array of SIZE (a literal) numbers on the stack, 64-byte aligned, holding
# whatever lay there.
scratch_f32 = _scratch(types.float32)
scratch_f64 = _scratch(types.float64)


@intrinsic
def shaped(typingctx, array, shape):
    """A contiguous array's memory with another shape, of no more numbers. Checks nothing.

    NumPy's reshape calls a C function, behind which LLVM no longer knows the strides.
    """
    array_type = types.Array(array.dtype, len(shape), "C")

    def codegen(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        lengths = cgutils.unpack_tuple(builder, args[1], len(shape))
        lengths = [
            context.cast(builder, length, kind, types.intp)
            for length, kind in zip(lengths, signature.args[1], strict=True)
        ]
        return _array_at(context, builder, array_type, data, lengths)

    return array_type(array, shape), codegen


def _bitcast(source, target):
    @intrinsic(prefer_literal=True)
    def cast(typingctx, value):
        def codegen(context, builder, signature, args):
            return builder.bitcast(args[0], context.get_value_type(target))

        return target(source), codegen

    return cast


_f32_bits = _bitcast(types.float32, types.int32)
_f32_from_bits = _bitcast(types.int32, types.float32)


@njit(inline="always", **JIT)
def log2_f32(x):
    """log2 of a normal positive float32, within 3e-7 + 1 ulp; no branches, so it vectorises.

    x = m * 2**e with m in [1/sqrt 2, sqrt 2); log2(m) = 2/ln 2 * atanh((m-1)/(m+1)), whose odd
    series to the ninth power leaves 2e-8 there.
    """
    bits = _f32_bits(types.float32(x))
    shifted = bits - types.int32(0x3F3504F3)
    exponent = shifted >> types.int32(23)
    m = _f32_from_bits(bits - (exponent << types.int32(23)))
    one = types.float32(1.0)
    s = (m - one) / (m + one)
    q = s * s
    p = types.float32(0.32059890)
    p = p * q + types.float32(0.41219859)
    p = p * q + types.float32(0.57707802)
    p = p * q + types.float32(0.96179669)
    p = p * q + types.float32(2.88539008)
    return types.float32(exponent) + p * s


@njit(inline="always", **JIT)
def exp2_f32(x):
    """2**x for float32 x, clamped to -126..126, relative error under 3e-7; vectorises.

    The integer part goes into the exponent; Taylor to the sixth power of the rest in [-1/2, 1/2].
    """
    x = min(max(types.float32(x), types.float32(-126.0)), types.float32(126.0))
    # Adding and taking away 1.5 * 2**23 rounds to the nearest integer.
    magic = types.float32(12582912.0)
    whole = (x + magic) - magic
    f = x - whole
    p = types.float32(1.5403530e-4)
    p = p * f + types.float32(1.3333558e-3)
    p = p * f + types.float32(9.6181291e-3)
    p = p * f + types.float32(5.5504109e-2)
    p = p * f + types.float32(2.4022651e-1)
    p = p * f + types.float32(6.9314718e-1)
    p = p * f + types.float32(1.0)
    return p * _f32_from_bits((types.int32(whole) + types.int32(127)) << types.int32(23))


@njit(inline="always", **JIT)
def frame_f32(i):
    """A frame's number as float32: vectors have no quick way from 64-bit integers."""
    return types.float32(types.int32(i))


def vector_muladd(module, number, width):
    """The LLVM function fmuladd on <width x number>; llvmlite cannot name vector intrinsics."""
    vector = ir.VectorType(number, width)
    bits = 64 if number == ir.DoubleType() else 32
    function_type = ir.FunctionType(vector, [vector] * 3)
    return cgutils.get_or_insert_function(module, function_type, f"llvm.fmuladd.v{width}f{bits}")
