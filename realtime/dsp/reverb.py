"""Reverb: pre-delay, diffusing allpasses and a feedback delay network of eight lines.

Linear and time-invariant while its parameters rest. Its stationary loudness does not depend on
room size or damping's bass: at wet = 1 the reverb of a steady mono noise is as loud as the noise.

`wet` is the gain of the send, before the pre-delay: turned down, or with a preset without reverb,
what was sent rings on, as long as the room that stands now lets it.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from realtime.dsp.blocks import all_finite, differ
from realtime.dsp.delays import (
    MARGINS,
    REACH,
    allpass,
    hadamard,
    mirror,
    onward,
    period_of,
    primes,
    put,
    read,
    write,
)
from realtime.dsp.intrinsics import JIT, JIT_EXACT, scratch_f32, scratch_i64, shaped
from realtime.dsp.lookahead import (
    POLE_F32,
    POWERS,
    cut_pole_f32,
    load_pole_f32,
    pole_f32,
    powers_f32,
    settle_pole_f32,
    store_pole_f32,
)
from realtime.dsp.room import (
    DIFFUSE,
    DIFFUSERS,
    DIFFUSERS_MS,
    DRY,
    LEVEL,
    LINES,
    LINES_MS,
    PREDELAY,
    PREDELAY_MAX_MS,
    SAMPLE_RATE_MAX,
    WET,
)
from realtime.dsp.simd import (
    LANES_F32,
    frames_from,
    halves,
    load,
    muladd,
    outside,
    smaller,
    store,
)

_CROSSFADE_MS = 20.0  # between two pre-delays
_EVEN = 1.0 / math.sqrt(LINES)
# Frames that go through the lines at once: no more than the shortest of them has, at 8 kHz.
_PIECE = REACH
_PAIR_SCRATCH = 2 * _PIECE
_LINE_SCRATCH = LINES * _PIECE
_POWERS_SCRATCH = POWERS * LANES_F32


# What a ring's array holds at most: whole vectors, so that the next one's are aligned too. 256 is
# more than the step to a prime.
_PREDELAY_MAX, _DIFFUSER_MAX, _LINE_MAX = (
    int(period_of(int(ms * 1e-3 * SAMPLE_RATE_MAX) + 256)) + MARGINS
    for ms in (PREDELAY_MAX_MS, DIFFUSERS_MS[1][-1], LINES_MS[-1])
)

# One size for every sample rate, so that one compiled function serves them all; only the first
# `*_period` places of a ring, and its margins, are touched.
REVERB_STATE = np.dtype(
    [
        ("predelay", np.float32, (2, _PREDELAY_MAX)),
        ("diffusers", np.float32, (2, DIFFUSERS, _DIFFUSER_MAX)),
        ("lines", np.float32, (LINES, _LINE_MAX)),
        ("damping", np.float32, (POLE_F32, LINES, LANES_F32)),  # lookahead's memories
        ("poles", np.float32, (LANES_F32,)),  # with which they were made, twice
        ("fade", np.float64),  # 0..1 from tap_old to tap_new
        ("fade_step", np.float64),
        ("predelay_period", np.int64),
        ("predelay_at", np.int64),
        ("tap_old", np.int64),
        ("tap_new", np.int64),
        ("diffuser_period", np.int64, (2, DIFFUSERS)),
        ("diffuser_delay", np.int64, (2, DIFFUSERS)),
        ("diffuser_at", np.int64, (2, DIFFUSERS)),
        ("line_period", np.int64, (LINES,)),
        ("line_delay", np.int64, (LINES,)),
        ("line_at", np.int64, (LINES,)),
    ],
    align=True,
)


def prepare_reverb(state: np.void, sample_rate: float, predelay_ms: float = 0.0) -> None:
    """Set up one record of REVERB_STATE for a sample rate, at rest. Not on the audio thread."""
    tap = round(predelay_ms * 1e-3 * sample_rate)
    state["fade"] = 1.0
    state["fade_step"] = 1.0 / (_CROSSFADE_MS * 1e-3 * sample_rate)
    longest = round(PREDELAY_MAX_MS * 1e-3 * sample_rate) + LANES_F32
    state["predelay_period"] = period_of(longest)
    state["predelay_at"] = state["diffuser_at"] = state["line_at"] = 0
    state["tap_old"] = state["tap_new"] = tap
    diffusers = [primes(row, sample_rate) for row in DIFFUSERS_MS]
    state["diffuser_delay"], state["line_delay"] = diffusers, primes(LINES_MS, sample_rate)
    state["diffuser_period"] = period_of(state["diffuser_delay"])
    state["line_period"] = period_of(state["line_delay"])
    reset_reverb(state)


def reverb_state(sample_rate: float, predelay_ms: float = 0.0) -> np.void:
    """A new record of REVERB_STATE, at rest."""
    state = np.zeros(1, dtype=REVERB_STATE)[0]
    prepare_reverb(state, sample_rate, predelay_ms)
    return state


@njit(**JIT)
def reset_reverb(state):
    """Silence every delay; lengths and parameters stay. [audio-thread] allocates nothing."""
    for channel in range(2):
        state.predelay[channel, : state.predelay_period + MARGINS] = np.float32(0.0)
        for k in range(DIFFUSERS):
            state.diffusers[channel, k, : state.diffuser_period[channel, k] + MARGINS] = np.float32(
                0.0
            )
    for line in range(LINES):
        state.lines[line, : state.line_period[line] + MARGINS] = np.float32(0.0)
    state.damping[:] = np.float32(0.0)


@njit(inline="always", **JIT_EXACT)
def reverb_is_finite(state):
    """Whether what comes out of the lines' dampings is: nothing else goes round."""
    return all_finite(state.damping[POLE_F32 - 1])


