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
