"""First-order recursions, many frames a step.

y[t] = k y[t-1] + u[t] waits for its own last result. Put into itself it reads
y[t] = k^N y[t-N] + u[t] + k u[t-1] + ... + k^(N-1) u[t-N+1]: N frames that do not wait for each
other, so they are the lanes of a vector. The sum takes log2 N steps, each of which doubles its
length. Every frame is the same expression of the same frames, wherever a block begins: how a
signal is cut into blocks does not change a bit. The same holds with max in place of plus.

A buffer is N numbers of history, the frames, and room to the next multiple of N; what the
histories are between two calls lies in an array (2, N), what went in and what came out.
Source: Parhi and Messerschmitt 1989, "Pipeline interleaving and parallelism in recursive digital
filters" (scattered look-ahead).
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from realtime.dsp.intrinsics import JIT_EXACT, pulled, scratch_f32, vector_muladd
from realtime.dsp.simd import (
    LANES_F32,
    LANES_F64,
    frames_from,
    larger,
    late,
    load,
    muladd,
    store,
)

_I64 = ir.IntType(64)


@njit(inline="always", **JIT_EXACT)
def _falling(factor, v, now):
    return larger(factor * v, now)


@njit(inline="always", **JIT_EXACT)
def falling_peak_f64(history, u, y, pole, count):
    """y = the larger of pole y and u, behind its history, `count` frames up to whole vectors.

    u and y are buffers as above, not the same; their histories come from `history`, which then
    holds those for the next call.
    """
    pole2 = pole * pole
    pole4 = pole2 * pole2
    pole8 = pole4 * pole4
    one, last = load(history[0], 0), load(history[1], 0)
    store(u, 0, one)
    store(y, 0, last)
    # The largest of 2, 4 and 8 frames up to each. Those up to the first in the history are not
    # whole, and no later frame hears of them.
    two = _falling(pole, late(one, one, 1), one)
    four = _falling(pole2, late(two, two, 2), two)
    for i in range(LANES_F64, LANES_F64 + count, LANES_F64):
        now = load(u, i)
        now_two = _falling(pole, late(one, now, 1), now)
        now_four = _falling(pole2, late(two, now_two, 2), now_two)
        last = _falling(pole8, last, _falling(pole4, late(four, now_four, 4), now_four))
        store(y, i, last)
        one, two, four = now, now_two, now_four
    store(history[0], 0, load(u, count))
    store(history[1], 0, load(y, count))


@intrinsic
def lower_pole_f64(typingctx, history, u, y, fast, slow, sign, count):
    """y = the lower of two one-pole steps towards u: r = min(a r + (1-a) u, b r + (1-b) u).

    Arguments as those of falling_peak_f64, with poles a and b; sign -1 for the higher of the two.
    Put into itself, a minimum of sums is one again: four steps are the lowest of five, a^(4-m) b^m
    times the r four frames ago plus what has come in since.
    """
    signature = types.void(history, u, y, *[types.float64] * 3, types.int64)

    def codegen(context, builder, sig, args):
        lanes, step = LANES_F64, LANES_F64 // 2
        number = ir.DoubleType()
        kept, ins, outs = (
            context.make_array(sig.args[i])(context, builder, args[i]).data for i in range(3)
        )
        a, b, turn, count = args[3:]

        def vector(width):
            return ir.VectorType(number, width)

        def address(base, index, width):
            return builder.bitcast(builder.gep(base, [index]), vector(width).as_pointer())

        def load(base, index, width=lanes):
            return builder.load(address(base, index, width), align=8)

        def store(value, base, index, width=lanes):
            builder.store(value, address(base, index, width), align=8)

        def order(first, width):
            indices = [ir.Constant(ir.IntType(32), first + i) for i in range(width)]
            return ir.Constant(ir.VectorType(ir.IntType(32), width), indices)

        def splat(value, width=lanes):
            one = ir.Constant(vector(width), None)
            one = builder.insert_element(one, value, ir.IntType(32)(0))
            zeros = ir.Constant(ir.VectorType(ir.IntType(32), width), None)
            return builder.shuffle_vector(one, one, zeros)

        def add(total, factor, value):
            width = total.type.count
            muladd = vector_muladd(builder.module, number, width)
            return builder.call(muladd, [factor, value, total])

        def lowest(values):
            while len(values) > 1:
                pairs = zip(values[::2], values[1::2], strict=False)
                rest = values[len(values) // 2 * 2 :]
                values = [
                    builder.select(builder.fcmp_ordered("<", v, w), v, w) for v, w in pairs
                ] + rest
            return values[0]

        def times(v, w):
            return builder.fmul(v, w)

        one = ir.Constant(number, 1.0)
        rests = [splat(builder.fsub(one, pole)) for pole in (a, b)]
        once = [splat(pole) for pole in (a, b)]
        twice = [splat(times(a, a)), splat(times(a, b)), splat(times(b, b))]
        powers = [times(times(a, a), times(a, a)), times(times(a, a), times(a, b))]
        powers += [times(times(a, a), times(b, b)), times(times(a, b), times(b, b))]
        four = [splat(p, step) for p in (*powers, times(times(b, b), times(b, b)))]
        turned, turned_step = splat(turn), splat(turn, step)

        def combine(slopes, early, late):
            """What has come in over both halves, for each number of slow steps."""
            found = []
            for m in range(len(early) + len(late) - 1):
                sums = [
                    add(late[i], slopes[i], early[m - i])
                    for i in range(len(late))
                    if 0 <= m - i < len(early)
                ]
                found.append(lowest(sums))
            return found

        def behind(before, now, frames):
            return pulled(context, builder, before, now, frames)

        def pair(before, now):
            """Two steps' worth of what has come in."""
            late = [times(rest, now) for rest in rests]
            earlier = behind(before, now, 1)
            return combine(once, [times(rest, earlier) for rest in rests], late)

        start, end = _I64(0), _I64(lanes)
        first, last = load(kept, start), load(kept, end)
        store(first, ins, start)
        store(last, outs, start)
        zeros = ir.Constant(vector(lanes), None)
        first = times(first, turned)
        sums = [first, *pair(zeros, first)]
        before = [cgutils.alloca_once(builder, vector(lanes)) for _ in sums]
        for slot, value in zip(before, sums, strict=True):
            builder.store(value, slot)
        r = cgutils.alloca_once(builder, vector(step))
        last = builder.shuffle_vector(last, last, order(step, step))
        builder.store(times(last, turned_step), r)
        with cgutils.for_range_slice(builder, start, count, end) as (t, _):
            index = builder.add(t, end)
            now = times(load(ins, index), turned)
            old, *old_pairs = [builder.load(slot) for slot in before]
            pairs = pair(old, now)
            early = [behind(v, w, 2) for v, w in zip(old_pairs, pairs, strict=True)]
            fours = combine(twice, early, pairs)
            for slot, value in zip(before, [now, *pairs], strict=True):
                builder.store(value, slot)
            for half in (0, step):
                parts = [builder.shuffle_vector(v, v, order(half, step)) for v in fours]
                held = builder.load(r)
                held = lowest([add(v, p, held) for v, p in zip(parts, four, strict=True)])
                builder.store(held, r)
                place = builder.add(index, _I64(half))
                store(times(held, turned_step), outs, place, step)
        store(load(ins, count), kept, start)
        store(load(outs, count), kept, end)
        return context.get_dummy_value()

    return signature, codegen


