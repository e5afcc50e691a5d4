"""Six biquads at once: every section and channel is a lane of one vector.

Lane k C + c is section k of channel c of C, in direct form I, whose only recursion a step is one
multiplication and one addition. The sections are skewed in time: at step t, section k works on
frame t-2k, with the output that section k-1 gave two steps earlier, so neither lanes nor sections
wait for each other. The first and last ten steps of a block mask the lanes that have no frame
there, so the skew adds no latency and a block leaves nothing behind but the last two inputs and
outputs.
"""

from __future__ import annotations

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from realtime.dsp.intrinsics import JIT, scratch_f64, shaped, vector_muladd

SECTIONS = 6
_LANES = 8  # a channel: the next power of two
PEQ_STATE = (
    4 * 2 * _LANES,
)  # float64, zeros = at rest: rows of lanes, last two inputs and outputs
_LAG = 2  # steps that a section works behind the one before it
_SKEW = _LAG * (SECTIONS - 1)
_COEFS = 5 * 2 * _LANES
_F64, _I64, _I32 = ir.DoubleType(), ir.IntType(64), ir.IntType(32)

# Rows of the lane matrices. Coefficients b0 b1 b2 -a1 -a2, and their change a frame; the state is
# the last two inputs and outputs of each lane.
_A1 = 3
_X1, _X2, _Y1, _Y2 = range(4)


def _literal(*values):
    return all(isinstance(value, types.IntegerLiteral) for value in values)