@njit(inline="always", **JIT_EXACT)
def _predelayed(ring, places, i, fading, weight, v):
    """The vector i frames on, delayed by the tap; fading over, by a weight, where that moves."""
    at, new_at, old_at, period = places
    write(ring, period, REACH, at + i, v)
    new = read(ring, new_at + i)
    if not fading:
        return new
    old = read(ring, old_at + i)
    return muladd(smaller(weight, np.float32(1.0)), new - old, old)


@njit(inline="always", **JIT_EXACT)
def _predelay_places(state):
    at, period = state.predelay_at, state.predelay_period
    new_at, old_at = period - state.tap_new, period - state.tap_old
    return at, onward(at, new_at, period), onward(at, old_at, period), period


@njit(inline="always", **JIT_EXACT)
def _diffuser_places(state, channel, k):
    at, period = state.diffuser_at[channel, k], state.diffuser_period[channel, k]
    return at, onward(at, period - state.diffuser_delay[channel, k], period), period


@njit(inline="always", **JIT_EXACT)
def _set_room(coefs, coefs_end, done, per_frame, state, gains, d_gains, powers, diffusions):
    """Damping and diffusion as they are `done` frames into a chunk; with that damping, the gains
    at the chunk's first frame and their change a frame. A line is a lane."""
    for k in range(2 * DIFFUSERS):
        g, g_end = coefs[DIFFUSE + k], coefs_end[DIFFUSE + k]
        diffusions[k] = np.float32(g + (g_end - g) * per_frame * done)
    pole = load(coefs, LINES)
    pole = muladd(load(coefs_end, LINES) - pole, per_frame * done, pole)
    # What the Hadamard matrix is over, so that it loses nothing, goes with the gains.
    scale = _EVEN * (1.0 - pole)
    gain = load(coefs, 0)
    d_gain = (load(coefs_end, 0) - gain) * per_frame
    store(gains, 0, halves(gain, gain) * halves(scale, scale))
    store(d_gains, 0, halves(d_gain, d_gain) * halves(scale, scale))
    pole = halves(pole, pole)
    powers_f32(pole, powers)
    if outside(pole - load(state.poles, 0), np.float32(0.0)) != 0:
        for line in range(LINES):
            if powers[0, line] != state.poles[line]:
                settle_pole_f32(state.damping, line, powers)
        store(state.poles, 0, pole)