@njit(**JIT_EXACT)
def settle(history, pole):
    """Rewrite the histories for another pole, so that it goes on from the last y.

    To a steady sound that ends in that y: the steady state of the new recursion.
    """
    lanes = history.shape[1]
    last = history[1, lanes - 1]
    for i in range(lanes):
        history[0, i] = last - pole * last
        history[1, i] = last


# What a recursion of float32 carries from vector to vector: the last of what went in, the sums of
# 2, 4 and 8 frames up to each, the last of what came out. Powers of its pole: 1, 2, 4, 8, 16.
POLE_F32 = POWERS = 5
_TWO = 2 * LANES_F32


@njit(inline="always", **JIT_EXACT)
def powers_f32(poles, powers):
    """powers[:, line] = those powers of the pole that a vector has for that line."""
    for i in range(POWERS):
        store(powers[i], 0, poles)
        poles = poles * poles


@njit(inline="always", **JIT_EXACT)
def powers_of(pole, powers):
    """powers[:, 0] = those powers of one pole, float64: each is rounded once.

    Squares of what was rounded are sixteen times as far off, which a pole near 1 makes the more of.
    """
    for i in range(POWERS):
        powers[i, 0] = np.float32(pole)
        pole *= pole


@njit(inline="always", **JIT_EXACT)
def pole_f32(memory, powers, line, now):
    """y = pole y + x, a vector on: what the recursion carries behind the vector x."""
    one, two, four, eight, y = memory
    now_two = muladd(powers[0, line], late(one, now, 1), now)
    now_four = muladd(powers[1, line], late(two, now_two, 2), now_two)
    now_eight = muladd(powers[2, line], late(four, now_four, 4), now_four)
    sixteen = muladd(powers[3, line], late(eight, now_eight, 8), now_eight)
    return now, now_two, now_four, now_eight, muladd(powers[4, line], y, sixteen)


