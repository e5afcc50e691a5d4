"""Six stereo biquads at once: every section and channel is a lane of one vector.

Lane 2k+c is section k of channel c. The sections are skewed in time: at step t, section k works
on frame t-k, with the output that section k-1 gave one step earlier, so all lanes run in
parallel. The first and last five steps of a block mask the lanes that have no frame there, so
the skew adds no latency and a block leaves nothing behind but the filters' own state.
"""

from __future__ import annotations

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from realtime.dsp.intrinsics import JIT, scratch_f64, shaped, vector_muladd

SECTIONS = 6
LANES = 16
COEFS, STATES = 5 * LANES, 3 * LANES
SKEW = SECTIONS - 1
_OUTPUT_LANE = 2 * SKEW  # the last section's first channel
_F64 = ir.DoubleType()
_I64 = ir.IntType(64)
_VECTOR = ir.VectorType(_F64, LANES)
_INDEX = ir.VectorType(ir.IntType(32), LANES)

# Rows of the lane matrices. Coefficients b0 b1 b2 -a1 -a2, their change a frame, and the state.
_B0, _B1, _B2, _A1, _A2 = range(5)
_Z1, _Z2, _Y = range(3)


def _constant(values):
    return ir.Constant(_INDEX, [ir.Constant(ir.IntType(32), v) for v in values])


