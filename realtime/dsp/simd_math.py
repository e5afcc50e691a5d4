"""log2 and exp2 of vectors. [audio-thread] No branches; nothing allocates or can raise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit
from numba.extending import intrinsic

from realtime.dsp.intrinsics import JIT
from realtime.dsp.simd import F32, I32, Vector, larger, muladd, smaller


def _converted(emit: Callable, source: Vector, target: Vector):
    @intrinsic
    def function(typingctx, v):
        def codegen(context, builder, sig, args):
            return emit(builder, args[0], context.get_value_type(target))

        return target(source), codegen

    return function


_bits_of = _converted(lambda builder, v, kind: builder.bitcast(v, kind), F32, I32)
_from_bits = _converted(lambda builder, v, kind: builder.bitcast(v, kind), I32, F32)
_to_f32 = _converted(lambda builder, v, kind: builder.sitofp(v, kind), I32, F32)
_to_i32 = _converted(lambda builder, v, kind: builder.fptosi(v, kind), F32, I32)


@njit(inline="always", **JIT)
def log2(x):
    """log2 of normal positive float32, within 3e-7 + 1 ulp.

    x = m * 2**e with m in [1/sqrt 2, sqrt 2); log2(m) = 2/ln 2 * atanh((m-1)/(m+1)), whose odd
    series to the ninth power leaves 2e-8 there.
    """
    bits = _bits_of(x)
    exponent = (bits - 0x3F3504F3) >> 23
    m = _from_bits(bits - (exponent << 23))
    s = (m - 1.0) / (m + 1.0)
    q = s * s
    p = muladd(q, np.float32(0.32059890), np.float32(0.41219859))
    p = muladd(p, q, np.float32(0.57707802))
    p = muladd(p, q, np.float32(0.96179669))
    p = muladd(p, q, np.float32(2.88539008))
    return muladd(p, s, _to_f32(exponent))


@njit(inline="always", **JIT)
def exp2(x):
    """2**x for float32 x, clamped to -126..126, relative error under 3e-7.

    The integer part goes into the exponent; Taylor to the sixth power of the rest in [-1/2, 1/2].
    """
    x = smaller(larger(x, np.float32(-126.0)), np.float32(126.0))
    # Adding and taking away 1.5 * 2**23 rounds to the nearest integer.
    whole = (x + 12582912.0) - 12582912.0
    f = x - whole
    p = muladd(f, np.float32(1.5403530e-4), np.float32(1.3333558e-3))
    p = muladd(p, f, np.float32(9.6181291e-3))
    p = muladd(p, f, np.float32(5.5504109e-2))
    p = muladd(p, f, np.float32(2.4022651e-1))
    p = muladd(p, f, np.float32(6.9314718e-1))
    p = muladd(p, f, np.float32(1.0))
    return p * _from_bits((_to_i32(whole) + 127) << 23)
