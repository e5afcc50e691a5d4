"""Six biquads at once: every section and channel is a lane of one vector.

Lane k C + c is section k of channel c of C, in direct form I, whose only recursion a step is one
multiplication and one addition. The sections are skewed in time: at step t, section k works on
frame t-3k, with the output that section k-1 gave three steps earlier, so neither lanes nor
sections wait for each other. A section's state is put into its lanes when it begins a block and
taken out when it has ended it, so the skew adds no latency and a block leaves nothing behind but
the last two inputs and outputs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from realtime.dsp.intrinsics import JIT, scratch_f64, shaped, vector_muladd

SECTIONS = 6
_LANES = 8  # a channel: the next power of two
_ROWS = 2 * _LANES  # room in a row of lanes
_LAG = 3  # steps that a section works behind the one before it
_SKEW = _LAG * (SECTIONS - 1)
_F64, _I64, _I32 = ir.DoubleType(), ir.IntType(64), ir.IntType(32)

# Rows of the lane matrices. Coefficients b0 b1 b2 -a1 -a2, and their change a frame; the state is
# the last two inputs and outputs of each lane.
_A1 = 3
_X1, _X2, _Y1, _Y2 = range(4)
_KEPT, _COEFS = 4, 5
_NUMBERS = _COEFS * SECTIONS
_MATRIX = _COEFS * _ROWS

# Zeros = at rest; a record belongs to one number of channels.
PEQ_STATE = np.dtype(
    [
        ("lanes", np.float64, (_KEPT * _ROWS,)),  # rows: last two inputs and outputs
        ("coefs", np.float64, (_MATRIX,)),  # rows as above, made from
        ("sos", np.float64, (_NUMBERS,)),  # these; zeros = from none
    ],
    align=True,
)


def _literal(*values):
    return all(isinstance(value, types.IntegerLiteral) for value in values)


class _Lanes:
    """Emits steps of all lanes over a block: what the two runs below have in common."""

    def __init__(self, context, builder, sig, args, width, ramped):
        self.builder, self.width, self.lanes = builder, width, _LANES * width
        self.vector = ir.VectorType(_F64, self.lanes)
        self._frame = ir.VectorType(ir.FloatType(), width)
        arrays = [context.make_array(sig.args[i])(context, builder, args[i]) for i in range(4)]
        self._x, self._memory = arrays[0].data, [array.data for array in arrays]
        self.frames = builder.extract_value(arrays[0].shape, 0)
        self._muladd = vector_muladd(builder.module, _F64, self.lanes)
        self._coefs = [self.variable(1, i) for i in range(_COEFS)]
        self._ramped = ramped
        self.kept = [self.variable(3, i) for i in range(_KEPT)]

    def _row(self, argument, index):
        pointer = self.builder.gep(self._memory[argument], [_I64(index * self.lanes)])
        return self.builder.bitcast(pointer, self.vector.as_pointer())

    def load(self, argument, index):
        return self.builder.load(self._row(argument, index), align=8)

    def store(self, value, argument, index):
        self.builder.store(value, self._row(argument, index), align=8)

    def variable(self, argument, index):
        slot = cgutils.alloca_once(self.builder, self.vector)
        self.builder.store(self.load(argument, index), slot)
        return slot

    def constant(self, of_section):
        """A vector of int64 that has, in each lane, this function of its section."""
        numbers = [_I64(of_section(lane // self.width)) for lane in range(self.lanes)]
        return ir.Constant(ir.VectorType(_I64, self.lanes), numbers)

    def splat(self, number):
        one = ir.Constant(ir.VectorType(_I64, self.lanes), ir.Undefined)
        one = self.builder.insert_element(one, number, _I32(0))
        return self.builder.shuffle_vector(one, one, self._order([0] * self.lanes))

    @staticmethod
    def _order(indices):
        return ir.Constant(ir.VectorType(_I32, len(indices)), [_I32(i) for i in indices])

    def _samples(self, frame):
        pointer = self.builder.gep(self._x, [self.builder.mul(frame, _I64(self.width))])
        return self.builder.bitcast(pointer, self._frame.as_pointer())

    def step(self, source, late):
        """One step, given the frame that the first section hears and the slot with what each
        section gave _LAG steps ago; the outputs, and the state behind them."""
        builder, width = self.builder, self.width
        fresh = builder.load(self._samples(source), align=4)
        fresh = builder.fpext(fresh, ir.VectorType(_F64, width))
        fresh = builder.shuffle_vector(fresh, fresh, self._order([*range(width)] * _LANES))
        shift = self._order([*range(width), *range(self.lanes, 2 * self.lanes - width)])
        v = builder.shuffle_vector(fresh, builder.load(late), shift)
        b0, b1, b2, a1, a2 = (builder.load(slot) for slot in self._coefs)
        before = [builder.load(slot) for slot in self.kept]
        out = builder.fmul(b2, before[_X2])
        # In the order in which they are known: the next step waits for the last output.
        terms = ((b1, before[_X1]), (a2, before[_Y2]), (b0, v), (a1, before[_Y1]))
        for factor, value in terms:
            out = builder.call(self._muladd, [factor, value, out])
        # Slopes are loaded anew each step: there are registers for them or for coefficients.
        for i, slot in enumerate(self._coefs if self._ramped else ()):
            builder.store(builder.fadd(builder.load(slot), self.load(2, i)), slot)
        return out, [v, before[_X1], out, before[_Y1]]

    def emit(self, frame, out):
        """Write what the last section gave."""
        first = self.width * (SECTIONS - 1)
        done = self.builder.shuffle_vector(out, out, self._order(range(first, first + self.width)))
        self.builder.store(self.builder.fptrunc(done, self._frame), self._samples(frame), align=4)

    def put(self, values, slots):
        for value, slot in zip(values, slots, strict=True):
            self.builder.store(value, slot)


def _run(emit_run: Callable[[_Lanes], None]):
    """An intrinsic (x, coefs, slopes, state, channels, ramped): a block through all lanes.

    The last two are literals and choose the code; slopes count only where ramped.
    """

    @intrinsic(prefer_literal=True)
    def run(typingctx, x, coefs, slopes, state, channels, ramped):
        if not _literal(channels, ramped):
            return None
        signature = types.void(x, coefs, slopes, state, channels, ramped)

        def codegen(context, builder, sig, args):
            width, is_ramped = channels.literal_value, bool(ramped.literal_value)
            emit_run(_Lanes(context, builder, sig, args, width, is_ramped))
            return context.get_dummy_value()

        return signature, codegen

    return run


def _emit_long(lanes: _Lanes) -> None:
    """A block of _SKEW frames and more. Lanes run on where they have no frame; what they do there
    is not taken."""
    builder = lanes.builder
    saved = [builder.load(slot) for slot in lanes.kept]
    late = cgutils.alloca_once(builder, lanes.vector)
    builder.store(ir.Constant(lanes.vector, None), late)
    section = lanes.constant(lambda section: section)
    zero, one = _I64(0), _I64(1)

    def advance(source):
        behind = builder.load(lanes.kept[_Y2])
        out, after = lanes.step(source, late)
        builder.store(behind, late)
        lanes.put(after, lanes.kept)
        return out

    def only(number, values, others):
        chosen = builder.icmp_signed("==", section, lanes.splat(number))
        return [builder.select(chosen, v, w) for v, w in zip(values, others, strict=True)]

    with cgutils.for_range_slice(builder, zero, _I64(SECTIONS - 1), one) as (k, _):
        for i in range(_LAG):
            advance(builder.add(builder.mul(k, _I64(_LAG)), _I64(i)))
        now = [builder.load(slot) for slot in lanes.kept]
        lanes.put(only(builder.add(k, one), saved, now), lanes.kept)
    with cgutils.for_range_slice(builder, _I64(_SKEW), lanes.frames, one) as (t, _):
        out = advance(t)
        lanes.emit(builder.sub(t, _I64(_SKEW)), out)
    final = [cgutils.alloca_once(builder, lanes.vector) for _ in lanes.kept]
    lanes.put([builder.load(slot) for slot in lanes.kept], final)  # the first section's, so far
    last = builder.sub(lanes.frames, one)
    with cgutils.for_range_slice(builder, zero, _I64(SECTIONS - 1), one) as (k, _):
        for i in range(_LAG):
            done = builder.sub(lanes.frames, _I64(_SKEW - i))
            out = advance(last)
            lanes.emit(builder.add(done, builder.mul(k, _I64(_LAG))), out)
        now, then = ([builder.load(slot) for slot in slots] for slots in (lanes.kept, final))
        lanes.put(only(builder.add(k, one), now, then), final)
    for index, slot in enumerate(final):
        lanes.store(builder.load(slot), 3, index)


def _emit_short(lanes: _Lanes) -> None:
    """A block of any length: lanes that have no frame keep their state, step by step."""
    builder = lanes.builder
    given = [cgutils.alloca_once(builder, lanes.vector) for _ in range(_LAG)]
    lanes.put([ir.Constant(lanes.vector, None)] * _LAG, given)
    starts = lanes.constant(lambda section: _LAG * section)
    end = builder.add(lanes.frames, _I64(_SKEW))
    last = builder.sub(lanes.frames, _I64(1))
    with cgutils.for_range_slice(builder, _I64(0), end, _I64(1)) as (t, _):
        before = [builder.load(slot) for slot in lanes.kept]
        source = builder.select(builder.icmp_signed("<", t, last), t, last)
        out, after = lanes.step(source, given[-1])
        lanes.put([out, *(builder.load(slot) for slot in given[:-1])], given)
        at = builder.sub(lanes.splat(t), starts)
        active = builder.icmp_unsigned("<", at, lanes.splat(lanes.frames))
        pairs = zip(after, before, strict=True)
        lanes.put([builder.select(active, new, old) for new, old in pairs], lanes.kept)
        done = builder.sub(t, _I64(_SKEW))
        with builder.if_then(builder.icmp_signed(">=", done, _I64(0))):
            lanes.emit(done, out)
    for index, slot in enumerate(lanes.kept):
        lanes.store(builder.load(slot), 3, index)


_run_long, _run_short = _run(_emit_long), _run(_emit_short)


def _runner(channels):
    @njit(**JIT)
    def run(x, sos, sos_end, coefs, state, moving, stale):
        # Where this lies aligned, so does what registers spill to: else, across cache lines, that
        # took 5 ns a frame.
        slopes = scratch_f64(_MATRIX)
        if moving or stale:
            _spread(sos, sos_end, x.shape[0], channels, coefs, slopes)
        if x.shape[0] < _SKEW:
            if moving:
                _run_short(x, coefs, slopes, state, channels, 1)
            else:
                _run_short(x, coefs, slopes, state, channels, 0)
        elif moving:
            _run_long(x, coefs, slopes, state, channels, 1)
        else:
            _run_long(x, coefs, slopes, state, channels, 0)

    return run


_run_mono, _run_stereo = _runner(1), _runner(2)


@njit(**JIT)
def _spread(sos, sos_end, frames, channels, coefs, slopes):
    """Lay coefficients and their change a frame out in lanes; those of no section stay 0."""
    per_frame = 1.0 / frames
    for i in range(_MATRIX):
        slopes[i] = 0.0
    for j in range(_COEFS):
        sign = -1.0 if j >= _A1 else 1.0
        for k in range(SECTIONS):
            slope = sign * (sos_end[k, j] - sos[k, j]) * per_frame
            # A lane starts some steps late: it must meet `sos` at its own first frame.
            coef = sign * sos[k, j] - _LAG * k * slope
            lane = (j * _LANES + k) * channels
            coefs[lane] = coefs[lane + channels - 1] = coef
            slopes[lane] = slopes[lane + channels - 1] = slope


@njit(**JIT)
def sosfilt_lanes(x, sos, sos_end, state):
    """Filter x in place while the coefficients go linearly from `sos` to `sos_end`.

    [audio-thread] Allocates nothing. Changes `x` and `state`.

    x: float32 (frames, channels 1..2), C-contiguous; sos, sos_end: float64 (6, 5), rows
    b0 b1 b2 a1 a2, at the first frame and behind the last; state: record of PEQ_STATE.
    """
    frames, channels = x.shape
    if frames == 0:
        return
    now, then = shaped(sos, (_NUMBERS,)), shaped(sos_end, (_NUMBERS,))
    moving, stale = False, False
    for i in range(_NUMBERS):
        moving |= now[i] != then[i]
        stale |= now[i] != state.sos[i]
    if moving or stale:
        for i in range(_NUMBERS):
            state.sos[i] = 0.0 if moving else now[i]
    if channels == 2:
        _run_stereo(x, sos, sos_end, state.coefs, state.lanes, moving, stale)
    else:
        _run_mono(x, sos, sos_end, state.coefs, state.lanes, moving, stale)