@intrinsic(prefer_literal=True)
def _steps(typingctx, x, coefs, slopes, state, first, last, channels, masked, ramped):
    """Run steps first..last-1 over x; the last three arguments are literal and choose the code."""
    if not _literal(channels, masked, ramped):
        return None
    width = channels.literal_value
    lanes = _LANES * width
    is_masked, is_ramped = bool(masked.literal_value), bool(ramped.literal_value)
    choices = (channels, masked, ramped)
    signature = types.void(x, coefs, slopes, state, types.int64, types.int64, *choices)

    def codegen(context, builder, sig, args):
        vector = ir.VectorType(_F64, lanes)
        frame_type = ir.VectorType(ir.FloatType(), width)
        arrays = [context.make_array(sig.args[i])(context, builder, args[i]) for i in range(4)]
        frames = builder.extract_value(arrays[0].shape, 0)
        muladd = vector_muladd(builder.module, _F64, lanes)

        def order(indices):
            return ir.Constant(ir.VectorType(_I32, len(indices)), [_I32(i) for i in indices])

        def row(argument, index):
            pointer = builder.gep(arrays[argument].data, [_I64(index * lanes)])
            return builder.bitcast(pointer, vector.as_pointer())

        def variable(argument, index):
            slot = cgutils.alloca_once(builder, vector)
            builder.store(builder.load(row(argument, index), align=8), slot)
            return slot

        def splat(number):
            one = ir.Constant(ir.VectorType(_I64, lanes), ir.Undefined)
            one = builder.insert_element(one, number, _I32(0))
            return builder.shuffle_vector(one, one, order([0] * lanes))

        def samples(frame):
            pointer = builder.gep(arrays[0].data, [builder.mul(frame, _I64(width))])
            return builder.bitcast(pointer, frame_type.as_pointer())

        c = [variable(1, i) for i in range(5)]
        slope = [builder.load(row(2, i), align=8) for i in range(5)] if is_ramped else []
        kept = [variable(3, i) for i in range(4)]
        given1, given2 = kept[_Y1:]
        if is_masked:  # where a section has stopped, what it gave last is not its state
            given1, given2 = variable(3, _Y1), variable(3, _Y2)
        starts = [_I64(_LAG * (lane // width)) for lane in range(lanes)]

        with cgutils.for_range_slice(builder, args[4], args[5], _I64(1)) as (t, _):
            source = t
            if is_masked:
                end = builder.sub(frames, _I64(1))
                source = builder.select(builder.icmp_signed("<", t, end), t, end)
            fresh = builder.load(samples(source), align=4)
            fresh = builder.fpext(fresh, ir.VectorType(_F64, width))
            fresh = builder.shuffle_vector(fresh, fresh, order([*range(width)] * _LANES))
            shift = order([*range(width), *range(lanes, 2 * lanes - width)])
            v = builder.shuffle_vector(fresh, builder.load(given2), shift)

            b0, b1, b2, a1, a2 = (builder.load(slot) for slot in c)
            before = [builder.load(slot) for slot in kept]
            out = builder.fmul(b2, before[_X2])
            # In the order in which they are known: the next step waits for the last output.
            terms = ((b1, before[_X1]), (a2, before[_Y2]), (b0, v), (a1, before[_Y1]))
            for factor, value in terms:
                out = builder.call(muladd, [factor, value, out])
            after = [v, before[_X1], out, before[_Y1]]
            if is_masked:
                builder.store(builder.load(given1), given2)
                builder.store(out, given1)
                at = builder.sub(splat(t), ir.Constant(ir.VectorType(_I64, lanes), starts))
                active = builder.icmp_unsigned("<", at, splat(frames))
                after = [
                    builder.select(active, new, old) for new, old in zip(after, before, strict=True)
                ]
            for slot, value in zip(kept, after, strict=True):
                builder.store(value, slot)
            for slot, step in zip(c, slope, strict=False):
                builder.store(builder.fadd(builder.load(slot), step), slot)

            def emit(frame, out=out):
                lane = width * (SECTIONS - 1)
                done = builder.shuffle_vector(out, out, order(range(lane, lane + width)))
                builder.store(builder.fptrunc(done, frame_type), samples(frame), align=4)

            done = builder.sub(t, _I64(_SKEW))
            if is_masked:
                with builder.if_then(builder.icmp_signed(">=", done, _I64(0))):
                    emit(done)
            else:
                emit(done)

        for index, slot in enumerate(kept):
            builder.store(builder.load(slot), row(3, index), align=8)
        if is_ramped:
            for index, slot in enumerate(c):
                builder.store(builder.load(slot), row(1, index), align=8)
        return context.get_dummy_value()

    return signature, codegen


def _runner(channels):
    @njit(**JIT)
    def run(x, coefs, slopes, state, moving):
        """All steps of a block. The masked steps add their slopes even where those are zero."""
        frames = x.shape[0]
        head = _SKEW if frames >= _SKEW else frames + _SKEW
        _steps(x, coefs, slopes, state, 0, head, channels, 1, 1)
        if frames >= _SKEW:
            if moving:
                _steps(x, coefs, slopes, state, _SKEW, frames, channels, 0, 1)
            else:
                _steps(x, coefs, slopes, state, _SKEW, frames, channels, 0, 0)
            _steps(x, coefs, slopes, state, frames, frames + _SKEW, channels, 1, 1)

    return run


_run_mono, _run_stereo = _runner(1), _runner(2)


@njit(**JIT)
def sosfilt_lanes(x, sos, sos_end, state):
    """Filter x in place while the coefficients go linearly from `sos` to `sos_end`.

    [audio-thread] Allocates nothing. Changes `x` and `state`.

    x: float32 (frames, channels 1..2), C-contiguous; sos, sos_end: float64 (6, 5), rows
    b0 b1 b2 a1 a2, at the first frame and behind the last; state: float64 PEQ_STATE, which
    belongs to one number of channels.
    """
    frames, channels = x.shape
    if frames == 0:
        return
    lanes = _LANES * channels
    coefs = shaped(scratch_f64(_COEFS), (5, lanes))
    slopes = shaped(scratch_f64(_COEFS), (5, lanes))
    per_frame = 1.0 / frames
    moving = False
    for j in range(5):
        sign = -1.0 if j >= _A1 else 1.0
        for lane in range(lanes):
            coefs[j, lane] = slopes[j, lane] = 0.0
        for k in range(SECTIONS):
            slope = sign * (sos_end[k, j] - sos[k, j]) * per_frame
            moving |= slope != 0.0
            for channel in range(channels):
                # A lane starts some steps late: it must meet `sos` at its own first frame.
                coefs[j, k * channels + channel] = sign * sos[k, j] - _LAG * k * slope
                slopes[j, k * channels + channel] = slope
    if channels == 2:
        _run_stereo(x, coefs, slopes, state, moving)
    else:
        _run_mono(x, coefs, slopes, state, moving)