@njit(**JIT_EXACT)
def _go_on(state, count):
    """Finish what a piece has written, and move every place behind it."""
    for line in range(LINES):
        mirror(state.lines[line], state.line_period[line], state.line_at[line], count)
        state.line_at[line] = onward(state.line_at[line], count, state.line_period[line])
    state.predelay_at = onward(state.predelay_at, count, state.predelay_period)
    for channel in range(2):
        for k in range(DIFFUSERS):
            at, period = state.diffuser_at[channel, k], state.diffuser_period[channel, k]
            state.diffuser_at[channel, k] = onward(at, count, period)


@njit(**JIT_EXACT)
def reverb_chunk(audio, frames, coefs, coefs_end, state):
    """Reverberate a chunk in place while the gains go linearly from `coefs` to `coefs_end`.

    [audio-thread] Allocates nothing. Changes `audio` and `state`. Damping and diffusion move in
    steps, every 64 frames; a new pre-delay of `coefs_end` is faded to over 20 ms.

    audio: a chunk of 1 or 2 channels, full scale +-1.0, of so many frames
    coefs, coefs_end: of design_reverb, at the first frame and behind the last
    state: record of REVERB_STATE, of reverb_state
    """
    channels = audio.shape[0]
    lines = shaped(scratch_f32(_LINE_SCRATCH), (LINES, _PIECE))
    sends = shaped(scratch_f32(_PAIR_SCRATCH), (2, _PIECE))
    powers = shaped(scratch_f32(_POWERS_SCRATCH), (POWERS, LANES_F32))
    gains, d_gains = scratch_f32(LANES_F32), scratch_f32(LANES_F32)
    diffusions = scratch_f32(LINES)
    taps = scratch_i64(LINES)
    per_frame = 1.0 / max(frames, 1)
    wet, dry = np.float32(coefs[WET]), np.float32(coefs[DRY])
    d_wet = np.float32((coefs_end[WET] - coefs[WET]) * per_frame)
    d_dry = np.float32((coefs_end[DRY] - coefs[DRY]) * per_frame)
    level = np.float32(coefs[LEVEL])
    d_level = np.float32((coefs_end[LEVEL] - coefs[LEVEL]) * per_frame)
    tap = min(max(np.int64(coefs_end[PREDELAY]), 0), state.predelay_period - 2 * LANES_F32)
    if state.fade >= 1.0 and tap != state.tap_new:
        state.tap_new = tap
        state.fade = 0.0
    fading = state.fade < 1.0
    fade, fade_step = np.float32(state.fade), np.float32(state.fade_step)
    moves = differ(coefs, coefs_end, LINES, LEVEL - LINES)  # damping and diffusion

    for start in range(0, frames, _PIECE):
        count = min(frames - start, _PIECE)
        if moves or start == 0:
            _set_room(coefs, coefs_end, start, per_frame, state, gains, d_gains, powers, diffusions)
        # The lines first: they do not wait for the sound.
        first = frames_from(start)
        for line in range(LINES):
            ring, period = state.lines[line], state.line_period[line]
            from_ = onward(state.line_at[line], period - state.line_delay[line], period)
            taps[line] = from_
            gain = muladd(first, d_gains[line], gains[line])
            d_gain = d_gains[line] * np.float32(LANES_F32)
            memory = load_pole_f32(state.damping, line)
            before = memory
            for i in range(0, count, LANES_F32):
                before = memory
                memory = pole_f32(memory, powers, line, gain * read(ring, from_ + i))
                store(lines[line], i, memory[4])
                gain = gain + d_gain
            store_pole_f32(state.damping, line, memory)
            if count % LANES_F32:
                cut_pole_f32(state.damping, line, before, powers, count % LANES_F32)
        # Where everything lies, before anything is written that LLVM thinks might be a place.
        predelay = _predelay_places(state)
        left0, right0 = _diffuser_places(state, 0, 0), _diffuser_places(state, 1, 0)
        left1, right1 = _diffuser_places(state, 0, 1), _diffuser_places(state, 1, 1)
        left2, right2 = _diffuser_places(state, 0, 2), _diffuser_places(state, 1, 2)
        out_at = (taps[0], taps[1], taps[2], taps[3], taps[4], taps[5], taps[6], taps[7])
        for i in range(0, count, LANES_F32):
            t = frames_from(start + i)
            one, other = load(audio[0], start + i), load(audio[channels - 1], start + i)
            send = muladd(t, d_wet, wet)
            weight = muladd(t, fade_step, fade)
            left = _predelayed(state.predelay[0], predelay, i, fading, weight, send * one)
            right = _predelayed(state.predelay[1], predelay, i, fading, weight, send * other)
            left = allpass(state.diffusers[0, 0], left0, i, diffusions[0], left)
            right = allpass(state.diffusers[1, 0], right0, i, diffusions[3], right)
            left = allpass(state.diffusers[0, 1], left1, i, diffusions[1], left)
            right = allpass(state.diffusers[1, 1], right1, i, diffusions[4], right)
            left = allpass(state.diffusers[0, 2], left2, i, diffusions[2], left)
            right = allpass(state.diffusers[1, 2], right2, i, diffusions[5], right)
            feed = muladd(t, d_level, level)
            store(sends[0], i, feed * left)
            store(sends[1], i, feed * right)
            # What the two channels hear: orthogonal signs, so their tails differ.
            v = (
                read(state.lines[0], out_at[0] + i), read(state.lines[1], out_at[1] + i),
                read(state.lines[2], out_at[2] + i), read(state.lines[3], out_at[3] + i),
                read(state.lines[4], out_at[4] + i), read(state.lines[5], out_at[5] + i),
                read(state.lines[6], out_at[6] + i), read(state.lines[7], out_at[7] + i),
            )  # fmt: skip
            same, swap = v[0] - v[3] + v[4] - v[7], v[1] - v[2] + v[5] - v[6]
            through = muladd(t, d_dry, dry)
            store(audio[0], start + i, muladd(through, one, same + swap))
            if channels == 2:
                store(audio[1], start + i, muladd(through, other, same - swap))
        ats = state.line_at
        at = (ats[0], ats[1], ats[2], ats[3], ats[4], ats[5], ats[6], ats[7])
        for i in range(0, count, LANES_F32):
            left, right = load(sends[0], i), load(sends[1], i)
            v = hadamard(
                (
                    load(lines[0], i), load(lines[1], i), load(lines[2], i), load(lines[3], i),
                    load(lines[4], i), load(lines[5], i), load(lines[6], i), load(lines[7], i),
                )
            )  # fmt: skip
            # The two halves of the lines take opposite signs, so no line adds up in phase.
            put(state.lines[0], at[0] + i, v[0] + left)
            put(state.lines[1], at[1] + i, v[1] + right)
            put(state.lines[2], at[2] + i, v[2] + left)
            put(state.lines[3], at[3] + i, v[3] + right)
            put(state.lines[4], at[4] + i, v[4] - left)
            put(state.lines[5], at[5] + i, v[5] - right)
            put(state.lines[6], at[6] + i, v[6] - left)
            put(state.lines[7], at[7] + i, v[7] - right)
        _go_on(state, count)

    if fading:
        state.fade = min(state.fade + frames * state.fade_step, 1.0)
        if state.fade >= 1.0:
            state.tap_old = state.tap_new
