"""Six biquads at once: every section and channel is a lane.

The sections are skewed in time: at step t, section k works on frame t-4k, with the output that
section k-1 gave four steps earlier, so neither lanes nor sections wait for each other; long blocks
at rest take six steps, which wait less and cost more at a block's ends. A section's
state is put into its lanes when it begins a block and taken out when it has ended it, so the skew
adds no latency and a block leaves nothing behind but the last two inputs and outputs.

At rest no section has its b0: with each divided by its own, and the input multiplied by all six,
a lane holds what it would hold anyway times the b0 of the sections behind it. While anything moves
the state is plain; its scale changes where the coefficients come to rest and where they leave it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from realtime.dsp.biquad_steps import COEFS, I64, KEPT, LANES, SECTIONS, Y2, Lanes
from realtime.dsp.blocks import differ
from realtime.dsp.intrinsics import JIT, scratch_f64, shaped
from realtime.dsp.simd import LANES_F64, load, store

_ROWS = 2 * LANES  # room in a row of lanes
_LAG, _LONG_LAG = 4, 6  # steps that a section works behind the one before it
_SKEW = _LAG * (SECTIONS - 1)
_LONG = 128  # frames from which on the longer one is the quicker
_A1 = 3  # the first row of coefficients with the other sign
_NUMBERS = COEFS * SECTIONS
_MATRIX = COEFS * _ROWS

# Zeros = at rest; a record belongs to one number of channels.
PEQ_STATE = np.dtype(
    [
        ("lanes", np.float64, (KEPT * _ROWS,)),  # rows: last two inputs and outputs
        ("coefs", np.float64, (_MATRIX,)),  # rows as above, made from
        ("sos", np.float64, (_NUMBERS,)),  # these, at rest; zeros = from none, and lanes are plain
        ("plain", np.float64, (2 * _ROWS,)),  # at rest: times this inputs and outputs are plain
    ],
    align=True,
)


def _literal(*values):
    return all(isinstance(value, types.IntegerLiteral) for value in values)


def _run(emit_run: Callable[[Lanes], None], lag: int = _LAG):
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
            emit_run(Lanes(context, builder, sig, args, width, is_ramped, lag))
            return context.get_dummy_value()

        return signature, codegen

    return run


def _emit_long(lanes: Lanes) -> None:
    """A block of as many frames as the last section is late, or more. Lanes run on where they have
    no frame; what they do there is not taken."""
    builder, lag = lanes.builder, lanes.lag
    skew = lag * (SECTIONS - 1)
    saved = [lanes.get(slot) for slot in lanes.kept]
    older = [lanes.variable(lanes.zero()) for _ in range(lag - 2)]  # outputs before the kept
    section = lanes.constant(lambda section: section)
    zero, one = I64(0), I64(1)

    def advance(fresh):
        outputs = [lanes.get(slot) for slot in (lanes.kept[Y2], *older)]
        out, after = lanes.step(fresh, outputs[-1])
        lanes.put(outputs[:-1], older)
        lanes.put(after, lanes.kept)
        return out

    def advance_and_emit(frames, done):
        for i, fresh in enumerate(frames):
            lanes.emit(builder.add(done, I64(i)), advance(fresh))

    def only(number, values, others):
        chosen = lanes.each(partial(builder.icmp_signed, "=="), section, lanes.splat(number))
        return [lanes.choose(chosen, v, w) for v, w in zip(values, others, strict=True)]

    with cgutils.for_range_slice(builder, zero, I64(SECTIONS - 1), one) as (k, _):
        for fresh in lanes.heard(builder.mul(k, I64(lag)), lag):
            advance(fresh)
        now = [lanes.get(slot) for slot in lanes.kept]
        lanes.put(only(builder.add(k, one), saved, now), lanes.kept)
    # So many steps at once that each output finds its register again.
    whole = builder.sub(lanes.frames, builder.urem(lanes.frames, I64(lag)))
    with cgutils.for_range_slice(builder, I64(skew), whole, I64(lag)) as (t, _):
        advance_and_emit(lanes.heard(t, lag), builder.sub(t, I64(skew)))
    with cgutils.for_range_slice(builder, whole, lanes.frames, one) as (t, _):
        advance_and_emit(lanes.heard(t, 1), builder.sub(t, I64(skew)))
    # The first section's, so far.
    final = [lanes.variable(lanes.get(slot)) for slot in lanes.kept]
    with cgutils.for_range_slice(builder, zero, I64(SECTIONS - 1), one) as (k, _):
        done = builder.sub(lanes.frames, I64(skew))
        done = builder.add(done, builder.mul(k, I64(lag)))
        advance_and_emit([lanes.silence()] * lag, done)
        now, then = ([lanes.get(slot) for slot in slots] for slots in (lanes.kept, final))
        lanes.put(only(builder.add(k, one), now, then), final)
    for index, slot in enumerate(final):
        lanes.store(lanes.get(slot), 3, index)


def _emit_short(lanes: Lanes, at_once: int) -> None:
    """A block of any length that so many steps divide, 1 or _LAG: lanes that have no frame keep
    their state."""
    builder = lanes.builder
    given = [lanes.variable(lanes.zero()) for _ in range(_LAG)]
    starts = lanes.constant(lambda section: _LAG * section)
    end = builder.add(lanes.frames, I64(_SKEW))
    last = builder.sub(lanes.frames, I64(at_once))
    with cgutils.for_range_slice(builder, I64(0), end, I64(at_once)) as (start, _):
        before, done = [lanes.get(slot) for slot in lanes.kept], []
        there = builder.select(builder.icmp_signed("<", start, last), start, last)
        for fresh in lanes.heard(there, at_once):
            outputs = [lanes.get(slot) for slot in given]
            out, after = lanes.step(fresh, outputs[-1])
            lanes.put([out, *outputs[:-1]], given)
            lanes.put(after, lanes.kept)
            done.append(out)
        at = lanes.each(builder.sub, lanes.splat(start), starts)
        active = lanes.each(partial(builder.icmp_unsigned, "<"), at, lanes.splat(lanes.frames))
        for slot, old in zip(lanes.kept, before, strict=True):
            lanes.put([lanes.choose(active, lanes.get(slot), old)], [slot])
        first = builder.sub(start, I64(_SKEW))
        with builder.if_then(builder.icmp_signed(">=", first, I64(0))):
            for i, out in enumerate(done):
                lanes.emit(builder.add(first, I64(i)), out)
    for index, slot in enumerate(lanes.kept):
        lanes.store(lanes.get(slot), 3, index)


_run_whole, _run_long = _run(_emit_long), _run(_emit_long, _LONG_LAG)
_run_short, _run_even = (_run(partial(_emit_short, at_once=steps)) for steps in (1, _LAG))


def _runner(channels):
    @njit(**JIT)
    def run(x, sos, sos_end, coefs, state, moving):
        # Where this lies aligned, so does what registers spill to: else, across cache lines, that
        # took 5 ns a frame.
        slopes = scratch_f64(_MATRIX)
        if moving:
            _spread(sos, sos_end, x.shape[0], channels, coefs, slopes)
        if x.shape[0] >= _SKEW:
            if moving:
                _run_whole(x, coefs, slopes, state, channels, 1)
            elif x.shape[0] >= _LONG:
                _run_long(x, coefs, slopes, state, channels, 0)
            else:
                _run_whole(x, coefs, slopes, state, channels, 0)
        elif x.shape[0] % _LAG == 0:
            if moving:
                _run_even(x, coefs, slopes, state, channels, 1)
            else:
                _run_even(x, coefs, slopes, state, channels, 0)
        elif moving:
            _run_short(x, coefs, slopes, state, channels, 1)
        else:
            _run_short(x, coefs, slopes, state, channels, 0)

    return run


_run_mono, _run_stereo = _runner(1), _runner(2)


@njit(**JIT)
def _spread(sos, sos_end, frames, channels, coefs, slopes):
    """Lay coefficients and their change a frame out in lanes; those of no section stay 0."""
    per_frame = 1.0 / frames
    for i in range(_MATRIX):
        slopes[i] = 0.0
    for j in range(COEFS):
        sign = -1.0 if j >= _A1 else 1.0
        for k in range(SECTIONS):
            slope = sign * (sos_end[k, j] - sos[k, j]) * per_frame
            # A lane starts some steps late: it must meet `sos` at its own first frame.
            coef = sign * sos[k, j] - _LAG * k * slope
            lane = (j * LANES + SECTIONS - 1 - k) * channels
            coefs[lane] = coefs[lane + channels - 1] = coef
            slopes[lane] = slopes[lane + channels - 1] = slope


@njit(**JIT)
def _scale(lanes, factors, channels):
    """Multiply the rows of inputs by the first row of factors, those of outputs by the second."""
    row = LANES * channels
    for i in range(0, KEPT * row, LANES_F64):
        factor = load(factors, i % row + i // (2 * row) * row)
        store(lanes, i, load(lanes, i) * factor)


@njit(**JIT)
def _come_to_rest(sos, channels, state):
    """Lay coefficients without their b0 out in lanes, and scale a plain state for them."""
    row = LANES * channels
    scale = state.plain  # until it has been applied
    scale[:] = 1.0
    gain = 1.0  # of the sections behind
    for k in range(SECTIONS - 1, -1, -1):
        b0 = sos[k, 0]
        first = (SECTIONS - 1 - k) * channels
        for lane in range(first, first + channels):
            scale[lane], scale[row + lane] = gain * b0, gain
            state.coefs[row + lane] = sos[k, 1] / b0
            state.coefs[2 * row + lane] = sos[k, 2] / b0
            state.coefs[3 * row + lane] = -sos[k, 3]
            state.coefs[4 * row + lane] = -sos[k, 4]
        gain *= b0
    state.coefs[0] = gain
    _scale(state.lanes, scale, channels)
    for i in range(0, 2 * row, LANES_F64):
        store(state.plain, i, 1.0 / load(scale, i))


@njit(**JIT)
def sosfilt_lanes(x, sos, sos_end, state):
    """Filter x in place while the coefficients go linearly from `sos` to `sos_end`.

    [audio-thread] Allocates nothing. Changes `x` and `state`.

    x: float32 (frames, channels 1..2), C-contiguous; sos, sos_end: float64 (6, 5), rows
    b0 b1 b2 a1 a2, at the first frame and behind the last, no b0 of which is 0; state: record of
    PEQ_STATE.
    """
    frames, channels = x.shape
    if frames == 0:
        return
    now, then = shaped(sos, (_NUMBERS,)), shaped(sos_end, (_NUMBERS,))
    moving = differ(now, then, 0, _NUMBERS)
    stale = differ(now, state.sos, 0, _NUMBERS)
    if moving or stale:
        if state.sos[0] != 0.0:
            _scale(state.lanes, state.plain, channels)
        for i in range(_NUMBERS):
            state.sos[i] = 0.0 if moving else now[i]
        if not moving:
            _come_to_rest(sos, channels, state)
    if channels == 2:
        _run_stereo(x, sos, sos_end, state.coefs, state.lanes, moving)
    else:
        _run_mono(x, sos, sos_end, state.coefs, state.lanes, moving)
