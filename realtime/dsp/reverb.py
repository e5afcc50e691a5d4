"""Reverb: pre-delay, diffusing allpasses and a feedback delay network of eight lines.

Linear and time-invariant while its parameters rest. Its stationary loudness does not depend on
room size or damping's bass: at wet = 1 the reverb of a steady mono noise is as loud as the noise.

`wet` is the gain of the send, before the pre-delay: turned down, or with a preset without reverb,
what was sent rings on, as long as the room that stands now lets it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numba import carray, njit

from realtime.dsp.biquad import MAX_FREQUENCY
from realtime.dsp.delays import allpass, hadamard, read_ring, write_ring
from realtime.dsp.intrinsics import JIT, JIT_EXACT, scratch_f32

LINES = 8
DIFFUSERS = 3
SAMPLE_RATE_MAX = 192_000
PREDELAY_MAX_MS = 200.0
T60_MIN, T60_SPAN = 0.1, 100.0  # seconds at room size 0, and the factor to room size 1
DAMPING_HZ = 5_000.0  # where `damping` states how much faster the treble dies
DAMPING_DEPTH = 0.9  # damping 1: T60 at DAMPING_HZ is a tenth of the bass's

# Mutually prime once rounded; spread like a geometric series so that few echoes coincide.
_LINES_MS = (15.7, 18.5, 21.9, 25.8, 30.4, 35.9, 42.3, 49.9)
_DIFFUSERS_MS = ((4.77, 7.93, 11.31), (5.39, 8.87, 12.67))
_DIFFUSION = 0.6  # at most: in a room that rings shorter than they do, the allpasses give way
_CROSSFADE_MS = 20.0  # between two pre-delays

_CHUNK = 128
_LINE_SCRATCH = 1024  # LINES * _CHUNK
_PAIR_SCRATCH = 256  # 2 * _CHUNK
# Coefficients: line gains, line damping, diffusion, then
_DIFFUSE = 2 * LINES
_LEVEL = _DIFFUSE + 2 * DIFFUSERS
_WET, _DRY, _PREDELAY = _LEVEL + 1, _LEVEL + 2, _LEVEL + 3
REVERB_COEFS = _PREDELAY + 1

_LINE_MAX = int(_LINES_MS[-1] * 1e-3 * SAMPLE_RATE_MAX) + 256
_DIFFUSER_MAX = int(_DIFFUSERS_MS[1][-1] * 1e-3 * SAMPLE_RATE_MAX) + 256
_PREDELAY_MAX = int(PREDELAY_MAX_MS * 1e-3 * SAMPLE_RATE_MAX) + 2 * _CHUNK

# One size for every sample rate, so that one compiled function serves them all; only the first
# `*_length` samples of a delay are touched.
REVERB_STATE = np.dtype(
    [
        ("predelay", np.float32, (2, _PREDELAY_MAX)),
        ("diffusers", np.float32, (2, DIFFUSERS, _DIFFUSER_MAX)),
        ("lines", np.float32, (LINES, _LINE_MAX)),
        ("damped", np.float32, (LINES,)),
        ("fade", np.float64),  # 0..1 from tap_old to tap_new
        ("fade_step", np.float64),
        ("predelay_length", np.int64),
        ("predelay_at", np.int64),
        ("tap_old", np.int64),
        ("tap_new", np.int64),
        ("diffuser_length", np.int64, (2, DIFFUSERS)),
        ("diffuser_at", np.int64, (2, DIFFUSERS)),
        ("line_length", np.int64, (LINES,)),
        ("line_at", np.int64, (LINES,)),
    ],
    align=True,
)


def _next_prime(number: int) -> int:
    while any(number % d == 0 for d in range(2, math.isqrt(number) + 1)):
        number += 1
    return number


def _lengths(times_ms: Sequence[float], sample_rate: float) -> list[int]:
    return [_next_prime(round(ms * 1e-3 * sample_rate)) for ms in times_ms]


def prepare_reverb(state: np.void, sample_rate: float, predelay_ms: float = 0.0) -> None:
    """Set up one record of REVERB_STATE for a sample rate, at rest. Not on the audio thread."""
    tap = round(predelay_ms * 1e-3 * sample_rate)
    state["fade"] = 1.0
    state["fade_step"] = 1.0 / (_CROSSFADE_MS * 1e-3 * sample_rate)
    state["predelay_length"] = round(PREDELAY_MAX_MS * 1e-3 * sample_rate) + _CHUNK + 1
    state["predelay_at"] = state["diffuser_at"] = state["line_at"] = 0
    state["tap_old"] = state["tap_new"] = tap
    state["diffuser_length"] = [_lengths(row, sample_rate) for row in _DIFFUSERS_MS]
    state["line_length"] = _lengths(_LINES_MS, sample_rate)
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
    for line, length in enumerate(_lengths(_LINES_MS, sample_rate)):
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
        state.predelay[channel, : state.predelay_length] = np.float32(0.0)
        for k in range(DIFFUSERS):
            state.diffusers[channel, k, : state.diffuser_length[channel, k]] = np.float32(0.0)
    for line in range(LINES):
        state.lines[line, : state.line_length[line]] = np.float32(0.0)
    state.damped[:] = np.float32(0.0)


@njit(**JIT_EXACT)
def _predelay(state, sound, count, spare):
    """Delay both channels of sound[:, :count] by the tap, fading over where it has moved."""
    length, at = state.predelay_length, state.predelay_at
    old_at = (at - state.tap_old + length) % length
    new_at = (at - state.tap_new + length) % length
    fade, step = state.fade, state.fade_step
    for channel in range(2):
        ring, samples = state.predelay[channel], sound[channel, :count]
        write_ring(ring, length, at, samples)
        read_ring(ring, length, new_at, samples)
        if fade < 1.0:
            read_ring(ring, length, old_at, spare[:count])
            for i in range(count):
                w = np.float32(min(fade + i * step, 1.0))
                samples[i] = spare[i] + w * (samples[i] - spare[i])
    state.predelay_at = (at + count) % length
    if fade < 1.0:
        fade = min(fade + count * step, 1.0)
        state.fade = fade
        if fade >= 1.0:
            state.tap_old = state.tap_new


@njit(**JIT_EXACT)
def _diffuse(state, sound, count, coefs):
    """Three allpasses in series on each channel of sound[:, :count]."""
    for channel in range(2):
        samples = sound[channel, :count]
        for k in range(DIFFUSERS):
            ring = state.diffusers[channel, k]
            length, at = state.diffuser_length[channel, k], state.diffuser_at[channel, k]
            g = np.float32(coefs[_DIFFUSE + channel * DIFFUSERS + k])
            allpass(samples, ring, length, at, g)
            state.diffuser_at[channel, k] = (at + count) % length


@njit(**JIT)
def _damp(state, lines, count, coefs):
    """Line gains and damping one-poles over lines[:, :count], the eight of them side by side."""
    p, s = coefs[LINES : 2 * LINES], state.damped
    f32 = np.float32
    p0, p1, p2, p3 = f32(p[0]), f32(p[1]), f32(p[2]), f32(p[3])
    p4, p5, p6, p7 = f32(p[4]), f32(p[5]), f32(p[6]), f32(p[7])
    g0, g1 = f32(coefs[0] * (1.0 - p[0])), f32(coefs[1] * (1.0 - p[1]))
    g2, g3 = f32(coefs[2] * (1.0 - p[2])), f32(coefs[3] * (1.0 - p[3]))
    g4, g5 = f32(coefs[4] * (1.0 - p[4])), f32(coefs[5] * (1.0 - p[5]))
    g6, g7 = f32(coefs[6] * (1.0 - p[6])), f32(coefs[7] * (1.0 - p[7]))
    s0, s1, s2, s3, s4, s5, s6, s7 = s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]
    for i in range(count):
        s0 = g0 * lines[0, i] + p0 * s0
        s1 = g1 * lines[1, i] + p1 * s1
        s2 = g2 * lines[2, i] + p2 * s2
        s3 = g3 * lines[3, i] + p3 * s3
        s4 = g4 * lines[4, i] + p4 * s4
        s5 = g5 * lines[5, i] + p5 * s5
        s6 = g6 * lines[6, i] + p6 * s6
        s7 = g7 * lines[7, i] + p7 * s7
        lines[0, i], lines[1, i], lines[2, i], lines[3, i] = s0, s1, s2, s3
        lines[4, i], lines[5, i], lines[6, i], lines[7, i] = s4, s5, s6, s7
    s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7] = s0, s1, s2, s3, s4, s5, s6, s7


@njit(**JIT_EXACT)
def reverb_ramp(x, coefs, coefs_end, state):
    """Reverberate x in place while the gains go linearly from `coefs` to `coefs_end`.

    [audio-thread] Allocates nothing. Changes `x` and `state`. Damping and diffusion stay at
    `coefs` for the whole block; a new pre-delay of `coefs_end` is faded to over 20 ms.

    x: float32 (frames, channels 1..2); coefs, coefs_end: float64 (26,)
    state: record of REVERB_STATE
    """
    frames, channels = x.shape
    last = channels - 1
    lines = carray(scratch_f32(_LINE_SCRATCH), (LINES, _CHUNK))
    sound = carray(scratch_f32(_PAIR_SCRATCH), (2, _CHUNK))
    spare = carray(scratch_f32(_CHUNK), (_CHUNK,))
    per_frame = 1.0 / max(frames, 1)
    wet, dry = np.float32(coefs[_WET]), np.float32(coefs[_DRY])
    d_wet = np.float32((coefs_end[_WET] - coefs[_WET]) * per_frame)
    d_dry = np.float32((coefs_end[_DRY] - coefs[_DRY]) * per_frame)
    level = np.float32(coefs[_LEVEL])
    d_level = np.float32((coefs_end[_LEVEL] - coefs[_LEVEL]) * per_frame)
    limit = min(_CHUNK, state.diffuser_length[0, 0])
    tap = min(max(np.int64(coefs_end[_PREDELAY]), 0), state.predelay_length - _CHUNK - 1)

    start = 0
    while start < frames:
        count = min(limit, frames - start)
        if state.fade >= 1.0 and tap != state.tap_new:
            state.tap_new = tap
            state.fade = 0.0
        block = x[start : start + count]
        for i in range(count):
            send = wet + np.float32(start + i) * d_wet
            sound[0, i] = send * block[i, 0]
            sound[1, i] = send * block[i, last]
        _predelay(state, sound, count, spare)
        _diffuse(state, sound, count, coefs)
        for line in range(LINES):
            read_ring(
                state.lines[line],
                state.line_length[line],
                state.line_at[line],
                lines[line, :count],
            )
        for i in range(count):
            through = dry + np.float32(start + i) * d_dry
            # Two orthogonal patterns of signs: the channels' tails are uncorrelated.
            same = lines[0, i] - lines[3, i] + lines[4, i] - lines[7, i]
            swap = lines[1, i] - lines[2, i] + lines[5, i] - lines[6, i]
            block[i, 0] = through * block[i, 0] + (same + swap)
            if last == 1:
                block[i, 1] = through * block[i, 1] + (same - swap)
        for line in range(LINES):
            if coefs[line] != coefs_end[line]:
                step = np.float32((coefs_end[line] / coefs[line] - 1.0) * per_frame)
                for i in range(count):
                    lines[line, i] *= np.float32(1.0) + np.float32(start + i) * step
        _damp(state, lines, count, coefs)
        hadamard(lines, count)
        for i in range(count):
            gain = level + np.float32(start + i) * d_level
            sound[0, i] *= gain
            sound[1, i] *= gain
        for line in range(LINES):
            # The two halves of the lines take opposite signs, so no line adds up in phase.
            sign = np.float32(1.0 if line < 4 else -1.0)
            source, mixed = sound[line & 1, :count], lines[line, :count]
            for i in range(count):
                mixed[i] += sign * source[i]
            length, at = state.line_length[line], state.line_at[line]
            write_ring(state.lines[line], length, at, mixed)
            state.line_at[line] = (at + count) % length
        start += count


@njit(**JIT_EXACT)
def reverb_block(x, coefs, state):
    """Reverberate one block in place.

    [audio-thread] Allocates nothing. Changes `x` and `state`.

    x: float32 (frames, channels 1..2), full scale +-1.0; coefs: of design_reverb
    state: record of REVERB_STATE, of reverb_state
    """
    reverb_ramp(x, coefs, coefs, state)
