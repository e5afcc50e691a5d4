"""Reverb: pre-delay, diffusing allpasses and a feedback delay network of eight lines.

Linear and time-invariant while its parameters rest. Its stationary loudness does not depend on
room size or damping's bass: at wet = 1 the reverb of a steady mono noise is as loud as the noise.

`wet` is the gain of the send, before the pre-delay: turned down, or with a preset without reverb,
what was sent rings on, as long as the room that stands now lets it.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from realtime.dsp.biquad import MAX_FREQUENCY
from realtime.dsp.blocks import all_finite
from realtime.dsp.delays import MARGINS, REACH, allpass, hadamard, onward, primes, read, write
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
from realtime.dsp.simd import LANES_F32, frames_from, halves, load, muladd, smaller, store

LINES = 8
DIFFUSERS = 3
SAMPLE_RATE_MAX = 192_000
PREDELAY_MAX_MS = 200.0
T60_MIN, T60_SPAN = 0.1, 100.0  # seconds at room size 0, and the factor to room size 1
NO_ROOM_GAIN = 0.36  # of the first line, T60 0.106 s: a room that rings less empties itself
DAMPING_HZ = 5_000.0  # where `damping` states how much faster the treble dies
DAMPING_DEPTH = 0.9  # damping 1: T60 at DAMPING_HZ is a tenth of the bass's

# Mutually prime once rounded; spread like a geometric series so that few echoes coincide.
_LINES_MS = (15.7, 18.5, 21.9, 25.8, 30.4, 35.9, 42.3, 49.9)
_DIFFUSERS_MS = ((4.77, 7.93, 11.31), (5.39, 8.87, 12.67))
_DIFFUSION = 0.6  # at most: in a room that rings shorter than they do, the allpasses give way
_CROSSFADE_MS = 20.0  # between two pre-delays

_EVEN = 1.0 / math.sqrt(LINES)
# Frames that go through the lines at once: no more than the shortest of them has, at 8 kHz.
_PIECE = REACH
_PAIR_SCRATCH = 2 * _PIECE
_LINE_SCRATCH = LINES * _PIECE
_POWERS_SCRATCH = POWERS * LANES_F32
# Coefficients: line gains, line damping, diffusion, then
_DIFFUSE = 2 * LINES
_LEVEL = _DIFFUSE + 2 * DIFFUSERS
_WET, _DRY, _PREDELAY = _LEVEL + 1, _LEVEL + 2, _LEVEL + 3
REVERB_COEFS = _PREDELAY + 1

_ROOM = LANES_F32 + MARGINS + 256  # beyond a delay: period, margins, the step to a prime
_LINE_MAX = int(_LINES_MS[-1] * 1e-3 * SAMPLE_RATE_MAX) + _ROOM
_DIFFUSER_MAX = int(_DIFFUSERS_MS[1][-1] * 1e-3 * SAMPLE_RATE_MAX) + _ROOM
_PREDELAY_MAX = int(PREDELAY_MAX_MS * 1e-3 * SAMPLE_RATE_MAX) + _ROOM

# One size for every sample rate, so that one compiled function serves them all; only the first
# `*_period` places of a ring, and its margins, are touched.
REVERB_STATE = np.dtype(
    [
        ("predelay", np.float32, (2, _PREDELAY_MAX)),
        ("diffusers", np.float32, (2, DIFFUSERS, _DIFFUSER_MAX)),
        ("lines", np.float32, (LINES, _LINE_MAX)),
        ("damping", np.float32, (POLE_F32, LINES, LANES_F32)),  # lookahead's memories
        ("poles", np.float32, (LINES,)),  # with which they were made
        ("fade", np.float64),  # 0..1 from tap_old to tap_new
        ("fade_step", np.float64),
        ("predelay_period", np.int64),
        ("predelay_at", np.int64),
        ("tap_old", np.int64),
        ("tap_new", np.int64),
        ("diffuser_period", np.int64, (2, DIFFUSERS)),
        ("diffuser_at", np.int64, (2, DIFFUSERS)),
        ("line_period", np.int64, (LINES,)),
        ("line_at", np.int64, (LINES,)),
    ],
    align=True,
)


def prepare_reverb(state: np.void, sample_rate: float, predelay_ms: float = 0.0) -> None:
    """Set up one record of REVERB_STATE for a sample rate, at rest. Not on the audio thread."""
    tap = round(predelay_ms * 1e-3 * sample_rate)
    state["fade"] = 1.0
    state["fade_step"] = 1.0 / (_CROSSFADE_MS * 1e-3 * sample_rate)
    state["predelay_period"] = round(PREDELAY_MAX_MS * 1e-3 * sample_rate) + 2 * LANES_F32
    state["predelay_at"] = state["diffuser_at"] = state["line_at"] = 0
    state["tap_old"] = state["tap_new"] = tap
    delays = [primes(row, sample_rate) for row in _DIFFUSERS_MS]
    state["diffuser_period"] = np.array(delays) + LANES_F32
    state["line_period"] = np.array(primes(_LINES_MS, sample_rate)) + LANES_F32
    reset_reverb(state)


def reverb_state(sample_rate: float, predelay_ms: float = 0.0) -> np.void:
    """A new record of REVERB_STATE, at rest."""
    state = np.zeros(1, dtype=REVERB_STATE)[0]
    prepare_reverb(state, sample_rate, predelay_ms)
    return state


def design_reverb(
    room_size: float,
    damping: float,
    predelay_ms: float,
    wet: float,
    dry: float,
    sample_rate: float,
) -> npt.NDArray[np.float64]:
    """Coefficients: float64 (26,): eight line gains, eight dampings, six diffusions, level into
    the lines, wet, dry, pre-delay frames.

    room_size 0..1: T60 = 0.1 * 100**room_size seconds in the bass. damping 0..1: T60 at 5 kHz
    (or 0.45 sample_rate if lower) is 1 - 0.9 damping of that. predelay_ms 0..200.
    Source: Jot and Chaigne 1991, "Digital delay networks for designing artificial
    reverberators"; the one-pole's coefficient is solved exactly at the damping frequency.
    """
    t60 = T60_MIN * T60_SPAN**room_size
    t60_high = t60 * (1.0 - DAMPING_DEPTH * damping)
    cosine = math.cos(2.0 * math.pi * min(DAMPING_HZ / sample_rate, MAX_FREQUENCY))
    coefs = np.zeros(REVERB_COEFS)
    for line, length in enumerate(primes(_LINES_MS, sample_rate)):
        seconds = length / sample_rate
        coefs[line] = 10.0 ** (-3.0 * seconds / t60)
        ratio = 10.0 ** (-3.0 * seconds * (1.0 / t60_high - 1.0 / t60))
        power = max(ratio * ratio, 1e-6)
        if power < 1.0 - 1e-12:
            c = (1.0 - power * cosine) / (1.0 - power)
            coefs[LINES + line] = c - math.sqrt(c * c - 1.0)
    # An allpass of coefficient g and delay d rings 60 dB down in 3 d / log10(1/g).
    times = [ms * 1e-3 for row in _DIFFUSERS_MS for ms in row]
    coefs[_DIFFUSE:_LEVEL] = [min(_DIFFUSION, 10.0 ** (-3.0 * d / (0.7 * t60))) for d in times]
    # The energy that goes round is 1 / (1 - mean square gain) of what goes in. Undone before the
    # lines and not behind them, so that a room that shrinks does not turn up what still rings.
    coefs[_LEVEL] = math.sqrt((1.0 - np.mean(coefs[:LINES] ** 2)) / LINES)
    coefs[_WET], coefs[_DRY] = wet, dry
    coefs[_PREDELAY] = round(predelay_ms * 1e-3 * sample_rate)
    return coefs


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
def _predelayed(ring, state, i, fading, start, v):
    """The vector i frames on, delayed by the tap; fading over where that has moved."""
    at, period = state.predelay_at, state.predelay_period
    write(ring, period, REACH, at + i, v)
    new = read(ring, onward(at, period - state.tap_new, period) + i)
    if not fading:
        return new
    old = read(ring, onward(at, period - state.tap_old, period) + i)
    w = muladd(frames_from(start + i), np.float32(state.fade_step), np.float32(state.fade))
    return muladd(smaller(w, np.float32(1.0)), new - old, old)


@njit(inline="always", **JIT_EXACT)
def _diffused(state, channel, k, diffusions, i, v):
    """The vector i frames on, through one allpass."""
    period = state.diffuser_period[channel, k]
    at = onward(state.diffuser_at[channel, k], i, period)
    g = diffusions[channel * DIFFUSERS + k]
    delay_at = onward(at, LANES_F32, period)
    return allpass(state.diffusers[channel, k], period, at, delay_at, g, v)


@njit(inline="always", **JIT_EXACT)
def _into(state, line, i, v):
    write(state.lines[line], state.line_period[line], REACH, state.line_at[line] + i, v)


@njit(inline="always", **JIT_EXACT)
def _set_room(coefs, coefs_end, done, per_frame, state, gains, d_gains, powers, diffusions):
    """Damping and diffusion as they are `done` frames into a chunk; with that damping, the gains
    at the chunk's first frame and their change a frame. A line is a lane."""
    for k in range(2 * DIFFUSERS):
        g, g_end = coefs[_DIFFUSE + k], coefs_end[_DIFFUSE + k]
        diffusions[k] = np.float32(g + (g_end - g) * per_frame * done)
    pole = load(coefs, LINES)
    pole = muladd(load(coefs_end, LINES) - pole, per_frame * done, pole)
    # What the Hadamard matrix is over, so that it loses nothing, goes with the gains.
    scale = _EVEN * (1.0 - pole)
    gain = load(coefs, 0)
    d_gain = (load(coefs_end, 0) - gain) * per_frame
    store(gains, 0, halves(gain, gain) * halves(scale, scale))
    store(d_gains, 0, halves(d_gain, d_gain) * halves(scale, scale))
    powers_f32(halves(pole, pole), powers)
    for line in range(LINES):
        if powers[0, line] != state.poles[line]:
            state.poles[line] = powers[0, line]
            settle_pole_f32(state.damping, line, powers)


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
    wet, dry = np.float32(coefs[_WET]), np.float32(coefs[_DRY])
    d_wet = np.float32((coefs_end[_WET] - coefs[_WET]) * per_frame)
    d_dry = np.float32((coefs_end[_DRY] - coefs[_DRY]) * per_frame)
    level = np.float32(coefs[_LEVEL])
    d_level = np.float32((coefs_end[_LEVEL] - coefs[_LEVEL]) * per_frame)
    tap = min(max(np.int64(coefs_end[_PREDELAY]), 0), state.predelay_period - 2 * LANES_F32)
    if state.fade >= 1.0 and tap != state.tap_new:
        state.tap_new = tap
        state.fade = 0.0
    fading = state.fade < 1.0
    moves = False
    for i in range(LINES, _LEVEL):
        moves |= coefs[i] != coefs_end[i]

    for start in range(0, frames, _PIECE):
        count = min(frames - start, _PIECE)
        if moves or start == 0:
            _set_room(coefs, coefs_end, start, per_frame, state, gains, d_gains, powers, diffusions)
        # The lines first: they do not wait for the sound.
        for line in range(LINES):
            taps[line] = onward(state.line_at[line], LANES_F32, state.line_period[line])
            memory = load_pole_f32(state.damping, line)
            before = memory
            for i in range(0, count, LANES_F32):
                before = memory
                gain = muladd(frames_from(start + i), d_gains[line], gains[line])
                now = gain * read(state.lines[line], taps[line] + i)
                memory = pole_f32(memory, powers, line, now)
                store(lines[line], i, memory[4])
            store_pole_f32(state.damping, line, memory)
            if count % LANES_F32:
                cut_pole_f32(state.damping, line, before, powers, count % LANES_F32)
        for i in range(0, count, LANES_F32):
            t = frames_from(start + i)
            one, other = load(audio[0], start + i), load(audio[channels - 1], start + i)
            send = muladd(t, d_wet, wet)
            left = _predelayed(state.predelay[0], state, i, fading, start, send * one)
            right = _predelayed(state.predelay[1], state, i, fading, start, send * other)
            for k in range(DIFFUSERS):
                left = _diffused(state, 0, k, diffusions, i, left)
                right = _diffused(state, 1, k, diffusions, i, right)
            feed = muladd(t, d_level, level)
            store(sends[0], i, feed * left)
            store(sends[1], i, feed * right)
            # What the two channels hear: orthogonal signs, so their tails differ.
            v = (
                read(state.lines[0], taps[0] + i), read(state.lines[1], taps[1] + i),
                read(state.lines[2], taps[2] + i), read(state.lines[3], taps[3] + i),
                read(state.lines[4], taps[4] + i), read(state.lines[5], taps[5] + i),
                read(state.lines[6], taps[6] + i), read(state.lines[7], taps[7] + i),
            )  # fmt: skip
            same, swap = v[0] - v[3] + v[4] - v[7], v[1] - v[2] + v[5] - v[6]
            through = muladd(t, d_dry, dry)
            store(audio[0], start + i, muladd(through, one, same + swap))
            if channels == 2:
                store(audio[1], start + i, muladd(through, other, same - swap))
        for i in range(0, count, LANES_F32):
            left, right = load(sends[0], i), load(sends[1], i)
            v = hadamard(
                (
                    load(lines[0], i), load(lines[1], i), load(lines[2], i), load(lines[3], i),
                    load(lines[4], i), load(lines[5], i), load(lines[6], i), load(lines[7], i),
                )
            )  # fmt: skip
            # The two halves of the lines take opposite signs, so no line adds up in phase.
            _into(state, 0, i, v[0] + left)
            _into(state, 1, i, v[1] + right)
            _into(state, 2, i, v[2] + left)
            _into(state, 3, i, v[3] + right)
            _into(state, 4, i, v[4] - left)
            _into(state, 5, i, v[5] - right)
            _into(state, 6, i, v[6] - left)
            _into(state, 7, i, v[7] - right)
        state.predelay_at = onward(state.predelay_at, count, state.predelay_period)
        for channel in range(2):
            for k in range(DIFFUSERS):
                at, period = state.diffuser_at[channel, k], state.diffuser_period[channel, k]
                state.diffuser_at[channel, k] = onward(at, count, period)
        for line in range(LINES):
            at, period = state.line_at[line], state.line_period[line]
            state.line_at[line] = onward(at, count, period)

    if fading:
        state.fade = min(state.fade + frames * state.fade_step, 1.0)
        if state.fade >= 1.0:
            state.tap_old = state.tap_new
