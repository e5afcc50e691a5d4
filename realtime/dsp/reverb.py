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

from realtime.dsp.blocks import CHUNK, STEP, all_finite, differ, ramp
from realtime.dsp.delays import (
    MARGINS,
    ago,
    allpass,
    mirror,
    onward,
    period_of,
    primes,
    put,
    read,
)
from realtime.dsp.feedback_network import damp, feed_back
from realtime.dsp.intrinsics import JIT, JIT_EXACT, scratch_f32, shaped
from realtime.dsp.lookahead import (
    POLE_F32,
    POWERS,
    powers_f32,
    settle_pole_f32,
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
_ROWS = 4
_ROWS_SCRATCH = _ROWS * CHUNK
_POWERS_SCRATCH = POWERS * LANES_F32


# What a ring's array holds at most: whole vectors, so that the next one's are aligned too. 256 is
# more than the step to a prime.
_PREDELAY_MAX, _DIFFUSER_MAX, _LINE_MAX = (
    period_of(int(ms * 1e-3 * SAMPLE_RATE_MAX) + 256) + MARGINS
    for ms in (PREDELAY_MAX_MS, DIFFUSERS_MS[1][-1], LINES_MS[-1])
)

# One size for every sample rate, so that one compiled function serves them all; only the first
# `*_period` places of a ring, and its margins, are touched.
REVERB_STATE = np.dtype(
    [
        ("predelay", np.float32, (2, _PREDELAY_MAX)),
        ("diffusers", np.float32, (2 * DIFFUSERS, _DIFFUSER_MAX)),
        ("lines", np.float32, (LINES, _LINE_MAX)),
        ("damping", np.float32, (POLE_F32, LINES, LANES_F32)),  # lookahead's memories
        ("poles", np.float32, (LANES_F32,)),  # with which they were made, twice
        ("fade", np.float64),  # 0..1 from tap_old to tap_new
        ("fade_step", np.float64),
        ("predelay_period", np.int64),
        ("predelay_at", np.int64),
        ("tap_old", np.int64),
        ("tap_new", np.int64),
        ("diffuser_period", np.int64),
        ("diffuser_at", np.int64),
        ("diffuser_delay", np.int64, (2 * DIFFUSERS,)),
        ("line_period", np.int64),
        ("line_at", np.int64),
        ("line_delay", np.int64, (LINES,)),
    ],
    align=True,
)


def prepare_reverb(state: np.void, sample_rate: float, predelay_ms: float = 0.0) -> None:
    """Set up one record of REVERB_STATE for a sample rate, at rest. Not on the audio thread."""
    tap = round(predelay_ms * 1e-3 * sample_rate)
    state["fade"] = 1.0
    state["fade_step"] = 1.0 / (_CROSSFADE_MS * 1e-3 * sample_rate)
    state["predelay_period"] = period_of(round(PREDELAY_MAX_MS * 1e-3 * sample_rate) + LANES_F32)
    state["predelay_at"] = state["diffuser_at"] = state["line_at"] = 0
    state["tap_old"] = state["tap_new"] = tap
    for ring, times in (("diffuser", [*DIFFUSERS_MS[0], *DIFFUSERS_MS[1]]), ("line", LINES_MS)):
        delays = primes(times, sample_rate)
        state[f"{ring}_delay"], state[f"{ring}_period"] = delays, period_of(max(delays))
    reset_reverb(state)


def reverb_state(sample_rate: float, predelay_ms: float = 0.0) -> np.void:
    """A new record of REVERB_STATE, at rest."""
    state = np.zeros(1, dtype=REVERB_STATE)[0]
    prepare_reverb(state, sample_rate, predelay_ms)
    return state


@njit(**JIT)
def reset_reverb(state):
    """Silence every delay; lengths and parameters stay. [audio-thread] allocates nothing."""
    state.predelay[:, : state.predelay_period + MARGINS] = np.float32(0.0)
    state.diffusers[:, : state.diffuser_period + MARGINS] = np.float32(0.0)
    state.lines[:, : state.line_period + MARGINS] = np.float32(0.0)
    state.damping[:] = np.float32(0.0)


@njit(inline="always", **JIT_EXACT)
def reverb_is_finite(state):
    """Whether what comes out of the lines' dampings is: nothing else goes round."""
    return all_finite(state.damping[POLE_F32 - 1])


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


@njit(inline="always", **JIT_EXACT)
def _delayed_places(state, first):
    """Where a channel's allpasses are read; `first` is the number of its first one."""
    at, period, delays = state.diffuser_at, state.diffuser_period, state.diffuser_delay
    return (
        ago(at, delays[first], period),
        ago(at, delays[first + 1], period),
        ago(at, delays[first + 2], period),
    )


@njit(inline="always", **JIT_EXACT)
def _through_allpasses(rings, first, at, delayed, g, v):
    """A vector through a channel's allpasses."""
    v = allpass(rings[first], at, delayed[0], g[first], v)
    v = allpass(rings[first + 1], at, delayed[1], g[first + 1], v)
    return allpass(rings[first + 2], at, delayed[2], g[first + 2], v)


@njit(inline="always", **JIT_EXACT)
def _next_vector(places, period):
    one, two, three = places
    return (
        onward(one, LANES_F32, period),
        onward(two, LANES_F32, period),
        onward(three, LANES_F32, period),
    )


@njit(forceinline=True, **JIT_EXACT)
def _diffuse(state, audio, start, count, wet, fade, fading, diffusions, moving, sends):
    """A piece of the sound through the send, the pre-delays and the allpasses."""
    predelays, at, period = state.predelay, state.predelay_at, state.predelay_period
    tap, old_tap = ago(at, state.tap_new, period), ago(at, state.tap_old, period)
    rings, ring_at, ring_period = state.diffusers, state.diffuser_at, state.diffuser_period
    left_places, right_places = _delayed_places(state, 0), _delayed_places(state, DIFFUSERS)
    left, right = audio[0], audio[audio.shape[0] - 1]
    for i in range(0, count, LANES_F32):
        t = frames_from(start + i if moving else start)
        gain = muladd(t, wet[1], wet[0])
        put(predelays[0], at, gain * load(left, start + i))
        put(predelays[1], at, gain * load(right, start + i))
        mirror(predelays, at, period)
        v, w = read(predelays[0], tap), read(predelays[1], tap)
        if fading:
            past = smaller(muladd(t, fade[1], fade[0]), np.float32(1.0))
            old_v, old_w = read(predelays[0], old_tap), read(predelays[1], old_tap)
            v, w = muladd(past, v - old_v, old_v), muladd(past, w - old_w, old_w)
            old_tap = onward(old_tap, LANES_F32, period)
        v = _through_allpasses(rings, 0, ring_at, left_places, diffusions, v)
        w = _through_allpasses(rings, DIFFUSERS, ring_at, right_places, diffusions, w)
        store(sends[0], i, v)
        store(sends[1], i, w)
        mirror(rings, ring_at, ring_period)
        at, tap = onward(at, LANES_F32, period), onward(tap, LANES_F32, period)
        ring_at = onward(ring_at, LANES_F32, ring_period)
        left_places = _next_vector(left_places, ring_period)
        right_places = _next_vector(right_places, ring_period)
    state.predelay_at = ago(at, -count % LANES_F32, period)
    state.diffuser_at = ago(ring_at, -count % LANES_F32, ring_period)


# Inlined by LLVM: Numba would copy what is there so far at each call, and compile 14 s, not 6.
@njit(forceinline=True, **JIT_EXACT)
def _pieces(audio, frames, coefs, coefs_end, state, sends, heard, moving):
    """The chunk, in pieces of STEP while anything moves, else as long as the lines allow.

    moving: written down as True or False, so that LLVM makes a kernel of each
    """
    powers = shaped(scratch_f32(_POWERS_SCRATCH), (POWERS, LANES_F32))
    gains, d_gains = scratch_f32(LANES_F32), scratch_f32(LANES_F32)
    diffusions = scratch_f32(LINES)
    per_frame = 1.0 / max(frames, 1)
    wet, dry = ramp(coefs, coefs_end, WET, per_frame), ramp(coefs, coefs_end, DRY, per_frame)
    level = ramp(coefs, coefs_end, LEVEL, per_frame)
    fading = moving and state.fade < 1.0
    fade = np.float32(state.fade), np.float32(state.fade_step)
    # No more than the shortest line holds: the lines are read before they are written.
    piece = STEP if moving else min(CHUNK, state.line_delay[0] // LANES_F32 * LANES_F32)

    for start in range(0, frames, piece):
        count = min(frames - start, piece)
        if moving or start == 0:
            _set_room(coefs, coefs_end, start, per_frame, state, gains, d_gains, powers, diffusions)
        _diffuse(state, audio, start, count, wet, fade, fading, diffusions, moving, sends)
        damp(state, start, count, gains, d_gains, powers, moving, heard)
        feed_back(state, audio, start, count, level, dry, sends, heard, moving)


@njit(**JIT_EXACT)
def reverb_chunk(audio, frames, coefs, coefs_end, state):
    """Reverberate a chunk in place while the gains go linearly from `coefs` to `coefs_end`.

    [audio-thread] Allocates nothing. Changes `audio` and `state`. Damping and diffusion move in
    steps, every 64 frames; a new pre-delay of `coefs_end` is faded to over 20 ms.

    audio: a chunk of 1 or 2 channels, full scale +-1.0, of so many frames
    coefs, coefs_end: of design_reverb, at the first frame and behind the last
    state: record of REVERB_STATE, of reverb_state
    """
    tap = min(max(np.int64(coefs_end[PREDELAY]), 0), state.predelay_period - 2 * LANES_F32)
    if state.fade >= 1.0 and tap != state.tap_new:
        state.tap_new = tap
        state.fade = 0.0
    # No longer than they must be: what small blocks touch lies close together.
    room = (min(frames, CHUNK) + LANES_F32 - 1) // LANES_F32 * LANES_F32
    rows = shaped(scratch_f32(_ROWS_SCRATCH), (_ROWS, room))
    sends, heard = rows[:2], rows[2:]
    if state.fade >= 1.0 and not differ(coefs, coefs_end, 0, PREDELAY):
        _pieces(audio, frames, coefs, coefs_end, state, sends, heard, False)
        return
    _pieces(audio, frames, coefs, coefs_end, state, sends, heard, True)
    if state.fade < 1.0:
        state.fade = min(state.fade + frames * state.fade_step, 1.0)
        if state.fade >= 1.0:
            state.tap_old = state.tap_new
