"""The reverb's feedback delay network: eight lines, damped, heard, and mixed back into themselves.

A piece of at most a chunk goes through all of it, and is no longer than the shortest line holds:
the lines are read for all of it before anything is written. Rings end at different places, so
places wrap vector by vector where two lines are read, and all eight are written in runs up to the
next end. [audio-thread] Everything here works on a record of REVERB_STATE and allocates nothing.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from realtime.dsp.delays import hadamard, mirror, next_vector, onward, places_of, put, read
from realtime.dsp.intrinsics import JIT_EXACT
from realtime.dsp.lookahead import cut_pole_f32, load_pole_f32, pole_f32, store_pole_f32
from realtime.dsp.room import LINES
from realtime.dsp.simd import LANES_F32, frames_from, load, muladd, store


@njit(forceinline=True, **JIT_EXACT)
def damp(state, start, count, gains, d_gains, powers, moving, lines, heard):
    """A piece of what comes out of the lines: damped, and as the channels hear it.

    heard: what both channels hear alike, and what with opposite signs
    """
    t = frames_from(start)
    for pair in range(LINES // 2):
        # Two lines that are heard with opposite signs: 0 and 3, 4 and 7; 1 and 2, 5 and 6.
        a = LINES // 2 * (pair & 1) + (pair >> 1)
        b = a ^ 3
        mix = heard[pair >> 1]
        places_a = places_of(state.line_at[a], state.line_delay[a], state.line_period[a])
        places_b = places_of(state.line_at[b], state.line_delay[b], state.line_period[b])
        gain_a, gain_b = muladd(t, d_gains[a], gains[a]), muladd(t, d_gains[b], gains[b])
        step_a = d_gains[a] * np.float32(LANES_F32)
        step_b = d_gains[b] * np.float32(LANES_F32)
        now_a, now_b = load_pole_f32(state.damping, a), load_pole_f32(state.damping, b)
        before_a, before_b = now_a, now_b
        for i in range(0, count, LANES_F32):
            before_a, before_b = now_a, now_b
            v, w = read(state.lines[a], places_a[1]), read(state.lines[b], places_b[1])
            now_a = pole_f32(now_a, powers, a, gain_a * v)
            now_b = pole_f32(now_b, powers, b, gain_b * w)
            store(lines[a], i, now_a[4])
            store(lines[b], i, now_b[4])
            if pair & 1:
                v = load(mix, i) + v
            store(mix, i, v - w)
            if moving:
                gain_a, gain_b = gain_a + step_a, gain_b + step_b
            places_a, places_b = next_vector(places_a), next_vector(places_b)
        store_pole_f32(state.damping, a, now_a)
        store_pole_f32(state.damping, b, now_b)
        if count % LANES_F32:
            cut_pole_f32(state.damping, a, before_a, powers, count % LANES_F32)
            cut_pole_f32(state.damping, b, before_b, powers, count % LANES_F32)


@njit(inline="always", **JIT_EXACT)
def _run_to_an_end(state, count):
    """Frames of `count`, in whole vectors, that all begin before any line's ring ends."""
    for line in range(LINES):
        count = min(count, state.line_period[line] - state.line_at[line])
    return (count + LANES_F32 - 1) // LANES_F32 * LANES_F32


@njit(forceinline=True, **JIT_EXACT)
def feed_back(state, audio, start, count, level, dry, sends, lines, heard, moving):
    """Mix what the lines gave with what is sent into them, and what is heard into the sound."""
    channels = audio.shape[0]
    done = 0
    while done < count:
        run = _run_to_an_end(state, count - done)
        ats = state.line_at
        at = (ats[0], ats[1], ats[2], ats[3], ats[4], ats[5], ats[6], ats[7])
        for k in range(0, run, LANES_F32):
            i = done + k
            t = frames_from(start + i if moving else start)
            feed, through = muladd(t, level[1], level[0]), muladd(t, dry[1], dry[0])
            left, right = feed * load(sends[0], i), feed * load(sends[1], i)
            v = hadamard(
                (
                    load(lines[0], i), load(lines[1], i), load(lines[2], i), load(lines[3], i),
                    load(lines[4], i), load(lines[5], i), load(lines[6], i), load(lines[7], i),
                )
            )  # fmt: skip
            # The two halves of the lines take opposite signs, so no line adds up in phase.
            put(state.lines[0], at[0] + k, v[0] + left)
            put(state.lines[1], at[1] + k, v[1] + right)
            put(state.lines[2], at[2] + k, v[2] + left)
            put(state.lines[3], at[3] + k, v[3] + right)
            put(state.lines[4], at[4] + k, v[4] - left)
            put(state.lines[5], at[5] + k, v[5] - right)
            put(state.lines[6], at[6] + k, v[6] - left)
            put(state.lines[7], at[7] + k, v[7] - right)
            # What the two channels hear: orthogonal signs, so their tails differ.
            one, other = load(audio[0], start + i), load(audio[channels - 1], start + i)
            same, swap = load(heard[0], i), load(heard[1], i)
            store(audio[0], start + i, muladd(through, one, same + swap))
            if channels == 2:
                store(audio[1], start + i, muladd(through, other, same - swap))
        for line in range(LINES):
            period = state.line_period[line]
            mirror(state.lines[line], ats[line], period, run)
            ats[line] = onward(ats[line], min(run, count - done), period)
        done += run