@njit(inline="always", **JIT_EXACT)
def load_pole_f32(rows, line):
    """What lies in float32 rows (POLE_F32, lines, LANES_F32), as a memory."""
    return (
        load(rows[0, line], 0), load(rows[1, line], 0), load(rows[2, line], 0),
        load(rows[3, line], 0), load(rows[4, line], 0),
    )  # fmt: skip


@njit(inline="always", **JIT_EXACT)
def store_pole_f32(rows, line, memory):
    """The other way."""
    one, two, four, eight, y = memory
    store(rows[0, line], 0, one)
    store(rows[1, line], 0, two)
    store(rows[2, line], 0, four)
    store(rows[3, line], 0, eight)
    store(rows[4, line], 0, y)


@njit(inline="always", **JIT_EXACT)
def _sums(one, y, powers, line):
    """A memory from what went in and came out. Sums up to the first frames are not whole, and no
    later frame hears of them."""
    two = muladd(powers[0, line], late(one, one, 1), one)
    four = muladd(powers[1, line], late(two, two, 2), two)
    return one, two, four, muladd(powers[2, line], late(four, four, 4), four), y


@njit(inline="always", **JIT_EXACT)
def _behind(before, now, count):
    """The last vector of frames, of two in a row of whose second `count` count."""
    pair = scratch_f32(_TWO)
    store(pair, 0, before)
    store(pair, LANES_F32, now)
    return load(pair, count)


@njit(**JIT_EXACT)
def cut_pole_f32(rows, line, before, powers, count):
    """Put a memory in `rows` back to `count` frames behind where `before` was it."""
    now = load_pole_f32(rows, line)
    one, y = _behind(before[0], now[0], count), _behind(before[4], now[4], count)
    store_pole_f32(rows, line, _sums(one, y, powers, line))


@njit(inline="always", **JIT_EXACT)
def settle_pole_f32(rows, line, powers):
    """Rewrite a memory for another pole, as `settle` does: all frames up to here are alike."""
    last = rows[4, line, LANES_F32 - 1]
    y = frames_from(np.float32(0.0)) * np.float32(0.0) + last
    one = y - powers[0, line] * y
    two = muladd(powers[0, line], one, one)
    four = muladd(powers[1, line], two, two)
    store_pole_f32(rows, line, (one, two, four, muladd(powers[2, line], four, four), y))