@intrinsic(prefer_literal=True)
def _steps(typingctx, x, coefs, slopes, state, first, last, masked, ramped):
    """Run steps first..last-1 over x; `masked` and `ramped` are literal and choose the code."""
    if not isinstance(masked, types.IntegerLiteral) or not isinstance(ramped, types.IntegerLiteral):
        return None
    is_masked, is_ramped = bool(masked.literal_value), bool(ramped.literal_value)
    signature = types.void(x, coefs, slopes, state, types.int64, types.int64, masked, ramped)

    def codegen(context, builder, sig, args):
        array = context.make_array(sig.args[0])(context, builder, args[0])
        frames = builder.extract_value(array.shape, 0)
        channels = builder.extract_value(array.shape, 1)
        row_bytes = builder.extract_value(array.strides, 0)
        last_channel = builder.mul(
            builder.sub(channels, _I64(1)), builder.extract_value(array.strides, 1)
        )
        base = builder.ptrtoint(array.data, _I64)
        muladd = vector_muladd(builder.module, _F64, LANES)

        def row(argument, index):
            data = context.make_array(sig.args[argument])(context, builder, args[argument]).data
            pointer = builder.gep(data, [_I64(index * LANES)])
            return builder.bitcast(pointer, _VECTOR.as_pointer())

        def load(argument, index):
            return builder.load(row(argument, index), align=8)

        def variable(value):
            slot = cgutils.alloca_once(builder, _VECTOR)
            builder.store(value, slot)
            return slot

        def splat(number):
            first = builder.insert_element(
                ir.Constant(section.type, ir.Undefined), number, ir.IntType(32)(0)
            )
            return builder.shuffle_vector(first, first, _constant([0] * LANES))

        def sample(frame, channel_bytes):
            address = builder.add(builder.add(base, builder.mul(frame, row_bytes)), channel_bytes)
            return builder.inttoptr(address, ir.FloatType().as_pointer())

        c = [variable(load(1, i)) for i in range(5)]
        slope = [load(2, i) for i in range(5)] if is_ramped else []
        z1, z2, y = (variable(load(3, i)) for i in (_Z1, _Z2, _Y))
        section = ir.Constant(ir.VectorType(_I64, LANES), [_I64(i // 2) for i in range(LANES)])

        with cgutils.for_range_slice(builder, args[4], args[5], _I64(1)) as (t, _):
            if is_masked:
                end = builder.sub(frames, _I64(1))
                source = builder.select(builder.icmp_signed("<", t, end), t, end)
            else:
                source = t
            fresh = ir.Constant(_VECTOR, None)
            for lane, offset in ((0, _I64(0)), (1, last_channel)):
                value = builder.fpext(builder.load(sample(source, offset), align=4), _F64)
                fresh = builder.insert_element(fresh, value, ir.IntType(32)(lane))
            shift = _constant([LANES, LANES + 1, *range(LANES - 2)])
            v = builder.shuffle_vector(builder.load(y), fresh, shift)

            b0, b1, b2, a1, a2 = (builder.load(slot) for slot in c)
            old1, old2 = builder.load(z1), builder.load(z2)
            out = builder.call(muladd, [b0, v, old1])
            new1 = builder.call(muladd, [a1, out, builder.call(muladd, [b1, v, old2])])
            new2 = builder.call(muladd, [a2, out, builder.fmul(b2, v)])
            if is_masked:
                active = builder.icmp_unsigned("<", builder.sub(splat(t), section), splat(frames))
                new1 = builder.select(active, new1, old1)
                new2 = builder.select(active, new2, old2)
            builder.store(out, y)
            builder.store(new1, z1)
            builder.store(new2, z2)
            for slot, step in zip(c, slope, strict=False):
                builder.store(builder.fadd(builder.load(slot), step), slot)

            def emit(frame, out=out):
                for lane, offset in ((_OUTPUT_LANE, _I64(0)), (_OUTPUT_LANE + 1, last_channel)):
                    value = builder.extract_element(out, ir.IntType(32)(lane))
                    value = builder.fptrunc(value, ir.FloatType())
                    builder.store(value, sample(frame, offset), align=4)

            done = builder.sub(t, _I64(SKEW))
            if is_masked:
                with builder.if_then(builder.icmp_signed(">=", done, _I64(0))):
                    emit(done)
            else:
                emit(done)

        for index, slot in ((_Z1, z1), (_Z2, z2), (_Y, y)):
            builder.store(builder.load(slot), row(3, index), align=8)
        if is_ramped:
            for index, slot in enumerate(c):
                builder.store(builder.load(slot), row(1, index), align=8)
        return context.get_dummy_value()

    return signature, codegen


@njit(**JIT)
def sosfilt_lanes(x, sos, sos_end, zi):
    """Filter x in place while the coefficients go linearly from `sos` to `sos_end`.

    [audio-thread] Allocates nothing. Changes `x` and `zi`.

    x: float32 (frames, channels 1..2); sos, sos_end: float64 (6, 5), rows b0 b1 b2 a1 a2, at the
    first frame and behind the last; zi: float64 (6, 2, 2) section, delay, channel; mono fills both.
    """
    frames = x.shape[0]
    if frames == 0:
        return
    coefs = shaped(scratch_f64(COEFS), (5, LANES))
    slopes = shaped(scratch_f64(COEFS), (5, LANES))
    state = shaped(scratch_f64(STATES), (3, LANES))
    moving = False
    coefs[:] = 0.0
    slopes[:] = 0.0
    state[:] = 0.0
    for k in range(SECTIONS):
        for j in range(5):
            sign = -1.0 if j >= _A1 else 1.0
            start = sign * sos[k, j]
            slope = (sign * sos_end[k, j] - start) / frames
            moving |= slope != 0.0
            for channel in range(2):
                # Lane 2k starts k steps late: it must meet `start` at its own first frame.
                coefs[j, 2 * k + channel] = start - k * slope
                slopes[j, 2 * k + channel] = slope
        for channel in range(2):
            state[_Z1, 2 * k + channel] = zi[k, 0, channel]
            state[_Z2, 2 * k + channel] = zi[k, 1, channel]
    full = max(frames, SKEW)
    head = SKEW if frames >= SKEW else frames + SKEW
    if moving:
        _steps(x, coefs, slopes, state, 0, head, 1, 1)
        if frames >= SKEW:
            _steps(x, coefs, slopes, state, SKEW, full, 0, 1)
            _steps(x, coefs, slopes, state, full, full + SKEW, 1, 1)
    else:
        _steps(x, coefs, slopes, state, 0, head, 1, 0)
        if frames >= SKEW:
            _steps(x, coefs, slopes, state, SKEW, full, 0, 0)
            _steps(x, coefs, slopes, state, full, full + SKEW, 1, 0)
    for k in range(SECTIONS):
        for channel in range(2):
            zi[k, 0, channel] = state[_Z1, 2 * k + channel]
            zi[k, 1, channel] = state[_Z2, 2 * k + channel]
