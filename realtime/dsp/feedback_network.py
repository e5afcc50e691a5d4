"""The reverb's feedback delay network: eight lines, damped, heard, and mixed back into themselves.

A piece of at most a chunk goes through all of it, and is no longer than the shortest line holds:
all of it is read before anything that was read is overwritten. What comes out of the damping waits
in the lines themselves, where what is mixed of it will go. [audio-thread] Everything here works on
a record of REVERB_STATE and allocates nothing.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from realtime.dsp.delays import ago, hadamard, mirror, onward, put, read
from realtime.dsp.intrinsics import JIT_EXACT
from realtime.dsp.lookahead import cut_pole_f32, load_pole_f32, pole_f32, store_pole_f32
from realtime.dsp.room import LINES
from realtime.dsp.simd import LANES_F32, frames_from, load, muladd, store


@njit(forceinline=True, **JIT_EXACT)
def damp(state, start, count, gains, d_gains, powers, moving, heard):
    """A piece of what comes out of the lines: damped, and as the channels hear it.

    heard: what both channels hear alike, and what with opposite signs
    """
    t = frames_from(start)
    for pair in range(LINES // 2):
        # Two lines that are heard with opposite signs: 0 and 3, 4 and 7; 1 and 2, 5 and 6.
        a = LINES // 2 * (pair & 1) + (pair >> 1)
        b = a ^ 3
        mix = heard[pair >> 1]
        ring_a, ring_b = state.lines[a], state.lines[b]
        at, period = state.line_at, state.line_period
        out_a, out_b = ago(at, state.line_delay[a], period), ago(at, state.line_delay[b], period)
        gain_a, gain_b = muladd(t, d_gains[a], gains[a]), muladd(t, d_gains[b], gains[b])
        step_a = d_gains[a] * np.float32(LANES_F32)
        step_b = d_gains[b] * np.float32(LANES_F32)
        now_a, now_b = load_pole_f32(state.damping, a), load_pole_f32(state.damping, b)
        before_a, before_b = now_a, now_b
        for i in range(0, count, LANES_F32):
            before_a, before_b = now_a, now_b
            v, w = read(ring_a, out_a), read(ring_b, out_b)
            now_a = pole_f32(now_a, powers, a, gain_a * v)
            now_b = pole_f32(now_b, powers, b, gain_b * w)
            put(ring_a, at, now_a[4])
            put(ring_b, at, now_b[4])
            if pair & 1:
                v = load(mix, i) + v
            store(mix, i, v - w)
            if moving:
                gain_a, gain_b = gain_a + step_a, gain_b + step_b
            out_a, out_b = onward(out_a, LANES_F32, period), onward(out_b, LANES_F32, period)
            at = onward(at, LANES_F32, period)
        store_pole_f32(state.damping, a, now_a)
        store_pole_f32(state.damping, b, now_b)
        if count % LANES_F32:
            cut_pole_f32(state.damping, a, before_a, powers, count % LANES_F32)
            cut_pole_f32(state.damping, b, before_b, powers, count % LANES_F32)


@njit(forceinline=True, **JIT_EXACT)
def feed_back(state, audio, start, count, level, dry, sends, heard, moving):
    """Mix what the lines gave with what is sent into them, and what is heard into the sound."""
    channels = audio.shape[0]
    at, period, lines = state.line_at, state.line_period, state.lines
    for i in range(0, count, LANES_F32):
        t = frames_from(start + i if moving else start)
        feed, through = muladd(t, level[1], level[0]), muladd(t, dry[1], dry[0])
        left, right = feed * load(sends[0], i), feed * load(sends[1], i)
        v = hadamard(
            (
                read(lines[0], at), read(lines[1], at), read(lines[2], at), read(lines[3], at),
                read(lines[4], at), read(lines[5], at), read(lines[6], at), read(lines[7], at),
            )
        )  # fmt: skip
        # The two halves of the lines take opposite signs, so no line adds up in phase.
        put(lines[0], at, v[0] + left)
        put(lines[1], at, v[1] + right)
        put(lines[2], at, v[2] + left)
        put(lines[3], at, v[3] + right)
        put(lines[4], at, v[4] - left)
        put(lines[5], at, v[5] - right)
        put(lines[6], at, v[6] - left)
        put(lines[7], at, v[7] - right)
        mirror(lines, at, period)
        at = onward(at, LANES_F32, period)
        # What the two channels hear: orthogonal signs, so their tails differ.
        one, other = load(audio[0], start + i), load(audio[channels - 1], start + i)
        same, swap = load(heard[0], i), load(heard[1], i)
        store(audio[0], start + i, muladd(through, one, same + swap))
        if channels == 2:
            store(audio[1], start + i, muladd(through, other, same - swap))
    state.line_at = ago(at, -count % LANES_F32, period)
