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

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from realtime.dsp.intrinsics import JIT_EXACT, vector_muladd

LANES_F32, LANES_F64 = 16, 8
_I64 = ir.IntType(64)


def _recursion(element, lanes, largest):
    """Intrinsic (history, u, y, pole, count): the recursion over two buffers of `element`."""

    @intrinsic
    def recursion(typingctx, history, u, y, pole, count):
        signature = types.void(history, u, y, element, types.int64)

        def codegen(context, builder, sig, args):
            number = context.get_value_type(element)
            vector = ir.VectorType(number, lanes)
            zeros = ir.Constant(vector, None)
            kept, ins, outs = (
                context.make_array(sig.args[i])(context, builder, args[i]).data for i in range(3)
            )
            pole, count = args[3:]

            def load(base, index):
                pointer = builder.gep(base, [index])
                return builder.load(builder.bitcast(pointer, vector.as_pointer()), align=4)

            def store(value, base, index):
                pointer = builder.gep(base, [index])
                builder.store(value, builder.bitcast(pointer, vector.as_pointer()), align=4)

            def order(first, shift):
                indices = [ir.Constant(ir.IntType(32), first + i - shift) for i in range(lanes)]
                return ir.Constant(ir.VectorType(ir.IntType(32), lanes), indices)

            def splat(value):
                one = builder.insert_element(zeros, value, ir.IntType(32)(0))
                return builder.shuffle_vector(one, one, ir.Constant(order(0, 0).type, None))

            def add(total, factor, value):
                if not largest:
                    muladd = vector_muladd(builder.module, number, lanes)
                    return builder.call(muladd, [factor, value, total])
                value = builder.fmul(factor, value)
                return builder.select(builder.fcmp_ordered(">", value, total), value, total)

            powers = [splat(pole)]
            while 2 ** len(powers) <= lanes:
                powers.append(builder.fmul(powers[-1], powers[-1]))

            def sums(fresh, before):
                """The sums of 1, 2, 4 .. N terms, given those of the frames before."""
                found = [fresh]
                for level, power in enumerate(powers[:-1]):
                    late = builder.shuffle_vector(before[level], found[-1], order(lanes, 2**level))
                    found.append(add(found[-1], power, late))
                return found

            start, behind = _I64(0), _I64(lanes)
            fresh, out = load(kept, start), load(kept, behind)
            store(fresh, ins, start)
            store(out, outs, start)
            before = [cgutils.alloca_once(builder, vector) for _ in powers]
            for slot, value in zip(before, sums(fresh, [zeros] * lanes), strict=True):
                builder.store(value, slot)
            last = cgutils.alloca_once(builder, vector)
            builder.store(out, last)
            with cgutils.for_range_slice(builder, start, count, behind) as (t, _):
                index = builder.add(t, behind)
                found = sums(load(ins, index), [builder.load(slot) for slot in before])
                for slot, value in zip(before, found, strict=True):
                    builder.store(value, slot)
                out = add(found[-1], powers[-1], builder.load(last))
                builder.store(out, last)
                store(out, outs, index)
            store(load(ins, count), kept, start)
            store(load(outs, count), kept, behind)
            return context.get_dummy_value()

        return signature, codegen

    return recursion


# (history, u, y, pole, count): fill y behind its history from u, `count` frames rounded up to
# whole vectors. u and y are buffers as above, not the same; their histories come from `history`,
# which then holds those for the next call.
one_pole_f32 = _recursion(types.float32, LANES_F32, largest=False)
one_pole_f64 = _recursion(types.float64, LANES_F64, largest=False)
falling_peak_f64 = _recursion(types.float64, LANES_F64, largest=True)


@intrinsic
def lower_pole_f64(typingctx, history, u, y, fast, slow, sign, count):
    """y = the lower of two one-pole steps towards u: r = min(a r + (1-a) u, b r + (1-b) u).

    Arguments as those of one_pole_f64, with two poles a and b; sign -1 for the higher of the two.
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
            return builder.shuffle_vector(before, now, order(lanes - frames, lanes))

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
