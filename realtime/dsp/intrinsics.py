"""What Numba lacks for kernels: scratch on the stack, arrays in another shape.

Everything here is [audio-thread]: it allocates nothing and cannot raise.
"""

from __future__ import annotations

from llvmlite import binding, ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from realtime.dsp.kernel_cache import drop_stale_kernels

drop_stale_kernels()
binding.initialize_native_asmparser()  # for `pulled`

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
scratch_i64 = _scratch(types.int64)


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


@intrinsic
def block_at(typingctx, address, frames, channels):
    """float32 (frames, channels) that lies, C-contiguous, at an address. Checks nothing."""
    array_type = types.Array(types.float32, 2, "C")

    def codegen(context, builder, signature, args):
        pointer = builder.inttoptr(args[0], ir.FloatType().as_pointer())
        return _array_at(context, builder, array_type, pointer, args[1:])

    return array_type(types.int64, types.int64, types.int64), codegen


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


def pulled(context, builder, before, now, count):
    """The last `count` numbers of one LLVM vector, then the first of another one like it.

    LLVM has a general shuffle for that where AVX-512 has an instruction, `valign`, which keeps off
    the multipliers' units: so that is written down.
    """
    vector = before.type
    width = vector.count
    bits = 64 if vector.element == ir.DoubleType() else 32
    features = context.codegen().magic_tuple()[2].split(",")
    if width * bits == 512 and "+avx512f" in features:
        letter = "q" if bits == 64 else "d"
        code = f"valign{letter} $$" + f"{width - count}, $1, $2, $0"
        asm = ir.InlineAsm(ir.FunctionType(vector, [vector, vector]), code, "=v,v,v")
        return builder.call(asm, [before, now])
    first = width - count
    numbers = [ir.IntType(32)(i) for i in range(first, first + width)]
    order = ir.Constant(ir.VectorType(ir.IntType(32), width), numbers)
    return builder.shuffle_vector(before, now, order)
